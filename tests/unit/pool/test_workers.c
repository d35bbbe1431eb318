/* The pool of threads for blocking calls: order, limits, ends, fork. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/list.h"
#include "pool/workers.h"

static void nap(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

static struct inlay_workers_stats stats(void)
{
    struct inlay_workers_stats now;

    inlay_workers_stats(&now);
    return now;
}

/* Until `count` threads are left, or have a job. */
static void await_threads(unsigned count)
{
    for (int i = 0; i < 5000 && stats().threads != count; i++)
        nap(1);
    assert_int_equal(stats().threads, count);
}

static void await_running(unsigned count)
{
    for (int i = 0; i < 5000 && stats().running != count; i++)
        nap(1);
    assert_int_equal(stats().running, count);
}

/* A job that waits at a gate, then counts. */
struct task {
    struct inlay_job job;
    atomic_int *gate; /* NULL, or closed while 0 */
    atomic_int *done;
    int order; /* which one it was, from 1; of a pool of one thread */
};

static void run_task(struct inlay_job *job)
{
    struct task *task = inlay_container_of(job, struct task, job);

    while (task->gate && !atomic_load(task->gate))
        nap(1);
    task->order = atomic_load(task->done) + 1;
    atomic_fetch_add(task->done, 1);
}

static enum inlay_submit submit(struct task *task,
                                atomic_int *gate,
                                atomic_int *done)
{
    *task = (struct task){.job.run = run_task, .gate = gate, .done = done};
    return inlay_workers_submit(&task->job);
}

static void configure(unsigned threads, size_t queue, unsigned idle_ms)
{
    inlay_workers_configure(
        &(struct inlay_workers_limits){threads, queue, idle_ms});
}

static void await_count(atomic_int *done, int count)
{
    for (int i = 0; i < 20000 && atomic_load(done) != count; i++)
        nap(1);
    assert_int_equal(atomic_load(done), count);
}

static void test_parallel(void **state)
{
    struct task tasks[8];
    atomic_int gate = 0, done = 0;

    (void)state;
    configure(8, 100, 10000);
    for (int i = 0; i < 8; i++)
        assert_int_equal(submit(&tasks[i], &gate, &done), INLAY_SUBMIT_OK);
    await_running(8);
    assert_int_equal(stats().waiting, 0);
    assert_int_equal(atomic_load(&done), 0);
    atomic_store(&gate, 1);
    await_count(&done, 8);
    await_running(0);
    assert_int_equal(stats().threads, 8);
}

static void test_threads_end(void **state)
{
    struct task task;
    atomic_int done = 0;

    (void)state;
    configure(8, 100, 20);
    /* Those that sleep already do so for the former time. */
    for (int i = 0; i < 8; i++) {
        assert_int_equal(submit(&task, NULL, &done), INLAY_SUBMIT_OK);
        await_count(&done, i + 1);
    }
    configure(1, 100, 20);
    struct task busy[8];
    atomic_int gate = 0;
    done = 0;
    for (int i = 0; i < 8; i++)
        assert_int_equal(submit(&busy[i], &gate, &done), INLAY_SUBMIT_OK);
    atomic_store(&gate, 1);
    await_count(&done, 8);
    await_threads(0);
    done = 0;
    assert_int_equal(submit(&task, NULL, &done), INLAY_SUBMIT_OK);
    await_count(&done, 1);
    await_threads(0);
}

