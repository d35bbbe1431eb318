"""Python callables as C function pointers."""

import collections.abc
import functools
import gc
import os
import sys
import threading
import weakref

import inlay
import pytest

SOURCE = """
    #include <pthread.h>
    #include <stdlib.h>
    #include <string.h>

    INLAY_SLICE(ints, int64_t);
    INLAY_SLICE(reals, const double);

    static __thread int (*the_less)(int64_t, int64_t);
    static int compare(const void *a, const void *b)
    {
        return the_less(*(const int64_t *)a, *(const int64_t *)b);
    }
    ints sort(ints a, int (*less)(int64_t a, int64_t b))
    {
        int (*outer)(int64_t, int64_t) = the_less;
        the_less = less;
        qsort(a.ptr, a.len, sizeof(*a.ptr), compare);
        the_less = outer;
        return a;
    }

    /* Every number, alone and among others. */
    #define SAME(name, T) \\
        T name(T v, T (*f)(T v)) { return f(v); }
    SAME(same_bool, bool) SAME(same_char, char)
    SAME(same_i8, int8_t) SAME(same_i16, int16_t)
    SAME(same_i32, int32_t) SAME(same_i64, int64_t)
    SAME(same_u8, uint8_t) SAME(same_u16, uint16_t)
    SAME(same_u32, uint32_t) SAME(same_u64, uint64_t)
    SAME(same_float, float) SAME(same_double, double)
    enum color { RED = -1, GREEN = 1 };
    SAME(same_color, enum color)
    struct small { int8_t a; int16_t b; };
    struct mixed { double a; int64_t b; };
    struct floats { float a, b, c; };
    struct big { double a[3]; struct small s; char name[5]; };
    typedef struct { inlay_str text; ints numbers; } views;
    SAME(same_small, struct small) SAME(same_mixed, struct mixed)
    SAME(same_floats, struct floats) SAME(same_big, struct big)

    double many(double (*f)(int8_t a, double b, int64_t c, float d, bool e,
                            uint16_t f, double g, int64_t h, int64_t i,
                            int64_t j, struct big k, const char *l))
    {
        return f(1, 2, 3, 4, true, 6, 7, 8, 9, 10,
                 (struct big){{1, 2, 3}, {4, 5}, "six"}, "twelve");
    }
    void text(void (*f)(inlay_str a, const char *b, const char *c))
    {
        f(INLAY_STR("gr\\303\\266\\303\\237e"), "b", NULL);
    }
    void bad_text(void (*f)(inlay_str a)) { f((inlay_str){"\\xff", 1}); }
    void views_of(ints numbers, void (*f)(views v))
    {
        f((views){INLAY_STR("text"), numbers});
    }

    int64_t sum(ints v, int64_t (*f)(int64_t v, void *data), void *data)
    {
        int64_t total = data != NULL;
        for (size_t i = 0; i < v.len; i++)
            total += f(v.ptr[i], (void *)0xbad);
        return total;
    }
    int64_t calls_made;
    int64_t call(int64_t n, void (*f)(void))
    {
        calls_made = 0;
        for (int64_t i = 0; i < n && !inlay_failed(); i++, calls_made++)
            f();
        return calls_made;
    }
    int64_t stubborn(int64_t n, int64_t (*f)(void))
    {
        int64_t total = 0;
        for (int64_t i = 0; i < n; i++)
            total += f();
        calls_made = total;
        return total;
    }
    int64_t last(void) { return calls_made; }
    int64_t fail_too(int64_t (*f)(void))
    {
        f();
        inlay_fail(INLAY_CONFLICT, "C's own");
        return 0;
    }
    int64_t fail_first(int64_t (*f)(void))
    {
        inlay_fail(INLAY_CONFLICT, "C's own");
        return f();
    }
    bool optional(int64_t (*f)(void)) { return f == NULL; }
    INLAY_DEFAULT(optional, f, NULL);
    int64_t two(int64_t (*f)(void), int64_t (*g)(void)) { return f() * 10 + g(); }
    static void run(void *f) { ((void (*)(void))f)(); }
    void at_end(void (*f)(void)) { inlay_defer(run, (void *)f); }

    struct user { int64_t id; inlay_str name; double score; struct small small; };
    INLAY_SLICE(users, struct user);
    void each(users v, void (*f)(struct user *u))
    {
        for (size_t i = 0; i < v.len; i++)
            f(&v.ptr[i]);
    }
    double each_score(users v, void (*f)(struct user *u))
    {
        double total = 0;
        each(v, f);
        for (size_t i = 0; i < v.len; i++)
            total += v.ptr[i].score + v.ptr[i].small.a;
        return total;
    }
    double each_const(users v, void (*f)(const struct user *u))
    {
        double total = 0;
        for (size_t i = 0; i < v.len; i++) {
            f(&v.ptr[i]);
            total += v.ptr[i].score;
        }
        return total;
    }
    void null_pointer(void (*f)(struct user *u)) { f(NULL); }
    void rename_big(int64_t n, void (*f)(struct big *b))
    {
        struct big big = {0};
        while (n--)
            f(&big);
    }
    struct huge { struct big a[1000], b[1000]; };
    void take_huge(void (*f)(struct huge v)) { }

    int64_t free_sum(int64_t n, int64_t (*f)(int64_t i))
    {
        int64_t total = 0;
        for (int64_t i = 0; i < n; i++)
            total += f(i);
        return total;
    }
    INLAY_NOGIL(free_sum);
    int64_t pool_sum(int64_t n, int64_t (*f)(int64_t i)) { return free_sum(n, f); }
    INLAY_ASYNC(pool_sum);

    struct work { int64_t n, total; int64_t (*f)(int64_t); };
    static void *work(void *arg)
    {
        struct work *w = arg;
        w->total = free_sum(w->n, w->f);
        return NULL;
    }
    int64_t threads_sum(int64_t n, int64_t (*f)(int64_t i))
    {
        pthread_t threads[4];
        struct work works[4];
        int64_t total = 0;
        for (int i = 0; i < 4; i++) {
            works[i] = (struct work){n, 0, f};
            pthread_create(&threads[i], NULL, work, &works[i]);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            total += works[i].total;
        }
        return total;
    }
    INLAY_NOGIL(threads_sum);

    struct parts { int64_t (*f)(int64_t); int64_t total; };
    static void part(void *ctx, size_t begin, size_t end)
    {
        struct parts *p = ctx;
        for (size_t i = begin; i < end; i++)
            __atomic_fetch_add(&p->total, p->f((int64_t)i), __ATOMIC_RELAXED);
    }
    int64_t loop_sum(int64_t n, int64_t (*f)(int64_t i))
    {
        struct parts p = {f, 0};
        inlay_parallel_for((size_t)n, 1, part, &p);
        return p.total;
    }

    struct __attribute__((packed)) packed { int8_t a; int64_t b; };
    int64_t take_packed(int64_t (*f)(struct packed v))
    {
        return f((struct packed){1, 2});
    }
"""


