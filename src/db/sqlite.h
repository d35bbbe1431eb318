/*
 * sqlite.h - what the files of the SQLite driver (sqlite*.c) share.
 *
 * A database has threads of its own for SQLite, which has no calls that do not
 * block. An order becomes a job: a copy of all that it says, so that it can be
 * forgotten while a thread is busy with it. Jobs wait in queues until a thread
 * and the connection that they need are free; done ones go back to the thread
 * of their lane by letter. One connection writes, others read, in WAL mode
 * (sqlite.org/wal.html): readers and the writer don't wait for each other.
 * A database in memory, or of one connection, has the writer alone, which does
 * all.
 */
#ifndef INLAY_DB_SQLITE_H
#define INLAY_DB_SQLITE_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "db/driver.h"
#include "db/kept.h"
#include "net/alarm.h"

/* Readers that are shared, and those of one cursor each, at most. */
#define INLAY_SQLITE_READERS 4
#define INLAY_SQLITE_CURSORS 16
#define INLAY_SQLITE_CONNECTIONS                                               \
    (1 + INLAY_SQLITE_READERS + INLAY_SQLITE_CURSORS)

/* Bytes of a statement with its parameters, and of the rows of one. */
#define INLAY_SQLITE_ORDER_MOST ((size_t)1 << 30)
#define INLAY_SQLITE_ROWS_MOST INLAY_ROWS_MOST

/* What one FETCH gives: it ends with the row that passes one of these. */
#define INLAY_SQLITE_FETCH_ROWS 1000
#define INLAY_SQLITE_FETCH_BYTES ((size_t)256 << 10)

/* How long a lock of another process is waited for; how long a thread without
 * work stays. */
#define INLAY_SQLITE_BUSY_MS 5000
#define INLAY_SQLITE_IDLE_MS 10000

/* The texts of which it is known that they write, by hash. */
#define INLAY_SQLITE_WRITES 1024

struct inlay_sqlite_hold;
struct inlay_sqlite_statement;

/* --- Jobs (sqlite_job.c) -------------------------------------------------- */

/* An inlay_cell as SQLite has it. */
enum inlay_sqlite_value_kind {
    INLAY_SQLITE_NULL,
    INLAY_SQLITE_INT,
    INLAY_SQLITE_REAL,
    INLAY_SQLITE_TEXT,
    INLAY_SQLITE_BYTES,
};
struct inlay_sqlite_value {
    enum inlay_sqlite_value_kind kind;
    union {
        int64_t integer;
        double real;
        struct inlay_str text;
    };
};

enum inlay_sqlite_state {
    INLAY_SQLITE_QUEUED,
    INLAY_SQLITE_RUNNING,
    INLAY_SQLITE_DONE, /* its order is to be told */
};

enum inlay_sqlite_queue {
    INLAY_SQLITE_TO_READ,
    INLAY_SQLITE_TO_WRITE,
    INLAY_SQLITE_TO_SCROLL, /* cursors, each with a connection of its own */
    INLAY_SQLITE_QUEUES,
};

struct inlay_sqlite_job {
    enum inlay_order_kind kind;
    bool keep;
    bool is_release;            /* of `hold`, which it is a part of */
    enum inlay_sqlite_queue to; /* where it waits, unless it has a hold */
    struct inlay_arena arena;   /* of what it was asked */
    struct inlay_str sql;       /* with a NUL behind */
    uint64_t hash;              /* of `sql` */
    struct inlay_sqlite_value *values; /* sets times nparams */
    size_t nparams, sets;
    struct inlay_sqlite_hold *hold; /* whose connection; of BEGIN and OPEN the
                                       new one */
    bool takes;                     /* `hold` is a new one */
    struct inlay_sqlite_cursor *cursor;
    uint64_t since; /* ns */
    /* Of the lane's thread. */
    struct inlay_order *order;   /* until it was given up */
    struct inlay_list lane_node; /* in lane->jobs, oldest first */
    /* Under the lock of the database. */
    enum inlay_sqlite_state state;
    struct inlay_sqlite_lane *lane; /* NULL: nobody is to be told */
    struct inlay_list node;         /* in a queue, or in lane->done */
    uint64_t number;                /* its place among all that wait */
    struct inlay_sqlite_connection *connection; /* while it runs */
    bool has_waited;
    /* Its result is to be thrown away; written under the lock. */
    atomic_bool is_given_up;
    /* What has come out, the thread's while it runs. */
    bool is_rerouted; /* it writes: not for a reader */
    struct inlay_failure failure;
    struct inlay_rowset *rows;
    int64_t changed;
    bool more;
};

/*
 * A job of an order, with a copy of all that it needs. NULL: no memory. What
 * is wrong with its parameters is the job's failure.
 */
struct inlay_sqlite_job *inlay_sqlite_job_create(
    const struct inlay_order *order);

