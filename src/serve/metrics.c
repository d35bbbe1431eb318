/* A worker's slot: mapped and checked when the server is made. */
#include "serve/metrics.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "pool/workers.h"

#include "base/banned.h"

static struct inlay_error *wrong(const char *what)
{
    return inlay_error_create(INLAY_ERROR_VALUE, "metrics_fd: %s", what);
}

/* Is it what inlay_metrics_area_create makes? Copies the head. */
static struct inlay_error *read_head(int fd, struct inlay_metrics_head *ret)
{
    struct stat info;

    if (fstat(fd, &info) < 0)
        return inlay_error_system(errno, "metrics_fd %d", fd);
    if (!S_ISREG(info.st_mode) || (size_t)info.st_size < INLAY_METRICS_PAGE)
        return wrong("it is no memory of a supervisor");
    void *map = mmap(NULL, INLAY_METRICS_PAGE, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return inlay_error_system(errno, "metrics_fd: cannot map it");
    memcpy(ret, map, sizeof(*ret));
    munmap(map, INLAY_METRICS_PAGE);
    if (ret->magic != INLAY_METRICS_MAGIC || !ret->nslots || !ret->nthreads ||
        ret->slot_size % INLAY_METRICS_PAGE ||
        ret->slots_at % INLAY_METRICS_PAGE ||
        ret->slots_at + ret->nslots * ret->slot_size != (uint64_t)info.st_size)
        return wrong("it is no memory of this version's supervisor");
    return NULL;
}

static void free_unmapped(struct inlay_metrics *metrics)
{
    pthread_mutex_destroy(&metrics->lock);
    inlay_free(metrics);
}

static void init_threads(struct inlay_metrics *metrics, unsigned nthreads)
{
    metrics->nthreads = nthreads;
    for (unsigned i = 0; i < nthreads; i++) {
        metrics->threads[i].io = inlay_metrics_io_of(metrics->slot, i);
        metrics->threads[i].metrics = metrics;
    }
}

/* The named ones, and what a former worker of the slot has left. */
static void init_routes(struct inlay_metrics_slot *slot)
{
    uint64_t count = atomic_load(&slot->nroutes);

    if (count < INLAY_METRICS_NAMED || count > INLAY_METRICS_ROUTES)
        atomic_store(&slot->nroutes, INLAY_METRICS_NAMED);
}

struct inlay_error *inlay_metrics_open(int fd,
                                       unsigned slot,
                                       unsigned nthreads,
                                       struct inlay_metrics **ret)
{
    struct inlay_metrics_head head;
    struct inlay_error *error = read_head(fd, &head);

    if (error)
        return error;
    if (slot >= head.nslots)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "metrics_slot must be below %u, not %u",
                                  head.nslots, slot);
    if (nthreads > head.nthreads)
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "metrics_fd has room for %u I/O threads, not for %u", head.nthreads,
            nthreads);
    struct inlay_metrics *metrics = inlay_calloc(
        1, sizeof(*metrics) + nthreads * sizeof(metrics->threads[0]));
    if (!metrics)
        return inlay_error_no_memory();
    pthread_mutex_init(&metrics->lock, NULL);
    inlay_timer_init(&metrics->tick);
    metrics->size = head.slot_size;
    metrics->slot =
        mmap(NULL, metrics->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
             (off_t)(head.slots_at + slot * head.slot_size));
    if (metrics->slot == MAP_FAILED) {
        int system = errno;

        free_unmapped(metrics);
        return inlay_error_system(system, "metrics_fd: cannot map a slot");
    }
    init_routes(metrics->slot);
    init_threads(metrics, nthreads);
    inlay_databases_count_in(metrics->slot->databases);
    *ret = metrics;
    return NULL;
}

void inlay_metrics_close(struct inlay_metrics *metrics)
{
    if (!metrics)
        return;
    inlay_databases_count_in(NULL);
    /* A database's own thread may be about to count there. */
    if (!inlay_database_at(0))
        munmap(metrics->slot, metrics->size);
    free_unmapped(metrics);
}

/* --- Ticks --------------------------------------------------------------- */

static void set(inlay_metric *metric, uint64_t value)
{
    atomic_store_explicit(metric, value, memory_order_relaxed);
}

static void on_tick(struct inlay_timer *timer)
{
    struct inlay_metrics *metrics =
        inlay_container_of(timer, struct inlay_metrics, tick);
    struct inlay_metrics_slot *slot = metrics->slot;
    struct inlay_workers_stats pool;

    inlay_workers_stats(&pool);
    set(&slot->pool_threads, pool.threads);
    set(&slot->pool_running, pool.running);
    set(&slot->pool_waiting, pool.waiting);
    if (metrics->on_tick)
        metrics->on_tick(metrics->tick_arg);
    inlay_timer_start(metrics->loop, &metrics->ticks, timer);
}

void inlay_metrics_start(struct inlay_metrics *metrics, struct inlay_loop *loop)
{
    metrics->loop = loop;
    inlay_timer_queue_init(loop, &metrics->ticks, INLAY_METRICS_TICK_MS,
                           on_tick);
    inlay_timer_start(loop, &metrics->ticks, &metrics->tick);
}
