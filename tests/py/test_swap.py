"""Hot swap: a module that is loaded again keeps its functions and classes."""

from __future__ import annotations

import array
import asyncio
import gc
import importlib.util
import inspect
import itertools
import pickle
import shutil
import sys
import textwrap
import threading
import time

import pytest
from inlay import _core
from inlay.importer import SourceLoader

_numbers = itertools.count()


class Live:
    """A module and its source, which can be edited."""

    def __init__(self, folder) -> None:
        self.name = f"swapped_{next(_numbers)}"
        self.path = folder / f"{self.name}.c"
        self.loader = SourceLoader(self.name, str(self.path))
        spec = importlib.util.spec_from_file_location(
            self.name, self.path, loader=self.loader
        )
        self.module = importlib.util.module_from_spec(spec)
        sys.modules[self.name] = self.module

    def edit(self, source: str):
        text = textwrap.dedent(source).lstrip("\n")
        self.path.write_text(f"#include <inlay.h>\n{text}")
        self.loader.exec_module(self.module)
        return self.module

    @property
    def native(self) -> _core.NativeModule:
        return self.module.__inlay__


@pytest.fixture
def live(tmp_path, cache_dir):
    made = Live(tmp_path)
    yield made
    del sys.modules[made.name]


def test_captured_names_see_the_new_code(live):
    live.edit("int64_t f(int64_t x) { return x + 1; }")
    f = live.module.f
    assert (f(1), live.native.generation) == (2, 1)
    live.edit("int64_t f(int64_t x) { return x + 2; }")
    assert (f(1), live.native.generation) == (3, 2)
    assert live.module.f is f
    assert _core.modules()[-1] is live.native
    assert pickle.loads(pickle.dumps(f)) is f


def test_a_new_signature(live):
    live.edit("""
        /// One.
        int64_t f(int64_t x) { return x; }
    """)
    f = live.module.f
    assert str(inspect.signature(f)) == "(x: int) -> int"
    assert f.__annotations__ == {"x": int, "return": int}
    live.edit("""
        /// Two.
        inlay_str f(inlay_str s, int64_t n) { s.len -= (size_t)n; return s; }
        INLAY_DEFAULT(f, n, 1);
    """)
    assert str(inspect.signature(f)) == "(s: str, n: int = 1) -> str"
    assert f.__text_signature__ == "(s, n=1)"
    assert f.__annotations__ == {"s": str, "n": int, "return": str}
    assert f.__doc__ == "Two."
    assert (f("abc"), f(n=2, s="abc")) == ("ab", "a")
    with pytest.raises(TypeError, match=r"parameter 's': expected str, got int"):
        f(1)
    live.edit("double f(void) { return 0.5; }")
    assert f() == 0.5
    with pytest.raises(TypeError):
        f("abc")
    assert f.__doc__ is None


def test_a_removed_function_says_so_and_comes_back(live):
    live.edit("int f(void) { return 1; }\nint g(void) { return 1; }")
    f = live.module.f
    live.edit("int g(void) { return 2; }")
    assert live.native.removed == ["f"]
    assert not hasattr(live.module, "f")
    text = rf"^{live.name}\.f was removed from {live.name}\.c$"
    for call in (lambda: f(), lambda: f(1), lambda: f(x=1)):
        with pytest.raises(RuntimeError, match=text):
            call()
    for name in ("__signature__", "__text_signature__", "__annotations__"):
        with pytest.raises(AttributeError, match=text):
            getattr(f, name)
    assert (f.__name__, repr(f)) == ("f", f"<inlay function {live.name}.f, gone>")
    live.edit("int g(void) { return 3; }")
    assert live.native.removed == []
    with pytest.raises(RuntimeError, match=text):
        f()
    live.edit("int f(int x) { return x; }\nint g(void) { return 4; }")
    assert live.module.f is f
    assert f(7) == 7
    assert str(inspect.signature(f)) == "(x: int) -> int"


