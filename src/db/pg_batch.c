/*
 * pg_batch.c - one statement with many sets of parameters: all of them are one
 * unit, so that the first error ends it. It goes out in slices, as the server
 * takes them: neither side holds more than a slice or two.
 */
#include "db/pg.h"

#include "base/banned.h"

#define SLICE 250   /* sets; then the server is asked for results so far */
#define WINDOW 1000 /* sets without a result yet */

static void refuse(struct inlay_pg_connection *connection,
                   struct inlay_order *order,
                   bool took)
{
    if (took) {
        connection->use = INLAY_PG_LEAVING;
        inlay_pg_connection_settle(connection);
    }
    inlay_pg_order_done(connection->lane, order);
}

/* How many cells there are; false: the numbers make no sense. */
static bool cells_of(const struct inlay_order *order, size_t *ret)
{
    return !__builtin_mul_overflow(order->sets, order->nparams, ret);
}

/* The unnamed statement stays until the next one, and nobody else is here. */
static bool prepare(struct inlay_pg_connection *connection,
                    struct inlay_pg_unit *unit,
                    const char *sql)
{
    unit->before++;
    return PQsendPrepare(connection->pg, "", sql, 0, NULL);
}

void inlay_pg_batch_start(struct inlay_pg_connection *connection,
                          struct inlay_order *order,
                          bool took)
{
    struct inlay_pg_lane *lane = connection->lane;
    const char *sql = NULL;
    size_t cells;

    if (!cells_of(order, &cells))
        inlay_failure_set(&order->failure, INLAY_INTERNAL,
                          "a batch has too many sets");
    else if (inlay_pg_params_check(order->params, cells, &order->failure))
        sql = inlay_pg_sql(lane, "", order->sql, "", &order->failure);
    if (!sql) {
        refuse(connection, order, took);
        return;
    }
    if (took) {
        memcpy(connection->begin, "begin", sizeof("begin"));
        connection->begins = true;
    }
    struct inlay_pg_unit *unit =
        inlay_pg_unit_add(connection, INLAY_PG_ORDER, order);
    unit->took = took;
    connection->batch = (struct inlay_pg_batch){
        .is_on = true,
        .took = took,
        .order = order,
    };
    if (inlay_pg_send_begin(connection, unit) && prepare(connection, unit, sql))
        inlay_pg_batch_more(connection);
    else
        inlay_pg_unit_send(connection, false);
}

static bool send_set(struct inlay_pg_connection *connection, size_t set)
{
    const struct inlay_order *order = connection->batch.order;
    struct inlay_pg_lane *lane = connection->lane;
    struct inlay_failure failure = {.kind = 0};

    return inlay_pg_params(lane, order->params + set * order->nparams,
                           order->nparams, &failure) &&
           PQsendQueryPrepared(connection->pg, "", (int)order->nparams,
                               lane->values, lane->lengths, lane->formats, 1);
}

static bool send_slice(struct inlay_pg_connection *connection)
{
    struct inlay_pg_batch *batch = &connection->batch;
    size_t end = inlay_min(batch->sent + SLICE, batch->order->sets);

    while (batch->sent < end)
        if (!send_set(connection, batch->sent++))
            return false;
    /* Without this the server would keep what it has to say to itself. */
    return PQsendFlushRequest(connection->pg);
}

static bool may_send(const struct inlay_pg_connection *connection)
{
    const struct inlay_pg_batch *batch = &connection->batch;

    return !batch->stops && batch->sent < batch->order->sets &&
           batch->sent < batch->came + WINDOW && !connection->blocks;
}

/* What was sent of one that stops is undone when the connection is cleaned, or
 * by its transaction's owner. */
static void end(struct inlay_pg_connection *connection)
{
    struct inlay_pg_batch *batch = &connection->batch;
    bool ok = true;

    if (batch->took && !batch->stops)
        ok = PQsendQueryParams(connection->pg, "commit", 0, NULL, NULL, NULL,
                               NULL, 0);
    batch->is_on = false;
    inlay_pg_unit_send(connection, ok);
}

void inlay_pg_batch_more(struct inlay_pg_connection *connection)
{
    struct inlay_pg_batch *batch = &connection->batch;

    while (may_send(connection)) {
        if (!send_slice(connection)) {
            inlay_pg_unit_send(connection, false);
            return;
        }
        if (!inlay_pg_flush(connection))
            return;
    }
    if (batch->stops || batch->sent == batch->order->sets)
        end(connection);
}