@pytest.fixture(scope="module")
def c(module):
    return module(SOURCE, "callbacks_fast")


def message(error, function, *args):
    with pytest.raises(error) as caught:
        function(*args)
    return str(caught.value)


def compare(a, b):
    return (a > b) - (a < b)


def test_sort(c):
    assert c.sort([3, 1, 2], compare) == [1, 2, 3]
    assert c.sort([3, 1, 2], lambda a, b: compare(b, a)) == [3, 2, 1]
    assert c.sort([], compare) == []
    numbers = [(i * 7919) % 1000 for i in range(1000)]
    assert c.sort(numbers, less=compare) == sorted(numbers)
    annotation = collections.abc.Callable[[int, int], int]
    assert c.sort.__annotations__["less"] == annotation


def test_anything_callable(c):
    class Compare:
        def __call__(self, a, b):
            return compare(a, b)

        def method(self, a, b):
            return compare(a, b)

        @staticmethod
        def static(a, b):
            return compare(a, b)

    for f in (
        Compare(),
        Compare().method,
        Compare.static,
        functools.partial(compare),
        lambda *args: compare(*args),
        int.__sub__,
    ):
        assert c.sort([3, 1, 2], f) == [1, 2, 3]
    assert c.sum([1, 2], abs) == 3


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("same_bool", [True, False]),
        ("same_char", ["a", "\x7f"]),
        ("same_i8", [0, -128, 127]),
        ("same_i16", [-(2**15), 2**15 - 1]),
        ("same_i32", [-(2**31), 2**31 - 1]),
        ("same_i64", [-(2**63), 2**63 - 1]),
        ("same_u8", [0, 255]),
        ("same_u16", [2**16 - 1]),
        ("same_u32", [2**32 - 1]),
        ("same_u64", [2**64 - 1]),
        ("same_float", [0.5, -(2.0**100), float("inf")]),
        ("same_double", [0.1, -1e300]),
        ("same_color", [-1, 1]),
    ],
)
def test_numbers(c, name, values):
    for value in values:
        got = []
        assert getattr(c, name)(value, lambda v, got=got: got.append(v) or v) == value
        assert got == [value] and type(got[0]) in (type(value), c.color)


