"""Calling C functions: arguments, errors, introspection, threads."""

import functools
import gc
import inspect
import os
import pickle
import resource
import sys
import threading
import typing
import weakref

import inlay
import pytest

SOURCE = """
    #include <inttypes.h>

    /// Sum of two squares.
    ///
    /// Wraps around.
    int64_t sum_squares(int64_t a, int64_t b)
    {
        return (int64_t)((uint64_t)a * (uint64_t)a + (uint64_t)b * (uint64_t)b);
    }
    INLAY_DEFAULT(sum_squares, b, 10);

    int64_t answer(void) { return 42; }
    void nothing(void) {}
    double mean(double a, double b) { return (a + b) / 2; }
    int64_t three(int64_t a, int64_t b, int64_t c) { return a * 100 + b * 10 + c; }
    double mixed(inlay_str s, double x, int64_t n) { return s.len * x + n; }
    inlay_str echo(inlay_str s) { return s; }
    inlay_str greet(inlay_str name, inlay_str greeting)
    {
        return inlay_format("%.*s, %.*s!", (int)greeting.len, greeting.ptr,
                            (int)name.len, name.ptr);
    }
    INLAY_DEFAULT(greet, greeting, "hello");

    int many(int a, int b, int c, int d, int e, int f, int g, int h, double x,
             float y, int64_t z)
    {
        return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h +
               (int)x + (int)y + (int)z;
    }

    int64_t fail(int64_t k) { inlay_fail((int)k, "kind %" PRId64, k); return 7; }
    int32_t fail_small(int32_t kind) { inlay_fail(kind, "kind %d", kind); return 7; }
    inlay_str fail_late(inlay_str s)
    {
        inlay_str text = inlay_copy(s);
        inlay_fail(INLAY_CONFLICT, "first");
        inlay_fail(INLAY_DENIED, "second");
        return text;
    }
    int64_t fail_bytes(void) { inlay_fail(INLAY_INTERNAL, "\\xff\\xfe"); return 0; }

    static int64_t deferred;
    static void add(void *arg) { deferred = deferred * 10 + (int64_t)(intptr_t)arg; }
    int64_t defer(void)
    {
        inlay_defer(add, (void *)1);
        inlay_defer(add, (void *)2);
        return deferred;
    }
    int64_t deferred_now(void) { return deferred; }

    #include <stdio.h>
    struct named { inlay_str name; };
    static char last_name[64];
    static void note(void *arg)
    {
        inlay_str *name = arg;
        snprintf(last_name, sizeof(last_name), "%.*s", (int)name->len, name->ptr);
    }
    void defer_name(struct named v)
    {
        inlay_str *name = inlay_alloc(sizeof(*name));
        *name = v.name;
        inlay_defer(note, name);
    }
    const char *deferred_name(void) { return last_name; }

    int64_t lambda(int64_t from, int64_t class) { return from - class; }
    int64_t unnamed(int64_t, int64_t b);
    int64_t fill(int64_t n)
    {
        char *memory = inlay_alloc((size_t)n);
        for (int64_t i = 0; i < n; i++)
            if (memory[i])
                return -1;
        return (int64_t)((uintptr_t)memory % 16);
    }
    int64_t pointer(void *p) { return p != 0; }
    int64_t after_default(int64_t a, int64_t b) { return a * 10 + b; }
    INLAY_DEFAULT(after_default, a, 4);
"""


@pytest.fixture(scope="module")
def fast(module):
    return module(SOURCE, "fast")