def test_a_function_that_cannot_be_called_any_more(live):
    live.edit("int f(int x) { return x; }")
    f = live.module.f
    live.edit("union u { int a; float b; }; int f(union u x) { return x.a; }")
    with pytest.raises(RuntimeError, match=r"\.f can't be called: .*union"):
        f(1)


BROKEN = {
    "syntax": "int f(int x) { return x + ; }",
    "a route that can't be": """
        int f(int x) { return 9; }
        INLAY_GET("x", f);
    """,
    "a default that does not fit": """
        int f(int x) { return 9; }
        INLAY_DEFAULT(f, y, 1);
    """,
}


@pytest.mark.parametrize("why", BROKEN)
def test_what_fails_changes_nothing(live, why):
    live.edit("""
        struct p { int x; };
        int f(int x) { return x; }
        int g(struct p p) { return p.x; }
    """)
    names = dict(vars(live.module))
    listed = _core.modules()
    with pytest.raises(ImportError):
        live.edit(BROKEN[why])
    assert vars(live.module) == names
    assert _core.modules() == listed
    assert live.module.f(4) == 4
    assert live.module.g(live.module.p(3)) == 3
    live.edit("int f(int x) { return -x; }")
    assert names["f"](4) == -4
    assert live.native.generation == 2


def test_previous_has_to_fit(live, module):
    live.edit("int f(void) { return 1; }")
    other = module("int f(void) { return 1; }")
    native = live.native
    with pytest.raises(ValueError, match="previous is module"):
        _core.load(live.name, native.path, str(live.path.parent), other.__inlay__)
    with pytest.raises(TypeError, match="expected a NativeModule"):
        _core.load(live.name, native.path, str(live.path.parent), previous=3)


def test_statics_start_anew(live):
    live.edit("static int n; int next(void) { return ++n; }")
    following = live.module.next
    assert [following() for _ in range(3)] == [1, 2, 3]
    live.edit("static int n = 10; int next(void) { return ++n; }")
    assert following() == 11


def test_a_running_call_ends_in_the_old_code(live):
    slow = """
        #include <time.h>
        int64_t f(int64_t x)
        {
            struct timespec t = {0, 300000000};
            nanosleep(&t, NULL);
            return x;
        }
        INLAY_NOGIL(f);
    """
    live.edit(slow)
    f = live.module.f
    results = []
    thread = threading.Thread(target=lambda: results.append(f(1)))
    thread.start()
    time.sleep(0.05)
    live.edit("inlay_str f(inlay_str x) { return x; }")
    assert f("new") == "new"
    thread.join()
    assert results == [1]


def test_swapped_while_arguments_are_read(live):
    live.edit("int64_t f(int64_t a, int64_t b) { return 10 * a + b; }")
    f = live.module.f

    class Swapper:
        def __index__(self):
            live.edit("inlay_str f(inlay_str a) { return a; }")
            return 4

    assert f(Swapper(), 2) == 42
    assert f("a") == "a"


@pytest.mark.slow
def test_a_thousand_swaps(live, tmp_path):
    """Two builds take turns, while a thread calls all the time."""
    live.edit("int64_t f(int64_t x) { return x; }\nint64_t g(void) { return 1; }")
    f, g = live.module.f, live.module.g
    builds = [live.native.path]
    live.edit("inlay_str f(int64_t x, inlay_str s) { (void)x; return s; }")
    builds.append(live.native.path)
    native = live.native
    root = str(tmp_path)
    stop = threading.Event()
    wrong = []

    def call():
        while not stop.is_set():
            for args in ((1,), (1, "a")):
                try:
                    if f(*args) != args[-1]:
                        wrong.append(args)
                except TypeError:
                    pass

    thread = threading.Thread(target=call)
    thread.start()
    try:
        for i in range(1000):
            path = tmp_path / f"{i}.so"
            shutil.copyfile(builds[i % 2], path)
            native = _core.load(live.name, str(path), root, native)
            path.unlink()
            if i % 2:
                assert f(1, "b") == "b"
                with pytest.raises(RuntimeError, match="g was removed"):
                    g()
            else:
                assert (f(1), g()) == (1, 1)
    finally:
        stop.set()
        thread.join()
    assert wrong == []
    assert native.generation == 1002
    assert sum(m.name == live.name for m in _core.modules()) == 1


