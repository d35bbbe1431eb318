/*
 * pg_cursor.c - cursors of the server (DECLARE, FETCH, CLOSE): rows that come
 * in pieces. A cursor lives in a transaction; without one it has its own.
 */
#include <stdio.h>

#include "base/mem.h"
#include "db/pg.h"

#include "base/banned.h"

#define ROWS_FIRST 64
#define ROWS_MOST 5000
#define PIECE 262144 /* bytes that a piece should have, about */

void inlay_pg_cursor_free(struct inlay_pg_cursor *cursor)
{
    if (!cursor)
        return;
    inlay_list_remove(&cursor->node);
    inlay_free(cursor);
}

void inlay_pg_cursor_came(struct inlay_pg_cursor *cursor,
                          const PGresult *result)
{
    size_t rows = (size_t)PQntuples(result);
    size_t bytes = PQresultMemorySize(result);

    if (!rows)
        return;
    size_t next = (size_t)PIECE / (bytes / rows + 1);
    next = inlay_min(next, (size_t)cursor->rows * 4);
    cursor->rows =
        (unsigned)inlay_min(inlay_max(next, (size_t)1), (size_t)ROWS_MOST);
}

static struct inlay_pg_cursor *create(struct inlay_pg_connection *connection,
                                      bool took)
{
    struct inlay_pg_cursor *cursor = inlay_calloc(1, sizeof(*cursor));

    if (!cursor)
        return NULL;
    cursor->connection = connection;
    cursor->number = ++connection->lane->last_cursor;
    cursor->rows = ROWS_FIRST;
    cursor->is_own = took;
    inlay_list_init(&cursor->node);
    inlay_list_append(&connection->cursors, &cursor->node);
    return cursor;
}

/* Nothing was sent. */
static void refuse(struct inlay_pg_connection *connection,
                   struct inlay_order *order,
                   struct inlay_pg_cursor *cursor,
                   bool took)
{
    inlay_pg_cursor_free(cursor);
    if (!order->failure.kind)
        inlay_failure_set(&order->failure, INLAY_NO_MEMORY,
                          "out of memory for a cursor");
    if (took) {
        inlay_pg_stat(connection->lane, held, -1);
        connection->use = INLAY_PG_LEAVING;
        inlay_pg_connection_settle(connection);
    }
    inlay_pg_order_done(connection->lane, order);
}

void inlay_pg_open_start(struct inlay_pg_connection *connection,
                         struct inlay_order *order,
                         bool took)
{
    struct inlay_pg_lane *lane = connection->lane;
    struct inlay_pg_cursor *cursor = create(connection, took);
    char prefix[64];
    const char *sql = NULL;

    if (cursor) {
        snprintf(prefix, sizeof(prefix),
                 "declare inlay_c_%u no scroll cursor for ", cursor->number);
        sql = inlay_pg_sql(lane, prefix, order->sql, "", &order->failure);
    }
    if (!sql || !inlay_pg_params(lane, order->params, order->nparams,
                                 &order->failure)) {
        refuse(connection, order, cursor, took);
        return;
    }
    if (took) {
        memcpy(connection->begin, "begin", sizeof("begin"));
        connection->begins = true;
        order->hold = &connection->hold;
    }
    order->cursor = cursor;
    struct inlay_pg_unit *unit =
        inlay_pg_unit_add(connection, INLAY_PG_ORDER, order);
    unit->took = took;
    unit->cursor = cursor;
    unit->offset = (unsigned)strlen(prefix);
    bool ok = inlay_pg_send_begin(connection, unit) &&
              PQsendQueryParams(connection->pg, sql, (int)order->nparams, NULL,
                                lane->values, lane->lengths, lane->formats, 1);
    inlay_pg_unit_send(connection, ok);
}

void inlay_pg_fetch_start(struct inlay_pg_connection *connection,
                          struct inlay_order *order)
{
    struct inlay_pg_cursor *cursor = order->cursor;
    struct inlay_pg_unit *unit =
        inlay_pg_unit_add(connection, INLAY_PG_ORDER, order);
    char sql[80];

    snprintf(sql, sizeof(sql), "fetch forward %u from inlay_c_%u", cursor->rows,
             cursor->number);
    unit->cursor = cursor;
    unit->rows = cursor->rows;
    inlay_pg_unit_send(
        connection,
        PQsendQueryParams(connection->pg, sql, 0, NULL, NULL, NULL, NULL, 1));
}

void inlay_pg_close_start(struct inlay_pg_connection *connection,
                          struct inlay_order *order)
{
    struct inlay_pg_cursor *cursor = order->cursor;
    struct inlay_pg_unit *unit =
        inlay_pg_unit_add(connection, INLAY_PG_ORDER, order);
    char sql[64];

    snprintf(sql, sizeof(sql), "close inlay_c_%u", cursor->number);
    unit->cursor = cursor;
    bool ok =
        PQsendQueryParams(connection->pg, sql, 0, NULL, NULL, NULL, NULL, 0);
    if (cursor->is_own)
        ok = ok && PQsendQueryParams(connection->pg, "commit", 0, NULL, NULL,
                                     NULL, NULL, 0);
    inlay_pg_unit_send(connection, ok);
}