/* It is in no list; its results go, too. */
void inlay_sqlite_job_destroy(struct inlay_sqlite_job *job);

/* --- The database (sqlite.c) ---------------------------------------------- */

struct inlay_sqlite_lane {
    struct inlay_lane base;
    struct inlay_sqlite *sqlite;
    struct inlay_list jobs;   /* all of its, oldest first */
    struct inlay_list holds;  /* that it has not given back */
    struct inlay_list failed; /* orders that have no job, for want of memory */
    struct inlay_alarm alarm; /* of the oldest that waits */
    bool is_ending;
    struct inlay_mail mail; /* some are done */
    struct inlay_list done; /* jobs; under the lock of the database */
    bool is_posted;         /* `mail`; under the same */
};

/* A connection that is one caller's. */
struct inlay_sqlite_hold {
    struct inlay_hold base;
    struct inlay_list node; /* in lane->holds */
    struct inlay_sqlite_job release;
    /* Under the lock. */
    struct inlay_sqlite_connection *connection; /* once it was taken */
    /* Of the lane's thread: a statement was given up, it is good for release
     * alone. */
    bool is_broken;
    /* Of the thread that runs one of its jobs. */
    struct inlay_list cursors;
    bool in_transaction; /* as far as its owner knows */
    bool is_undone;      /* SQLite rolled it back meanwhile */
};

struct inlay_sqlite_cursor {
    struct inlay_list node; /* in hold->cursors */
    struct inlay_sqlite_hold *hold;
    struct inlay_sqlite_statement *statement;
    bool has_ended;
    bool is_lost; /* before its last row */
};

/* Used by one thread at a time: who set is_busy, under the lock. */
struct inlay_sqlite_connection {
    struct inlay_sqlite *sqlite;
    /* Under the lock. */
    bool is_open;
    bool is_busy;
    struct inlay_sqlite_hold *held; /* whose it is */
    struct inlay_list queue;        /* jobs of that hold */
    /* Of the thread that has it. */
    sqlite3 *db;                  /* NULL: not open */
    bool reads;                   /* no statement of it may write */
    bool is_bad;                  /* to be closed when nobody holds it */
    struct inlay_sqlite_job *job; /* that runs */
    uint64_t deadline;            /* ns; of its statement */
    uint64_t busy_until;          /* ns; of a lock that it waits for */
    bool is_late;                 /* the deadline has passed */
    struct inlay_kept_table statements;
};

struct inlay_sqlite {
    struct inlay_database *database;
    char *path; /* absolute, or ":memory:" */
    bool in_memory;
    unsigned nreaders;         /* 0: the writer does all */
    size_t rows_most;          /* INLAY_SQLITE_ROWS_MOST, or less in tests */
    uint32_t busy_ms, idle_ms; /* so, too */
    pthread_mutex_t lock;
    pthread_cond_t wake;  /* there is work, or an end */
    pthread_cond_t ended; /* a thread has */
    struct inlay_list queues[INLAY_SQLITE_QUEUES];
    uint64_t number;
    unsigned threads, nidle, most_threads;
    bool is_closing;
    uint64_t writes[INLAY_SQLITE_WRITES]; /* hashes, each at its own place */
    /* The writer, the readers, those of cursors. */
    struct inlay_sqlite_connection connections[INLAY_SQLITE_CONNECTIONS];
};

static inline struct inlay_sqlite_connection *inlay_sqlite_writer(
    struct inlay_sqlite *sqlite)
{
    return &sqlite->connections[0];
}

/* --- Queues and threads (sqlite_threads.c); all under the lock ------------- */

/*
 * The job waits its turn, behind others of its connection. False: there is no
 * thread and none can be started; it is in no queue then.
 */
bool inlay_sqlite_enqueue(struct inlay_sqlite *sqlite,
                          struct inlay_sqlite_job *job);

/* Out of its queue, in which it must be. */
void inlay_sqlite_dequeue(struct inlay_sqlite *sqlite,
                          struct inlay_sqlite_job *job);

/* It is done: the thread of its lane will know. */
void inlay_sqlite_tell(struct inlay_sqlite_job *job);

/* Nobody wants the job that runs. */
void inlay_sqlite_abandon(struct inlay_sqlite_job *job);

/* Without the lock: threads end; what still waits is done by the caller. */
void inlay_sqlite_end_threads(struct inlay_sqlite *sqlite);

/* Is the text known to write? */
bool inlay_sqlite_writes(const struct inlay_sqlite *sqlite, uint64_t hash);

/* --- A job on its connection (sqlite_run.c) -------------------------------- */

void inlay_sqlite_run(struct inlay_sqlite_connection *connection,
                      struct inlay_sqlite_job *job);

/* Closes the hold's cursors, rolls back what is open. */
void inlay_sqlite_clean(struct inlay_sqlite_connection *connection,
                        struct inlay_sqlite_hold *hold);

