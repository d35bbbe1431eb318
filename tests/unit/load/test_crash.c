/* Crash reports: a child per way to die; what it says, what it dies of. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "dwarf/open.h"
#include "load/context.h"
#include "load/crash.h"
#include "load/module.h"
#include "net/coroutine.h"

#define INPUT TEST_DWARF "/../unit/load/crash_input.c"

#define NSIGNALS 5

static const int signals[NSIGNALS] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
static struct sigaction handlers[NSIGNALS]; /* as they are without cmocka's */
static struct compile_dir dir;
static struct inlay_module *module;

/* The number of the line of the input with that mark. */
static unsigned line_of(const char *mark)
{
    char wanted[60], line[200];
    unsigned number = 0, found = 0;
    FILE *file = fopen(INPUT, "r");

    assert_non_null(file);
    snprintf(wanted, sizeof(wanted), "/* line: %s */", mark);
    while (fgets(line, sizeof(line), file)) {
        number++;
        if (strstr(line, wanted))
            found = number;
    }
    fclose(file);
    assert_int_not_equal(found, 0);
    return found;
}

static void call(const char *name)
{
    const struct inlay_callable *callable =
        inlay_module_find(module, inlay_str_from(name));
    int value = 7;
    void *args[] = {&value};
    char ret[16];

    inlay_crash_thread();
    inlay_call_invoke(callable->plan, callable->func->entry, args, ret);
}

static void *call_in_thread(void *name)
{
    call(name);
    return NULL;
}

struct death {
    int signal;
    char said[5000];
};

/* Runs `die` in a child; what it wrote, and the signal that ended it. */
static struct death die_of(void (*die)(const char *name), const char *name)
{
    struct death death = {0};
    size_t len = 0;
    ssize_t count;
    int pipe_[2], status;

    assert_int_equal(pipe(pipe_), 0);
    pid_t pid = fork();
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        for (int i = 0; i < NSIGNALS; i++)
            sigaction(signals[i], &handlers[i], NULL);
        alarm(20);
        dup2(pipe_[1], STDERR_FILENO);
        die(name);
        _exit(9);
    }
    close(pipe_[1]);
    while ((count = read(pipe_[0], death.said + len,
                         sizeof(death.said) - 1 - len)) > 0)
        len += (size_t)count;
    close(pipe_[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    death.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return death;
}

static void check(const struct death *death,
                  int signal,
                  const char *begin,
                  const char *mark)
{
    char where[50];

    snprintf(where, sizeof(where), "crash_input.c:%u", line_of(mark));
    if (death->signal != signal || strncmp(death->said, begin, strlen(begin)) ||
        !strstr(death->said, where))
        fail_msg("signal %d, wanted \"%s\", %s, said:\n%s", death->signal,
                 begin, where, death->said);
}

static const struct way {
    const char *name;
    int signal;
    const char *begin;
    const char *mark, *caller; /* marked lines; NULL: none */
} ways[] = {
    {"null_write", SIGSEGV, "inlay: SIGSEGV in helper() at /", "helper",
     "null_write"},
    {"null_read", SIGSEGV,
     "inlay: SIGSEGV in inlined(), inlined into null_read(), at /", "inlined",
     NULL},
    {"divide", SIGFPE,
     "inlay: SIGFPE (integer division by zero) in divide() at /", "divide",
     NULL},
    {"overflow", SIGSEGV, "inlay: SIGSEGV (stack overflow) in recurse() at /",
     "recurse", "overflow"},
    {"give_up", SIGABRT, "inlay: SIGABRT in code called by give_up() at /",
     "give_up", NULL},
    {"trap", SIGILL, "inlay: SIGILL in trap() at /", "trap", NULL},
    {"jump", SIGSEGV,
     "inlay: SIGSEGV: call of 0x1234, which is no code, by jump() at /", "jump",
     NULL},
    {"sort", SIGSEGV, "inlay: SIGSEGV in compare() at /", "compare", "sort"},
    {"length", SIGSEGV, "inlay: SIGSEGV in code called by length() at /",
     "length", NULL},
    {"own_thread", SIGSEGV, "inlay: SIGSEGV in helper() at /", "helper",
     "in_thread"},
    {"in_loop", SIGSEGV, "inlay: SIGSEGV in helper() at /", "helper", "part"},
};

static void die_here(const char *name)
{
    call(name);
}

static void die_in_thread(const char *name)
{
    pthread_t thread;

    pthread_create(&thread, NULL, call_in_thread, (void *)name);
    pthread_join(thread, NULL);
}

static void test_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        const struct way *way = &ways[i];

        for (int threaded = 0; threaded < 2; threaded++) {
            struct death death =
                die_of(threaded ? die_in_thread : die_here, way->name);

            check(&death, way->signal, way->begin, way->mark);
            if (way->caller)
                check(&death, way->signal, way->begin, way->caller);
            assert_int_equal(death.said[strlen(death.said) - 1], '\n');
        }
    }
}

