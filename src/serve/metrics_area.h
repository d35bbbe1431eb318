/*
 * metrics_area.h - the supervisor's side of the metrics: the shared memory of
 * all workers, who has which slot, and the page that Prometheus reads. It
 * never asks a worker: one that hangs or has died does not hide the others.
 */
#ifndef INLAY_SERVE_METRICS_AREA_H
#define INLAY_SERVE_METRICS_AREA_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "serve/handler.h"
#include "serve/metrics_crashes.h"
#include "serve/metrics_layout.h"

#define INLAY_METRICS_SLOTS 4096   /* at most */
#define INLAY_METRICS_THREADS 256  /* at most */
#define INLAY_METRICS_INFO_TEXT 64 /* bytes of a version */

/* What the page says of the program. */
struct inlay_metrics_info {
    struct inlay_str version, python; /* "0.1.0", "3.12.1" */
};

struct inlay_metrics_area {
    int fd; /* for workers to inherit; sealed: its size can't change */
    size_t size;
    struct inlay_metrics_head *head;      /* mapped, all of it */
    struct inlay_metrics_crashes crashes; /* not shared */
    struct inlay_metrics_info info;
    char version[INLAY_METRICS_INFO_TEXT], python[INLAY_METRICS_INFO_TEXT];
};

/*
 * Memory for `nslots` workers of `nthreads` I/O threads each. What nobody
 * counts in takes no memory. Cold; one thread.
 */
struct inlay_error *inlay_metrics_area_create(
    unsigned nslots,
    unsigned nthreads,
    const struct inlay_metrics_info *info,
    struct inlay_metrics_area **ret);
void inlay_metrics_area_destroy(struct inlay_metrics_area *area);

/* --- Who has a slot: one thread; the page may be rendered meanwhile ------- */

/* A worker's process runs; one at a time per slot. */
void inlay_metrics_area_started(struct inlay_metrics_area *area,
                                unsigned slot,
                                pid_t pid);
/* It is one of these now: SPARE, or READY. */
void inlay_metrics_area_set_state(struct inlay_metrics_area *area,
                                  unsigned slot,
                                  enum inlay_metrics_state state);
/* Its process has ended: what it had counted stays, what it held is gone. */
void inlay_metrics_area_give_back(struct inlay_metrics_area *area,
                                  unsigned slot);
/* A worker was, or will be, replaced. */
void inlay_metrics_area_restarted(struct inlay_metrics_area *area,
                                  enum inlay_metrics_restart reason);

/* --- The page: any one thread -------------------------------------------- */

/*
 * Prometheus' text format 0.0.4, or OpenMetrics 1.0.0. 0, or -1: no memory,
 * or past the buffer's limit.
 */
int inlay_metrics_render(const struct inlay_metrics_area *area,
                         bool open_metrics,
                         struct inlay_buf *out);

/* --- Databases: any one thread -------------------------------------------- */

/* Names at most: those of all generations of workers. */
#define INLAY_METRICS_DATABASES (4 * INLAY_DATABASES)
#define INLAY_METRICS_DB_WORDS                                                 \
    (sizeof(struct inlay_db_stats) / sizeof(uint64_t))
#define INLAY_METRICS_DB_WORD(member)                                          \
    (offsetof(struct inlay_db_stats, member) / sizeof(uint64_t))

/* A database by its name, all workers added up. */
struct inlay_metrics_database {
    struct inlay_str name;                  /* in the shared memory */
    uint64_t words[INLAY_METRICS_DB_WORDS]; /* struct inlay_db_stats */
};

/* Fills in up to INLAY_METRICS_DATABASES of them; how many. */
size_t inlay_metrics_databases(const struct inlay_metrics_area *area,
                               struct inlay_metrics_database *totals);

static inline struct inlay_metrics_slot *inlay_metrics_slot_of(
    const struct inlay_metrics_area *area,
    unsigned slot)
{
    char *base = (char *)area->head;

    return (void *)(base + area->head->slots_at + slot * area->head->slot_size);
}

/* GET /metrics; the area must last as long as the handler. */
struct inlay_error *inlay_metrics_handler_create(
    const struct inlay_metrics_area *area,
    struct inlay_handler **ret);

#endif
