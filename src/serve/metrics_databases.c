/*
 * Databases on the page: by their names, added up over all workers.
 */
#include <stddef.h>

#include "serve/metrics_rows.h"

#include "base/banned.h"

#define NAMES INLAY_METRICS_DATABASES
#define WORDS INLAY_METRICS_DB_WORDS

#define word(member) INLAY_METRICS_DB_WORD(member)

/* Whatever a worker with wild pointers may have written: "" is no name. */
static struct inlay_str name_of(const struct inlay_db_counted *counted)
{
    size_t len = atomic_load(&counted->len);

    if (len > INLAY_DB_COUNTED_NAME)
        return INLAY_STR("");
    for (size_t i = 0; i < len; i++) {
        char c = counted->name[i];

        if (c <= ' ' || c > '~' || c == '"' || c == '\\')
            return INLAY_STR("");
    }
    return inlay_str_make(counted->name, len);
}

/* Of that name; NULL: there is no room for one more. */
static struct inlay_metrics_database *total_of(
    struct inlay_metrics_database *totals,
    size_t *count,
    struct inlay_str name)
{
    for (size_t i = 0; i < *count; i++)
        if (inlay_str_equal(totals[i].name, name))
            return &totals[i];
    if (*count == NAMES)
        return NULL;
    totals[*count].name = name;
    memset(totals[*count].words, 0, sizeof(totals[*count].words));
    return &totals[(*count)++];
}

static void add_slot(const struct inlay_metrics_slot *slot,
                     struct inlay_metrics_database *totals,
                     size_t *count)
{
    for (size_t i = 0; i < INLAY_DATABASES; i++) {
        const struct inlay_db_counted *counted = &slot->databases[i];
        struct inlay_str name = name_of(counted);
        struct inlay_metrics_database *total =
            name.len ? total_of(totals, count, name) : NULL;
        const inlay_metric *words = (const inlay_metric *)&counted->stats;

        for (size_t w = 0; total && w < WORDS; w++)
            total->words[w] +=
                atomic_load_explicit(&words[w], memory_order_relaxed);
    }
}

size_t inlay_metrics_databases(const struct inlay_metrics_area *area,
                               struct inlay_metrics_database *totals)
{
    size_t count = 0;

    for (unsigned i = 0; i < area->head->nslots; i++)
        if (inlay_metrics_used(area, i))
            add_slot(inlay_metrics_slot_of(area, i), totals, &count);
    return count;
}

/* --- The page ------------------------------------------------------------- */

static void label_database(struct inlay_metrics_labels *labels,
                           const struct inlay_metrics_database *total)
{
    labels->len = 0;
    inlay_metrics_label(labels, "db", total->name);
}

static void render_words(struct inlay_metrics_page *page,
                         const struct inlay_metrics_database *totals,
                         size_t count)
{
    static const struct {
        const char *name, *help;
        enum inlay_metrics_type type;
        size_t word;
        bool ns;
    } all[] = {
        {"inlay_db_connections", "Open connections to databases.",
         INLAY_METRICS_GAUGE, word(connections), false},
        {"inlay_db_connections_busy",
         "Of them: those with a statement, a transaction or a cursor.",
         INLAY_METRICS_GAUGE, word(busy), false},
        {"inlay_db_connections_held",
         "Of them: those of one transaction or cursor.", INLAY_METRICS_GAUGE,
         word(held), false},
        {"inlay_db_waiting", "Statements that wait for a connection.",
         INLAY_METRICS_GAUGE, word(waiting), false},
        {"inlay_db_connected", "Connections that were made.",
         INLAY_METRICS_COUNTER, word(connected), false},
        {"inlay_db_lost", "Connections that ended by themselves.",
         INLAY_METRICS_COUNTER, word(lost), false},
        {"inlay_db_connect_failures", "Attempts to connect that failed.",
         INLAY_METRICS_COUNTER, word(failed), false},
        {"inlay_db_pool_timeouts",
         "Statements that got no connection within --db-pool-timeout.",
         INLAY_METRICS_COUNTER, word(timeouts), false},
        {"inlay_db_waits", "Statements that had to wait for a connection.",
         INLAY_METRICS_COUNTER, word(waits), false},
        {"inlay_db_wait_seconds", "How long all of those waited, together.",
         INLAY_METRICS_COUNTER, word(wait_ns), true},
        {"inlay_db_errors", "Statements that failed.", INLAY_METRICS_COUNTER,
         word(errors), false},
        {"inlay_db_cancelled",
         "Statements cancelled, as their client had gone.",
         INLAY_METRICS_COUNTER, word(cancelled), false},
    };

    for (size_t i = 0; i < inlay_array_size(all); i++) {
        const char *suffix =
            all[i].type == INLAY_METRICS_COUNTER ? "_total" : "";

        inlay_metrics_family(page, all[i].name, all[i].type, all[i].help);
        for (size_t d = 0; d < count; d++) {
            struct inlay_metrics_labels labels;
            uint64_t value = totals[d].words[all[i].word];

            label_database(&labels, &totals[d]);
            if (all[i].ns)
                inlay_metrics_sample_ns(page, all[i].name, suffix, &labels,
                                        value);
            else
                inlay_metrics_sample(page, all[i].name, suffix, &labels, value);
        }
    }
}

static void render_times(struct inlay_metrics_page *page,
                         const struct inlay_metrics_database *totals,
                         size_t count)
{
    static const char name[] = "inlay_db_query_seconds";

    inlay_metrics_family(page, name, INLAY_METRICS_HISTOGRAM,
                         "From a statement's being asked to its result.");
    for (size_t d = 0; d < count; d++) {
        struct inlay_metrics_times times = {.sum = totals[d].words[word(sum)]};
        struct inlay_metrics_labels labels;

        memcpy(times.buckets, &totals[d].words[word(buckets)],
               sizeof(times.buckets));
        label_database(&labels, &totals[d]);
        inlay_metrics_sample_times(page, name, &labels, &times);
    }
}

void inlay_metrics_render_databases(struct inlay_metrics_page *page,
                                    const struct inlay_metrics_area *area)
{
    struct inlay_metrics_database totals[NAMES];
    size_t count = inlay_metrics_databases(area, totals);

    if (!count)
        return;
    render_words(page, totals, count);
    render_times(page, totals, count);
}