static void test_overflow_is_short(void **state)
{
    struct death death = die_of(die_in_thread, "overflow");
    size_t lines = 0;

    (void)state;
    for (const char *at = death.said; *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 3);
    assert_non_null(strstr(death.said, " times\n  called by overflow() at "));
}

static void test_address(void **state)
{
    struct death death = die_of(die_here, "null_write");

    (void)state;
    assert_non_null(strstr(death.said, "(address 0x0, thread "));
}

/* --- While a route is served ----------------------------------------------------- */

static struct inlay_func served = {.name = INLAY_STR("get_user")};

/* Says it twice: for the supervisor, for the reader. */
static void call_for_route(void *name)
{
    struct inlay_arena arena;
    struct inlay_context context, inner;

    inlay_crash_report_to(STDERR_FILENO);
    inlay_arena_init(&arena, 1 << 20);
    inlay_context_enter(&context, &arena);
    context.what = INLAY_STR("GET /users/{id}");
    context.func = &served;
    inlay_context_enter(&inner, &arena); /* what it calls */
    call(name);
}

static void die_for_route(const char *name)
{
    call_for_route((void *)name);
}

static void die_in_coroutine(const char *name)
{
    struct inlay_coroutines coroutines;

    inlay_crash_thread();
    inlay_coroutines_init(&coroutines);
    inlay_coroutine_resume(
        inlay_coroutine_create(&coroutines, call_for_route, (void *)name));
}

static const char *name_of(int number)
{
    static const char *const names[NSIGNALS] = {"SIGSEGV", "SIGBUS", "SIGFPE",
                                                "SIGILL", "SIGABRT"};
    size_t i = 0;

    while (signals[i] != number)
        i++;
    return names[i];
}

static void test_route(void **state)
{
    static void (*const ways_to[])(const char *) = {die_for_route,
                                                    die_in_coroutine};
    char line[200], wanted[400];

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        const struct way *way = &ways[i];

        /* Its own thread serves nothing. */
        if (strcmp(way->name, "own_thread") == 0)
            continue;
        for (size_t j = 0; j < 2; j++) {
            struct death death = die_of(ways_to[j], way->name);
            char *text = strchr(death.said, '\n');
            char *field = strchr(death.said, '\t');

            assert_non_null(text);
            *text++ = '\0';
            snprintf(line, sizeof(line), "\t%s\tGET /users/{id}\tget_user\t/",
                     name_of(way->signal));
            assert_non_null(field);
            assert_memory_equal(field, line, strlen(line));
            snprintf(wanted, sizeof(wanted), "crash_input.c:%u",
                     line_of(way->mark));
            /* An overflow is a line or two above. */
            if (strcmp(way->name, "overflow") != 0)
                assert_string_equal(strrchr(death.said, '/') + 1, wanted);
            assert_non_null(strstr(text, ", for GET /users/{id} ("));
            memmove(death.said, text, strlen(text) + 1);
            check(&death, way->signal, way->begin, way->mark);
            if (way->caller)
                check(&death, way->signal, way->begin, way->caller);
        }
    }
}