def test_structs_by_value(c):
    for name, value in (
        ("same_small", c.small(-1, 2)),
        ("same_mixed", c.mixed(0.5, -7)),
        ("same_floats", c.floats(1.0, 2.0, 3.0)),
        ("same_big", c.big([1.0, 2.0, 3.0], c.small(4, 5), "name")),
    ):
        assert getattr(c, name)(value, lambda v: v) == value
    assert c.same_mixed(c.mixed(1, 2), lambda v: {"a": v.b, "b": 9}) == c.mixed(2.0, 9)
    text = message(TypeError, c.same_mixed, c.mixed(1, 2), lambda v: {"a": "x", "b": 1})
    assert text == "same_mixed.f(): result.a: expected float, got str"


def test_many_parameters(c):
    got = []

    def take(*args):
        got.extend(args)
        return 0.25

    assert c.many(take) == 0.25
    big = c.big([1.0, 2.0, 3.0], c.small(4, 5), "six")
    assert got == [1, 2.0, 3, 4.0, True, 6, 7.0, 8, 9, 10, big, "twelve"]


def test_text_and_views(c):
    got = []
    c.text(lambda *args: got.extend(args))
    assert got == ["größe", "b", None]
    assert "bad_text.f(): parameter 'arg1': not UTF-8" in message(
        ValueError, c.bad_text, print
    )
    c.views_of([1, 2], got.append)
    assert got[-1].text == "text" and got[-1].numbers == [1, 2]


def test_userdata_is_not_passed_on(c):
    assert c.sum([1, 2, 3], lambda v: v * 10) == 60
    assert list(c.sum.__signature__.parameters) == ["v", "f"]
    assert c.sum.__annotations__["f"] == collections.abc.Callable[[int], int]


def test_void_ignores_results(c):
    assert c.call(3, lambda: "whatever") == 3


def test_pointers(c):
    users = [c.user(i, "ä" * i, i / 2, c.small(0, 0)) for i in range(3)]
    got = []
    c.each(users, got.append)
    assert got == users
    c.null_pointer(got.append)
    assert got[-1] is None

    def change(user):
        user.score += 10
        user.small.a = 1
        user.name = "lost"

    assert c.each_score(users, change) == 1.5 + 30 + 3
    assert c.each_const(users, change) == 1.5
    assert users[2].score == 1.0 and users[2].name == "ää"

    def spoil(user):
        user.score = "text"

    assert message(TypeError, c.each_score, users, spoil) == (
        "each_score.f(): parameter 'arg1'.score: expected float, got str"
    )

    def delete(user):
        del user.small

    assert "parameter 'arg1'.small: it was deleted" in message(
        TypeError, c.each_score, users, delete
    )


def test_not_callable(c):
    for value in (None, 5, "f", [len]):
        text = message(TypeError, c.sort, [2, 1], value)
        kind = type(value).__name__
        assert text == f"sort(): parameter 'less': expected a callable, got {kind}"
    assert c.optional() is True and c.optional(None) is True
    assert c.optional(lambda: 1) is False
    assert "expected a callable, got int" in message(TypeError, c.optional, 1)


def test_packed_structs(c):
    with pytest.raises((TypeError, AttributeError), match="packed"):
        c.take_packed(lambda v: v.a)
    with pytest.raises(TypeError, match="aligned or large struct"):
        c.take_huge(print)


# --- Exceptions


def test_exceptions_come_through(c):
    class Mine(Exception):
        pass

    def fail(*args):
        raise Mine("here")

    for call in (
        lambda: c.sort([3, 2, 1], fail),
        lambda: c.call(10, fail),
        lambda: c.free_sum(10, fail),
        lambda: c.threads_sum(10, fail),
        lambda: c.each_score([c.user(1, "a", 1.0, c.small(0, 0))], fail),
        lambda: c.loop_sum(10, fail),
    ):
        with pytest.raises(Mine, match="here") as caught:
            call()
        names = [entry.name for entry in caught.traceback]
        assert names[-1] == "fail"
    assert c.call(2, lambda: None) == 2


def test_calls_after_an_exception_do_nothing(c):
    calls = []

    def fail():
        calls.append(1)
        if len(calls) == 3:
            raise KeyError("third")
        return 1

    with pytest.raises(KeyError):
        c.stubborn(10, fail)
    assert len(calls) == 3 and c.last() == 2  # zero from then on
    calls.clear()
    with pytest.raises(KeyError):
        c.call(10, fail)
    assert len(calls) == c.last() == 3  # inlay_failed() said so
    with pytest.raises(KeyError):
        c.two(lambda: 1 if calls.append(1) else {}["x"], lambda: calls.append(2))


