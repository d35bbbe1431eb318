/*
 * database_inside.h - what database*.c share.
 */
#ifndef INLAY_DB_DATABASE_INSIDE_H
#define INLAY_DB_DATABASE_INSIDE_H

#include "db/driver.h"

/* The most that a configuration may say. */
#define INLAY_DATABASE_CONNECTIONS 10000
#define INLAY_DATABASE_STATEMENTS 100000
#define INLAY_DATABASE_SECONDS 86400

/*
 * Fills in database->config, shown and texts (of inlay_malloc): defaults, the
 * URL's own parameters, which it no longer has then. `scheme_ret`: "postgresql",
 * a view of the new URL. Errors: VALUE, NO_MEMORY.
 */
struct inlay_error *inlay_database_url_read(
    struct inlay_database *database,
    const struct inlay_database_config *config,
    struct inlay_str *scheme_ret);

/* Opens it, if it is not. Any thread. */
struct inlay_error *inlay_database_open(struct inlay_database *database);

/* Ends the thread of its own, if there is one. */
void inlay_database_own_lane_end(struct inlay_database *database);

/* Before a fork, and after it on both sides. */
void inlay_own_lanes_lock(void);
void inlay_own_lanes_unlock(void);

#endif
