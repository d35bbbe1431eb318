/*
 * pg_copy.c - COPY … FROM STDIN and scripts: the simple protocol, as neither
 * goes with pipelines (PostgreSQL 15, 34.5.1.1). The connection is quiet before
 * it leaves pipeline mode, and goes back into it at the end.
 */
#include "db/pg.h"
#include "db/pg_types.h"

#include "base/banned.h"

#define PIECE 65536 /* bytes of rows at a time */
#define PIECES 4    /* in a tick: others have their turn */

/* --- Begin ---------------------------------------------------------------- */

/* COPY is one message, and so is a begin with it: "begin; copy …". */
static const char *text_of(struct inlay_pg_connection *connection,
                           const struct inlay_order *order,
                           struct inlay_failure *failure)
{
    struct inlay_pg_lane *lane = connection->lane;
    bool copies = order->kind == INLAY_ORDER_COPY;
    char prefix[INLAY_PG_BEGIN + 16];
    struct inlay_str begin = INLAY_STR("");
    size_t len = 0;

    if (connection->begins)
        begin = inlay_str_from(connection->begin);
    if (begin.len) {
        memcpy(prefix, begin.ptr, begin.len);
        prefix[begin.len] = ';';
        len = begin.len + 1;
    }
    memcpy(prefix + len, copies ? "copy " : "", copies ? 6 : 1);
    connection->special.offset = (unsigned)strlen(prefix);
    return inlay_pg_sql(lane, prefix, order->sql, copies ? " from stdin" : "",
                        failure);
}

static bool check(const struct inlay_order *order,
                  struct inlay_failure *failure)
{
    size_t cells;

    if (order->kind != INLAY_ORDER_COPY)
        return true;
    if (!__builtin_mul_overflow(order->sets, order->nparams, &cells))
        return inlay_pg_params_check(order->params, cells, failure);
    inlay_failure_set(failure, INLAY_INTERNAL, "a copy has too many rows");
    return false;
}

void inlay_pg_special_start(struct inlay_pg_connection *connection,
                            struct inlay_order *order,
                            bool took)
{
    struct inlay_pg_lane *lane = connection->lane;
    const char *sql = NULL;

    if (check(order, &order->failure))
        sql = text_of(connection, order, &order->failure);
    if (!sql) {
        if (took) {
            connection->use = INLAY_PG_LEAVING;
            inlay_pg_connection_settle(connection);
        }
        inlay_pg_order_done(lane, order);
        return;
    }
    connection->special = (struct inlay_pg_special){
        .is_on = true,
        .asked = order->kind,
        .order = order,
        .took = took,
        .begins = connection->begins,
        .offset = connection->special.offset,
    };
    connection->begins = false;
    connection->progress = lane->base.loop->now;
    if (!PQexitPipelineMode(connection->pg) ||
        !PQsendQuery(connection->pg, sql))
        inlay_pg_connection_lose(connection, PQerrorMessage(connection->pg));
    else
        inlay_pg_flush(connection);
}

/* --- Rows out ------------------------------------------------------------- */

static bool add_row(const struct inlay_order *order,
                    size_t row,
                    struct inlay_buf *out)
{
    for (size_t i = 0; i < order->nparams; i++) {
        if (i && inlay_buf_append_char(out, '\t') < 0)
            return false;
        if (inlay_pg_copy_text(&order->params[row * order->nparams + i], out) <
            0)
            return false;
    }
    return inlay_buf_append_char(out, '\n') == 0;
}

/* As many rows as make a piece. */
static bool put_piece(struct inlay_pg_connection *connection)
{
    struct inlay_pg_special *special = &connection->special;
    const struct inlay_order *order = special->order;
    struct inlay_buf *out = &connection->lane->text;

    inlay_buf_clear(out);
    while (special->row < order->sets && inlay_buf_len(out) < PIECE)
        if (!add_row(order, special->row++, out))
            return false;
    struct inlay_str rows = inlay_buf_view(out);
    bool ok = rows.len <= INT32_MAX &&
              (!rows.len ||
               PQputCopyData(connection->pg, rows.ptr, (int)rows.len) > 0);
    inlay_buf_shrink(out, PIECE);
    return ok;
}

