/*
 * pg_send.c - orders -> messages of libpq. Parameters go as text, of types that
 * the server infers, bytes as they are; results come in binary.
 */
#include <limits.h>
#include <stdio.h>

#include "base/mem.h"
#include "db/pg.h"
#include "db/pg_types.h"

#include "base/banned.h"

#define PARAMS_MOST 65535 /* the protocol counts them in 16 bits */
#define KEPT 65536        /* bytes of a lane's memory for texts */

/* --- Parameters ----------------------------------------------------------- */

static bool make_room(struct inlay_pg_lane *lane, size_t count)
{
    size_t room = inlay_max(count, (size_t)16);

    if (count <= lane->room)
        return true;
    const char **values = inlay_realloc(lane->values, room * sizeof(*values));
    if (values)
        lane->values = values;
    int *lengths = inlay_realloc(lane->lengths, room * sizeof(*lengths));
    if (lengths)
        lane->lengths = lengths;
    int *formats = inlay_realloc(lane->formats, room * sizeof(*formats));
    if (formats)
        lane->formats = formats;
    size_t *offsets = inlay_realloc(lane->offsets, room * sizeof(*offsets));
    if (offsets)
        lane->offsets = offsets;
    if (!values || !lengths || !formats || !offsets)
        return false;
    lane->room = room;
    return true;
}

static bool no_memory(struct inlay_failure *failure)
{
    inlay_failure_set(failure, INLAY_NO_MEMORY,
                      "out of memory for the parameters of a statement");
    return false;
}

static bool is_text(const struct inlay_cell *cell)
{
    return cell->kind == INLAY_CELL_TEXT || cell->kind == INLAY_CELL_JSON;
}

static bool has_nul(const struct inlay_cell *cell)
{
    if (is_text(cell))
        return cell->text.len && memchr(cell->text.ptr, 0, cell->text.len);
    if (cell->kind == INLAY_CELL_ARRAY)
        for (size_t i = 0; i < cell->nelements; i++)
            if (is_text(&cell->elements[i]) && has_nul(&cell->elements[i]))
                return true;
    return false;
}

bool inlay_pg_params_check(const struct inlay_cell *cells,
                           size_t count,
                           struct inlay_failure *failure)
{
    for (size_t i = 0; i < count; i++) {
        if (inlay_likely(!has_nul(&cells[i])))
            continue;
        inlay_failure_set(failure, INLAY_INVALID,
                          "a text has a NUL character in it, which PostgreSQL "
                          "does not take");
        return false;
    }
    return true;
}

/* One of them, with a NUL behind; in lane->text, which may still move. */
static bool param(struct inlay_pg_lane *lane,
                  size_t i,
                  const struct inlay_cell *cell)
{
    lane->offsets[i] = SIZE_MAX;
    lane->values[i] = NULL;
    lane->lengths[i] = lane->formats[i] = 0;
    switch (cell->kind) {
    case INLAY_CELL_NULL:
        return true;
    case INLAY_CELL_BYTES:
        if (cell->text.len > INT_MAX)
            return false;
        lane->values[i] = cell->text.len ? cell->text.ptr : "";
        lane->lengths[i] = (int)cell->text.len;
        lane->formats[i] = 1;
        return true;
    case INLAY_CELL_BOOL:
    case INLAY_CELL_INT:
    case INLAY_CELL_REAL:
    case INLAY_CELL_TEXT:
    case INLAY_CELL_JSON:
    case INLAY_CELL_DATE:
    case INLAY_CELL_DATETIME:
    case INLAY_CELL_UUID:
    case INLAY_CELL_ARRAY:
        break;
    }
    lane->offsets[i] = inlay_buf_len(&lane->text);
    return inlay_pg_text(cell, &lane->text) == 0 &&
           inlay_buf_append_char(&lane->text, '\0') == 0;
}

bool inlay_pg_params(struct inlay_pg_lane *lane,
                     const struct inlay_cell *cells,
                     size_t count,
                     struct inlay_failure *failure)
{
    if (count > PARAMS_MOST) {
        inlay_failure_set(failure, INLAY_INTERNAL,
                          "a statement has %zu parameters: PostgreSQL takes up "
                          "to %d; an array is one",
                          count, PARAMS_MOST);
        return false;
    }
    if (!inlay_pg_params_check(cells, count, failure))
        return false;
    if (inlay_unlikely(lane->text.size > KEPT))
        inlay_buf_shrink(&lane->text, KEPT);
    inlay_buf_clear(&lane->text);
    if (!make_room(lane, count))
        return no_memory(failure);
    for (size_t i = 0; i < count; i++)
        if (!param(lane, i, &cells[i]))
            return no_memory(failure);
    for (size_t i = 0; i < count; i++)
        if (lane->offsets[i] != SIZE_MAX)
            lane->values[i] =
                lane->text.data + lane->text.start + lane->offsets[i];
    return true;
}

