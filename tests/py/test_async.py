"""INLAY_ASYNC and run_in_pool: calls on the pool of threads, awaited."""

from __future__ import annotations

import asyncio
import collections.abc
import functools
import gc
import inspect
import os
import resource
import sys
import threading
import time
import warnings
import weakref

import inlay
import pytest

SOURCE = """
#include <stdatomic.h>
#include <time.h>

static atomic_int present, gate, ran, running;
static void nap(void) { nanosleep(&(struct timespec){0, 1000000}, NULL); }

/// Have `count` threads been here at the same time?
bool meet(int64_t count, int64_t ms)
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
INLAY_ASYNC(meet);
INLAY_DEFAULT(meet, ms, 20000);

/* Waits until open_gate(). */
int64_t wait(int64_t value)
{
    atomic_fetch_add(&running, 1);
    for (int i = 0; i < 20000 && !atomic_load(&gate); i++)
        nap();
    atomic_fetch_sub(&running, 1);
    atomic_fetch_add(&ran, 1);
    return value;
}
INLAY_ASYNC(wait);
void open_gate(bool open) { atomic_store(&gate, open); }
int count_ran(void) { return atomic_load(&ran); }
int count_running(void) { return atomic_load(&running); }

int64_t add(int64_t a, int64_t b) { return a + b; }
INLAY_ASYNC(add);
INLAY_DEFAULT(add, b, 100);
int64_t add_sync(int64_t a, int64_t b) { return a + b; }
INLAY_DEFAULT(add_sync, b, 100);

inlay_str greet(inlay_str name)
{
    if (!name.len)
        inlay_fail(INLAY_INVALID, "a name is missing");
    return inlay_format("hello %.*s", (int)name.len, name.ptr);
}
INLAY_ASYNC(greet);

INLAY_SLICE(texts, inlay_str);
INLAY_SLICE(reals, const double);
struct part { inlay_str name; texts tags; };

/* What it is given is read when others have had time to change it. */
inlay_str join(struct part part, texts more)
{
    for (int i = 0; i < 20000 && !atomic_load(&gate); i++)
        nap();
    inlay_str all = part.name;
    for (size_t i = 0; i < part.tags.len; i++)
        all = inlay_format("%.*s,%.*s", (int)all.len, all.ptr,
                           (int)part.tags.ptr[i].len, part.tags.ptr[i].ptr);
    for (size_t i = 0; i < more.len; i++)
        all = inlay_format("%.*s;%.*s", (int)all.len, all.ptr,
                           (int)more.ptr[i].len, more.ptr[i].ptr);
    return all;
}
INLAY_ASYNC(join);

double total(reals values)
{
    double sum = 0;
    for (int i = 0; i < 20000 && !atomic_load(&gate); i++)
        nap();
    for (size_t i = 0; i < values.len; i++)
        sum += values.ptr[i];
    return sum;
}
INLAY_ASYNC(total);

static atomic_int deferred;
static void note(void *arg) { inlay_alloc(10); atomic_fetch_add((atomic_int *)arg, 1); }
int64_t defer(void) { inlay_defer(note, &deferred); return atomic_load(&deferred); }
INLAY_ASYNC(defer);
"""

LOOPS = [asyncio.new_event_loop]
try:
    import uvloop
except ImportError:
    pass
else:
    LOOPS.append(uvloop.new_event_loop)


@pytest.fixture(scope="module")
def m(module):
    return module(SOURCE)


@pytest.fixture(params=LOOPS, ids=lambda make: make.__module__.partition(".")[0])
def run(request, m):
    """Runs a coroutine in a loop of its own; afterwards the pool is idle."""
    loop = request.param()

    def run(coroutine, seconds=30):
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(asyncio.wait_for(coroutine, seconds))

    m.open_gate(True)
    before = inlay.pool_stats()
    yield run
    loop.close()
    asyncio.set_event_loop(None)
    m.open_gate(True)
    inlay.configure_pool(threads=before.max_threads, queue=before.max_waiting)
    until(lambda: not inlay.pool_stats().running)


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


async def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.001)


def test_result_and_errors(m, run):
    async def main():
        assert await m.add(1, 2) == 3
        assert await m.add(b=5, a=1) == 6
        assert await m.add(1) == 101
        assert await m.greet("wörld") == "hello wörld"
        with pytest.raises(inlay.Invalid, match="a name is missing"):
            await m.greet("")
        deferred = await m.defer()
        assert await m.defer() == deferred + 1
        return "end"

    assert run(main()) == "end"