/* All rows, or the server's refusal, are out: its results come. */
static void end_rows(struct inlay_pg_connection *connection, const char *why)
{
    connection->special.phase = INLAY_PG_SENT;
    if (PQputCopyEnd(connection->pg, why) < 0)
        inlay_pg_connection_lose(connection, PQerrorMessage(connection->pg));
}

static void copy_rows(struct inlay_pg_connection *connection)
{
    struct inlay_pg_special *special = &connection->special;

    if (!special->order) {
        end_rows(connection, "nobody wants it any more");
        return;
    }
    for (int i = 0; i < PIECES; i++) {
        if (special->row == special->order->sets) {
            end_rows(connection, NULL);
            return;
        }
        /* False, too, when the server has said no meanwhile. */
        if (!put_piece(connection)) {
            end_rows(connection, "the client has no memory for a row");
            return;
        }
        connection->progress = connection->lane->base.loop->now;
        if (!inlay_pg_flush(connection) || connection->blocks)
            return;
    }
}

/* --- Results in ----------------------------------------------------------- */

static void note_failure(struct inlay_pg_special *special,
                         const PGresult *result)
{
    struct inlay_order *order = special->order;

    if (!order || order->failure.kind)
        return;
    inlay_pg_order_failed(order, result, special->offset);
    if (special->asked != INLAY_ORDER_SCRIPT)
        return;
    size_t line = inlay_pg_error_line(result, special->offset, order->sql);
    if (line) {
        struct inlay_failure failure = order->failure;
        inlay_failure_set(&order->failure, failure.kind, "line %zu: %.400s",
                          line, failure.text);
    }
}

static void begin_copy(struct inlay_pg_connection *connection)
{
    if (connection->special.asked == INLAY_ORDER_COPY) {
        connection->special.phase = INLAY_PG_COPIES;
        copy_rows(connection);
    } else {
        end_rows(connection, "a script can't have COPY … FROM STDIN");
    }
}

static void take(struct inlay_pg_connection *connection, PGresult *result)
{
    struct inlay_pg_special *special = &connection->special;

    switch (PQresultStatus(result)) {
    case PGRES_COPY_IN:
        PQclear(result);
        begin_copy(connection);
        return;
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        if (special->order)
            inlay_failure_set(&special->order->failure, INLAY_INTERNAL,
                              "a script can't have COPY … TO STDOUT");
        PQclear(result);
        inlay_pg_connection_lose(connection, "a script began a COPY");
        return;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:
        connection->is_open |= special->begins;
        special->begins = false; /* that comes first */
        inlay_pg_session_tag(connection, result, NULL);
        special->changed += inlay_pg_changed(result);
        break;
    case PGRES_BAD_RESPONSE:
    case PGRES_FATAL_ERROR:
    case PGRES_NONFATAL_ERROR:
    case PGRES_SINGLE_TUPLE:
    case PGRES_PIPELINE_SYNC:
    case PGRES_PIPELINE_ABORTED:
        note_failure(special, result);
        break;
    }
    PQclear(result);
}

static void end(struct inlay_pg_connection *connection)
{
    struct inlay_pg_special special = connection->special;

    connection->special = (struct inlay_pg_special){.is_on = false};
    if (!PQenterPipelineMode(connection->pg)) {
        connection->special = special;
        inlay_pg_connection_lose(connection, PQerrorMessage(connection->pg));
        return;
    }
    if (special.took)
        connection->use = INLAY_PG_LEAVING;
    /* It did not come as far as to begin: nor does what follows without. */
    connection->begins = special.begins;
    inlay_pg_session_unit(connection, special.asked);
    if (!special.order)
        return;
    if (connection->is_undone && !special.order->failure.kind)
        inlay_failure_set(&special.order->failure, INLAY_INTERNAL,
                          "the script ends the transaction that it runs in: "
                          "leave out begin, commit and rollback");
    special.order->changed = special.changed;
    inlay_pg_order_done(connection->lane, special.order);
}

void inlay_pg_special_more(struct inlay_pg_connection *connection)
{
    while (connection->pg && connection->special.is_on &&
           !PQisBusy(connection->pg)) {
        if (connection->special.phase == INLAY_PG_COPIES) {
            copy_rows(connection);
            if (connection->special.phase == INLAY_PG_COPIES)
                return;
            continue;
        }
        PGresult *result = PQgetResult(connection->pg);
        if (result)
            take(connection, result);
        else
            end(connection);
        if (connection->special.phase == INLAY_PG_COPIES)
            return;
    }
}
