/* Metrics: the shared memory, what is counted, and the page. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "serve/metrics.h"
#include "serve/metrics_area.h"
#include "serve/metrics_page.h"

#include "base/banned.h"

#define NOBODY INT_MAX /* a pid that no process has */
#define has(text, part) assert_non_null(strstr((text), (part)))
#define lacks(text, part) assert_null(strstr((text), (part)))

static const struct inlay_metrics_info info = {
    INLAY_STR("1.2.3"),
    INLAY_STR("3.11.7"),
};
static const struct inlay_handler_ops native_ops = {.kind = "native"};
static const struct inlay_handler_ops asgi_ops = {.kind = "asgi"};
static const struct inlay_handler_ops health_ops = {.kind = "health"};
static struct inlay_handler native = {&native_ops}, asgi = {&asgi_ops},
                            health = {&health_ops};

static void succeed(struct inlay_error *error)
{
    if (error)
        fail_msg("%s", error->message);
}

static void fails(struct inlay_error *error, const char *part)
{
    assert_non_null(error);
    has(error->message, part);
    inlay_error_destroy(error);
}

static struct inlay_metrics_area *make_area(unsigned nslots, unsigned nthreads)
{
    struct inlay_metrics_area *area = NULL;

    succeed(inlay_metrics_area_create(nslots, nthreads, &info, &area));
    return area;
}

static struct inlay_metrics *make_worker(struct inlay_metrics_area *area,
                                         unsigned slot,
                                         unsigned nthreads)
{
    struct inlay_metrics *metrics = NULL;

    inlay_metrics_area_started(area, slot, NOBODY);
    succeed(inlay_metrics_open(area->fd, slot, nthreads, &metrics));
    return metrics;
}

/* The page, NUL-terminated; to be freed. */
static char *render(const struct inlay_metrics_area *area, bool open_metrics)
{
    struct inlay_buf out;

    inlay_buf_init(&out, SIZE_MAX / 2);
    assert_int_equal(inlay_metrics_render(area, open_metrics, &out), 0);
    assert_int_equal(inlay_buf_append_char(&out, 0), 0);
    assert_int_equal(out.start, 0);
    return out.data;
}

static uint64_t value_of(const char *page, const char *series)
{
    size_t len = strlen(series);

    for (const char *at = page; (at = strstr(at, series)); at += len) {
        if (at[len] == ' ')
            return strtoull(at + len, NULL, 10);
    }
    return UINT64_MAX;
}

/* A request that took `ns`, answered by `handler`. */
static struct inlay_request request_of(struct inlay_handler *handler,
                                       const char *route,
                                       int status,
                                       uint64_t ns)
{
    return (struct inlay_request){
        .method_id = INLAY_METHOD_GET,
        .handler = handler,
        .route = inlay_str_from(route),
        .status = status,
        .started = status != 0,
        .began = inlay_clock_ns() - ns,
    };
}

static void answer(struct inlay_metrics *metrics,
                   struct inlay_handler *handler,
                   const char *route,
                   int status)
{
    struct inlay_request request = request_of(handler, route, status, 0);
    struct inlay_metrics_thread *thread = &metrics->threads[0];

    inlay_metrics_count(thread, INLAY_METRICS_BEGUN, 1);
    inlay_metrics_end(thread, &request, false);
}

/* --- The memory ---------------------------------------------------------- */

static void wrong_memory(void **state)
{
    (void)state;
    struct inlay_metrics_area *area = make_area(2, 3);
    struct inlay_metrics *metrics = NULL;
    int null = open("/dev/null", O_RDWR);
    int file = memfd_create("x", MFD_CLOEXEC);

    fails(inlay_metrics_open(-1, 0, 1, &metrics), "metrics_fd -1");
    fails(inlay_metrics_open(null, 0, 1, &metrics), "no memory");
    fails(inlay_metrics_open(file, 0, 1, &metrics), "no memory");
    assert_int_equal(ftruncate(file, 1 << 20), 0);
    fails(inlay_metrics_open(file, 0, 1, &metrics), "this version");
    fails(inlay_metrics_open(area->fd, 2, 1, &metrics), "below 2, not 2");
    fails(inlay_metrics_open(area->fd, 1, 4, &metrics), "room for 3");
    assert_null(metrics);
    /* It can't be cut under those who have mapped it. */
    assert_int_equal(ftruncate(area->fd, 4096), -1);
    close(null);
    close(file);
    inlay_metrics_area_destroy(area);
    inlay_metrics_area_destroy(NULL);
    inlay_metrics_close(NULL);
    area = NULL;
    fails(inlay_metrics_area_create(0, 1, &info, &area), "not for 0 of 1");
    fails(inlay_metrics_area_create(1, 257, &info, &area), "not for 1 of 257");
    inlay_mem_fail_after(0);
    fails(inlay_metrics_area_create(1, 1, &info, &area), "memory");
    inlay_mem_fail_after(-1);
    assert_null(area);
}