def test_classes_of_structs_stay_while_they_are_the_same(live):
    live.edit("""
        struct p { int x, y; };
        struct q { int x; };
        int f(struct p p, struct q q) { return p.x + q.x; }
    """)
    p, q = live.module.p, live.module.q
    live.edit("""
        struct p { int x, y; };
        struct q { int x, z; };
        int f(struct p p, struct q q) { return p.y + q.z; }
    """)
    assert live.module.p is p
    assert live.module.q is not q
    assert live.module.f(p(1, 2), live.module.q(3, 4)) == 6


COUNTER = """
    #include <stdlib.h>
    struct counter {{ {fields} }};
    /// {doc}
    struct counter *counter_new({params})
    {{
        struct counter *c = calloc(1, sizeof(*c));
        c->value = {start};
        return c;
    }}
    void counter_free(struct counter *c)
    {{
        setenv("INLAY_TEST_FREED", "{doc}", 1);
        free(c);
    }}
    {methods}
    const char *freed_by(void) {{ return getenv("INLAY_TEST_FREED"); }}
"""


def counter(
    doc, methods="", fields="int64_t value;", params="int64_t start", start="start"
):
    return COUNTER.format(
        doc=doc, methods=methods, fields=fields, params=params, start=start
    )


GET = "int64_t counter_get(const struct counter *c) {{ return {} * c->value; }}"
ADD = "int64_t counter_add(struct counter *c, int64_t x) { return c->value += x; }"


def test_an_instance_is_one_struct_still(live):
    ring = """
        struct node { int64_t v; struct node *next; };
        bool leads_to_itself(struct node *n) { return n->next == n; }
        struct node *next(struct node *n) { return n->next; }
    """
    live.edit(ring)
    node = live.module.node(1)
    node.next = node
    for _ in range(3):
        assert live.module.leads_to_itself(node)
        assert live.module.next(node) is node
        live.edit(ring)


def test_a_class_gets_the_new_code(live):
    live.edit(counter("One.", GET.format(1)))
    made = live.module.counter
    old = made(4)
    get = old.get
    live.edit(counter("Two.", GET.format(2) + ADD, params="void", start="100"))
    assert live.module.counter is made
    assert made.__doc__ == "Two."
    assert (get(), old.get(), old.add(1), old.get()) == (8, 8, 5, 10)
    assert made().get() == 200
    assert str(inspect.signature(made)) == f"() -> {live.name}.counter"
    assert made.__text_signature__ in (None, "()")
    with pytest.raises(TypeError):
        made(4)
    # Each is freed by the code that made it.
    del old, get
    assert live.module.freed_by() == "One."
    made()
    assert live.module.freed_by() == "Two."


def test_old_objects_of_another_layout_are_refused(live):
    live.edit(counter("One.", GET.format(1)))
    made = live.module.counter
    old = made(4)
    live.edit(counter("Two.", GET.format(1), fields="int64_t other, value;"))
    with pytest.raises(TypeError, match="was made by the code before the reload"):
        old.get()
    assert made(5).get() == 5
    old.close()
    assert live.module.freed_by() == "One."


def test_what_a_struct_points_to_is_its_layout_too(live):
    fields = "struct part {{ {} }} *part; int64_t value;"
    live.edit(counter("One.", GET.format(1), fields=fields.format("int a;")))
    old = live.module.counter(4)
    live.edit(counter("Two.", GET.format(1), fields=fields.format("int a;")))
    assert old.get() == 4
    live.edit(counter("Three.", GET.format(1), fields=fields.format("long a;")))
    with pytest.raises(TypeError, match="was made by the code before the reload"):
        old.get()