const char *inlay_pg_sql(struct inlay_pg_lane *lane,
                         const char *prefix,
                         struct inlay_str text,
                         const char *suffix,
                         struct inlay_failure *failure)
{
    struct inlay_buf *buf = &lane->sql;

    if (text.len && memchr(text.ptr, '\0', text.len)) {
        inlay_failure_set(failure, INLAY_INTERNAL,
                          "the text of a statement has a NUL in it");
        return NULL;
    }
    if (inlay_unlikely(buf->size > KEPT))
        inlay_buf_shrink(buf, KEPT);
    inlay_buf_clear(buf);
    if (inlay_buf_append(buf, prefix, strlen(prefix)) < 0 ||
        inlay_buf_append_str(buf, text) < 0 ||
        inlay_buf_append(buf, suffix, strlen(suffix) + 1) < 0) {
        inlay_failure_set(failure, INLAY_NO_MEMORY,
                          "out of memory for the text of a statement");
        return NULL;
    }
    return buf->data + buf->start;
}

/* --- Statements ----------------------------------------------------------- */

bool inlay_pg_send_begin(struct inlay_pg_connection *connection,
                         struct inlay_pg_unit *unit)
{
    if (inlay_likely(!connection->begins))
        return true;
    connection->begins = false;
    connection->is_beginning = true;
    unit->before++;
    return PQsendQueryParams(connection->pg, connection->begin, 0, NULL, NULL,
                             NULL, NULL, 0);
}

static bool send_named(struct inlay_pg_connection *connection,
                       struct inlay_pg_unit *unit,
                       bool is_new,
                       size_t nparams)
{
    struct inlay_pg_lane *lane = connection->lane;
    const struct inlay_pg_statement *statement = unit->statement;

    if (inlay_unlikely(is_new)) {
        unit->before++;
        unit->prepares = true;
        if (!PQsendPrepare(connection->pg, statement->name.text,
                           statement->text, 0, NULL))
            return false;
    }
    return PQsendQueryPrepared(connection->pg, statement->name.text,
                               (int)nparams, lane->values, lane->lengths,
                               lane->formats, 1);
}

static bool send_unnamed(struct inlay_pg_connection *connection,
                         const char *sql,
                         size_t nparams)
{
    struct inlay_pg_lane *lane = connection->lane;

    return PQsendQueryParams(connection->pg, sql, (int)nparams, NULL,
                             lane->values, lane->lengths, lane->formats, 1);
}

void inlay_pg_deallocate(struct inlay_pg_connection *connection,
                         unsigned number)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "deallocate %s",
             inlay_pg_statement_name(&connection->statements, number).text);
    inlay_pg_command(connection, INLAY_PG_INTERNAL, NULL, sql);
}

/* The statement to ask by its name, or NULL. */
static struct inlay_pg_statement *statement_of(
    struct inlay_pg_connection *connection,
    const struct inlay_order *order,
    bool *is_new_ret)
{
    struct inlay_pg_database *database = connection->lane->database;
    unsigned old = 0;

    if (!order->keep || memchr(order->sql.ptr, '\0', order->sql.len) ||
        atomic_load_explicit(&database->unnamed, memory_order_relaxed))
        return NULL;
    struct inlay_pg_statement *statement = inlay_pg_statements_use(
        &connection->statements, order->sql, is_new_ret, &old);
    if (inlay_unlikely(old))
        inlay_pg_deallocate(connection, old);
    return statement;
}

