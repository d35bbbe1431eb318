#include "serve/metrics_area.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#include "base/banned.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- Create and destroy -------------------------------------------------- */

static struct inlay_error *map(struct inlay_metrics_area *area)
{
    area->fd = memfd_create("inlay-metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (area->fd < 0 || ftruncate(area->fd, (off_t)area->size) < 0 ||
        fcntl(area->fd, F_ADD_SEALS, SEALS) < 0)
        return inlay_error_system(errno, "no shared memory for metrics");
    void *memory = mmap(NULL, area->size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_NORESERVE, area->fd, 0);
    if (memory == MAP_FAILED)
        return inlay_error_system(errno, "cannot map the metrics");
    area->head = memory;
    return NULL;
}

static struct inlay_str keep(char *room, struct inlay_str text)
{
    size_t len = inlay_min(text.len, (size_t)INLAY_METRICS_INFO_TEXT);

    if (len)
        memcpy(room, text.ptr, len);
    return inlay_str_make(room, len);
}

static struct inlay_error *init_area(struct inlay_metrics_area *area,
                                     unsigned nslots,
                                     unsigned nthreads)
{
    uint64_t slots_at =
        INLAY_METRICS_ROUND_(sizeof(struct inlay_metrics_head) +
                                 nslots * sizeof(struct inlay_metrics_place),
                             INLAY_METRICS_PAGE);
    uint64_t slot_size =
        INLAY_METRICS_ROUND_(sizeof(struct inlay_metrics_slot) + 64 +
                                 nthreads * INLAY_METRICS_IO_SIZE,
                             INLAY_METRICS_PAGE);

    area->size = slots_at + nslots * slot_size;
    struct inlay_error *error = map(area);
    if (error)
        return error;
    area->head->magic = INLAY_METRICS_MAGIC;
    area->head->slot_size = slot_size;
    area->head->slots_at = slots_at;
    area->head->nslots = nslots;
    area->head->nthreads = nthreads;
    area->head->started = now_ms();
    return NULL;
}

struct inlay_error *inlay_metrics_area_create(
    unsigned nslots,
    unsigned nthreads,
    const struct inlay_metrics_info *info,
    struct inlay_metrics_area **ret)
{
    if (nslots < 1 || nslots > INLAY_METRICS_SLOTS || nthreads < 1 ||
        nthreads > INLAY_METRICS_THREADS)
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "metrics are for 1 to %d workers of 1 to %d I/O threads, "
            "not for %u of %u",
            INLAY_METRICS_SLOTS, INLAY_METRICS_THREADS, nslots, nthreads);
    struct inlay_metrics_area *area = inlay_calloc(1, sizeof(*area));
    if (!area)
        return inlay_error_no_memory();
    area->fd = -1;
    area->info.version = keep(area->version, info->version);
    area->info.python = keep(area->python, info->python);
    struct inlay_error *error = init_area(area, nslots, nthreads);
    if (error) {
        inlay_metrics_area_destroy(area);
        return error;
    }
    *ret = area;
    return NULL;
}

void inlay_metrics_area_destroy(struct inlay_metrics_area *area)
{
    if (!area)
        return;
    if (area->head)
        munmap(area->head, area->size);
    if (area->fd >= 0)
        close(area->fd);
    inlay_free(area);
}

/* --- Slots --------------------------------------------------------------- */

void inlay_metrics_area_started(struct inlay_metrics_area *area,
                                unsigned slot,
                                pid_t pid)
{
    struct inlay_metrics_place *place = &area->head->places[slot];

    atomic_store(&place->started, now_ms());
    atomic_store(&place->pid, pid);
    atomic_store(&place->state, INLAY_METRICS_STARTING);
    atomic_store(&place->used, true);
}

void inlay_metrics_area_set_state(struct inlay_metrics_area *area,
                                  unsigned slot,
                                  enum inlay_metrics_state state)
{
    atomic_store(&area->head->places[slot].state, state);
}

/* What was begun by a process that is no more has ended. */
static void end(inlay_metric *ended, const inlay_metric *begun)
{
    atomic_store(ended, atomic_load(begun));
}

/* Its connections have ended with it. */
static void settle_database(struct inlay_db_stats *stats)
{
    atomic_store(&stats->connections, 0);
    atomic_store(&stats->held, 0);
    atomic_store(&stats->busy, 0);
    atomic_store(&stats->waiting, 0);
}

static void settle(const struct inlay_metrics_area *area, unsigned index)
{
    struct inlay_metrics_slot *slot = inlay_metrics_slot_of(area, index);
    uint64_t queued = 0;

    for (unsigned i = 0; i < area->head->nthreads; i++) {
        inlay_metric *counters = inlay_metrics_io_of(slot, i)->counters;

        end(&counters[INLAY_METRICS_CLOSED], &counters[INLAY_METRICS_ACCEPTED]);
        end(&counters[INLAY_METRICS_ENDED], &counters[INLAY_METRICS_BEGUN]);
        end(&counters[INLAY_METRICS_WS_CLOSED],
            &counters[INLAY_METRICS_WS_OPENED]);
        queued += atomic_load(&counters[INLAY_METRICS_QUEUED]);
    }
    atomic_store(&slot->python.taken, queued);
    atomic_store(&slot->python.rung, 0);
    atomic_store(&slot->pool_threads, 0);
    atomic_store(&slot->pool_running, 0);
    atomic_store(&slot->pool_waiting, 0);
    for (size_t i = 0; i < INLAY_DATABASES; i++)
        settle_database(&slot->databases[i].stats);
}

void inlay_metrics_area_give_back(struct inlay_metrics_area *area,
                                  unsigned slot)
{
    struct inlay_metrics_place *place = &area->head->places[slot];

    if (atomic_load(&place->used))
        settle(area, slot);
    atomic_store(&place->pid, 0);
    atomic_store(&place->state, INLAY_METRICS_FREE);
}

void inlay_metrics_area_restarted(struct inlay_metrics_area *area,
                                  enum inlay_metrics_restart reason)
{
    atomic_fetch_add(&area->head->restarts[reason], 1);
}