/* A worker that is killed: its counts stay, what it held is gone. */
static void killed(void **state)
{
    (void)state;
    struct inlay_metrics_area *area = make_area(4, 2);
    struct inlay_metrics *first = make_worker(area, 0, 2);
    struct inlay_metrics *second = make_worker(area, 1, 2);

    answer(first, &asgi, "/a", 200);
    answer(second, &asgi, "/b", 200);
    answer(second, &asgi, "/a", 200);
    for (unsigned i = 0; i < 2; i++) {
        inlay_metrics_count(&first->threads[i], INLAY_METRICS_BEGUN, 1);
        inlay_metrics_count(&first->threads[i], INLAY_METRICS_ACCEPTED, 2);
        inlay_metrics_count(&first->threads[i], INLAY_METRICS_WS_OPENED, 1);
        inlay_metrics_count(&first->threads[i], INLAY_METRICS_QUEUED, 3);
    }
    char *page = render(area, false);
    assert_int_equal(value_of(page, "\ninlay_requests_in_flight"), 2);
    assert_int_equal(value_of(page, "\ninlay_connections_open"), 4);
    assert_int_equal(value_of(page, "\ninlay_websockets_open"), 2);
    assert_int_equal(value_of(page, "\ninlay_queue_depth"), 6);
    has(page, "inlay_worker_requests_total{worker=\"0\",kind=\"asgi\","
              "status=\"2xx\"} 1\n");
    free(page);

    inlay_metrics_close(first);
    inlay_metrics_area_restarted(area, INLAY_METRICS_RESTART_SIGNAL);
    inlay_metrics_area_give_back(area, 0);
    page = render(area, false);
    assert_int_equal(value_of(page, "\ninlay_requests_in_flight"), 0);
    assert_int_equal(value_of(page, "\ninlay_connections_open"), 0);
    assert_int_equal(value_of(page, "\ninlay_connections_accepted_total"), 4);
    assert_int_equal(value_of(page, "\ninlay_queue_depth"), 0);
    has(page, "inlay_requests_total{kind=\"asgi\",route=\"/a\",method=\"GET\","
              "status=\"200\"} 2\n");
    has(page, "inlay_restarts_total{reason=\"signal\"} 1\n");
    lacks(page, "worker=\"0\"");
    has(page, "worker=\"1\"");
    free(page);

    /* Who comes into its place goes on counting. */
    first = make_worker(area, 0, 1);
    answer(first, &asgi, "/c", 200);
    answer(first, &asgi, "/a", 200);
    page = render(area, false);
    has(page, "route=\"/a\",method=\"GET\",status=\"200\"} 3\n");
    has(page, "route=\"/c\",method=\"GET\",status=\"200\"} 1\n");
    has(page, "inlay_worker_requests_total{worker=\"0\",kind=\"asgi\","
              "status=\"2xx\"} 3\n");
    free(page);
    inlay_metrics_close(first);
    inlay_metrics_close(second);
    inlay_metrics_area_destroy(area);
}

/* --- Counting ------------------------------------------------------------ */

static void histogram(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        size_t bucket;
    } cases[] = {
        {0, 0},
        {100000, 0},
        {100001, 1},
        {1000000, 3},
        {1000001, 4},
        {1000000000, 12},
        {10000000000, 15},
        {10000000001, 16},
        {UINT64_MAX / 2, 16},
    };
    struct inlay_histogram histogram = {0};
    uint64_t sum = 0, expected[INLAY_METRICS_BUCKETS] = {0};

    for (size_t i = 0; i < inlay_array_size(cases); i++) {
        inlay_histogram_add(&histogram, cases[i].ns);
        expected[cases[i].bucket]++;
        sum += cases[i].ns;
    }
    for (size_t i = 0; i < INLAY_METRICS_BUCKETS; i++)
        assert_int_equal(atomic_load(&histogram.buckets[i]), expected[i]);
    assert_true(atomic_load(&histogram.sum) == sum);
}