def test_arguments_are_checked_at_once(m):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match="missing"):
            m.add()
        with pytest.raises(TypeError, match="'b'"):
            m.add(1, "x")
        with pytest.raises(OverflowError):
            m.add(1 << 70, 1)
        with pytest.raises(TypeError, match="unexpected"):
            m.add(1, c=2)


def test_is_a_coroutine_function(m):
    for function in m.add, functools.partial(m.add, 1):
        assert inspect.iscoroutinefunction(function)
        assert asyncio.iscoroutinefunction(function)
    assert not inspect.iscoroutinefunction(m.add_sync)
    assert not asyncio.iscoroutinefunction(m.add_sync)
    assert not inspect.isgeneratorfunction(m.add)
    assert not inspect.isasyncgenfunction(m.add)
    assert str(inspect.signature(m.add)) == "(a: int, b: int = 100) -> int"
    assert inspect.getdoc(m.meet).startswith("Have `count`")


def test_is_a_coroutine(m):
    call = m.add(1, 2)
    assert type(call) is inlay.Call
    assert asyncio.iscoroutine(call)
    assert inspect.isawaitable(call)
    assert isinstance(call, collections.abc.Coroutine)
    assert call.__name__ == call.__qualname__ == "add"
    assert "add" in repr(call)
    assert weakref.ref(call)() is call
    call.close()
    call.close()
    with pytest.raises(RuntimeError, match="cannot reuse"):
        call.send(None)
    with pytest.raises(RuntimeError, match="cannot reuse"):
        call.throw(ValueError)
    with pytest.raises(TypeError):
        inlay.Call()


def test_steps_by_hand(m):
    call = m.add(1, 2)
    with pytest.raises(TypeError, match="non-None"):
        call.send(1)
    with pytest.raises(RuntimeError, match="no running event loop"):
        m.add(1, 2).send(None)
    call = m.add(1, 2)
    with pytest.raises(KeyError, match="mine"):
        call.throw(KeyError("mine"))
    with pytest.raises(RuntimeError, match="cannot reuse"):
        call.send(None)


def test_neither_closed_nor_resumed_within_a_step(m):
    """A loop may be Python code, which may do anything with its tasks."""
    refused = []

    class Loop(asyncio.SelectorEventLoop):
        def create_future(self):
            for step in (
                lambda: call.close(),
                lambda: call.send(None),
                lambda: call.throw(KeyError),
            ):
                try:
                    step()
                except ValueError as error:
                    refused.append(str(error))
            return super().create_future()

    call = m.add(1, 2)

    async def main():
        return await call

    loop = Loop()
    assert loop.run_until_complete(main()) == 3
    loop.close()
    assert refused == ["coroutine already executing"] * 3


def test_resumed_too_early(m, run):
    async def main():
        m.open_gate(False)
        call = m.wait(1)
        future = call.send(None)
        assert asyncio.isfuture(future)
        future.set_result(None)
        with pytest.raises(RuntimeError, match="before the call was done"):
            call.send(None)
        m.open_gate(True)

    run(main())


def test_never_awaited(m):
    with pytest.warns(RuntimeWarning, match="coroutine 'add' was never awaited"):
        m.add(1, 2)
        gc.collect()


def test_ways_to_wait(m, run):
    async def main():
        assert await asyncio.create_task(m.add(1, 2), name="t") == 3
        assert await asyncio.ensure_future(m.add(1, 3)) == 4
        assert await asyncio.gather(*(m.add(i, i) for i in range(300))) == [
            2 * i for i in range(300)
        ]
        assert await asyncio.wait_for(m.add(2, 2), 10) == 4
        assert await asyncio.shield(m.add(2, 3)) == 5
        done, _ = await asyncio.wait([asyncio.ensure_future(m.greet(""))])
        with pytest.raises(inlay.Invalid):
            done.pop().result()
        tasks = [asyncio.create_task(m.add(1, i)) for i in range(3)]
        assert "add" in repr(tasks[0])
        tasks[0].get_stack()
        ended = [await task for task in asyncio.as_completed(tasks)]
        assert sorted(ended) == [1, 2, 3]
        if sys.version_info >= (3, 11):
            async with asyncio.TaskGroup() as group:
                task = group.create_task(m.add(7, 7))
            assert task.result() == 14
        if sys.version_info >= (3, 12):
            eager = asyncio.Task(
                m.add(8, 8), loop=asyncio.get_running_loop(), eager_start=True
            )
            assert await eager == 16

    run(main())
    assert asyncio.run(m.add(4, 4)) == 8


