"""C's object idiom as a class: T_new, T_free and T_… of a struct T *."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import pickle
import pydoc
import sys
import threading
import time
import weakref

import inlay
import pytest

SOURCE = """
    #include <stdlib.h>
    #include <stdatomic.h>
    #include <time.h>

    static int64_t live, freed;

    /// Counts.
    struct counter { int64_t value; };

    /// A counter that begins at start.
    struct counter *counter_new(int64_t start)
    {
        if (start < 0) {
            inlay_fail(INLAY_INVALID, "start is %d", (int)start);
            return NULL;
        }
        if (start == 13)
            return NULL;
        struct counter *c = malloc(sizeof(*c));
        c->value = start;
        live++;
        return c;
    }
    INLAY_DEFAULT(counter_new, start, 0);

    void counter_free(struct counter *c)
    {
        int64_t value = c->value;
        free(c);
        live--;
        freed++;
        if (value == 666)
            inlay_fail(INLAY_CONFLICT, "it is evil");
    }

    /// Adds to it.
    int64_t counter_add(struct counter *c, int64_t by) { return c->value += by; }
    INLAY_DEFAULT(counter_add, by, 1);

    int64_t counter_get(const struct counter *c) { return c->value; }
    struct counter *counter_self(struct counter *c) { return c; }
    struct counter *counter_copy(const struct counter *c)
    {
        return counter_new(c->value);
    }
    struct counter *counter_nothing(struct counter *c) { (void)c; return NULL; }
    union any { int a; float b; };
    int64_t counter_any(struct counter *c, union any x)
    {
        return c->value + x.a;
    }
    int64_t counter_slow(struct counter *c, int64_t ms)
    {
        struct timespec t = {0, ms * 1000000};
        nanosleep(&t, NULL);
        return c->value;
    }
    INLAY_NOGIL(counter_slow);
    struct counter *counter_later(struct counter *c, int64_t ms)
    {
        return counter_new(counter_slow(c, ms));
    }
    INLAY_ASYNC(counter_later);

    int64_t total(const struct counter *a, const struct counter *b)
    {
        return a->value + b->value;
    }
    int64_t maybe(const struct counter *c) { return c ? c->value : -1; }
    INLAY_DEFAULT(maybe, c, NULL);
    struct counter *make(int64_t start) { return counter_new(start); }
    static const struct counter fixed = {42};
    const struct counter *lent(void) { return &fixed; }

    int64_t get_live(void) { return live; }
    int64_t get_freed(void) { return freed; }
    void reset(void) { freed = 0; }