/* --- Cursors (sqlite_cursor.c) --------------------------------------------- */

void inlay_sqlite_cursor_open(struct inlay_sqlite_connection *connection,
                              struct inlay_sqlite_job *job);
void inlay_sqlite_cursor_fetch(struct inlay_sqlite_connection *connection,
                               struct inlay_sqlite_job *job);
/* Those of a hold have no more rows. */
void inlay_sqlite_cursors_end(struct inlay_sqlite_hold *hold);
void inlay_sqlite_cursor_close(struct inlay_sqlite_connection *connection,
                               struct inlay_sqlite_cursor *cursor);

/* --- Connections (sqlite_connection.c) ------------------------------------- */

/* False: `failure` says why. */
bool inlay_sqlite_connect(struct inlay_sqlite_connection *connection,
                          struct inlay_failure *failure);
void inlay_sqlite_disconnect(struct inlay_sqlite_connection *connection);

/* The time of a statement begins. */
void inlay_sqlite_begin_time(struct inlay_sqlite_connection *connection);

/* One statement of ours, without rows. SQLITE_OK or why not. */
int inlay_sqlite_do(struct inlay_sqlite_connection *connection,
                    const char *sql);

/* --- Statements (sqlite_statement.c) --------------------------------------- */

/* Of all rows of a statement; shared with the rowsets that came of it. */
struct inlay_sqlite_column {
    struct inlay_str name;
    bool is_bool, is_json; /* as the table declares it */
};
struct inlay_sqlite_columns {
    atomic_uint users;
    size_t count;
    struct inlay_sqlite_column column[];
};

struct inlay_sqlite_statement {
    struct inlay_kept kept; /* in connection->statements, or in none */
    sqlite3_stmt *stmt;
    bool keep, reads;
    size_t nparams;    /* that it wants */
    size_t nplaces;    /* of SQLite's own counting */
    uint32_t *numbers; /* of each of them: which parameter, from 0 */
    struct inlay_sqlite_columns *columns; /* NULL: not known */
    int prepared; /* how often SQLite had prepared it again by then */
};

/*
 * A statement for `sql`, out of the connection's or prepared; nobody else has
 * it until it is put back. NULL: `failure` says why.
 */
struct inlay_sqlite_statement *inlay_sqlite_statement_take(
    struct inlay_sqlite_connection *connection,
    struct inlay_str sql,
    uint64_t hash,
    bool keep,
    struct inlay_failure *failure);

/* Resets it, and keeps it for the next who asks, or not. */
void inlay_sqlite_statement_put(struct inlay_sqlite_connection *connection,
                                struct inlay_sqlite_statement *statement);

/* All that are kept go. */
void inlay_sqlite_statements_drop(struct inlay_sqlite_connection *connection);

/*
 * One set of parameters. `lasts`: they do until the statement is reset, else
 * SQLite copies them. False: `failure` says why.
 */
bool inlay_sqlite_bind(struct inlay_sqlite_connection *connection,
                       struct inlay_sqlite_statement *statement,
                       const struct inlay_sqlite_value *values,
                       size_t count,
                       bool lasts,
                       struct inlay_failure *failure);

/* Of its rows, after a step; still the statement's. NULL: no memory. */
struct inlay_sqlite_columns *inlay_sqlite_columns(
    struct inlay_sqlite_statement *statement);
void inlay_sqlite_columns_unref(struct inlay_sqlite_columns *columns);

/* Where the first statement begins: behind blanks and comments, and `;`. */
const char *inlay_sqlite_skip(const char *at, const char *end);

/* --- Rows (sqlite_rows.c) -------------------------------------------------- */

enum inlay_sqlite_read {
    INLAY_SQLITE_ALL,   /* there are no more */
    INLAY_SQLITE_FULL,  /* one of the bounds was passed */
    INLAY_SQLITE_WRONG, /* `failure` says what */
};

/*
 * Steps and reads until the end, or until `rows` rows or `bytes` bytes have
 * come. `ret` becomes NULL where there are no columns.
 */
enum inlay_sqlite_read inlay_sqlite_read(
    struct inlay_sqlite_connection *connection,
    struct inlay_sqlite_statement *statement,
    size_t rows,
    size_t bytes,
    struct inlay_rowset **ret,
    struct inlay_failure *failure);

/* --- Errors (sqlite_error.c) ----------------------------------------------- */

/* The connection's last error, whose code was `status`, about `sql` (ptr NULL:
 * none of the caller's). */
void inlay_sqlite_fail(struct inlay_sqlite_connection *connection,
                       int status,
                       struct inlay_str sql,
                       struct inlay_failure *failure);

/* What is not UTF-8 in the text becomes '?'; a character that was cut goes. */
void inlay_sqlite_failure_clean(struct inlay_failure *failure);

#endif