static void send_query(struct inlay_pg_connection *connection,
                       struct inlay_order *order,
                       bool by_name)
{
    struct inlay_pg_lane *lane = connection->lane;
    struct inlay_pg_statement *statement = NULL;
    const char *sql = NULL;
    bool is_new = false;

    if (!inlay_pg_params(lane, order->params, order->nparams,
                         &order->failure)) {
        inlay_pg_order_done(lane, order);
        return;
    }
    if (by_name && order->sql.len)
        statement = statement_of(connection, order, &is_new);
    if (connection->pg && !statement)
        sql = inlay_pg_sql(lane, "", order->sql, "", &order->failure);
    if (!connection->pg) { /* an old statement's end was its own */
        inlay_pg_failure_unavailable(&order->failure, lane,
                                     "lost the connection to", "just now");
    }
    if (!connection->pg || (!statement && !sql)) {
        inlay_pg_order_done(lane, order);
        return;
    }
    struct inlay_pg_unit *unit =
        inlay_pg_unit_add(connection, INLAY_PG_ORDER, order);
    unit->statement = statement;
    unit->is_quick = statement && inlay_pg_statement_is_quick(statement);
    connection->nquick += unit->is_quick;
    bool ok = inlay_pg_send_begin(connection, unit) &&
              (statement ? send_named(connection, unit, is_new, order->nparams)
                         : send_unnamed(connection, sql, order->nparams));
    inlay_pg_unit_send(connection, ok);
}

void inlay_pg_send_again(struct inlay_pg_connection *connection,
                         struct inlay_order *order)
{
    send_query(connection, order, false);
}

/* Sent with the order that comes next, so that they are one round trip, and so
 * that this one is not done if the transaction can't begin. */
static void begin(struct inlay_pg_connection *connection,
                  struct inlay_order *order)
{
    struct inlay_str sql = order->sql;

    if (!sql.len)
        sql = INLAY_STR("begin");
    if (sql.len >= sizeof(connection->begin) ||
        memchr(sql.ptr, '\0', sql.len) || memchr(sql.ptr, ';', sql.len)) {
        inlay_failure_set(&order->failure, INLAY_INTERNAL,
                          "\"begin …\" has up to %zu bytes, and nothing behind",
                          sizeof(connection->begin) - 1);
        inlay_pg_stat(connection->lane, held, -1);
        connection->use = INLAY_PG_LEAVING;
        inlay_pg_connection_settle(connection);
    } else {
        memcpy(connection->begin, sql.ptr, sql.len);
        connection->begin[sql.len] = '\0';
        connection->begins = true;
        order->hold = &connection->hold;
    }
    inlay_pg_order_done(connection->lane, order);
}

static void send_commit(struct inlay_pg_connection *connection,
                        struct inlay_order *order)
{
    if (!order->sql.len)
        order->sql = INLAY_STR("commit");
    send_query(connection, order, false);
}

/* --- Which of them, and when ---------------------------------------------- */

/* What needs a quiet connection. */
static bool is_special(const struct inlay_order *order)
{
    return order->kind == INLAY_ORDER_COPY ||
           order->kind == INLAY_ORDER_SCRIPT ||
           order->kind == INLAY_ORDER_BATCH;
}

/* Has it to wait for what is under way? */
static bool has_to_wait(const struct inlay_pg_connection *connection,
                        const struct inlay_order *order)
{
    /* What follows a "begin" that fails must not be done without it. */
    if (connection->special.is_on || connection->batch.is_on ||
        connection->is_beginning || !inlay_list_empty(&connection->own) ||
        !inlay_pg_has_room(connection))
        return true;
    /* Nor does a commit come before all that is to be committed is known. */
    return (is_special(order) || order->kind == INLAY_ORDER_COMMIT) &&
           !inlay_pg_is_quiet(connection);
}

void inlay_pg_start(struct inlay_pg_connection *connection,
                    struct inlay_order *order,
                    bool took)
{
    order->driver = connection;
    if (inlay_unlikely(order->kind != INLAY_ORDER_CLOSE &&
                       !inlay_pg_session_may(connection, order))) {
        inlay_pg_order_done(connection->lane, order);
        return;
    }
    if (inlay_unlikely(has_to_wait(connection, order))) {
        inlay_list_append(&connection->own, &order->node);
        return;
    }
    switch (order->kind) {
    case INLAY_ORDER_QUERY:
        send_query(connection, order, true);
        break;
    case INLAY_ORDER_BATCH:
        inlay_pg_batch_start(connection, order, took);
        break;
    case INLAY_ORDER_COPY:
    case INLAY_ORDER_SCRIPT:
        inlay_pg_special_start(connection, order, took);
        break;
    case INLAY_ORDER_BEGIN:
        begin(connection, order);
        break;
    case INLAY_ORDER_COMMIT:
        send_commit(connection, order);
        break;
    case INLAY_ORDER_OPEN:
        inlay_pg_open_start(connection, order, took);
        break;
    case INLAY_ORDER_FETCH:
        inlay_pg_fetch_start(connection, order);
        break;
    case INLAY_ORDER_CLOSE:
        inlay_pg_close_start(connection, order);
        break;
    }
    inlay_pg_connection_count(connection);
}