def test_methods_go_and_come_back(live):
    live.edit(counter("One.", GET.format(1) + ADD))
    made = live.module.counter
    one = made(1)
    add = one.add
    live.edit(counter("Two.", GET.format(1)))
    assert not hasattr(made, "add")
    with pytest.raises(RuntimeError, match=r"\.counter\.add was removed from"):
        add(1)
    live.edit(counter("Three.", ADD))
    assert (add(1), one.add(1)) == (2, 3)
    assert not hasattr(made, "get")


def test_a_method_called_close_comes_and_goes(live):
    close = "int64_t counter_close(struct counter *c) { return c->value = 7; }"
    live.edit(counter("One."))
    one = live.module.counter(1)
    live.edit(counter("Two.", close))
    assert one.close() == 7
    live.edit(counter("Three."))
    assert one.close() is None
    assert live.module.freed_by() == "One."


def test_a_class_goes_and_comes_back(live):
    live.edit(counter("One.", GET.format(1)))
    made = live.module.counter
    one = made(3)
    live.edit("int f(void) { return 1; }")
    assert sorted(live.native.removed) == ["counter", "freed_by"]
    text = rf"{live.name}\.counter was removed from {live.name}\.c"
    with pytest.raises(RuntimeError, match=text):
        made(1)

    class Mine(made):
        pass

    with pytest.raises(RuntimeError, match=text):
        Mine(1)
    assert not hasattr(one, "get")
    live.edit(counter("Three.", GET.format(3)))
    assert live.module.counter is made
    assert (one.get(), made(2).get(), Mine(1).get()) == (9, 6, 3)


def test_a_function_becomes_a_method(live):
    live.edit("struct counter; int64_t counter_up(int64_t x) { return x + 1; }")
    up = live.module.counter_up
    method = "int64_t counter_up(struct counter *c) { return ++c->value; }"
    live.edit(counter("One.", method))
    with pytest.raises(RuntimeError, match="it is the method up of counter"):
        up(1)
    assert live.module.counter(1).up() == 2
    live.edit("int64_t counter_up(int64_t x) { return x + 3; }")
    assert up(1) == 4


def test_a_running_method_ends_in_the_old_code(live):
    slow = """
        #include <time.h>
        struct counter *counter_slow(struct counter *c)
        {
            struct timespec t = {0, 300000000};
            nanosleep(&t, NULL);
            return c;
        }
        INLAY_NOGIL(counter_slow);
    """
    live.edit(counter("One.", slow))
    one = live.module.counter(1)
    results = []
    thread = threading.Thread(target=lambda: results.append(one.slow()))
    thread.start()
    time.sleep(0.05)
    live.edit(counter("Two.", GET.format(2), fields="int x; int64_t value;"))
    thread.join()
    assert results == [one]
    results.clear()
    thread = one = None
    gc.collect()
    assert live.module.freed_by() == "One."


def test_between_plain_and_async(live):
    live.edit("int64_t f(int64_t x) { return x; }")
    f = live.module.f
    assert not inspect.iscoroutinefunction(f)
    live.edit("int64_t f(int64_t x) { return 2 * x; }\nINLAY_ASYNC(f);")
    assert inspect.iscoroutinefunction(f)

    async def main():
        begun = f(4)
        live.edit("int64_t f(int64_t x) { return 3 * x; }")
        return await begun

    assert asyncio.run(main()) == 8
    assert f(4) == 12
    assert not inspect.iscoroutinefunction(f)


SLOW = """
    #include <time.h>
    INLAY_SLICE(cells, const int64_t);
    inlay_str slow(cells gate, int64_t x)
    {{
        while (!*(const volatile int64_t *)gate.ptr)
            nanosleep(&(struct timespec){{0, 1000000}}, NULL);
        return inlay_format("{} %d", (int)x);
    }}
    INLAY_ASYNC(slow);
"""