static void ends(void **state)
{
    (void)state;
    struct inlay_metrics_area *area = make_area(1, 1);
    struct inlay_metrics *metrics = make_worker(area, 0, 1);
    struct inlay_metrics_thread *thread = &metrics->threads[0];
    struct inlay_request request = request_of(&native, "/n", 200, 3000000);

    inlay_metrics_end(thread, &request, false);
    inlay_metrics_end(thread, &request, false); /* once is enough */
    inlay_metrics_aborted(thread, &request);
    request = request_of(&native, "/n", 200, 0);
    inlay_metrics_end(thread, &request, true);
    request = request_of(&asgi, "", 0, 0); /* the client left */
    inlay_metrics_aborted(thread, &request);
    request = request_of(&asgi, "/a", 408, 0); /* given up by the server */
    request.started = false;
    inlay_metrics_aborted(thread, &request);
    request = request_of(&asgi, "/a", 500, 0);
    inlay_metrics_end(thread, &request, false);
    request = request_of(NULL, "", 413, 0);
    inlay_metrics_end(thread, &request, false);
    request = request_of(&health, "", 200, 0);
    inlay_metrics_end(thread, &request, false);
    for (int i = 0; i < 3; i++) {
        request = request_of(&asgi, "/ws", 101, 0);
        inlay_metrics_websocket(thread, &request);
        if (i)
            inlay_metrics_end(thread, &request, false);
    }
    inlay_metrics_refused(thread, 400);

    char *page = render(area, false);
    has(page, "kind=\"native\",route=\"/n\",method=\"GET\",status=\"200\"} 2");
    has(page, "kind=\"asgi\",route=\"*\",method=\"GET\",status=\"499\"} 1");
    has(page, "kind=\"refused\",route=\"/a\",method=\"GET\",status=\"408\"} 1");
    has(page, "kind=\"asgi\",route=\"/a\",method=\"GET\",status=\"500\"} 1");
    has(page, "kind=\"refused\",route=\"*\",method=\"GET\",status=\"413\"} 1");
    has(page, "kind=\"server\",route=\"*\",method=\"GET\",status=\"200\"} 1");
    has(page, "kind=\"websocket\",route=\"/ws\",method=\"GET\","
              "status=\"101\"} 3");
    assert_int_equal(value_of(page, "\ninlay_websockets_opened_total"), 3);
    assert_int_equal(value_of(page, "\ninlay_websockets_open"), 1);
    has(page, "kind=\"refused\",route=\"*\",method=\"none\",status=\"400\"} 1");
    has(page, "inlay_refused_total{reason=\"parse\"} 1\n");
    has(page, "inlay_refused_total{reason=\"timeout\"} 1\n");
    has(page, "inlay_refused_total{reason=\"limit\"} 1\n");
    assert_int_equal(value_of(page, "\ninlay_requests_aborted_total"), 2);
    /* 408 is no time of /a: it is the server's. */
    has(page, "_count{kind=\"asgi\",route=\"/a\"} 1\n");
    has(page, "_count{kind=\"server\",route=\"*\"} 3\n");
    has(page, "_bucket{kind=\"native\",route=\"/n\",le=\"0.0025\"} 1\n");
    has(page, "_bucket{kind=\"native\",route=\"/n\",le=\"+Inf\"} 2\n");
    lacks(page, "duration_seconds_count{kind=\"websocket\"");
    free(page);
    inlay_metrics_close(metrics);
    inlay_metrics_area_destroy(area);
}

/* 512 routes and no more; who comes late is "other". */
static void many_routes(void **state)
{
    (void)state;
    enum { COUNT = 700, ROOM = 200 };
    struct inlay_metrics_area *area = make_area(1, 1);
    struct inlay_metrics *metrics = make_worker(area, 0, 1);
    char(*names)[ROOM] = malloc(COUNT * sizeof(*names));

    assert_non_null(names);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            snprintf(names[i], ROOM, "/route/%d", i);
            answer(metrics, &native, names[i], 200);
        }
    }
    char *page = render(area, false);
    has(page, "route=\"/route/0\",method=\"GET\",status=\"200\"} 3\n");
    has(page, "route=\"/route/501\",method=\"GET\",status=\"200\"} 3\n");
    lacks(page, "route=\"/route/502\"");
    has(page, "kind=\"native\",route=\"other\",method=\"GET\",status=\"200\"} "
              "594\n");
    free(page);
    inlay_metrics_close(metrics);
    inlay_metrics_area_destroy(area);
    free(names);
}

