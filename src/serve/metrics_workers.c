/*
 * What a worker is at this moment, of each one, or of all together; and what
 * is known of its process.
 */
#include <stddef.h>

#include "base/clock.h"
#include "base/mem.h"
#include "serve/metrics_process.h"
#include "serve/metrics_rows.h"

#include "base/banned.h"

#define NAME_ROOM 64
#define CLASSES 10 /* of a status: its hundreds */

/* --- What there is of the whole server and of each worker ---------------- */

/* Begun and not ended, of an I/O thread's counters. */
static const struct {
    const char *name, *help;
    enum inlay_metrics_io_counter begun, ended;
} gauges[] = {
    {"requests_in_flight", "Requests that are not answered yet.",
     INLAY_METRICS_BEGUN, INLAY_METRICS_ENDED},
    {"connections_open", "Open connections.", INLAY_METRICS_ACCEPTED,
     INLAY_METRICS_CLOSED},
    {"websockets_open", "Open WebSockets.", INLAY_METRICS_WS_OPENED,
     INLAY_METRICS_WS_CLOSED},
};

static const struct {
    const char *name, *help;
    size_t offset;
} histograms[] = {
    {"queue_duration_seconds",
     "From a request's head until the event loop's thread takes it.",
     offsetof(struct inlay_metrics_python, queue)},
    {"loop_lag_seconds",
     "From waking the event loop until it runs what it was woken for.",
     offsetof(struct inlay_metrics_python, lag)},
    {"gil_wait_seconds",
     "Of a wake-up a second: how long the loop's thread waited for the GIL.",
     offsetof(struct inlay_metrics_python, gil)},
};

static bool alive(const struct inlay_metrics_area *area, unsigned slot)
{
    return inlay_metrics_used(area, slot) &&
           atomic_load(&area->head->places[slot].pid) > 0;
}

/* "inlay_" or "inlay_worker_", and `name`. */
static const char *full_name(char *room, bool worker, const char *name)
{
    static const char prefix[] = "inlay_worker_";
    size_t len = worker ? sizeof(prefix) - 1 : sizeof("inlay_") - 1;

    memcpy(room, prefix, len);
    memcpy(room + len, name, strlen(name) + 1);
    return room;
}

static void label_worker(struct inlay_metrics_labels *labels, unsigned slot)
{
    labels->len = 0;
    inlay_metrics_label_u64(labels, "worker", slot);
}

static uint64_t depth(const struct inlay_metrics_area *area, unsigned slot)
{
    return inlay_metrics_left(
        inlay_metrics_slot_count(area, slot, INLAY_METRICS_QUEUED),
        inlay_metrics_python_count(
            area, slot, offsetof(struct inlay_metrics_python, taken)));
}

static void render_gauges(struct inlay_metrics_page *page,
                          const struct inlay_metrics_area *area,
                          bool worker)
{
    for (size_t i = 0; i < inlay_array_size(gauges); i++) {
        struct inlay_metrics_labels labels;
        char room[NAME_ROOM];
        uint64_t sum = 0;
        const char *name = full_name(room, worker, gauges[i].name);

        inlay_metrics_family(page, name, INLAY_METRICS_GAUGE, gauges[i].help);
        for (unsigned slot = 0; slot < area->head->nslots; slot++) {
            if (!alive(area, slot))
                continue;
            uint64_t value = inlay_metrics_left(
                inlay_metrics_slot_count(area, slot, gauges[i].begun),
                inlay_metrics_slot_count(area, slot, gauges[i].ended));
            label_worker(&labels, slot);
            if (worker)
                inlay_metrics_sample(page, name, "", &labels, value);
            sum += value;
        }
        if (!worker)
            inlay_metrics_sample(page, name, "", NULL, sum);
    }
}

static void render_depth(struct inlay_metrics_page *page,
                         const struct inlay_metrics_area *area,
                         bool worker)
{
    struct inlay_metrics_labels labels;
    char room[NAME_ROOM];
    uint64_t sum = 0;
    const char *name = full_name(room, worker, "queue_depth");

    inlay_metrics_family(page, name, INLAY_METRICS_GAUGE,
                         "Requests that wait for the event loop's thread.");
    for (unsigned slot = 0; slot < area->head->nslots; slot++) {
        if (!alive(area, slot))
            continue;
        uint64_t value = depth(area, slot);
        label_worker(&labels, slot);
        if (worker)
            inlay_metrics_sample(page, name, "", &labels, value);
        sum += value;
    }
    if (!worker)
        inlay_metrics_sample(page, name, "", NULL, sum);
}

static const struct inlay_histogram *histogram_of(
    const struct inlay_metrics_area *area,
    unsigned slot,
    size_t offset)
{
    const char *python =
        (const char *)&inlay_metrics_slot_of(area, slot)->python;

    return (const void *)(python + offset);
}

