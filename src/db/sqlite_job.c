/*
 * sqlite_job.c - an order -> a job: a copy of its statement, and of its
 * parameters in the forms that SQLite has (sqlite.org/datatype3.html): moments
 * as texts that its date functions know, arrays as JSON for its json_each.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/sqlite.h"
#include "type/calendar.h"
#include "type/json.h"
#include "type/real.h"
#include "type/uuid.h"

#include "base/banned.h"

/* "2024-05-01 10:00:00.123456+00:00" and a NUL, as the compiler counts. */
#define MOMENT_SIZE 80

/* --- Texts of values ------------------------------------------------------ */

/* Lengths, or -1: it is no date. */
static int write_date(struct inlay_date date, char *text)
{
    if (!inlay_time_date_valid(date))
        return -1;
    return snprintf(text, MOMENT_SIZE, "%04d-%02u-%02u", date.year, date.month,
                    date.day);
}

/* Always six digits, and UTC: then texts compare as the moments do. */
static int write_datetime(struct inlay_datetime moment, char *text)
{
    struct inlay_clock clock;
    bool is_naive = moment.offset == INLAY_NAIVE;

    if (!is_naive)
        moment.offset = 0;
    if (!inlay_time_clock(moment, &clock))
        return -1;
    return snprintf(text, MOMENT_SIZE, "%04d-%02u-%02u %02u:%02u:%02u.%06u%s",
                    clock.date.year, clock.date.month, clock.date.day,
                    clock.hour, clock.minute, clock.second, clock.us,
                    is_naive ? "" : "+00:00");
}

/* Of a DATE, DATETIME or UUID; the length or -1. */
static int write_text(const struct inlay_cell *cell, char *text)
{
    if (cell->kind == INLAY_CELL_UUID)
        return inlay_uuid_write(&cell->uuid, text);
    if (cell->kind == INLAY_CELL_DATE)
        return write_date(cell->date, text);
    return write_datetime(cell->datetime, text);
}

/* --- What cannot be ------------------------------------------------------- */

/* False, for short. `number`: of the parameter, from 1. */
static bool fail_no_memory(struct inlay_failure *failure)
{
    inlay_failure_set(failure, INLAY_NO_MEMORY,
                      "no memory for the statement and its parameters, which "
                      "may have %zu MiB",
                      INLAY_SQLITE_ORDER_MOST >> 20);
    return false;
}

static bool fail_wide(const struct inlay_cell *cell,
                      size_t number,
                      struct inlay_failure *failure)
{
    inlay_failure_set(failure, INLAY_OVERFLOW,
                      "parameter $%zu is %llu, but integers of SQLite end at "
                      "9223372036854775807",
                      number, (unsigned long long)cell->integer);
    return false;
}

/* SQLite would make it NULL without a word. */
static bool fail_nan(size_t number, struct inlay_failure *failure)
{
    inlay_failure_set(failure, INLAY_INVALID,
                      "parameter $%zu is NaN, which SQLite cannot store",
                      number);
    return false;
}

static bool fail_moment(size_t number, struct inlay_failure *failure)
{
    inlay_failure_set(failure, INLAY_INVALID,
                      "parameter $%zu is a date that does not exist", number);
    return false;
}

static bool fail_element(size_t number,
                         const char *what,
                         struct inlay_failure *failure)
{
    inlay_failure_set(failure, INLAY_INVALID,
                      "parameter $%zu is an array, which is JSON in SQLite, "
                      "and has no form for %s",
                      number, what);
    return false;
}

/* --- Arrays --------------------------------------------------------------- */

static bool write_real(const struct inlay_cell *cell,
                       struct inlay_buf *out,
                       size_t number,
                       struct inlay_failure *failure)
{
    char text[INLAY_REAL_MOST];

    if (!isfinite(cell->real))
        return fail_element(number, "NaN and infinity", failure);
    size_t len = cell->narrow
                     ? inlay_real_format_float(text, (float)cell->real,
                                               INLAY_REAL_ANSWER)
                     : inlay_real_format(text, cell->real, INLAY_REAL_ANSWER);
    return inlay_buf_append(out, text, len) == 0 || fail_no_memory(failure);
}

static bool write_quoted(const struct inlay_cell *cell,
                         struct inlay_buf *out,
                         size_t number,
                         struct inlay_failure *failure)
{
    char text[MOMENT_SIZE];
    int len = write_text(cell, text);