/* More rows than there is room for: none is lost. */
static void many_series(void **state)
{
    (void)state;
    struct inlay_metrics_area *area = make_area(1, 1);
    struct inlay_metrics *metrics = make_worker(area, 0, 1);
    struct inlay_metrics_io *io = metrics->threads[0].io;
    uint64_t sum = 0, ninehundreds = 0;

    for (int status = 200; status < 1000; status++) {
        answer(metrics, &native, "/x", status);
        answer(metrics, &asgi, "", status);
    }
    for (size_t i = 0; i < INLAY_METRICS_SERIES; i++) {
        uint64_t key = atomic_load(&io->series[i].key);
        uint64_t count = atomic_load(&io->series[i].count);

        sum += count;
        if (INLAY_METRICS_KEY_STATUS(key) == 900)
            ninehundreds += count;
    }
    assert_int_equal(sum, 1600);
    assert_int_equal(ninehundreds, 200);
    assert_int_equal(atomic_load(&io->nseries), INLAY_METRICS_SERIES_FILL + 8);
    inlay_metrics_close(metrics);
    inlay_metrics_area_destroy(area);
}

static void long_route(void **state)
{
    (void)state;
    struct inlay_metrics_area *area = make_area(1, 1);
    struct inlay_metrics *metrics = make_worker(area, 0, 1);
    char text[300];

    memset(text, 'a', sizeof(text));
    memcpy(text + 121, "\xc3\xa4", 2); /* half of it would be in */
    unsigned route = inlay_metrics_route(metrics, INLAY_METRICS_ASGI,
                                         inlay_str_make(text, sizeof(text)));
    struct inlay_str kept = inlay_metrics_route_text(metrics, route);
    assert_int_equal(kept.len, 121);
    assert_true(inlay_utf8_valid(kept));
    /* The same again, and of another kind. */
    assert_int_equal(inlay_metrics_route(metrics, INLAY_METRICS_ASGI,
                                         inlay_str_make(text, 200)),
                     route);
    assert_int_not_equal(
        inlay_metrics_route(metrics, INLAY_METRICS_NATIVE, kept), route);
    assert_int_equal(
        inlay_metrics_route(metrics, INLAY_METRICS_ASGI, INLAY_STR("")),
        INLAY_METRICS_ASGI);
    assert_int_equal(inlay_metrics_route_text(metrics, 0).len, 0);
    assert_int_equal(inlay_metrics_route_text(metrics, 70000).len, 0);
    inlay_metrics_close(metrics);
    inlay_metrics_area_destroy(area);
}

/* --- The page ------------------------------------------------------------ */

static void labels(void **state)
{
    (void)state;
    struct inlay_metrics_labels labels = {0};
    char text[300];

    inlay_metrics_label(&labels, "a", INLAY_STR("\"\\\n\xc3\xa4"));
    inlay_metrics_label(&labels, "b", INLAY_STR("\xff\"{}"));
    assert_int_equal(labels.len, 22);
    assert_memory_equal(labels.text, "a=\"\\\"\\\\\\n\xc3\xa4\",b=\"?\\\"{}\"",
                        22);
    memset(text, '"', sizeof(text));
    inlay_metrics_label(&labels, "c", inlay_str_make(text, sizeof(text)));
    inlay_metrics_label(&labels, "d", inlay_str_make(text, 250));
    assert_int_equal(labels.len, 22);
}

/* A worker with wild pointers writes anything into its slot. */
static void wild(void **state)
{
    (void)state;
    struct inlay_metrics_area *area = make_area(1, 2);
    struct inlay_metrics *metrics = make_worker(area, 0, 2);
    unsigned seed = 1;

    memset(metrics->slot, 0xff, metrics->size);
    free(render(area, false));
    for (int round = 0; round < 20; round++) {
        unsigned char *at = (void *)metrics->slot;

        for (size_t i = 0; i < metrics->size; i++)
            at[i] = (unsigned char)rand_r(&seed);
        free(render(area, round & 1));
    }
    inlay_metrics_close(metrics);
    succeed(inlay_metrics_open(area->fd, 0, 2, &metrics));
    answer(metrics, &native, "/n", 200);
    free(render(area, false));
    inlay_metrics_close(metrics);
    inlay_metrics_area_destroy(area);
}