static void render_histograms(struct inlay_metrics_page *page,
                              const struct inlay_metrics_area *area,
                              bool worker)
{
    for (size_t i = 0; i < inlay_array_size(histograms); i++) {
        struct inlay_metrics_times times = {0};
        struct inlay_metrics_labels labels;
        char room[NAME_ROOM];
        const char *name = full_name(room, worker, histograms[i].name);

        inlay_metrics_family(page, name, INLAY_METRICS_HISTOGRAM,
                             histograms[i].help);
        for (unsigned slot = 0; slot < area->head->nslots; slot++) {
            if (!inlay_metrics_used(area, slot) ||
                (worker && !alive(area, slot)))
                continue;
            inlay_metrics_times_add(
                &times, histogram_of(area, slot, histograms[i].offset));
            label_worker(&labels, slot);
            if (worker) {
                inlay_metrics_sample_times(page, name, &labels, &times);
                times = (struct inlay_metrics_times){0};
            }
        }
        if (!worker)
            inlay_metrics_sample_times(page, name, NULL, &times);
    }
}

/* --- Each worker --------------------------------------------------------- */

enum fact {
    UP,
    READY,
    START_TIME,
    CPU,
    PYTHON_CPU,
    RESIDENT,
    BLOCKED,
    POOL_THREADS,
    POOL_RUNNING,
    POOL_WAITING,
};

static const struct {
    const char *name, *help;
    enum fact fact;
    enum inlay_metrics_type type;
    bool ns;         /* nanoseconds, shown as seconds */
    bool of_process; /* of one that runs only */
} facts[] = {
    {"inlay_worker_up", "1: its process runs.", UP, INLAY_METRICS_GAUGE, false},
    {"inlay_worker_ready", "1: it serves; 0: it is starting, or a spare.",
     READY, INLAY_METRICS_GAUGE, false},
    {"inlay_worker_start_time_seconds", "When it was started, since 1970.",
     START_TIME, INLAY_METRICS_GAUGE, true},
    {"inlay_worker_cpu_seconds", "CPU time of its process.", CPU,
     INLAY_METRICS_COUNTER, true},
    {"inlay_worker_python_cpu_seconds",
     "CPU time of the thread that runs its event loop.", PYTHON_CPU,
     INLAY_METRICS_COUNTER, true},
    {"inlay_worker_resident_bytes", "Memory of its process.", RESIDENT,
     INLAY_METRICS_GAUGE, false, true},
    {"inlay_worker_loop_blocked_seconds",
     "How long its event loop has not come to what waits for it.", BLOCKED,
     INLAY_METRICS_GAUGE, true},
    {"inlay_worker_pool_threads", "Threads of its pool of blocking calls.",
     POOL_THREADS, INLAY_METRICS_GAUGE, false},
    {"inlay_worker_pool_running", "Of them, those with a call.", POOL_RUNNING,
     INLAY_METRICS_GAUGE, false},
    {"inlay_worker_pool_waiting", "Calls that wait for such a thread.",
     POOL_WAITING, INLAY_METRICS_GAUGE, false},
};

/* How long the loop has not come to what it was woken for. */
static uint64_t blocked(const struct inlay_metrics_slot *slot)
{
    uint64_t rung = atomic_load(&slot->python.rung);

    return rung ? inlay_metrics_left(inlay_clock_ns(), rung) : 0;
}

/* A process that has ended, not yet seen by its supervisor, is all zeros. */
static uint64_t fact_of(const struct inlay_metrics_area *area,
                        unsigned slot,
                        enum fact fact,
                        const struct inlay_process *process)
{
    const struct inlay_metrics_place *place = &area->head->places[slot];
    const struct inlay_metrics_slot *at = inlay_metrics_slot_of(area, slot);

    switch (fact) {
    case UP:
        return process->resident > 0;
    case READY:
        return atomic_load(&place->state) == INLAY_METRICS_READY;
    case START_TIME:
        return atomic_load(&place->started) * 1000000;
    case CPU:
        return process->cpu_ns;
    case PYTHON_CPU:
        return process->main_ns;
    case RESIDENT:
        return process->resident;
    case BLOCKED:
        return blocked(at);
    case POOL_THREADS:
        return atomic_load(&at->pool_threads);
    case POOL_RUNNING:
        return atomic_load(&at->pool_running);
    case POOL_WAITING:
        return atomic_load(&at->pool_waiting);
    }
    return 0;
}