def test_jobs_on_their_way_end_in_the_code_that_they_began_with(live):
    """Created, queued and running ones, of two generations."""

    async def main():
        gate = array.array("q", [0])
        live.edit(SLOW.format("one"))
        slow = live.module.slow
        created = slow(gate, -1)
        first = [asyncio.create_task(slow(gate, i)) for i in range(60)]
        await asyncio.sleep(0.02)
        live.edit("int64_t slow(int64_t x) { return x; }")
        assert slow(7) == 7
        live.edit(SLOW.format("two"))
        second = [asyncio.create_task(slow(gate, i)) for i in range(60)]
        await asyncio.sleep(0.02)
        live.edit("int64_t g(void) { return 1; }")
        with pytest.raises(RuntimeError, match="was removed from"):
            slow(gate, 1)
        for task in first[0], first[-1], second[-1]:
            task.cancel()
        gate[0] = 1
        assert await asyncio.wait_for(created, 20) == "one -1"
        done = await asyncio.gather(*first, *second, return_exceptions=True)
        assert done[1:59] == [f"one {i}" for i in range(1, 59)]
        assert done[60:119] == [f"two {i}" for i in range(59)]
        assert {type(done[i]) for i in (0, 59, 119)} == {asyncio.CancelledError}

    asyncio.run(main())


def test_out_of_memory_anywhere(live):
    """A swap that fails leaves what was there; none of it is half done."""
    testcapi = pytest.importorskip("_testcapi")
    versions = [
        counter("One.", GET.format(1) + ADD) + "\nint64_t f(int64_t x) { return x; }",
        counter("Two.", GET.format(2)) + "\nint64_t f(double x) { return 2 * x; }",
    ]
    builds = []
    for version in versions:
        live.edit(version)
        builds.append(live.native.path)
    native, root, failures = live.native, str(live.path.parent), 0
    f, made = live.module.f, live.module.counter
    one = made(1)
    for start in range(200):
        path = str(live.path.with_suffix(f".{start}.so"))
        shutil.copyfile(builds[start % 2], path)
        testcapi.set_nomemory(start, start + 1)
        try:
            native = _core.load(live.name, path, root, native)
        except MemoryError:
            failures += 1
        finally:
            testcapi.remove_mem_hooks()
        assert one.get() in (1, 2)
        assert f(3) in (3, 6)
        assert made(4).get() in (4, 8)
        assert native.namespace["f"] is f
    assert failures > 50


@pytest.mark.slow
def test_threads_that_call_and_swap(live):
    """Keywords, methods, constructors, while all of them change."""
    versions = [
        counter("One.", GET.format(1)) + "\nint64_t f(int64_t x) { return 1; }",
        counter("Two.", GET.format(2), start="0", params="inlay_str start")
        + "\nint64_t f(inlay_str x) { return 2; }\nINLAY_NOGIL(f);",
        counter("Three.") + "\nint64_t g(int64_t x) { return 3; }",
    ]
    live.edit(versions[0])
    f, made = live.module.f, live.module.counter
    end = threading.Event()
    wrong = []

    def call():
        while not end.is_set():
            for attempt in (
                lambda: f(1),
                lambda: f(x="1"),
                lambda: made(1).get(),
                lambda: made(start="1").get(),
                lambda: inspect.signature(f),
            ):
                try:
                    attempt()
                except (TypeError, RuntimeError, AttributeError, ValueError):
                    pass
                except BaseException as error:
                    wrong.append(error)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for round in range(30):
        live.edit(versions[round % 3])
    end.set()
    for thread in threads:
        thread.join()
    live.edit(versions[0])
    assert wrong == []
    assert (f(1), f(x=1), made(3).get()) == (1, 1, 3)