def test_python_and_c_fail(c):
    with pytest.raises(ZeroDivisionError):
        c.fail_too(lambda: 1 // 0)
    with pytest.raises(inlay.Conflict, match="C's own"):
        c.fail_too(lambda: 1)
    with pytest.raises(ZeroDivisionError):
        c.fail_first(lambda: 1 // 0)


def test_results_that_do_not_fit(c):
    for value, error, text in (
        ("x", TypeError, "expected int, got str"),
        (None, TypeError, "expected int, got None"),
        (1.5, TypeError, "expected int, got float"),
        (2**31, OverflowError, "2147483648 does not fit int"),
    ):
        got = message(error, c.sort, [2, 1], lambda a, b, value=value: value)
        assert got.startswith("sort.less(): result: ") and text in got
    assert "takes 1 positional argument but 2 were given" in message(
        TypeError, c.sort, [2, 1], lambda a: 0
    )


def test_exits_come_through(c):
    for error in (SystemExit, KeyboardInterrupt, GeneratorExit):

        def leave(error=error):
            raise error

        with pytest.raises(error):
            c.call(2, leave)


# --- Nesting


def test_the_same_function_again(c):
    def outer(a, b):
        assert c.sort([2, 1, 3], compare) == [1, 2, 3]
        return compare(a, b)

    assert c.sort([5, 4, 6], outer) == [4, 5, 6]

    def failing(a, b):
        with pytest.raises(ZeroDivisionError):
            c.sort([2, 1], lambda a, b: 1 // 0)
        with pytest.raises(inlay.Conflict):
            c.fail_too(lambda: 1)
        return compare(a, b)

    assert c.sort([5, 4, 6], failing) == [4, 5, 6]


def test_without_end(c):
    def again():
        return c.call(1, again)

    with pytest.raises(RecursionError):
        again()
    assert c.call(1, lambda: None) == 1


def test_its_last_reference(c):
    class Callable:
        def __call__(self):
            holder.clear()
            gc.collect()
            return 1

    holder = [Callable()]
    reference = weakref.ref(holder[0])
    assert c.stubborn(3, holder.pop()) == 3
    gc.collect()
    assert reference() is None


def test_a_call_of_it_keeps_nothing(c):
    class Name(str):
        pass

    seen = []

    def rename(big):
        assert all(name() is None for name in seen)
        big.name = Name("ab")
        seen.append(weakref.ref(big.name))

    c.rename_big(5, rename)
    assert len(seen) == 5


def test_defers_may_call(c):
    calls = []
    c.at_end(lambda: calls.append(1))
    assert calls == [1]
    c.at_end(lambda: 1 // 0)  # too late for anyone


# --- Threads


def test_without_the_gil(c):
    assert c.free_sum(100, lambda i: i) == 4950


def test_threads_of_c(c):
    seen = set()

    def note(i):
        seen.add(threading.get_ident())
        return i

    assert c.threads_sum(50, note) == 4 * 1225
    assert len(seen) == 4
    assert c.threads_sum(5, lambda i: c.free_sum(3, lambda k: k)) == 4 * 5 * 3


def test_parallel_loops(c):
    assert c.loop_sum(100, lambda i: i) == 4950


def test_threads_of_python(c):
    def work():
        for _ in range(50):
            assert c.sort([3, 1, 2], compare) == [1, 2, 3]
            assert c.free_sum(10, lambda i: i) == 45

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_on_the_pool(c):
    import asyncio

    async def main():
        assert await c.pool_sum(10, lambda i: i) == 45
        with pytest.raises(ZeroDivisionError):
            await c.pool_sum(10, lambda i: 1 // 0)
        sums = [c.pool_sum(10, lambda i, k=k: k) for k in range(10)]
        assert await asyncio.gather(*sums) == [10 * k for k in range(10)]

    asyncio.run(main())


def resident():
    """Bytes in memory; nothing under ASan, which keeps what was freed."""
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        return 0
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_no_leaks(c):
    def fail(*args):
        raise ValueError

    big = c.big([1.0, 2.0, 3.0], c.small(4, 5), "name")
    users = [c.user(1, "a" * 50, 1.0, c.small(0, 0))]
    numbers = [3, 1, 2]

    def work():
        c.sort(numbers, compare)
        c.same_big(big, lambda v: v)
        c.each_score(users, lambda user: None)
        c.text(lambda *args: None)
        c.free_sum(2, abs)
        for wrong in (fail, lambda: None, lambda *args: "x"):
            with pytest.raises((TypeError, ValueError)):
                c.sort(numbers, wrong)
        with pytest.raises(ValueError):
            c.bad_text(fail)
        with pytest.raises(TypeError):
            c.sort(numbers, 5)

    for _ in range(300):
        work()
    objects = (compare, fail, big, users[0], numbers, abs)
    counts = [sys.getrefcount(o) for o in objects]
    before = resident()
    for _ in range(3000):
        work()
    assert [sys.getrefcount(o) for o in objects] == counts
    assert resident() - before < 10 * 2**20
