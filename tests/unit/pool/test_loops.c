/* Joins: of any thread, within joins, stolen or not; sleep, fork. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pool/deque.h"
#include "pool/loops.h"

#define THREADS 3 /* of the pool, whatever this machine has */

struct fib {
    int n;
    long result;
};

static void fib(void *arg)
{
    struct fib *fib_ = arg;

    if (fib_->n < 2) {
        fib_->result = fib_->n;
        return;
    }
    struct fib a = {.n = fib_->n - 1}, b = {.n = fib_->n - 2};
    inlay_loops_join(fib, &a, fib, &b);
    fib_->result = a.result + b.result;
}

static void test_fib(void **state)
{
    struct fib root = {.n = 22};

    (void)state;
    fib(&root);
    assert_int_equal(root.result, 17711);
    assert_int_equal(inlay_loops_threads(), THREADS);
}

static void *fib_thread(void *arg)
{
    bool *failed = arg;

    for (int i = 0; i < 20; i++) {
        struct fib root = {.n = 14};

        fib(&root);
        if (root.result != 377)
            *failed = true;
    }
    return NULL;
}

/* More callers than threads; slots of those that have gone are used again. */
static void test_callers(void **state)
{
    pthread_t threads[8];
    bool failed[8] = {false};

    (void)state;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 8; i++)
            assert_int_equal(
                pthread_create(&threads[i], NULL, fib_thread, &failed[i]), 0);
        for (int i = 0; i < 8; i++) {
            pthread_join(threads[i], NULL);
            assert_false(failed[i]);
        }
    }
}

/* --- Both pieces at the same time ------------------------------------------ */

struct meeting {
    atomic_int here;
    atomic_int *met;
    char name[16];
    bool blocked, open;
};

static void meet(void *arg)
{
    struct meeting *self = arg;
    sigset_t mask;

    atomic_fetch_add(self->met, 1);
    /* Ends only when both pieces run. */
    while (atomic_load(self->met) < 2)
        usleep(100);
    pthread_getname_np(pthread_self(), self->name, sizeof(self->name));
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    self->blocked = sigismember(&mask, SIGTERM) == 1;
    self->open = sigismember(&mask, SIGSEGV) == 0;
}

static void test_at_the_same_time(void **state)
{
    (void)state;
    /* A sleeping thread is woken each time. */
    for (int i = 0; i < 20; i++) {
        atomic_int met = 0;
        struct meeting a = {.met = &met}, b = {.met = &met};

        inlay_loops_join(meet, &a, meet, &b);
        assert_memory_equal(b.name, "inlay-loop/", 11);
        assert_true(b.blocked);
        assert_true(b.open);
        usleep(2000);
    }
}

struct tree {
    int depth;
    atomic_int *met, *leaves;
    int most;
};

/* All leaves at once: the waiting threads help too. */
static void grow(void *arg)
{
    struct tree *tree = arg;

    if (tree->depth == 0) {
        atomic_fetch_add(tree->leaves, 1);
        while (atomic_load(tree->leaves) < tree->most)
            usleep(100);
        return;
    }
    struct tree a = *tree, b = *tree;
    a.depth = b.depth = tree->depth - 1;
    inlay_loops_join(grow, &a, grow, &b);
}

static void test_all_threads_take_part(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        atomic_int leaves = 0;
        struct tree tree = {.depth = 2, .leaves = &leaves, .most = 4};

        grow(&tree); /* three threads and this one */
        assert_int_equal(atomic_load(&leaves), 4);
        usleep(i % 2 * 1000);
    }
}

/*
 * Who waits takes nothing of another caller's: each piece below sees only
 * its own caller's mark on the thread, or none.
 */
struct own {
    int depth;
    int id;
};

static _Thread_local int works_for;
static atomic_int strangers;

static void own(void *arg)
{
    struct own *self = arg;
    int before = works_for;

    if (before && before != self->id)
        atomic_fetch_add(&strangers, 1);
    works_for = self->id;
    if (self->depth) {
        struct own a = {self->depth - 1, self->id}, b = a;

        inlay_loops_join(own, &a, own, &b);
    } else {
        for (volatile int i = 0; i < 2000; i++)
            continue;
    }
    works_for = before;
}

static void *own_thread(void *arg)
{
    struct own root = {7, *(int *)arg};

    for (int i = 0; i < 20; i++)
        own(&root);
    return NULL;
}