    if (len < 0)
        return fail_moment(number, failure);
    return inlay_json_write_string(inlay_str_make(text, (size_t)len), out) ==
               0 ||
           fail_no_memory(failure);
}

static bool write_element(const struct inlay_cell *cell,
                          struct inlay_buf *out,
                          size_t number,
                          struct inlay_failure *failure)
{
    int status = 0;

    switch (cell->kind) {
    case INLAY_CELL_NULL:
        status = inlay_buf_append_literal(out, "null");
        break;
    case INLAY_CELL_BOOL:
        status = inlay_buf_append_str(out, cell->boolean ? INLAY_STR("true")
                                                         : INLAY_STR("false"));
        break;
    case INLAY_CELL_INT:
        if (cell->too_wide)
            return fail_wide(cell, number, failure);
        status = inlay_buf_append_i64(out, cell->integer);
        break;
    case INLAY_CELL_REAL:
        return write_real(cell, out, number, failure);
    case INLAY_CELL_TEXT:
        if (!inlay_utf8_valid(cell->text))
            return fail_element(number, "text that is not UTF-8", failure);
        status = inlay_json_write_string(cell->text, out);
        break;
    case INLAY_CELL_JSON:
        status = inlay_buf_append_str(out, cell->text);
        break;
    case INLAY_CELL_DATE:
    case INLAY_CELL_DATETIME:
    case INLAY_CELL_UUID:
        return write_quoted(cell, out, number, failure);
    case INLAY_CELL_BYTES:
        return fail_element(number, "bytes", failure);
    case INLAY_CELL_ARRAY:
        return fail_element(number, "arrays", failure);
    }
    return status == 0 || fail_no_memory(failure);
}

static bool write_elements(const struct inlay_cell *cell,
                           struct inlay_buf *out,
                           size_t number,
                           struct inlay_failure *failure)
{
    if (inlay_buf_append_char(out, '[') < 0)
        return fail_no_memory(failure);
    for (size_t i = 0; i < cell->nelements; i++) {
        if (i && inlay_buf_append_char(out, ',') < 0)
            return fail_no_memory(failure);
        if (!write_element(&cell->elements[i], out, number, failure))
            return false;
    }
    return inlay_buf_append_char(out, ']') == 0 || fail_no_memory(failure);
}

/* --- Values --------------------------------------------------------------- */

static bool set_text(struct inlay_sqlite_job *job,
                     struct inlay_sqlite_value *value,
                     enum inlay_sqlite_value_kind kind,
                     struct inlay_str text)
{
    value->kind = kind;
    value->text = inlay_arena_copy(&job->arena, text);
    return value->text.ptr || fail_no_memory(&job->failure);
}

static bool set_array(struct inlay_sqlite_job *job,
                      struct inlay_sqlite_value *value,
                      const struct inlay_cell *cell,
                      size_t number)
{
    struct inlay_buf text;

    inlay_buf_init(&text, INLAY_SQLITE_ORDER_MOST);
    bool is_set =
        write_elements(cell, &text, number, &job->failure) &&
        set_text(job, value, INLAY_SQLITE_TEXT, inlay_buf_view(&text));
    inlay_buf_deinit(&text);
    return is_set;
}

static bool set_moment(struct inlay_sqlite_job *job,
                       struct inlay_sqlite_value *value,
                       const struct inlay_cell *cell,
                       size_t number)
{
    char text[MOMENT_SIZE];
    int len = write_text(cell, text);

    if (len < 0)
        return fail_moment(number, &job->failure);
    return set_text(job, value, INLAY_SQLITE_TEXT,
                    inlay_str_make(text, (size_t)len));
}