def message(error, function, *args, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def test_exact(fast):
    assert fast.sum_squares(3, 4) == 25
    assert fast.sum_squares(-3, 0) == 9
    assert fast.answer() == 42
    assert fast.nothing() is None
    assert fast.mean(1.0, 2.0) == 1.5
    assert fast.three(1, 2, 3) == 123
    assert fast.mixed("abc", 1.5, 4) == 8.5
    assert fast.echo("text") == "text"
    assert fast.echo("") == ""


def test_not_quite_exact(fast):
    """What the exact handlers hand on: large ints, other types, wide text."""

    class Index:
        def __index__(self):
            return 12

    class Int(int):
        pass

    assert fast.three(2**40, 2**35, 5) == 2**40 * 100 + 2**35 * 10 + 5
    assert fast.three(True, Index(), Int(7)) == 227
    assert fast.mean(1, 2) == 1.5
    assert fast.mixed("äb", 2, 1) == 7.0
    assert fast.echo("größe 😀 \0 x") == "größe 😀 \0 x"
    assert fast.sum_squares(2**31, 0) == 2**62
    assert fast.sum_squares(-(2**63), 0) == 0


def test_keywords_and_defaults(fast):
    assert fast.sum_squares(3) == 109
    assert fast.sum_squares(a=3, b=4) == 25
    assert fast.sum_squares(b=4, a=3) == 25
    assert fast.sum_squares(3, b=0) == 9
    assert fast.greet("Ann") == "hello, Ann!"
    assert fast.greet(greeting="hi", name="Bo") == "hi, Bo!"
    assert fast.sum_squares(**{"".join(["a"]): 1, "b": 1}) == 2
    assert fast.after_default(b=2) == 42
    assert fast.after_default(1, 2) == 12


def test_stack_arguments(fast):
    assert fast.many(1, 2, 3, 4, 5, 6, 7, 8, 9.5, 10.5, 11) == 204 + 30
    assert fast.many(*range(8), z=1, y=2, x=3) == 168 + 6


def test_wrong_arguments_as_python_says(fast):
    def sum_squares(a, b=10):
        pass

    def three(a, b, c):
        pass

    def answer():
        pass

    cases = [
        ("sum_squares", (), {}),
        ("sum_squares", (1, 2, 3), {}),
        ("sum_squares", (1,), {"a": 2}),
        ("sum_squares", (1,), {"nope": 2}),
        ("three", (), {}),
        ("three", (1,), {}),
        ("three", (1, 2), {}),
        ("three", (1,), {"b": 1}),
        ("three", (1, 2, 3, 4), {}),
        ("answer", (1,), {}),
        ("answer", (1, 2), {}),
        ("answer", (), {"x": 1}),
    ]
    for name, args, kwargs in cases:
        twin = locals()[name]
        expected = message(TypeError, twin, *args, **kwargs)
        expected = expected.rpartition("<locals>.")[2]
        assert message(TypeError, getattr(fast, name), *args, **kwargs) == expected


def test_wrong_types_name_the_parameter(fast):
    assert (
        message(TypeError, fast.sum_squares, "1", 2)
        == "sum_squares(): parameter 'a': expected int, got str"
    )
    assert (
        message(TypeError, fast.sum_squares, 1, 2.0)
        == "sum_squares(): parameter 'b': expected int, got float"
    )
    assert "parameter 'b': expected int, got None" in message(
        TypeError, fast.sum_squares, 1, None
    )
    assert "parameter 'b': expected float, got str" in message(
        TypeError, fast.mean, 1.0, "2"
    )
    assert "parameter 's': expected str, got bytes" in message(
        TypeError, fast.echo, b"x"
    )
    assert "lone surrogate" in message(ValueError, fast.echo, "\ud800")


def test_overflow_names_the_parameter(fast):
    assert message(OverflowError, fast.sum_squares, 2**63, 1) == (
        "sum_squares(): parameter 'a': 9223372036854775808 does not fit int64_t "
        "(-9223372036854775808..9223372036854775807)"
    )
    assert "-9223372036854775809 does not fit" in message(
        OverflowError, fast.sum_squares, 1, -(2**63) - 1
    )
    assert "parameter 'h': 2147483648 does not fit int" in message(
        OverflowError, fast.many, *range(7), 2**31, 0, 0, 0
    )
    assert "an int of 20001 bits does not fit" in message(
        OverflowError, fast.sum_squares, 2**20000, 1
    )
    assert "does not fit double" in message(OverflowError, fast.mean, 10**400, 1)


def test_own_exceptions_go_through(fast):
    class Bad:
        def __index__(self):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fast.sum_squares(1, Bad())


@pytest.mark.parametrize(
    "kind, name, status, base",
    [
        (1, "Invalid", 422, ValueError),
        (2, "NotFound", 404, LookupError),
        (3, "Unauthorized", 401, PermissionError),
        (4, "Denied", 403, PermissionError),
        (5, "Conflict", 409, RuntimeError),
        (6, "Overflow", 422, OverflowError),
        (7, "Timeout", 504, TimeoutError),
        (8, "Unavailable", 503, ConnectionError),
        (9, "NoMemory", 503, MemoryError),
        (10, "NotImplemented", 501, NotImplementedError),
        (11, "Internal", 500, RuntimeError),
    ],
)
def test_fail(fast, kind, name, status, base):
    expected = getattr(inlay, name)
    assert issubclass(expected, inlay.Error) and issubclass(expected, base)
    for function in (fast.fail, fast.fail_small):
        with pytest.raises(expected) as caught:
            function(kind)
        assert type(caught.value) is expected
        assert str(caught.value) == f"kind {kind}"
        assert caught.value.status == status
    assert fast.answer() == 42


def test_fail_first_counts(fast):
    assert message(inlay.Conflict, fast.fail_late, "x") == "first"
    assert message(inlay.Conflict, fast.fail_late, "ä") == "first"


def test_fail_with_strange_kind_and_text(fast):
    assert issubclass(inlay.Error, Exception)
    with pytest.raises(inlay.Error):
        fast.fail(99)
    assert message(inlay.Internal, fast.fail_bytes) == "\ufffd\ufffd"


def test_defers_run_after_the_call(fast):
    assert fast.defer() == 0
    assert fast.deferred_now() == 21


def test_defers_see_the_arguments(fast):
    class Fresh:
        @property
        def name(self):
            return "made for this call: " + str(id(self))

    fresh = Fresh()
    fast.defer_name(fresh)
    assert fast.deferred_name() == fresh.name


def test_arena(fast):
    for size in (0, 1, 4096, 100_000, 5_000_000, 1):
        assert fast.fill(size) == 0


def test_names_that_python_cannot_say(fast):
    assert fast.lambda_(5, 3) == 2
    assert fast.lambda_(from_=5, class_=1) == 4
    assert str(inspect.signature(fast.lambda_)) == "(from_: int, class_: int) -> int"


def test_left_out_says_why(fast):
    assert not hasattr(fast, "nope")
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = fast.nope
    with pytest.raises(AttributeError, match=r"can't be called: parameter 'p'"):
        _ = fast.pointer


def test_introspection(fast):
    function = fast.sum_squares
    assert type(function) is inlay.Function
    assert function.__name__ == function.__qualname__ == "sum_squares"
    assert function.__module__ == "fast"
    assert function.__doc__ == "Sum of two squares.\n\nWraps around."
    assert function.__text_signature__ == "(a, b=10)"
    assert function.__annotations__ == {"a": int, "b": int, "return": int}
    assert typing.get_type_hints(function) == function.__annotations__
    assert str(inspect.signature(function)) == "(a: int, b: int = 10) -> int"
    assert inspect.isroutine(function)
    assert not inspect.iscoroutinefunction(function)
    assert not hasattr(function, "__wrapped__")
    assert repr(function) == (
        "<inlay function fast.sum_squares(a: int, b: int = 10) -> int at fast.c:7>"
    )
    assert fast.nothing.__annotations__ == {"return": None}
    assert fast.answer.__doc__ is None
    signature = inspect.signature(fast.after_default)
    assert str(signature) == "(a: int = 4, *, b: int) -> int"


def test_as_an_object(fast):
    assert pickle.loads(pickle.dumps(fast.three)) is fast.three
    assert weakref.ref(fast.three)() is fast.three
    assert functools.partial(fast.three, 1, c=3)(2) == 123

    @functools.wraps(fast.three)
    def wrapper(*args):
        return fast.three(*args)

    assert wrapper.__name__ == "three" and wrapper.__module__ == "fast"
    assert inspect.signature(wrapper) == inspect.signature(fast.three)
    fast.three.mark = 5
    assert fast.three.mark == 5

    class Holder:
        method = fast.three

    assert Holder().method(1, 2, 3) == 123
    assert hash(fast.three) == hash(fast.three)
    with pytest.raises(TypeError):
        inlay.Function()


def test_help(fast, capsys):
    help(fast.sum_squares)
    out = capsys.readouterr().out
    assert "sum_squares(a: int, b: int = 10) -> int" in out
    assert "Sum of two squares." in out


def test_calls_within_calls(fast):
    """Converting arguments runs Python code that calls C again."""

    class Nested:
        def __index__(self):
            assert fast.greet("x" * 100) == "hello, " + "x" * 100 + "!"
            with pytest.raises(inlay.NotFound):
                fast.fail(2)
            assert fast.three(1, 2, 3) == 123
            return 5

    text = "ü" * 1000
    assert fast.mixed(text, 1, Nested()) == 2005
    assert fast.many(*[Nested()] * 8, 1, 1, 1) == 5 * 36 + 3


def test_threads(fast):
    errors = []

    def work(number):
        try:
            for i in range(2000):
                name = f"t{number}-{i}"
                assert fast.greet(name) == f"hello, {name}!"
                assert fast.sum_squares(i, number) == i * i + number * number
                if i % 100 == 0:
                    with pytest.raises(inlay.Denied):
                        fast.fail(4)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def rss() -> int:
    """KiB; AddressSanitizer keeps what was freed, so there it says nothing."""
    if "asan" in os.environ.get("LD_PRELOAD", ""):
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_no_leaks(fast):
    text, large = "ä" * 50, 2**40

    def calls(count):
        for _ in range(count):
            fast.greet(text, greeting=text)
            fast.sum_squares(large, b=large)
            fast.fill(10_000)
            for arguments in ((), ("x",), (2**70,)):
                try:
                    fast.sum_squares(*arguments)
                except (TypeError, OverflowError):
                    pass
            try:
                fast.fail_late(text)
            except inlay.Conflict:
                pass

    counts = [sys.getrefcount(o) for o in (text, large, fast.greet)]
    calls(2000)
    before = rss()
    calls(20_000)
    assert rss() - before < 4000
    gc.collect()
    assert [sys.getrefcount(o) for o in (text, large, fast.greet)] == counts


def test_threads_give_their_memory_back(fast):
    def work():
        fast.fill(200_000)

    def run(count):
        for _ in range(count):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

    run(50)
    before = rss()
    run(300)
    assert rss() - before < 8000