def test_debug_mode(m):
    assert asyncio.run(m.add(4, 4), debug=True) == 8


def test_threads_run_at_the_same_time(m, run):
    async def main():
        assert await asyncio.gather(*(m.meet(5) for _ in range(5))) == [True] * 5

    run(main())


def test_the_loop_goes_on(m, run):
    async def main():
        m.open_gate(False)
        task = asyncio.create_task(m.wait(9))
        await wait_until(m.count_running)
        for _ in range(50):
            await asyncio.sleep(0)
        assert not task.done()
        m.open_gate(True)
        assert await task == 9

    run(main())


def test_cancelled_before_it_runs(m, run):
    async def main():
        inlay.configure_pool(threads=1)
        await wait_until(lambda: not inlay.pool_stats().running)
        m.open_gate(False)
        before = m.count_ran()
        first = asyncio.create_task(m.wait(1))
        await wait_until(lambda: m.count_running() == 1)
        queued = [asyncio.create_task(m.wait(i)) for i in range(10)]
        await wait_until(lambda: inlay.pool_stats().waiting == 10)
        for task in queued[1:]:
            task.cancel()
        gathered = await asyncio.gather(*queued[1:], return_exceptions=True)
        assert {type(e) for e in gathered} == {asyncio.CancelledError}
        assert inlay.pool_stats().waiting == 1
        m.open_gate(True)
        assert await first == 1
        assert await queued[0] == 0
        assert m.count_ran() == before + 2

    run(main())


class Word(str):
    """Can be referred to weakly."""


def test_cancelled_while_it_runs(m, run):
    async def main():
        m.open_gate(False)
        before = m.count_ran()
        task = asyncio.create_task(m.wait(1))
        await wait_until(lambda: m.count_running() == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(m.wait(2), 0.01)
        assert m.count_running() >= 1
        m.open_gate(True)
        await wait_until(lambda: m.count_ran() == before + 2)
        assert await m.add(1, 1) == 2

    run(main())


def can_grow(array):
    try:
        array.append(1)
    except BufferError:
        return False
    return True


def test_arguments_live_until_the_call_has_ended(m, run):
    async def main():
        m.open_gate(False)
        word = Word("word" * 100)
        numbers = bytearray(8 * 1000)
        seen = weakref.ref(word)
        tasks = [
            asyncio.create_task(m.join({"name": word, "tags": [word]}, [word])),
            asyncio.create_task(m.total(memoryview(numbers).cast("d"))),
        ]
        del word
        await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        del task, tasks
        gc.collect()
        assert seen() is not None
        assert not can_grow(numbers)
        m.open_gate(True)
        await wait_until(lambda: seen() is None)
        await wait_until(lambda: can_grow(numbers))

    run(main())


def test_arguments_that_change_meanwhile(m, run):
    async def main():
        m.open_gate(False)
        part = m.part("name" * 10, [f"tag {i}" for i in range(5)])
        more = [f"more {i}" for i in range(5)]
        expected = ",".join([part.name, *part.tags]) + ";" + ";".join(more)
        task = asyncio.create_task(m.join(part, more))
        await asyncio.sleep(0.01)
        part.name, part.tags = "", []
        more.clear()
        gc.collect()
        _ = [f"other {i}" for i in range(1000)]
        m.open_gate(True)
        assert await task == expected

    run(main())


def test_a_task_that_nobody_holds(m, run):
    async def main():
        m.open_gate(False)
        done = []

        async def alone():
            done.append(await m.wait(5))

        asyncio.ensure_future(alone())
        await wait_until(lambda: m.count_running() == 1)
        gc.collect()
        m.open_gate(True)
        await wait_until(lambda: done == [5])

    run(main())


def test_full_queue(m, run):
    async def main():
        inlay.configure_pool(threads=1, queue=2)
        await wait_until(lambda: not inlay.pool_stats().running)
        m.open_gate(False)
        tasks = [asyncio.create_task(m.wait(0))]
        await wait_until(lambda: m.count_running() == 1)
        tasks += [asyncio.create_task(m.wait(i)) for i in (1, 2)]
        await asyncio.sleep(0)
        assert inlay.pool_stats().waiting == 2
        with pytest.raises(
            inlay.Unavailable, match=r"wait\(\): the pool's queue is full: 2 calls wait"
        ) as info:
            await m.wait(3)
        assert info.value.status == 503
        m.open_gate(True)
        assert await asyncio.gather(*tasks) == [0, 1, 2]
        assert await m.wait(4) == 4

    run(main())


def test_configuration():
    before = inlay.pool_stats()
    for bad in (0, -1, 10**9):
        with pytest.raises(ValueError, match="threads must be"):
            inlay.configure_pool(threads=bad)
        with pytest.raises(ValueError, match="queue must be"):
            inlay.configure_pool(queue=bad)
    inlay.configure_pool()
    after = inlay.pool_stats()
    assert (after.max_threads, after.max_waiting) == (
        before.max_threads,
        before.max_waiting,
    )


def test_environment(project):
    code = """
    import inlay
    print(*inlay.pool_stats())
    """
    status, out, err = project.run(code, INLAY_POOL_THREADS="3", INLAY_POOL_QUEUE="7")
    assert (status, out) == (0, "0 0 0 3 7\n"), err
    for name in "INLAY_POOL_THREADS", "INLAY_POOL_QUEUE":
        for bad in "x", "0", "-1", "1e3":
            status, _, err = project.run(code, **{name: bad})
            assert status == 1
            assert "ValueError" in err and name in err


def test_two_loops(m):
    results = []

    def work(number):
        async def main():
            for i in range(50):
                group = (m.add(number, i + j) for j in range(10))
                assert await asyncio.gather(*group) == [
                    number + i + j for j in range(10)
                ]
            results.append(number)

        asyncio.run(main())

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1, 2, 3]