static void die_elsewhere(const char *name);

static void die_elsewhere_for_route(const char *name)
{
    struct inlay_context context;

    inlay_context_enter(&context, NULL);
    context.what = INLAY_STR("GET /odd\tone");
    context.func = &served;
    inlay_crash_report_to(STDERR_FILENO);
    die_elsewhere(name);
}

static void test_route_without_place(void **state)
{
    struct death death = die_of(die_elsewhere_for_route, NULL);
    char *text = strchr(death.said, '\n');

    (void)state;
    assert_int_equal(death.signal, SIGSEGV);
    assert_non_null(text);
    *text++ = '\0';
    assert_non_null(strstr(death.said, "\tSIGSEGV\tGET /odd?one\tget_user\t"));
    assert_int_equal(death.said[strlen(death.said) - 1], '\t');
    assert_ptr_equal(strstr(text,
                            "inlay: SIGSEGV in a call of get_user(), for GET "
                            "/odd?one (address 0x0, thread "),
                     text);
}

/* --- What is not native, and who was there before ------------------------------- */

static int *volatile nowhere;

__attribute__((no_sanitize("undefined"))) static void die_elsewhere(
    const char *name)
{
    (void)name;
    call("well");
    call("sort_well");
    *nowhere = 1;
}

static void die_by_raise(const char *name)
{
    (void)name;
    call("well");
    call("sort_well");
    raise(SIGSEGV);
}

static void die_by_abort(const char *name)
{
    (void)name;
    call("well");
    call("sort_well");
    abort();
}

static void test_elsewhere_is_quiet(void **state)
{
    struct death death = die_of(die_elsewhere, NULL);

    (void)state;
    assert_int_equal(death.signal, SIGSEGV);
    assert_string_equal(death.said, "");
    death = die_of(die_by_raise, NULL);
    assert_int_equal(death.signal, SIGSEGV);
    assert_string_equal(death.said, "");
    death = die_of(die_by_abort, NULL);
    assert_int_equal(death.signal, SIGABRT);
    assert_string_equal(death.said, "");
}

#ifndef __SANITIZE_THREAD__
static struct sigaction ours;

/* As faulthandler does: says something, steps aside, raises it anew. */
static void step_aside(int number)
{
    if (write(2, "before\n", 7) < 0)
        _exit(8);
    sigaction(number, &ours, NULL);
    raise(number);
}

static void die_behind_another(const char *name)
{
    struct sigaction action = {
        .sa_handler = step_aside,
        .sa_flags = SA_NODEFER | SA_ONSTACK,
    };

    inlay_crash_thread();
    sigaction(SIGSEGV, &action, &ours);
    sigaction(SIGABRT, &action, NULL);
    call(name);
}

static void test_behind_another_handler(void **state)
{
    struct death death = die_of(die_behind_another, "null_write");

    (void)state;
    check(&death, SIGSEGV, "before\ninlay: SIGSEGV in helper() at /", "helper");
    death = die_of(die_behind_another, "overflow");
    check(&death, SIGSEGV,
          "before\ninlay: SIGSEGV (stack overflow) in recurse() at /",
          "overflow");
    death = die_of(die_behind_another, "give_up");
    check(&death, SIGABRT,
          "before\ninlay: SIGABRT in code called by give_up() at /", "give_up");
}

#endif

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
/* --- A thread with a stack for signals of its own -------------------------------- */

#define BELOW ((size_t)64 << 10)

static char *shared; /* with the child; the stack lies behind BELOW */
static size_t stack_size;

static void *call_on_own_stack(void *name)
{
    stack_t stack = {.ss_sp = shared + BELOW, .ss_size = stack_size};

    sigaltstack(&stack, NULL);
    call(name);
    return NULL;
}

static void die_on_own_stack(const char *name)
{
    pthread_t thread;

    pthread_create(&thread, NULL, call_on_own_stack, (void *)name);
    pthread_join(thread, NULL);
}