static bool set_value(struct inlay_sqlite_job *job,
                      struct inlay_sqlite_value *value,
                      const struct inlay_cell *cell,
                      size_t number)
{
    switch (cell->kind) {
    case INLAY_CELL_NULL:
        value->kind = INLAY_SQLITE_NULL;
        return true;
    case INLAY_CELL_BOOL:
        value->kind = INLAY_SQLITE_INT;
        value->integer = cell->boolean;
        return true;
    case INLAY_CELL_INT:
        if (cell->too_wide)
            return fail_wide(cell, number, &job->failure);
        value->kind = INLAY_SQLITE_INT;
        value->integer = cell->integer;
        return true;
    case INLAY_CELL_REAL:
        if (isnan(cell->real))
            return fail_nan(number, &job->failure);
        value->kind = INLAY_SQLITE_REAL;
        value->real = cell->real;
        return true;
    case INLAY_CELL_TEXT:
    case INLAY_CELL_JSON:
        return set_text(job, value, INLAY_SQLITE_TEXT, cell->text);
    case INLAY_CELL_BYTES:
        return set_text(job, value, INLAY_SQLITE_BYTES, cell->text);
    case INLAY_CELL_DATE:
    case INLAY_CELL_DATETIME:
    case INLAY_CELL_UUID:
        return set_moment(job, value, cell, number);
    case INLAY_CELL_ARRAY:
        return set_array(job, value, cell, number);
    }
    inlay_failure_set(&job->failure, INLAY_INTERNAL,
                      "parameter $%zu is damaged", number);
    return false;
}

static bool copy_values(struct inlay_sqlite_job *job,
                        const struct inlay_order *order)
{
    bool is_many =
        order->kind == INLAY_ORDER_BATCH || order->kind == INLAY_ORDER_COPY;
    size_t count;

    job->nparams = order->nparams;
    job->sets = is_many ? order->sets : 1;
    if (__builtin_mul_overflow(job->nparams, job->sets, &count))
        return fail_no_memory(&job->failure);
    if (!count)
        return true;
    job->values =
        inlay_arena_zalloc_array(&job->arena, count, sizeof(*job->values));
    if (!job->values)
        return fail_no_memory(&job->failure);
    for (size_t i = 0; i < count; i++)
        if (!set_value(job, &job->values[i], &order->params[i],
                       i % job->nparams + 1))
            return false;
    return true;
}

/* --- Statements ----------------------------------------------------------- */

/* "users (id, name)" -> insert into users (id, name) values ($1, $2) */
static bool write_copy(const struct inlay_order *order, struct inlay_buf *out)
{
    int status = inlay_buf_append_literal(out, "insert into ");

    status |= inlay_buf_append_str(out, order->sql);
    status |= inlay_buf_append_literal(out, " values (");
    for (size_t i = 0; i < order->nparams; i++)
        status |= inlay_buf_format(out, i ? ",$%zu" : "$%zu", i + 1);
    status |= inlay_buf_append_char(out, ')');
    return status == 0;
}

static bool copy_sql(struct inlay_sqlite_job *job,
                     const struct inlay_order *order)
{
    struct inlay_buf text;

    if (order->kind != INLAY_ORDER_COPY) {
        job->sql = inlay_arena_copy(&job->arena, order->sql);
    } else {
        inlay_buf_init(&text, INLAY_SQLITE_ORDER_MOST);
        if (write_copy(order, &text))
            job->sql = inlay_arena_copy(&job->arena, inlay_buf_view(&text));
        inlay_buf_deinit(&text);
    }
    job->hash = inlay_kept_hash(job->sql);
    return job->sql.ptr || fail_no_memory(&job->failure);
}

static bool has_sql(enum inlay_order_kind kind)
{
    return kind == INLAY_ORDER_QUERY || kind == INLAY_ORDER_BATCH ||
           kind == INLAY_ORDER_COPY || kind == INLAY_ORDER_SCRIPT ||
           kind == INLAY_ORDER_OPEN;
}

struct inlay_sqlite_job *inlay_sqlite_job_create(
    const struct inlay_order *order)
{
    struct inlay_sqlite_job *job = inlay_calloc(1, sizeof(*job));

    if (!job)
        return NULL;
    inlay_arena_init(&job->arena, INLAY_SQLITE_ORDER_MOST);
    inlay_list_init(&job->node);
    inlay_list_init(&job->lane_node);
    atomic_init(&job->is_given_up, false);
    job->kind = order->kind;
    job->keep = order->keep || order->kind == INLAY_ORDER_BATCH;
    job->hold = (struct inlay_sqlite_hold *)order->hold;
    job->cursor = order->cursor;
    job->since = inlay_clock_ns();
    if (has_sql(order->kind) && copy_sql(job, order))
        copy_values(job, order);
    return job;
}

void inlay_sqlite_job_destroy(struct inlay_sqlite_job *job)
{
    inlay_rowset_destroy(job->rows);
    inlay_arena_deinit(&job->arena);
    inlay_free(job);
}