@pytest.mark.parametrize("make", LOOPS)
def test_a_loop_that_is_closed_meanwhile(m, make):
    class Mark:
        pass

    async def alone(mark):
        await m.wait(1)

    m.open_gate(False)
    loop = make()
    mark = Mark()
    seen = weakref.ref(mark)
    task = loop.create_task(alone(mark))
    task._log_destroy_pending = False
    del mark
    loop.call_later(0.05, loop.stop)
    loop.run_forever()
    assert m.count_running() == 1
    loop.close()
    del task, loop
    m.open_gate(True)
    until(lambda: not inlay.pool_stats().running)
    # The next loop's first call sweeps up what the former one left.
    assert asyncio.run(m.add(1, 2)) == 3
    gc.collect()
    assert seen() is None


def test_loops_leave_no_descriptors(m):
    def count():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    asyncio.run(m.add(1, 2))
    before = count()
    for i in range(20):
        assert asyncio.run(m.add(i, 2)) == i + 2
    assert count() <= before + 1


def test_run_in_pool(m, run):
    async def main():
        assert await inlay.run_in_pool(m.add_sync, 1, 2) == 3
        assert await inlay.run_in_pool(m.add_sync, b=1, a=2) == 3
        assert await inlay.run_in_pool(m.add_sync, 1) == 101
        assert await inlay.run_in_pool(m.add, 1, b=2) == 3

    run(main())
    with pytest.raises(TypeError, match="missing"):
        inlay.run_in_pool(m.add_sync)
    with pytest.raises(TypeError, match=r"not 5; use asyncio.to_thread"):
        inlay.run_in_pool(5)
    with pytest.raises(TypeError, match="use asyncio.to_thread"):
        inlay.run_in_pool(print, 5)
    with pytest.raises(TypeError, match="use asyncio.to_thread"):
        inlay.run_in_pool([].append, 5)
    with pytest.raises(TypeError, match="missing the function"):
        inlay.run_in_pool()


def test_run_in_pool_with_objects(module):
    m = module(
        """
        typedef struct _object PyObject;
        int64_t look(PyObject *o) { return o != 0; }
        """
    )
    with pytest.raises(TypeError, match=r"look\(\).*use asyncio.to_thread"):
        inlay.run_in_pool(m.look, 1)


