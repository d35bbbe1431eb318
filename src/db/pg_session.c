/*
 * pg_session.c - what users' SQL does to the session that it runs in, which is
 * others' afterwards: settings are taken back, and the end of a transaction that
 * its owner believes to be open is noticed.
 */
#include <ctype.h>
#include <stdio.h>

#include "db/pg.h"

#include "base/banned.h"

/* --- Settings ------------------------------------------------------------- */

void inlay_pg_session_set_up(struct inlay_pg_connection *connection,
                             enum inlay_pg_unit_kind kind)
{
    const struct inlay_database_config *config =
        &connection->lane->base.database->config;
    char sql[64];

    if (config->statements == UINT32_MAX ||
        config->statement_timeout == UINT32_MAX)
        return;
    snprintf(sql, sizeof(sql), "set statement_timeout = %u",
             config->statement_timeout);
    inlay_pg_command(connection, kind, NULL, sql);
}

void inlay_pg_session_reset(struct inlay_pg_connection *connection)
{
    connection->is_changed = false;
    inlay_pg_command(connection, INLAY_PG_RESET, NULL,
                     "set session authorization default"); /* and the role */
    if (connection->pg)
        inlay_pg_command(connection, INLAY_PG_RESET, NULL, "reset all");
    if (connection->pg)
        inlay_pg_session_set_up(connection, INLAY_PG_RESET);
}

static struct inlay_str take_word(struct inlay_str *text)
{
    struct inlay_str word;

    while (text->len && isspace((unsigned char)*text->ptr))
        text->ptr++, text->len--;
    word = inlay_str_make(text->ptr, 0);
    while (text->len && isalpha((unsigned char)*text->ptr))
        text->ptr++, text->len--, word.len++;
    return word;
}

/* Does it end with the transaction? */
static bool is_local(struct inlay_str sql)
{
    struct inlay_str set = take_word(&sql), what = take_word(&sql);

    return inlay_str_is_nocase(set, "set") &&
           (inlay_str_is_nocase(what, "local") ||
            inlay_str_is_nocase(what, "transaction"));
}

void inlay_pg_session_tag(struct inlay_pg_connection *connection,
                          PGresult *result,
                          const struct inlay_order *order)
{
    const char *tag = PQcmdStatus(result);

    /* Nearly all are "SELECT 1", "INSERT 0 1" and their like. */
    if (inlay_likely((tag[0] != 'S' || tag[1] != 'E' || tag[2] != 'T') &&
                     tag[0] != 'R'))
        return;
    if ((strcmp(tag, "SET") == 0 || strcmp(tag, "RESET") == 0) &&
        (!order || !is_local(order->sql)))
        connection->is_changed = true;
}

/* --- Transactions --------------------------------------------------------- */

void inlay_pg_session_unit(struct inlay_pg_connection *connection,
                           enum inlay_order_kind asked)
{
    if (inlay_likely(!connection->is_open) || !connection->pg)
        return;
    /* While others are under way behind it libpq does not tell: the last of
     * them finds out. */
    if (asked != INLAY_ORDER_COMMIT &&
        PQtransactionStatus(connection->pg) != PQTRANS_IDLE)
        return;
    connection->is_open = false;
    connection->is_undone = asked == INLAY_ORDER_QUERY ||
                            asked == INLAY_ORDER_BATCH ||
                            asked == INLAY_ORDER_SCRIPT;
}

bool inlay_pg_session_may(const struct inlay_pg_connection *connection,
                          struct inlay_order *order)
{
    if (inlay_likely(!connection->is_undone))
        return true;
    inlay_failure_set(&order->failure, INLAY_INTERNAL,
                      "the transaction has ended already: one of its "
                      "statements ended it");
    return false;
}
