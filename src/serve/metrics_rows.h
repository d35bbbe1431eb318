/*
 * metrics_rows.h - the counts of requests of all workers and I/O threads,
 * those of one kind, route, method and status added up. Each worker numbers
 * its routes by itself, so they are compared by their texts.
 */
#ifndef INLAY_SERVE_METRICS_ROWS_H
#define INLAY_SERVE_METRICS_ROWS_H

#include "base/buf.h"
#include "serve/metrics_area.h"
#include "serve/metrics_page.h"

/* Requests of one kind, route, method and status. */
struct inlay_metrics_row {
    struct inlay_str route; /* "*", "other", or in the shared memory */
    unsigned kind, method, status;
    uint64_t count;
};

/* Times of one kind and route. */
struct inlay_metrics_timed {
    struct inlay_str route;
    unsigned kind;
    const struct inlay_histogram *histogram;
    struct inlay_metrics_times times; /* once added up */
};

/*
 * Appends rows to `ret`, an array in a buffer of the caller's: in order, no
 * two alike. 0, or -1 without memory.
 */
int inlay_metrics_rows(const struct inlay_metrics_area *area,
                       struct inlay_buf *ret);
int inlay_metrics_timed(const struct inlay_metrics_area *area,
                        struct inlay_buf *ret);

/* --- Words of the slots -------------------------------------------------- */

/* Was it ever a worker's? What never was is not to be touched. */
static inline bool inlay_metrics_used(const struct inlay_metrics_area *area,
                                      unsigned slot)
{
    return atomic_load(&area->head->places[slot].used);
}

/* One counter of all I/O threads of a slot; of all that were ever used. */
uint64_t inlay_metrics_slot_count(const struct inlay_metrics_area *area,
                                  unsigned slot,
                                  enum inlay_metrics_io_counter counter);
uint64_t inlay_metrics_total(const struct inlay_metrics_area *area,
                             enum inlay_metrics_io_counter counter);

/* The same of a word of struct inlay_metrics_python, at `offset`. */
uint64_t inlay_metrics_python_count(const struct inlay_metrics_area *area,
                                    unsigned slot,
                                    size_t offset);
uint64_t inlay_metrics_python_total(const struct inlay_metrics_area *area,
                                    size_t offset);

/* What began and has not ended; the two are not read at one moment. */
static inline uint64_t inlay_metrics_left(uint64_t begun, uint64_t ended)
{
    return begun > ended ? begun - ended : 0;
}

/* Who answered, by what he said: a limit's 503 is "refused", and no answer of
 * a handler. */
const char *inlay_metrics_kind_text(unsigned kind, unsigned status);

/* metrics_databases.c: all families inlay_db_*; none without a database. */
void inlay_metrics_render_databases(struct inlay_metrics_page *page,
                                    const struct inlay_metrics_area *area);

/* --- metrics_workers.c --------------------------------------------------- */

/* What goes on now: of the whole server, or of each worker that lives. */
void inlay_metrics_render_states(struct inlay_metrics_page *page,
                                 const struct inlay_metrics_area *area,
                                 bool worker);
/* All families inlay_worker_*. */
void inlay_metrics_render_workers(struct inlay_metrics_page *page,
                                  const struct inlay_metrics_area *area);

#endif