static void no_memory(void **state)
{
    (void)state;
    struct inlay_metrics_area *area = make_area(1, 1);
    struct inlay_metrics *metrics = make_worker(area, 0, 1);
    struct inlay_buf out;

    answer(metrics, &native, "/n", 200);
    inlay_buf_init(&out, 1000);
    assert_int_equal(inlay_metrics_render(area, false, &out), -1);
    inlay_buf_deinit(&out);
    for (int i = 0; i < 6; i++) {
        inlay_buf_init(&out, 1 << 20);
        inlay_mem_fail_after(i);
        assert_int_equal(inlay_metrics_render(area, false, &out), -1);
        inlay_mem_fail_after(-1);
        inlay_buf_deinit(&out);
    }
    inlay_metrics_close(metrics);
    inlay_metrics_area_destroy(area);
}

struct counting {
    struct inlay_metrics_thread *thread;
    atomic_bool stop;
};

static void *count_on(void *arg)
{
    static const char *const routes[] = {"/a", "/b", "/c"};
    struct counting *counting = arg;

    for (unsigned i = 0; !atomic_load(&counting->stop); i++) {
        struct inlay_request request =
            request_of(i % 2 ? &asgi : &native, routes[i % 3], 200, i);

        inlay_metrics_count(counting->thread, INLAY_METRICS_BEGUN, 1);
        inlay_metrics_end(counting->thread, &request, false);
    }
    return NULL;
}

/* Rendered while two threads count: no count goes back. */
static void under_load(void **state)
{
    (void)state;
    static const char series[] = "inlay_requests_total{kind=\"asgi\","
                                 "route=\"/b\",method=\"GET\",status=\"200\"}";
    struct inlay_metrics_area *area = make_area(3, 2);
    struct inlay_metrics *metrics = make_worker(area, 0, 2);
    struct counting counting[2] = {{&metrics->threads[0], false},
                                   {&metrics->threads[1], false}};
    pthread_t threads[2];
    uint64_t last = 0;

    for (int i = 0; i < 2; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, count_on, &counting[i]), 0);
    for (int round = 0; round < 200; round++) {
        char *page = render(area, round & 1);
        uint64_t now = value_of(page, series);

        if (now != UINT64_MAX) {
            assert_true(now >= last);
            last = now;
        }
        free(page);
    }
    for (int i = 0; i < 2; i++) {
        atomic_store(&counting[i].stop, true);
        pthread_join(threads[i], NULL);
    }
    inlay_metrics_close(metrics);
    inlay_metrics_area_destroy(area);
}

/* --- The page as a whole, in a file -------------------------------------- */

static void fill_database(struct inlay_db_counted *counted,
                          const char *name,
                          uint64_t times)
{
    struct inlay_db_stats *stats = &counted->stats;

    memcpy(counted->name, name, strlen(name));
    atomic_store(&counted->len, (unsigned char)strlen(name));
    atomic_store(&stats->connections, 10 * times);
    atomic_store(&stats->held, 2 * times);
    atomic_store(&stats->busy, 3 * times);
    atomic_store(&stats->waiting, 4 * times);
    atomic_store(&stats->connected, 20 * times);
    atomic_store(&stats->lost, 5 * times);
    atomic_store(&stats->failed, 6 * times);
    atomic_store(&stats->timeouts, 7 * times);
    atomic_store(&stats->waits, 8 * times);
    atomic_store(&stats->wait_ns, 1500000000 * times);
    atomic_store(&stats->errors, 9 * times);
    atomic_store(&stats->cancelled, 11 * times);
    atomic_store(&stats->buckets[3], 12 * times);
    atomic_store(&stats->buckets[INLAY_DB_BUCKETS - 1], times);
    atomic_store(&stats->sum, 12345678901 * times);
}