static void test_no_strangers(void **state)
{
    pthread_t threads[4];
    int ids[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        ids[i] = i + 1;
        pthread_create(&threads[i], NULL, own_thread, &ids[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&strangers), 0);
}

/* --- Sleep, fork, exit ------------------------------------------------------ */

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void test_idle_threads_sleep(void **state)
{
    struct fib root = {.n = 10};

    (void)state;
    fib(&root);
    usleep(20000);
    double before = cpu_seconds();
    usleep(200000);
    assert_true(cpu_seconds() - before < 0.005);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void test_fork(void **state)
{
    int status;

    (void)state;
    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            atomic_int met = 0;
            struct meeting a = {.met = &met}, b = {.met = &met};

            /* With threads of its own, or it would never end. */
            alarm(20);
            inlay_loops_join(meet, &a, meet, &b);
            struct fib root = {.n = 12};
            fib(&root);
            _exit(root.result == 144 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        inlay_loops_join(nothing, NULL, nothing, NULL);
    }
}

static void fork_inside(void *arg)
{
    pid_t *pid = arg;

    *pid = fork();
    if (*pid == 0)
        _exit(7);
}

static void test_fork_within_a_piece(void **state)
{
    pid_t pids[2];
    int status;

    (void)state;
    inlay_loops_join(fork_inside, &pids[0], fork_inside, &pids[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(WEXITSTATUS(status), 7);
    }
}

/* Begun on two threads, forked by one, ended when that is done. */
static atomic_int begun;
static atomic_bool forked;

static void fork_and_return(void *arg)
{
    pid_t *pid = arg;

    atomic_fetch_add(&begun, 1);
    while (atomic_load(&begun) < 2)
        usleep(100);
    *pid = fork();
    if (*pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        alarm(5);
        return;
    }
    atomic_store(&forked, true);
}

static void wait_for_fork(void *arg)
{
    (void)arg;
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&forked))
        usleep(100);
}

/* The child waits for what only the parent does. */
static void test_fork_that_returns(void **state)
{
    pid_t pid = -1;
    int status;

    (void)state;
    inlay_loops_join(fork_and_return, &pid, wait_for_fork, NULL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_exit_with_threads(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        struct fib root = {.n = 12};

        alarm(20);
        fib(&root);
        exit(3); /* with what the process does at its end */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 3);
}

/* --- The deque alone --------------------------------------------------------- */

#define PIECES 20000

static struct inlay_deque deque;
static atomic_int taken[PIECES];
static atomic_bool over;
static char tags[PIECES]; /* their addresses are the pieces */

static void got(struct inlay_piece *piece)
{
    atomic_fetch_add(&taken[(char *)piece - tags], 1);
}

static void *thief(void *arg)
{
    struct inlay_deque_look look;

    (void)arg;
    while (!atomic_load(&over))
        if (inlay_deque_look(&deque, NULL, 0, &look) &&
            inlay_deque_steal(&deque, &look))
            got(look.piece);
    return NULL;
}

static void test_deque_each_once(void **state)
{
    pthread_t thieves[2];
    int next = 0, depth = 0;

    (void)state;
    for (int i = 0; i < 2; i++)
        pthread_create(&thieves[i], NULL, thief, NULL);
    srand(1);
    while (next < PIECES || depth) {
        if (next < PIECES && rand() % 3 &&
            inlay_deque_push(&deque, (struct inlay_piece *)&tags[next], tags,
                             0)) {
            next++;
            depth++;
            continue;
        }
        struct inlay_piece *piece = inlay_deque_take(&deque);
        if (piece)
            got(piece);
        depth = piece ? depth - 1 : 0; /* empty: thieves have the rest */
    }
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++)
        pthread_join(thieves[i], NULL);
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(taken[i], 1);
}

static void test_deque_rules(void **state)
{
    static struct inlay_deque one;
    struct inlay_deque_look look;
    struct inlay_piece *piece = (struct inlay_piece *)tags;
    int a, b;

    (void)state;
    assert_true(inlay_deque_is_empty(&one));
    assert_null(inlay_deque_take(&one));
    assert_false(inlay_deque_look(&one, NULL, 0, &look));
    for (int i = 0; i < INLAY_DEQUE_SIZE; i++)
        assert_true(inlay_deque_push(&one, piece, &a, 5));
    assert_false(inlay_deque_push(&one, piece, &a, 5));
    assert_false(inlay_deque_look(&one, &b, 0, &look));
    assert_false(inlay_deque_look(&one, &a, 6, &look));
    assert_true(inlay_deque_look(&one, &a, 5, &look));
    struct inlay_deque_look again = look;
    assert_true(inlay_deque_steal(&one, &look));
    assert_false(inlay_deque_steal(&one, &again));
    assert_true(inlay_deque_push(&one, piece, &a, 5));
}

/* Threads after a fork are what test_fork is about. */
const char *__tsan_default_options(void);

const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deque_rules),
        cmocka_unit_test(test_deque_each_once),
        cmocka_unit_test(test_fib),
        cmocka_unit_test(test_callers),
        cmocka_unit_test(test_at_the_same_time),
        cmocka_unit_test(test_all_threads_take_part),
        cmocka_unit_test(test_no_strangers),
        cmocka_unit_test(test_idle_threads_sleep),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_fork_within_a_piece),
        cmocka_unit_test(test_fork_that_returns),
        cmocka_unit_test(test_exit_with_threads),
    };

    inlay_loops_configure(THREADS);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
