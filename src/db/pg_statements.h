/*
 * pg_statements.h - inside pg*.c: which statements a connection has prepared, by
 * their text. For the lane's thread.
 */
#ifndef INLAY_DB_PG_STATEMENTS_H
#define INLAY_DB_PG_STATEMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/kept.h"

/*
 * "inlay_KEY_N", KEY 16 hexadecimal digits of the connection. Behind a pooler in
 * transaction mode that knows nothing of statements, connections of several
 * processes meet on one of the server, which then refuses a stranger's name
 * (26000) instead of running what somebody else has prepared by it.
 */
struct inlay_pg_name {
    char text[40];
};

struct inlay_pg_statement {
    struct inlay_kept kept;
    unsigned number;
    struct inlay_pg_name name;
    unsigned uses; /* units that refer to it */
    bool is_ready; /* the server has confirmed it */
    bool is_gone;  /* out of the table; freed with its last use */
    bool reads;    /* a SELECT, by what the server has said */
    uint64_t pace; /* ms * 16 that it takes on average, of late */
    char text[];   /* kept.text, and a NUL */
};

#define INLAY_PG_QUICK                                                         \
    ((uint64_t)2 * 16) /* of a pace: others can wait for it */

/* A read that has been quick of late. */
static inline bool inlay_pg_statement_is_quick(
    const struct inlay_pg_statement *statement)
{
    return statement->reads && statement->pace < INLAY_PG_QUICK;
}

/* It was answered after so many ms. */
static inline void inlay_pg_statement_took(struct inlay_pg_statement *statement,
                                           uint64_t ms)
{
    statement->pace += inlay_min(ms, (uint64_t)1000) - statement->pace / 16;
}

struct inlay_pg_statements {
    struct inlay_kept_table kept;
    unsigned last_number;
    uint64_t key; /* in its names: random */
};

void inlay_pg_statements_init(struct inlay_pg_statements *statements,
                              size_t most);
void inlay_pg_statements_deinit(struct inlay_pg_statements *statements);

/*
 * The statement of that text, or a new one that is not ready (`is_new_ret`), or
 * NULL: send it without a name (it is being prepared, no memory). `old_ret`: the
 * number of one that had to go for it, or 0. The use is counted.
 */
struct inlay_pg_statement *inlay_pg_statements_use(
    struct inlay_pg_statements *statements,
    struct inlay_str text,
    bool *is_new_ret,
    unsigned *old_ret);
/* Forgets it: it failed. Its memory lasts until its last use ends. */
void inlay_pg_statements_forget(struct inlay_pg_statements *statements,
                                struct inlay_pg_statement *statement);
void inlay_pg_statement_unuse(struct inlay_pg_statement *statement);

struct inlay_pg_name inlay_pg_statement_name(
    const struct inlay_pg_statements *statements,
    unsigned number);

#endif