def test_methods(module, run):
    m = module(
        """
        #include <stdlib.h>
        #include <time.h>
        struct counter { int64_t value; };
        struct counter *counter_new(int64_t start)
        {
            struct counter *c = malloc(sizeof(*c));
            c->value = start;
            return c;
        }
        void counter_free(struct counter *c) { c->value = -1; free(c); }
        int64_t counter_add(struct counter *c, int64_t by)
        {
            nanosleep(&(struct timespec){0, 20000000}, NULL);
            return c->value += by;
        }
        int64_t counter_later(struct counter *c, int64_t by)
        {
            return counter_add(c, by);
        }
        INLAY_ASYNC(counter_later);
        """
    )

    async def main():
        counter = m.counter(5)
        assert await inlay.run_in_pool(counter.add, 2) == 7
        assert await inlay.run_in_pool(counter.add, by=2) == 9
        assert await inlay.run_in_pool(m.counter.add, counter, 1) == 10
        assert inspect.iscoroutinefunction(counter.later)
        assert await counter.later(5) == 15
        # The object lives as long as the call.
        assert await m.counter(1).later(1) == 2
        task = asyncio.create_task(m.counter(1).later(1))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_fork(project):
    project.write(
        "slow.c",
        """
        #include <inlay.h>
        #include <time.h>
        int64_t slow(int64_t ms)
        {
            nanosleep(&(struct timespec){0, ms * 1000000}, NULL);
            return ms;
        }
        INLAY_ASYNC(slow);
        """,
    )
    status, out, err = project.run(
        """
        import asyncio, os
        import inlay
        import slow

        async def some():
            return sum(await asyncio.gather(*(slow.slow(i) for i in range(20))))

        async def main():
            inlay.configure_pool(threads=2)
            tasks = [asyncio.create_task(slow.slow(50)) for _ in range(6)]
            await asyncio.sleep(0.01)
            child = os.fork()
            if child:
                assert await asyncio.gather(*tasks) == [50] * 6
                assert os.waitpid(child, 0)[1] == 0
                return child
            asyncio._set_running_loop(None)
            assert inlay.pool_stats()[:3] == (0, 0, 0)
            loop = asyncio.new_event_loop()
            assert loop.run_until_complete(some()) == 190
            os._exit(0)

        asyncio.run(main())
        print(asyncio.run(some()))
        """
    )
    assert (status, out) == (0, "190\n"), err


EXITS = {
    "main ends": "",
    "exit": "import sys; sys.exit(0)",
    "loop closed": "loop.run_until_complete(asyncio.sleep(0)); loop.close()",
    "module gone": "del sys.modules['slow'], slow; gc.collect()",
}


@pytest.mark.parametrize("end", EXITS.values(), ids=EXITS)
def test_exit_while_calls_run(project, end):
    project.write(
        "slow.c",
        """
        #include <inlay.h>
        #include <time.h>
        int64_t slow(int64_t ms)
        {
            nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
            inlay_alloc(100);
            return ms;
        }
        INLAY_ASYNC(slow);
        """,
    )
    start = time.monotonic()
    status, out, err = project.run(
        f"""
        import asyncio, gc, sys
        import inlay
        import slow

        inlay.configure_pool(threads=30)
        loop = asyncio.new_event_loop()
        times = [*range(1, 60, 3), 15_000]
        tasks = [loop.create_task(slow.slow(ms)) for ms in times * 2]
        for task in tasks:
            task._log_destroy_pending = False
        loop.call_later(0.005, loop.stop)
        loop.run_forever()
        print("end", flush=True)
        {end}
        """
    )
    assert (status, out, err) == (0, "end\n", "")
    assert time.monotonic() - start < 12


@pytest.mark.slow
def test_no_leak(m, run):
    async def some(count):
        for _ in range(count // 100):
            await asyncio.gather(*(m.greet("x" * 100) for _ in range(100)))
            with pytest.raises(inlay.Invalid):
                await m.greet("")
            task = asyncio.create_task(m.add(1, 2))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            m.greet("x").close()

    def memory():
        gc.collect()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    run(some(10_000), 100)
    objects, before = len(gc.get_objects()), memory()
    run(some(100_000), 100)
    # A call has some 600 bytes; threads' heaps vary by a few MiB.
    assert memory() - before < 10 << 20
    assert len(gc.get_objects()) - objects < 100


def test_fastapi(m, monkeypatch):
    fastapi = pytest.importorskip("fastapi")
    routing = pytest.importorskip("fastapi.routing")
    testclient = pytest.importorskip("fastapi.testclient")

    def refuse(*args, **kwargs):
        raise AssertionError("an asynchronous function went to the thread pool")

    monkeypatch.setattr(routing, "run_in_threadpool", refuse)
    app = fastapi.FastAPI()
    app.get("/add")(m.add)
    app.get("/greet")(m.greet)

    @app.get("/within")
    async def within(a: int):
        return await m.add(a, 1)

    @app.get("/needs")
    async def needs(sum: int = fastapi.Depends(m.add)):  # noqa: B008
        return sum

    client = testclient.TestClient(app, raise_server_exceptions=False)
    assert client.get("/add?a=1&b=2").json() == 3
    assert client.get("/add?a=1").json() == 101
    assert client.get("/greet?name=you").json() == "hello you"
    assert client.get("/within?a=4").json() == 5
    assert client.get("/needs?a=4").json() == 104
    assert client.get("/add?a=x").status_code == 422