/* How much of it was used, and of what lies below. */
static size_t used(void)
{
    size_t at = 0;

    while (at < BELOW + stack_size && !shared[at])
        at++;
    return BELOW + stack_size - at;
}

static void test_own_stack(void **state)
{
    long least = sysconf(_SC_MINSIGSTKSZ); /* what the kernel needs of it */
    struct death death;

    (void)state;
    shared = mmap(NULL, 2 * BELOW, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    for (size_t more = 2048; more < 16384; more += 1024) {
        memset(shared, 0, 2 * BELOW);
        stack_size = (size_t)least + more;
        death = die_of(die_on_own_stack, "null_write");
        assert_int_equal(death.signal, SIGSEGV);
        assert_true(used() <= stack_size);
        assert_true(more < 8192 || death.said[0]);
    }
    check(&death, SIGSEGV, "inlay: SIGSEGV in helper() at /", "helper");
    munmap(shared, 2 * BELOW);
}

#endif

/* --- Places ------------------------------------------------------------------------ */

static void test_describe(void **state)
{
    const struct inlay_callable *callable =
        inlay_module_find(module, INLAY_STR("divide"));
    struct inlay_crash_place place;

    (void)state;
    uintptr_t entry = (uintptr_t)callable->func->entry;
    assert_true(inlay_crash_describe(entry, &place));
    assert_true(inlay_str_is(place.function, "divide"));
    assert_int_equal(place.within.len, 0);
    assert_in_range(place.line, line_of("divide") - 2, line_of("divide"));
    assert_int_equal(place.file.ptr[0], '/');
    assert_false(inlay_crash_describe((uintptr_t)test_describe, &place));
    assert_false(inlay_crash_describe(0, &place));
    assert_false(inlay_crash_describe(UINTPTR_MAX, &place));
    /* Somewhere in the module, in no function of its own. */
    for (uintptr_t at = module->base; at < module->base + 0x2000; at++)
        inlay_crash_describe(at, &place);
}

static void *touch(void *arg)
{
    stack_t stack;

    inlay_crash_thread();
    sigaltstack(NULL, &stack);
    *(bool *)arg = !(stack.ss_flags & SS_DISABLE);
    return NULL;
}

static size_t mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    size_t count = 0;
    char line[500];

    while (fgets(line, sizeof(line), file))
        count++;
    fclose(file);
    return count;
}

static void test_stacks_go_with_threads(void **state)
{
    pthread_t thread;
    bool has_stack = false;
    size_t before = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        if (i == 20)
            before = mappings();
        assert_int_equal(pthread_create(&thread, NULL, touch, &has_stack), 0);
        pthread_join(thread, NULL);
        assert_true(has_stack);
    }
    assert_true(mappings() <= before + 10);
}

static void open_input(void)
{
    compile_dir_init(&dir);
    module = open_source(&dir, "cc", "", INPUT);
    for (int i = 0; i < NSIGNALS; i++)
        sigaction(signals[i], NULL, &handlers[i]);
}

static int close_input(void **state)
{
    (void)state;
    compile_dir_deinit(&dir);
    return 0;
}

/* The sanitizers' own handlers would end the children their way. */
#define OWN_HANDLERS                                                           \
    "handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0:"            \
    "handle_sigfpe=0:use_sigaltstack=0"

const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
    return OWN_HANDLERS;
}

const char *__tsan_default_options(void)
{
    return OWN_HANDLERS ":die_after_fork=0";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_overflow_is_short),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_route),
        cmocka_unit_test(test_route_without_place),
        cmocka_unit_test(test_elsewhere_is_quiet),
#ifndef __SANITIZE_THREAD__ /* its handler hands on another context */
        cmocka_unit_test(test_behind_another_handler),
#endif
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test(test_own_stack), /* theirs would be larger */
#endif
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_stacks_go_with_threads),
    };

    open_input();
    return cmocka_run_group_tests(tests, NULL, close_input);
}