static void test_queue(void **state)
{
    struct task first, tasks[5], extra;
    atomic_int gate = 0, done = 0;

    (void)state;
    configure(1, 5, 20);
    assert_int_equal(submit(&first, &gate, &done), INLAY_SUBMIT_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(submit(&tasks[i], NULL, &done), INLAY_SUBMIT_OK);
    assert_int_equal(stats().waiting, 5);
    assert_int_equal(submit(&extra, NULL, &done), INLAY_SUBMIT_FULL);
    /* Last, first and one between; none twice, none that runs. */
    assert_true(inlay_workers_cancel(&tasks[4].job));
    assert_true(inlay_workers_cancel(&tasks[0].job));
    assert_true(inlay_workers_cancel(&tasks[2].job));
    assert_false(inlay_workers_cancel(&tasks[2].job));
    assert_false(inlay_workers_cancel(&first.job));
    assert_int_equal(stats().waiting, 2);
    assert_int_equal(submit(&extra, NULL, &done), INLAY_SUBMIT_OK);
    atomic_store(&gate, 1);
    await_count(&done, 4);
    assert_int_equal(first.order, 1);
    assert_int_equal(tasks[1].order, 2);
    assert_int_equal(tasks[3].order, 3);
    assert_int_equal(extra.order, 4);
    assert_false(inlay_workers_cancel(&extra.job));
    await_threads(0);
}

static void test_fewer_threads(void **state)
{
    struct task tasks[6];
    atomic_int gate = 0, done = 0;

    (void)state;
    configure(6, 5, 10000);
    for (int i = 0; i < 6; i++)
        assert_int_equal(submit(&tasks[i], &gate, &done), INLAY_SUBMIT_OK);
    atomic_store(&gate, 1);
    await_count(&done, 6);
    await_running(0);
    assert_int_equal(stats().threads, 6);
    /* Those that sleep end; the limit holds at once. */
    configure(2, 0, 0);
    assert_int_equal(stats().threads, 2);
    atomic_store(&gate, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(submit(&tasks[i], &gate, &done), INLAY_SUBMIT_OK);
    assert_int_equal(stats().waiting, 3);
    /* Of those that are busy one ends after its job. */
    configure(1, 0, 20);
    assert_int_equal(stats().threads, 2);
    atomic_store(&gate, 1);
    await_count(&done, 11);
    await_threads(0);
}

static void test_more_threads(void **state)
{
    struct task tasks[4];
    atomic_int gate = 0, done = 0;

    (void)state;
    configure(1, 5, 20);
    for (int i = 0; i < 4; i++)
        assert_int_equal(submit(&tasks[i], &gate, &done), INLAY_SUBMIT_OK);
    assert_int_equal(stats().waiting, 3);
    configure(3, 0, 0);
    assert_int_equal(stats().waiting, 1);
    assert_int_equal(stats().limits.threads, 3);
    assert_int_equal(stats().limits.queue, 5);
    await_running(3);
    atomic_store(&gate, 1);
    await_count(&done, 4);
    await_threads(0);
}

/* What a thread of the pool is like. */
struct look {
    struct inlay_job job;
    char name[16];
    sigset_t blocked;
    atomic_int done;
};

static void run_look(struct inlay_job *job)
{
    struct look *look = inlay_container_of(job, struct look, job);

    pthread_getname_np(pthread_self(), look->name, sizeof(look->name));
    pthread_sigmask(SIG_BLOCK, NULL, &look->blocked);
    atomic_store(&look->done, 1);
}

static void test_thread(void **state)
{
    struct look look = {.job.run = run_look};
    sigset_t before;

    (void)state;
    assert_int_equal(inlay_workers_submit(&look.job), INLAY_SUBMIT_OK);
    await_count(&look.done, 1);
    assert_memory_equal(look.name, "inlay-pool/", 11);
    assert_true(sigismember(&look.blocked, SIGINT));
    assert_true(sigismember(&look.blocked, SIGCHLD));
    assert_false(sigismember(&look.blocked, SIGSEGV));
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_false(sigismember(&before, SIGINT));
    await_threads(0);
}

/* Submitting, cancelling and running at the same time. */
#define EACH 2000

static void *hammer(void *arg)
{
    static __thread struct task tasks[EACH];
    atomic_int *cancelled = arg;
    atomic_int done = 0;
    int gone = 0;

    for (int i = 0; i < EACH; i++) {
        while (submit(&tasks[i], NULL, &done) == INLAY_SUBMIT_FULL)
            nap(1);
        if (i % 3 == 0 && inlay_workers_cancel(&tasks[i].job))
            gone++;
    }
    await_count(&done, EACH - gone);
    atomic_fetch_add(cancelled, gone);
    return NULL;
}

static void test_stress(void **state)
{
    pthread_t threads[4];
    atomic_int cancelled = 0;

    (void)state;
    configure(4, 50, 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &cancelled),
                         0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    await_threads(0);
}

static int in_child(struct inlay_job *queued)
{
    struct task task;
    atomic_int done = 0;

    if (stats().threads || stats().waiting || inlay_workers_cancel(queued))
        return 1;
    if (submit(&task, NULL, &done) != INLAY_SUBMIT_OK)
        return 2;
    for (int i = 0; i < 5000 && !atomic_load(&done); i++)
        nap(1);
    return atomic_load(&done) == 1 ? 0 : 3;
}

static void test_fork(void **state)
{
    struct task first, second;
    atomic_int gate = 0, done = 0;
    int status;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it allows no threads after a fork */
#endif
    configure(1, 5, 20);
    assert_int_equal(submit(&first, &gate, &done), INLAY_SUBMIT_OK);
    assert_int_equal(submit(&second, NULL, &done), INLAY_SUBMIT_OK);
    pid_t child = fork();
    if (child == 0)
        _exit(in_child(&second.job));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(stats().waiting, 1);
    atomic_store(&gate, 1);
    await_count(&done, 2);
    await_threads(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parallel),
        cmocka_unit_test(test_threads_end),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_more_threads),
        cmocka_unit_test(test_fewer_threads),
        cmocka_unit_test(test_thread),
        cmocka_unit_test(test_stress),
        cmocka_unit_test(test_fork),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