static void fill(struct inlay_metrics *metrics, unsigned times)
{
    struct inlay_metrics_thread *thread = &metrics->threads[0];
    struct inlay_metrics_python *python = &metrics->slot->python;

    for (int i = 0; i < INLAY_METRICS_NIO; i++)
        inlay_metrics_count(thread, (enum inlay_metrics_io_counter)i,
                            times * (unsigned)(i + 1));
    for (unsigned i = 0; i < times; i++) {
        struct inlay_metrics_io *io = thread->io;
        unsigned route = inlay_metrics_route(metrics, INLAY_METRICS_NATIVE,
                                             INLAY_STR("/items/{id:int}"));

        inlay_metrics_refused(thread, 431);
        atomic_store(&io->series[7].key,
                     INLAY_METRICS_KEY(INLAY_METRICS_NATIVE, INLAY_METHOD_PUT,
                                       204, route));
        inlay_metric_add(&io->series[7].count, 1);
        inlay_histogram_add(&io->latency[route], 123456789);
        inlay_histogram_add(&io->latency[INLAY_METRICS_ASGI], 700000);
    }
    atomic_store(&python->exceptions, 3);
    atomic_store(&python->taken, 5);
    inlay_histogram_add(&python->queue, 200000);
    inlay_histogram_add(&python->lag, 90000);
    inlay_histogram_add(&python->gil, 5000001);
    atomic_store(&metrics->slot->pool_threads, 4);
    atomic_store(&metrics->slot->pool_waiting, 2);
    fill_database(&metrics->slot->databases[0], "default", times);
    if (times == 2) /* the other worker has it in another place */
        fill_database(&metrics->slot->databases[1], "reports", times);
}

/* Connections end with their worker, and what it counted stays. */
static void databases_of_a_dead_worker(void **state)
{
    (void)state;
    struct inlay_metrics_area *area = make_area(2, 1);
    struct inlay_metrics *metrics = make_worker(area, 0, 1);

    char *page = render(area, false);
    lacks(page, "inlay_db_");
    free(page);
    fill_database(&metrics->slot->databases[3], "reports", 1);
    fill_database(&metrics->slot->databases[4], "bad\"name", 1);
    atomic_store(&metrics->slot->databases[5].len, 200);
    page = render(area, false);
    assert_int_equal(value_of(page, "inlay_db_connections{db=\"reports\"}"),
                     10);
    lacks(page, "bad");
    free(page);
    inlay_metrics_close(metrics);
    inlay_metrics_area_give_back(area, 0);
    page = render(area, false);
    assert_int_equal(value_of(page, "inlay_db_connections{db=\"reports\"}"), 0);
    assert_int_equal(
        value_of(page, "inlay_db_connections_busy{db=\"reports\"}"), 0);
    assert_int_equal(
        value_of(page, "inlay_db_connections_held{db=\"reports\"}"), 0);
    assert_int_equal(value_of(page, "inlay_db_waiting{db=\"reports\"}"), 0);
    assert_int_equal(value_of(page, "inlay_db_connected_total{db=\"reports\"}"),
                     20);
    free(page);
    inlay_metrics_area_destroy(area);
}

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "re");
    size_t size = 1 << 20;
    char *text = calloc(1, size);

    assert_non_null(text);
    if (file) {
        assert_true(fread(text, 1, size - 1, file) > 0);
        fclose(file);
    }
    return text;
}

/* INLAY_GOLDEN_WRITE rewrites the file. */
static void golden(void **state)
{
    (void)state;
    static const char *const paths[] = {GOLDEN "/text.txt",
                                        GOLDEN "/openmetrics.txt"};
    struct inlay_metrics_area *area = make_area(3, 1);
    struct inlay_metrics *workers[2];

    area->head->started = 1700000000123;
    for (int i = 0; i < 2; i++) {
        workers[i] = make_worker(area, (unsigned)i, 1);
        fill(workers[i], (unsigned)i + 1);
        atomic_store(&area->head->places[i].started, 1700000001500);
    }
    inlay_metrics_area_set_state(area, 0, INLAY_METRICS_READY);
    inlay_metrics_area_set_state(area, 1, INLAY_METRICS_SPARE);
    for (int i = 0; i < 2; i++) {
        char *page = render(area, i == 1);

        if (getenv("INLAY_GOLDEN_WRITE")) {
            FILE *file = fopen(paths[i], "we");

            assert_non_null(file);
            fputs(page, file);
            fclose(file);
        }
        char *expected = read_whole(paths[i]);
        assert_string_equal(page, expected);
        free(expected);
        free(page);
        inlay_metrics_close(workers[i]);
    }
    inlay_metrics_area_destroy(area);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_memory),
        cmocka_unit_test(killed),
        cmocka_unit_test(histogram),
        cmocka_unit_test(ends),
        cmocka_unit_test(many_routes),
        cmocka_unit_test(many_series),
        cmocka_unit_test(long_route),
        cmocka_unit_test(labels),
        cmocka_unit_test(wild),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(under_load),
        cmocka_unit_test(golden),
        cmocka_unit_test(databases_of_a_dead_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
