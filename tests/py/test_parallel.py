"""Parallel loops: from Python, its threads and plain ones, with errors."""

import os
import threading
import time

import inlay
import pytest

SOURCE = """
    #include <pthread.h>
    #include <stdio.h>
    #include <sys/prctl.h>
    #include <unistd.h>

    INLAY_SLICE(numbers, const double);
    INLAY_SLICE(texts, inlay_str);

    static void sum_part(void *ctx, size_t begin, size_t end, void *part)
    {
        numbers *values = ctx;
        for (size_t i = begin; i < end; i++)
            *(double *)part += values->ptr[i];
    }
    static void sum_merge(void *into, const void *part)
    {
        *(double *)into += *(const double *)part;
    }
    double sum(numbers values)
    {
        double total = 0;
        inlay_parallel_reduce(values.len, 0, sum_part, sum_merge, &values, &total);
        return total;
    }

    static void spell_part(void *ctx, size_t begin, size_t end)
    {
        texts *out = ctx;
        for (size_t i = begin; i < end; i++)
            out->ptr[i] = inlay_format("number %zu", i);
    }
    texts spell(int64_t count)
    {
        texts out = {inlay_alloc((size_t)count * sizeof(inlay_str)), (size_t)count};
        if (out.ptr)
            inlay_parallel_for(out.len, 1, spell_part, &out);
        return out;
    }

    static void fail_part(void *ctx, size_t begin, size_t end)
    {
        int64_t at = *(int64_t *)ctx;
        if ((size_t)at >= begin && (size_t)at < end)
            inlay_fail(INLAY_NOT_FOUND, "no item %d", (int)at);
    }
    bool find(int64_t at) { return inlay_parallel_for(1000, 1, fail_part, &at); }

    static void nap_part(void *ctx, size_t begin, size_t end)
    {
        for (size_t i = begin; i < end; i++)
            usleep(1000);
    }
    bool nap(int64_t times)
    {
        return inlay_parallel_for((size_t)times, 1, nap_part, NULL);
    }

    static void *in_thread(void *arg)
    {
        int64_t at = 7;
        *(bool *)arg = inlay_parallel_for(8, 1, nap_part, NULL) &&
                       !inlay_parallel_for(1000, 1, fail_part, &at);
        return NULL;
    }
    bool plain_thread(void)
    {
        pthread_t thread;
        bool well = false;
        pthread_create(&thread, NULL, in_thread, &well);
        pthread_join(thread, NULL);
        return well;
    }

    static void outer_part(void *ctx, size_t begin, size_t end)
    {
        for (size_t i = begin; i < end; i++) {
            double one = 0;
            inlay_parallel_reduce(((numbers *)ctx)->len, 4, sum_part, sum_merge,
                                  ctx, &one);
            if (one != (double)((numbers *)ctx)->len)
                inlay_fail(INLAY_INTERNAL, "it is %f", one);
        }
    }
    bool nested(numbers ones) { return inlay_parallel_for(200, 1, outer_part, &ones); }

    static _Atomic bool named;
    static void name_part(void *ctx, size_t begin, size_t end)
    {
        char name[17] = "";
        if (begin) {
            prctl(PR_GET_NAME, name);
            *(inlay_str *)ctx = inlay_format("%s", name);
            named = true;
        }
        while (!named)
            usleep(100);
    }
    inlay_str other(void)
    {
        inlay_str name = {"", 0};
        named = false;
        inlay_parallel_for(2, 1, name_part, &name);
        return name;
    }
"""

one_core = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="there is one core: no other thread"
)


@pytest.fixture(scope="module")
def fast(module):
    return module(SOURCE)


def test_reduce(fast):
    values = [1.0 / (i + 1) for i in range(100_000)]
    first = fast.sum(values)
    assert first == pytest.approx(sum(values))
    # The same tree whoever takes part: the same bits.
    assert all(fast.sum(values) == first for _ in range(20))
    assert fast.sum([]) == 0.0
    assert fast.sum([2.5]) == 2.5


def test_memory_of_bodies_lives_until_the_result_is_made(fast):
    for count in (0, 1, 2, 1000, 20_000):
        assert fast.spell(count) == [f"number {i}" for i in range(count)]


def test_errors(fast):
    for at in (0, 1, 500, 999):
        with pytest.raises(inlay.Error, match=f"no item {at}") as caught:
            fast.find(at)
        assert caught.value.status == 404
    assert fast.find(5000) is True


def test_nested(fast):
    assert fast.nested([1.0] * 100) is True


def test_the_gil_is_free_meanwhile(fast):
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    fast.nap(1)  # one part: nothing to wait for
    ticks.clear()
    start = time.monotonic()
    assert fast.nap(200) is True
    end = time.monotonic()
    done.set()
    thread.join()
    assert len([t for t in ticks if start < t < end]) > 10


def test_many_threads(fast):
    results = []

    def work():
        for _ in range(20):
            results.append(fast.sum([1.0] * 5000) == 5000.0)
            results.append(fast.nested([1.0] * 20))
            with pytest.raises(LookupError):
                fast.find(3)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8 * 40 and all(results)


def test_plain_thread(fast):
    assert fast.plain_thread() is True


@one_core
def test_names_of_threads(fast):
    assert fast.other().startswith("inlay-loop/")


@one_core
def test_fork(fast):
    fast.nap(4)
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            # The child has threads of its own, or this would not end.
            os._exit(0 if fast.other().startswith("inlay-loop/") else 1)
        assert os.waitpid(pid, 0)[1] == 0
    assert fast.nap(4) is True


def test_idle_threads_sleep(fast):
    fast.nap(4)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.02


def test_exit_after_a_loop(project):
    project.write("fast.c", "#include <inlay.h>\n" + SOURCE)
    code, out, err = project.run(
        """
        import sys, threading, inlay
        inlay.install()
        sys.path.insert(0, __file__.rpartition("/")[0])
        import fast
        threading.Thread(target=fast.nap, args=(2000,), daemon=True).start()
        print(fast.nap(4))
        """
    )
    assert (code, out, err) == (0, "True\n", "")


@pytest.mark.parametrize("threads", ["0", "1", "5"])
def test_number_of_threads(project, threads):
    project.write("fast.c", "#include <inlay.h>\n" + SOURCE)
    code, out, err = project.run(
        """
        import os, sys, inlay
        inlay.install()
        sys.path.insert(0, __file__.rpartition("/")[0])
        import fast
        before = len(os.listdir("/proc/self/task"))
        print(fast.nap(4), fast.sum([0.1] * 1000) == fast.sum([0.1] * 1000))
        print(len(os.listdir("/proc/self/task")) - before)
        """,
        INLAY_LOOP_THREADS=threads,
    )
    assert (code, out, err) == (0, f"True True\n{threads}\n", "")