static void render_fact(struct inlay_metrics_page *page,
                        const struct inlay_metrics_area *area,
                        size_t i,
                        const struct inlay_process *processes)
{
    const char *suffix = facts[i].type == INLAY_METRICS_COUNTER ? "_total" : "";

    inlay_metrics_family(page, facts[i].name, facts[i].type, facts[i].help);
    for (unsigned slot = 0; slot < area->head->nslots; slot++) {
        struct inlay_metrics_labels labels;

        if (!alive(area, slot))
            continue;
        uint64_t value = fact_of(area, slot, facts[i].fact, &processes[slot]);
        label_worker(&labels, slot);
        if (facts[i].ns)
            inlay_metrics_sample_ns(page, facts[i].name, suffix, &labels,
                                    value);
        else
            inlay_metrics_sample(page, facts[i].name, suffix, &labels, value);
    }
}

static void render_facts(struct inlay_metrics_page *page,
                         const struct inlay_metrics_area *area)
{
    struct inlay_process *processes =
        inlay_calloc(area->head->nslots, sizeof(*processes));

    if (!processes) {
        page->failed = true;
        return;
    }
    for (unsigned slot = 0; slot < area->head->nslots; slot++) {
        if (alive(area, slot))
            inlay_process_read(atomic_load(&area->head->places[slot].pid),
                               &processes[slot]);
    }
    for (size_t i = 0; i < inlay_array_size(facts); i++)
        render_fact(page, area, i, processes);
    inlay_free(processes);
}

static void render_info(struct inlay_metrics_page *page,
                        const struct inlay_metrics_area *area)
{
    static const char name[] = "inlay_worker_info";

    inlay_metrics_family(page, name, INLAY_METRICS_GAUGE,
                         "Which process has the worker's number; always 1.");
    for (unsigned slot = 0; slot < area->head->nslots; slot++) {
        struct inlay_metrics_labels labels;

        if (!alive(area, slot))
            continue;
        label_worker(&labels, slot);
        inlay_metrics_label_u64(
            &labels, "pid",
            (uint64_t)atomic_load(&area->head->places[slot].pid));
        inlay_metrics_sample(page, name, "", &labels, 1);
    }
}

/* Of one worker: by kind and class of status. */
static void sum_requests(const struct inlay_metrics_area *area,
                         unsigned slot,
                         uint64_t ret[INLAY_METRICS_NKINDS][CLASSES])
{
    struct inlay_metrics_slot *at = inlay_metrics_slot_of(area, slot);

    for (size_t i = 0; i < area->head->nthreads * INLAY_METRICS_SERIES; i++) {
        const struct inlay_metrics_series *series =
            &inlay_metrics_io_of(at, (unsigned)(i / INLAY_METRICS_SERIES))
                 ->series[i % INLAY_METRICS_SERIES];
        uint64_t key = atomic_load_explicit(&series->key, memory_order_relaxed);
        unsigned kind = INLAY_METRICS_KEY_KIND(key);
        unsigned class = INLAY_METRICS_KEY_STATUS(key) / 100;

        if (kind < INLAY_METRICS_NKINDS && class < CLASSES)
            ret[kind][class] +=
                atomic_load_explicit(&series->count, memory_order_relaxed);
    }
}

static void render_worker_requests(struct inlay_metrics_page *page,
                                   const struct inlay_metrics_area *area,
                                   unsigned slot)
{
    uint64_t sums[INLAY_METRICS_NKINDS][CLASSES] = {0};

    sum_requests(area, slot, sums);
    for (unsigned i = 0; i < INLAY_METRICS_NKINDS * CLASSES; i++) {
        unsigned kind = i / CLASSES, class = i % CLASSES;
        struct inlay_metrics_labels labels;
        char text[] = {(char)('0' + class), 'x', 'x'};

        if (!sums[kind][class])
            continue;
        label_worker(&labels, slot);
        inlay_metrics_label(
            &labels, "kind",
            inlay_str_from(inlay_metrics_kind_text(kind, class * 100)));
        inlay_metrics_label(&labels, "status", inlay_str_make(text, 3));
        inlay_metrics_sample(page, "inlay_worker_requests", "_total", &labels,
                             sums[kind][class]);
    }
}

void inlay_metrics_render_states(struct inlay_metrics_page *page,
                                 const struct inlay_metrics_area *area,
                                 bool worker)
{
    render_gauges(page, area, worker);
    render_depth(page, area, worker);
    render_histograms(page, area, worker);
}

void inlay_metrics_render_workers(struct inlay_metrics_page *page,
                                  const struct inlay_metrics_area *area)
{
    render_info(page, area);
    render_facts(page, area);
    inlay_metrics_family(page, "inlay_worker_requests", INLAY_METRICS_COUNTER,
                         "Its requests that are over, by class of status.");
    for (unsigned slot = 0; slot < area->head->nslots; slot++) {
        if (alive(area, slot))
            render_worker_requests(page, area, slot);
    }
    inlay_metrics_render_states(page, area, true);
}