"""


@pytest.fixture(scope="module")
def made(module):
    return module(SOURCE, name="objects_native")


@pytest.fixture
def c(made):
    gc.collect()
    made.reset()
    yield made
    gc.collect()
    assert made.get_live() == 0


def test_a_class_with_constructor_and_methods(c):
    one = c.counter(3)
    assert one.add(2) == 5
    assert one.add(by=4) == 9
    assert one.add() == 10
    assert c.counter.add(one, 10) == 20
    assert one.get() == 20
    assert c.counter().get() == 0
    assert c.counter(start=7).get() == 7
    assert isinstance(one, inlay.Object)


def test_bound_methods_are_values(c):
    add = c.counter(1).add
    assert [add(), add(2), add(by=3)] == [2, 4, 7]
    assert list(map(c.counter(5).add, [1, 2])) == [6, 8]


def test_what_introspection_says(c):
    made = c.counter
    assert made.__name__ == "counter"
    assert made.__module__ == "objects_native"
    assert made.__doc__ == "Counts."
    assert str(inspect.signature(made)) == "(start: int = 0) -> objects_native.counter"
    assert made.__text_signature__ == "(start=0)"
    assert made.add.__name__ == "add"
    assert made.add.__qualname__ == "counter.add"
    assert made.add.__doc__ == "Adds to it."
    assert str(inspect.signature(made(1).add)) == "(by: int = 1) -> int"
    assert list(inspect.signature(made.add).parameters) == ["c", "by"]
    assert made.add.__text_signature__ == "(c, by=1)"
    assert made.copy.__annotations__["return"] == made | None
    assert "inlay method objects_native.counter.add(c: " in repr(made.add)
    text = pydoc.plain(pydoc.render_doc(made))
    assert "add(c: objects_native.counter, by: int = 1) -> int" in text
    assert "Adds to it." in text


def test_methods_are_functions_that_nobody_else_can_make(c):
    assert isinstance(c.counter.add, inlay.Function)
    for base in (inlay.Function, type(c.counter.add)):
        with pytest.raises(TypeError):
            base()
    with pytest.raises(TypeError):
        type(c.counter.add).__new__(type(c.counter.add))

    class Mine(inlay.Function):
        pass

    with pytest.raises(TypeError):
        Mine()
    with pytest.raises(TypeError):
        object.__new__(Mine)
    with pytest.raises(TypeError):
        c.counter.add.__class__ = Mine


def test_repr(c):
    one = c.counter()
    assert repr(one).startswith("<objects_native.counter at 0x")
    one.close()
    assert repr(one) == "<objects_native.counter, closed>"


def test_the_functions_themselves_are_not_in_the_module(c):
    for name, what in {
        "counter_add": "it is the method add of counter",
        "counter_new": "it is the constructor of counter",
        "counter_free": "it is the finalizer of counter",
    }.items():
        with pytest.raises(AttributeError, match=what):
            getattr(c, name)
        assert c.__inlay__.reasons[name] == what


def test_what_a_module_built_ahead_carries(c):
    assert c.__inlay__.docs == {"counter_new": "Counts.", "counter_add": "Adds to it."}


def test_a_method_that_cannot_be_called_says_why(c):
    with pytest.raises(AttributeError, match=r"counter.any can't be called: .*union"):
        c.counter(1).any  # noqa: B018
    assert not hasattr(c.counter, "any")


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        ("counter(-1)", inlay.Invalid, "start is -1"),
        ("counter(13)", MemoryError, "counter_new returned NULL"),
        ("counter('a')", TypeError, r"counter\(\): parameter 'start': expected int"),
        ("counter(1, 2)", TypeError, r"counter\(\) takes from 0 to 1 positional"),
        ("counter(z=2)", TypeError, r"counter\(\) got an unexpected .* 'z'"),
        ("counter.add(3)", TypeError, r"counter.add\(\): parameter 'c': expected"),
        ("counter.add(None)", TypeError, "expected counter, got None"),
        ("counter.add()", TypeError, r"counter.add\(\) missing 1 required"),
        ("counter(1).add(1, 2)", TypeError, "takes from 1 to 2 positional"),
        ("counter(1).add('a')", TypeError, r"counter.add\(\): parameter 'by'"),
        ("total(counter(1), 2)", TypeError, r"total\(\): parameter 'b': expected"),
        ("inlay.Object()", TypeError, "cannot create 'inlay.Object' instances"),
    ],
)
def test_refused(c, call, error, text):
    with pytest.raises(error, match=text):
        eval(call, {**vars(c), "inlay": inlay})
    assert c.get_live() == 0


def test_the_subclass_path_refuses_the_same(c):
    class Mine(c.counter):
        pass

    for args, error in [
        ((-1,), inlay.Invalid),
        ((13,), MemoryError),
        (("a",), TypeError),
    ]:
        with pytest.raises(error):
            Mine(*args)
    assert Mine(4).get() == 4
    assert Mine(start=4).get() == 4


def test_freed_when_the_last_reference_goes(c):
    one = c.counter(1)
    assert (c.get_live(), c.get_freed()) == (1, 0)
    del one
    assert (c.get_live(), c.get_freed()) == (0, 1)


def test_freed_in_a_cycle(c):
    class Mine(c.counter):
        pass

    one = Mine(1)
    one.me = one
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
    assert c.get_freed() == 1


def test_close_frees_once(c):
    one = c.counter(1)
    one.close()
    one.close()
    assert c.get_freed() == 1
    with pytest.raises(ValueError, match="counter is closed"):
        one.add(1)
    with pytest.raises(ValueError, match="counter is closed"):
        c.total(one, one)
    with pytest.raises(ValueError, match="counter is closed"):
        one.__enter__()
    del one
    assert c.get_freed() == 1


def test_with(c):
    with c.counter(3) as one:
        assert one.get() == 3
    assert c.get_freed() == 1
    with pytest.raises(KeyError), c.counter(3):
        raise KeyError
    assert c.get_freed() == 2


def test_a_finalizer_that_fails(c, monkeypatch):
    one = c.counter(666)
    with pytest.raises(inlay.Conflict, match="it is evil"):
        one.close()
    one.close()
    assert c.get_freed() == 1
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: seen.append(info.exc_value))
    two = c.counter(666)
    del two
    assert [str(error) for error in seen] == ["it is evil"]
    assert c.get_freed() == 2


def test_a_pending_exception_survives_the_finalizer(c):
    def fail():
        one = c.counter(666)
        assert one
        raise KeyError("mine")

    hook, sys.unraisablehook = sys.unraisablehook, lambda info: None
    try:
        with pytest.raises(KeyError, match="mine") as info:
            fail()
        del info
    finally:
        sys.unraisablehook = hook


def test_identity(c):
    one = c.counter(1)
    assert one.self() is one
    two = one.copy()
    assert two is not one
    assert two.self() is two
    assert one.nothing() is None
    assert c.make(3).get() == 3
    many = [c.counter(i) for i in range(1000, 1500)]
    assert all(each.self() is each for each in many)
    del many[::2]
    assert all(each.self() is each for each in many)
    many.clear()
    assert (c.get_live(), one.self()) == (2, one)


def test_what_an_object_lends_ends_with_it(module):
    fast = module(
        """
        #include <stdlib.h>
        struct part { int64_t n; };
        struct whole { struct part part; };
        struct part *part_new(int64_t n)
        {
            struct part *p = malloc(sizeof(*p));
            p->n = n;
            return p;
        }
        void part_free(struct part *p) { free(p); }
        int64_t part_n(const struct part *p) { return p->n; }
        struct whole *whole_new(int64_t n)
        {
            struct whole *w = malloc(sizeof(*w));
            w->part.n = n;
            return w;
        }
        void whole_free(struct whole *w) { free(w); }
        const struct part *whole_part(const struct whole *w) { return &w->part; }
        """
    )
    # It keeps what lent it.
    part = fast.whole(7).part()
    gc.collect()
    assert part.n() == 7
    whole = fast.whole(8)
    other = whole.part()
    assert other is whole.part()
    whole.close()
    with pytest.raises(ValueError, match="part is gone: the whole that lent it"):
        other.n()
    assert part.n() == 7


def test_a_const_result_is_lent(c):
    one = c.lent()
    assert one.get() == 42
    assert c.lent() is one
    with pytest.raises(TypeError, match="is a const struct counter in C"):
        one.add(1)
    one.close()
    assert c.lent().get() == 42
    assert c.get_freed() == 0


def test_none_where_c_takes_null(c):
    assert (c.maybe(), c.maybe(None), c.maybe(c.counter(3))) == (-1, -1, 3)
    annotation = c.maybe.__annotations__["c"]
    assert annotation == c.counter | None
    assert c.maybe.__text_signature__ == "(c=None)"
    with pytest.raises(TypeError, match=r"expected counter \| None, got int"):
        c.maybe(3)


def test_the_same_object_twice(c):
    one = c.counter(21)
    assert c.total(one, one) == 42
    one.close()
    assert c.get_freed() == 1


def test_neither_pickled_nor_copied(c):
    one = c.counter(1)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"objects_native.counter lives in C"):
            attempt(one)


def test_methods_are_pickled_by_name(c):
    assert pickle.loads(pickle.dumps(c.counter.add)) is c.counter.add
    assert pickle.loads(pickle.dumps(c.counter)) is c.counter


def test_a_subclass_with_a_constructor_of_its_own(c):
    class Named(c.counter):
        def __init__(self, name):
            self.name = name
            super().__init__(7)

    one = Named("x")
    assert (one.name, one.add(1)) == ("x", 8)
    assert list(inspect.signature(Named).parameters) == ["name"]
    assert one.self() is one
    with pytest.raises(RuntimeError, match="counter is made already"):
        one.__init__("y")
    assert one.get() == 8


def test_a_constructor_that_did_not_run(c):
    class Lazy(c.counter):
        def __init__(self):
            pass

    one = Lazy()
    assert "not made" in repr(one)
    with pytest.raises(ValueError, match="its __init__ has not run"):
        one.add(1)
    one.close()
    with pytest.raises(ValueError, match="has not run"):
        c.counter.get(c.counter.__new__(c.counter))


def test_an_init_that_was_replaced_counts(c, monkeypatch):
    original = c.counter.__init__
    monkeypatch.setattr(c.counter, "__init__", lambda self: original(self, 5))
    assert c.counter().get() == 5
    monkeypatch.undo()
    assert c.counter(6).get() == 6


def test_resurrected(c):
    kept = []

    class Cat(c.counter):
        def __del__(self):
            kept.append(self)

    one = Cat(9)
    del one
    assert kept[0].get() == 9
    assert c.get_freed() == 0
    kept.clear()
    assert c.get_freed() == 1


def test_who_dies_is_not_found(c):
    one = c.counter(1)
    seen = []
    ref = weakref.ref(one, lambda ref: seen.append(ref()))
    del one
    assert seen == [None]
    del ref


def test_closing_what_a_call_is_using(c):
    one = c.counter(5)
    results = []
    thread = threading.Thread(target=lambda: results.append(one.slow(300)))
    thread.start()
    time.sleep(0.1)
    with pytest.raises(RuntimeError, match="a call that runs is using it"):
        one.close()
    assert one.get() == 5
    with pytest.raises(RuntimeError, match="a call that runs is using it"), one:
        pass
    thread.join()
    assert results == [5]
    one.close()
    assert c.get_freed() == 1


def test_methods_that_are_awaited(c):
    async def main():
        one = c.counter(5)
        later = one.later(100)
        task = asyncio.ensure_future(later)
        await asyncio.sleep(0.02)
        with pytest.raises(RuntimeError, match="a call that runs is using it"):
            one.close()
        two = await task
        one.close()
        assert two.get() == 5

    asyncio.run(main())
    assert c.get_freed() == 2


def test_a_result_that_nobody_awaits_any_more(c):
    async def main():
        one = c.counter(5)
        task = asyncio.ensure_future(one.later(100))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(100):
            await asyncio.sleep(0.01)
            if c.get_freed():
                break
        one.close()

    asyncio.run(main())
    gc.collect()
    assert c.get_freed() == 2


def test_an_async_constructor_only_gives_the_gil_back(module):
    c = module("""
        #include <stdlib.h>
        struct box { int x; };
        struct box *box_new(int x)
        {
            struct box *box = malloc(sizeof(*box));
            box->x = x;
            return box;
        }
        INLAY_ASYNC(box_new);
        void box_free(struct box *box) { free(box); }
        INLAY_NOGIL(box_free);
        int box_x(struct box *box) { return box->x; }
    """)
    assert c.box(3).x() == 3


def test_closing_while_arguments_are_read(c):
    one = c.counter(5)

    class Closer:
        def __index__(self):
            one.close()
            return 1

    with pytest.raises(RuntimeError, match="a call that runs is using it"):
        one.add(Closer())
    assert one.add(1) == 6
    one.close()


def test_dropped_while_arguments_are_read(c):
    box = [c.counter(5)]

    class Dropper:
        def __index__(self):
            box.clear()
            gc.collect()
            return 1

    assert c.counter.add(box[0], Dropper()) == 6
    assert c.get_freed() == 1


def test_a_failed_call_lets_go(c):
    one = c.counter(5)
    for _ in range(3):
        with pytest.raises(TypeError):
            one.add("a")
        with pytest.raises(TypeError):
            c.total(one, 3)
    one.close()
    assert c.get_freed() == 1


def test_no_references_are_lost(c):
    one = c.counter(0)
    functions = [c.counter, c.counter.add, c.total, one]
    before = [sys.getrefcount(each) for each in functions]
    for _ in range(1000):
        one.add(0)
        c.total(one, one)
        c.counter(1).close()
        one.copy()
        one.self()
        with pytest.raises(TypeError):
            one.add("a")
    assert [sys.getrefcount(each) for each in functions] == before
    assert c.get_live() == 1


def test_the_interpreter_ends(project):
    project.write(
        "fast.c",
        """
        #include <stdlib.h>
        struct box { int x; };
        struct box *box_new(void) { return calloc(1, sizeof(struct box)); }
        void box_free(struct box *box) { free(box); }
        int box_get(struct box *box) { return box->x; }
        """,
    )
    status, out, err = project.run(
        """
        import inlay, fast
        class Mine(fast.box):
            def __init__(self):
                super().__init__()
                self.me = self
        kept = [fast.box(), Mine()]
        print(kept[0].get())
        """
    )
    assert (status, out, err) == (0, "0\n", "")


def test_c_may_have_its_own_close(module):
    c = module("""
        #include <stdlib.h>
        static int freed;
        typedef struct door { int open; } door_t;
        door_t *door_new(int open)
        {
            door_t *door = malloc(sizeof(*door));
            door->open = open;
            return door;
        }
        void door_free(door_t *door) { free(door); freed++; }
        int door_close(door_t *door) { door->open = 0; return 7; }
        int door_is(const door_t *door) { return door->open; }
        int get_freed(void) { return freed; }
    """)
    with c.door(1) as door:
        assert (door.is_(), door.close(), door.is_()) == (1, 7, 0)
        assert c.get_freed() == 0
    assert c.get_freed() == 1


def test_opaque_and_several(module):
    c = module("""
        #include <stdlib.h>
        struct a { int x; };
        struct b { struct a *a; };
        struct a *a_new(void) { return calloc(1, sizeof(struct a)); }
        void a_free(struct a *a) { free(a); }
        int a_x(const struct a *a) { return a->x; }
        struct b *b_new(struct a *a)
        {
            struct b *b = malloc(sizeof(*b));
            b->a = a;
            return b;
        }
        void b_free(struct b *b) { free(b); }
        int b_set(struct b *b, int x) { return b->a->x = x; }
        struct a *b_a(struct b *b) { return b->a; }
    """)
    a = c.a()
    b = c.b(a)
    assert b.set(4) == 4
    assert a.x() == 4
    assert b.a() is a
    with pytest.raises(TypeError, match=r"expected a, got .*\.b"):
        c.a.x(b)
    with pytest.raises(TypeError, match=r"b\(\): parameter 'a': expected a, got None"):
        c.b(None)


def test_an_object_of_two_classes_has_the_first_ones_pointer(module):
    """Also when both are the same struct, or CPython lets the class be changed."""
    c = module("""
        #include <stdlib.h>
        struct a { int x; };
        struct a *a_new(int x)
        {
            struct a *a = malloc(sizeof(*a));
            a->x = x;
            return a;
        }
        void a_free(struct a *a) { free(a); }
        int a_get(struct a *a) { return a->x; }
        struct b { double x; };
        struct b *b_new(void) { return calloc(1, sizeof(struct b)); }
        void b_free(struct b *b) { free(b); }
        double b_look(struct b *b) { return b->x; }
    """)

    class Both(c.a, c.b):
        pass

    one, other = Both(5), c.a(6)
    assert one.get() == 5
    with pytest.raises(TypeError, match="expected b, got Both"):
        one.look()
    other.__class__ = c.b
    with pytest.raises(TypeError, match=r"expected b, got .*\.b"):
        other.look()


def test_star_import_keeps_the_builtins():
    names = {}
    exec("from inlay import *", names)
    import builtins

    shadowed = {n for n in names if hasattr(builtins, n) and n != "__builtins__"}
    assert {n for n in shadowed if not n.startswith("__")} == set()
    assert issubclass(inlay.NotImplemented, NotImplementedError)
