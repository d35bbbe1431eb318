"""INLAY_NOGIL, and calls within calls of the same thread."""

from __future__ import annotations

import asyncio
import ctypes
import threading

import inlay
import pytest

SOURCE = """
#include <stdatomic.h>
#include <time.h>

static atomic_int present;
static void nap(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

/* Have `count` threads been here at the same time? */
static bool meet(int64_t count, int64_t ms)
{
    atomic_fetch_add(&present, 1);
    bool met = false;
    for (int64_t i = 0; i < ms && !met; i++) {
        met = atomic_load(&present) >= count;
        nap();
    }
    for (int i = 0; i < 20 && met; i++) /* the others see it too */
        nap();
    atomic_fetch_sub(&present, 1);
    return met;
}

int64_t meet_free(int64_t count, int64_t ms) { return meet(count, ms); }
INLAY_NOGIL(meet_free);
int64_t meet_locked(int64_t count, int64_t ms) { return meet(count, ms); }

inlay_str label(int64_t i, inlay_str text)
{
    if (i < 0)
        inlay_fail(INLAY_NOT_FOUND, "no %d", (int)i);
    char *work = inlay_alloc(1000);
    work[999] = 1;
    return inlay_format("%d %.*s", (int)i, (int)text.len, text.ptr);
}
INLAY_NOGIL(label);
INLAY_DEFAULT(label, text, "-");

inlay_str label_locked(int64_t i, inlay_str text) { return label(i, text); }

/* Calls Python back by an address that ctypes made. */
static inlay_str call_back(int64_t address, bool first)
{
    inlay_str before = first ? inlay_copy(INLAY_STR("before")) : INLAY_STR("");
    int64_t got = ((int64_t(*)(void))(uintptr_t)address)();
    inlay_str after = inlay_format("after %d", (int)got);
    return inlay_format("%.*s %.*s", (int)before.len, before.ptr,
                        (int)after.len, after.ptr);
}
inlay_str back_locked(int64_t address, bool first)
{
    return call_back(address, first);
}
inlay_str back_free(int64_t address, bool first)
{
    return call_back(address, first);
}
INLAY_NOGIL(back_free);
inlay_str back_async(int64_t address, bool first)
{
    return call_back(address, first);
}
INLAY_ASYNC(back_async);
int64_t back_fails(int64_t address)
{
    inlay_fail(INLAY_CONFLICT, "of the outer call");
    return ((int64_t(*)(void))(uintptr_t)address)();
}
int64_t add(int64_t a, int64_t b) { return a + b; }
int64_t add_async(int64_t a, int64_t b) { return a + b; }
INLAY_ASYNC(add_async);

/* A loop whose body waits for another Python thread. */
static atomic_bool flag;
void raise_flag(void) { atomic_store(&flag, true); }
static void wait_for_flag(void *ctx, size_t begin, size_t end)
{
    (void)begin, (void)end;
    for (int i = 0; i < 5000 && !atomic_load(&flag); i++)
        nap();
    atomic_store((atomic_bool *)ctx, atomic_load(&flag));
}
bool loop(void)
{
    atomic_bool seen = false;
    atomic_store(&flag, false);
    inlay_parallel_for(64, 1, wait_for_flag, &seen);
    return atomic_load(&seen);
}
bool loop_free(void) { return loop(); }
INLAY_NOGIL(loop_free);
"""


@pytest.fixture(scope="module")
def m(module):
    return module(SOURCE)


def in_threads(count, function, *args):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(function(*args)))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_threads_run_at_the_same_time(m):
    assert in_threads(3, m.meet_free, 3, 20_000) == [1, 1, 1]


def test_a_plain_call_holds_the_lock(m):
    assert in_threads(2, m.meet_locked, 2, 50) == [0, 0]


def test_conversion_and_errors(m):
    assert m.label(1) == "1 -"
    assert m.label(text="é", i=2) == "2 é"
    with pytest.raises(TypeError, match="missing"):
        m.label()
    with pytest.raises(TypeError, match="'i'"):
        m.label("x")
    with pytest.raises(inlay.NotFound, match="no -3"):
        m.label(-3)
    assert m.label(4) == "4 -"


def test_many_threads(m):
    wrong = []

    def work(number):
        for i in range(2000):
            if m.label(i, str(number)) != f"{i} {number}":
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int64)


def run_callback(outer, body, first):
    """outer(address of body, first); what body raised is raised."""
    raised = []

    def guarded():
        try:
            return body()
        except BaseException as error:
            raised.append(error)
            return -1

    made = CALLBACK(guarded)
    try:
        return outer(ctypes.cast(made, ctypes.c_void_p).value, first)
    finally:
        if raised:
            raise raised[0]


def run_async(m):
    def call(*args):
        async def main():
            return await m.back_async(*args)

        return asyncio.run(main())

    return call


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("kind", ["locked", "free", "async"])
def test_calls_within_a_call(m, kind, first):
    outer = run_async(m) if kind == "async" else getattr(m, f"back_{kind}")

    async def gather():
        calls = (m.add_async(i, 1) for i in range(20))
        return sum(await asyncio.gather(*calls))

    def body():
        # Clean, with memory, with an error, exact, and all of it again below.
        assert m.label_locked(7, "x" * 5000) == "7 " + "x" * 5000
        with pytest.raises(inlay.NotFound):
            m.label_locked(-1, "x")
        with pytest.raises(inlay.NotFound):
            m.label(-2)
        assert m.add(1, 2) == 3
        assert run_callback(m.back_locked, lambda: 5, True) == "before after 5"
        with pytest.raises(inlay.Conflict):
            run_callback(lambda a, _: m.back_fails(a), lambda: m.add(1, 1), False)
        assert asyncio.run(gather()) == 210
        return 42

    for _ in range(3):
        expected = "before after 42" if first else " after 42"
        assert run_callback(outer, body, first) == expected
    assert m.label_locked(1, "a") == "1 a"


def test_an_error_of_the_outer_call_stays_its_own(m):
    seen = []

    def body():
        seen.append(m.add(2, 2))
        seen.append(m.label_locked(1, "in"))
        return 0

    with pytest.raises(inlay.Conflict, match="of the outer call"):
        run_callback(lambda address, _: m.back_fails(address), body, False)
    assert seen == [4, "1 in"]


@pytest.mark.parametrize("name", ["loop", "loop_free"])
def test_the_lock_is_free_while_a_loop_is_waited_for(m, name):
    setter = threading.Timer(0.05, m.raise_flag)
    setter.start()
    assert getattr(m, name)() is True
    setter.join()


@pytest.mark.parametrize("kind", ["locked", "free", "async"])
def test_within_a_callback_a_loop_gives_the_lock_away(m, kind):
    outer = run_async(m) if kind == "async" else getattr(m, f"back_{kind}")
    setter = threading.Timer(0.05, m.raise_flag)
    setter.start()
    assert run_callback(outer, m.loop, False) == " after 1"
    setter.join()


def test_refused_with_python_objects(module):
    with pytest.raises(ImportError, match=r"INLAY_NOGIL.*PyObject"):
        module(
            """
            typedef struct _object PyObject;
            int64_t look(PyObject *o) { return o != 0; }
            INLAY_NOGIL(look);
            """
        )
