/*
 * inlay/db.h - databases from C: part of inlay.h, C only. SQL text is a
 * literal, parameters are always bound ($1, $2, …; also of SQLite): no text of
 * theirs becomes SQL. Rows become structs by the names of columns and fields.
 *
 *     struct user get_user(inlay_db *db, int64_t id)
 *     {
 *         return inlay_one(db, struct user,
 *                          "select id, name from users where id = $1", id);
 *     }
 *
 * A function gets an inlay_db * as a parameter. In a route, guard or provider
 * it waits as inlay_sleep does: its thread serves others. Called from Python
 * it gives the GIL back while it waits.
 *
 * After a failure (of any kind) all of these do nothing and give zeroes; the
 * call ends with the first error: not_found (inlay_one without a row),
 * conflict (a unique, exclusion or foreign key), invalid (a check, not null or
 * a value that does not fit), unavailable (no connection), timeout (the
 * statement's), internal (the rest: SQL that is wrong, NULL into a plain field,
 * a column that is missing).
 */
#ifndef INLAY_DB_H
#define INLAY_DB_H

#ifndef INLAY_H
#error "include <inlay.h>"
#endif

enum inlay_query_kind {
    INLAY_QUERY_ONE,   /* T: exactly one row, or the first of several */
    INLAY_QUERY_MAYBE, /* an INLAY_OPTIONAL: one row, or none */
    INLAY_QUERY_ALL,   /* an INLAY_SLICE, in the call's memory */
    INLAY_QUERY_EXEC,  /* how many rows it changed: int64_t */
    INLAY_QUERY_EACH,  /* T: one row after the other */
    INLAY_QUERY_BATCH, /* the rows of a slice: one statement for each */
    INLAY_QUERY_COPY,  /* the same by COPY; `sql` is "users (id, name)" */
};

/*
 * One per place in the source; of the loader, which knows each place's types
 * from the debug information of the variable that holds it.
 */
struct inlay_query;
struct inlay_query_record {
    const char *sql; /* NULL: text of the call (…_dynamic) */
    const char *file;
    uint32_t line;
    uint16_t kind;                   /* enum inlay_query_kind */
    uint16_t nargs;                  /* at most INLAY_QUERY_ARGS */
    const struct inlay_query *query; /* the loader's */
};
#define INLAY_QUERY_ARGS 16

/* What inlay_notified gives. */
typedef struct inlay_notification {
    inlay_str channel, payload; /* with a NUL behind; until the next one */
    uint32_t lost;              /* before this one */
} inlay_notification;

/* A run through a block of inlay_transaction. */
struct inlay_attempt {
    inlay_db *db;
    uint32_t tries;
    uint32_t made;
    bool is_open; /* its transaction */
};

#ifndef INLAY_CORE

/* --- Arguments: any number up to 16, each of any type that has a value ---- */

#define INLAY_ARG_COUNT_(...)                                                  \
    INLAY_ARG_17_(0, ##__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, \
                  4, 3, 2, 1, 0)
#define INLAY_ARG_17_(z, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q,    \
                      ...)                                                     \
    q
#define INLAY_ARG_EACH_(X, ...)                                                \
    INLAY_CONCAT_(INLAY_ARG_EACH_, INLAY_ARG_COUNT_(__VA_ARGS__))              \
    (X, ##__VA_ARGS__)
#define INLAY_ARG_EACH_0(X)
#define INLAY_ARG_EACH_1(X, a) X(1, a)
#define INLAY_ARG_EACH_2(X, b, a) X(2, b) INLAY_ARG_EACH_1(X, a)
#define INLAY_ARG_EACH_3(X, b, ...) X(3, b) INLAY_ARG_EACH_2(X, __VA_ARGS__)
#define INLAY_ARG_EACH_4(X, b, ...) X(4, b) INLAY_ARG_EACH_3(X, __VA_ARGS__)
#define INLAY_ARG_EACH_5(X, b, ...) X(5, b) INLAY_ARG_EACH_4(X, __VA_ARGS__)
#define INLAY_ARG_EACH_6(X, b, ...) X(6, b) INLAY_ARG_EACH_5(X, __VA_ARGS__)
#define INLAY_ARG_EACH_7(X, b, ...) X(7, b) INLAY_ARG_EACH_6(X, __VA_ARGS__)
#define INLAY_ARG_EACH_8(X, b, ...) X(8, b) INLAY_ARG_EACH_7(X, __VA_ARGS__)
#define INLAY_ARG_EACH_9(X, b, ...) X(9, b) INLAY_ARG_EACH_8(X, __VA_ARGS__)
#define INLAY_ARG_EACH_10(X, b, ...) X(10, b) INLAY_ARG_EACH_9(X, __VA_ARGS__)
#define INLAY_ARG_EACH_11(X, b, ...) X(11, b) INLAY_ARG_EACH_10(X, __VA_ARGS__)
#define INLAY_ARG_EACH_12(X, b, ...) X(12, b) INLAY_ARG_EACH_11(X, __VA_ARGS__)
#define INLAY_ARG_EACH_13(X, b, ...) X(13, b) INLAY_ARG_EACH_12(X, __VA_ARGS__)
#define INLAY_ARG_EACH_14(X, b, ...) X(14, b) INLAY_ARG_EACH_13(X, __VA_ARGS__)
#define INLAY_ARG_EACH_15(X, b, ...) X(15, b) INLAY_ARG_EACH_14(X, __VA_ARGS__)
#define INLAY_ARG_EACH_16(X, b, ...) X(16, b) INLAY_ARG_EACH_15(X, __VA_ARGS__)

/* The type of a value: of an array the pointer's that it becomes. */
#define INLAY_VALUE_TYPE_(x) __typeof__(({ x; }))
#define INLAY_ARG_TYPE_(n, x) INLAY_VALUE_TYPE_(x) * arg##n;
#define INLAY_ARG_PTR_(n, x) (const void *)(INLAY_VALUE_TYPE_(x)[]){x},

/* The place, with pointers to its types: never read, the debug information of
 * it is. Members are in the order of the arguments. */
#define INLAY_QUERY_SITE_(site, kind, T, sql, ...)                             \
    static struct {                                                            \
        struct inlay_query_record record;                                      \
        struct {                                                               \
            T *row;                                                            \
            INLAY_ARG_EACH_(INLAY_ARG_TYPE_, ##__VA_ARGS__)                    \
        } * types;                                                             \
    } site __attribute__((section("inlay_query"), aligned(8),                  \
                          INLAY_KEEP_)) = {                                    \
        {sql, __FILE__, __LINE__, kind, INLAY_ARG_COUNT_(__VA_ARGS__), 0}, 0}

#define INLAY_QUERY_(db, kind, T, R, sql, text, ...)                           \
    __extension__({                                                            \
        INLAY_QUERY_SITE_(inlay_site_, kind, T, sql, ##__VA_ARGS__);           \
        R inlay_result_;                                                       \
        __builtin_memset(&inlay_result_, 0, sizeof(inlay_result_));            \
        inlay_api_->query(db, &inlay_site_.record, text,                       \
                          (const void *const[]){INLAY_ARG_EACH_(               \
                              INLAY_ARG_PTR_, ##__VA_ARGS__) 0},               \
                          &inlay_result_);                                     \
        inlay_result_;                                                         \
    })

/* --- Statements ----------------------------------------------------------- */

#define INLAY_NO_TEXT_ ((inlay_str){0, 0})

/* T inlay_one(db, T, "select …", args…): no row is not_found. Of a scalar
 * type the first column. */
#define inlay_one(db, T, sql, ...)                                             \
    INLAY_QUERY_(db, INLAY_QUERY_ONE, T, T, "" sql, INLAY_NO_TEXT_,            \
                 ##__VA_ARGS__)

/* inlay_maybe(db, maybe_user, "select …", args…): of an INLAY_OPTIONAL. */
#define inlay_maybe(db, T, sql, ...)                                           \
    INLAY_QUERY_(db, INLAY_QUERY_MAYBE, T, T, "" sql, INLAY_NO_TEXT_,          \
                 ##__VA_ARGS__)

/* inlay_all(db, users, "select …", args…): of an INLAY_SLICE. */
#define inlay_all(db, T, sql, ...)                                             \
    INLAY_QUERY_(db, INLAY_QUERY_ALL, T, T, "" sql, INLAY_NO_TEXT_,            \
                 ##__VA_ARGS__)

/* int64_t inlay_exec(db, "update …", args…): the rows that it changed. */
#define inlay_exec(db, sql, ...)                                               \
    INLAY_QUERY_(db, INLAY_QUERY_EXEC, int64_t, int64_t, "" sql,               \
                 INLAY_NO_TEXT_, ##__VA_ARGS__)

/* The same with SQL that is made at run time, an inlay_str: never of a
 * client's text. */
#define inlay_one_dynamic(db, T, text, ...)                                    \
    INLAY_QUERY_(db, INLAY_QUERY_ONE, T, T, 0, text, ##__VA_ARGS__)
#define inlay_maybe_dynamic(db, T, text, ...)                                  \
    INLAY_QUERY_(db, INLAY_QUERY_MAYBE, T, T, 0, text, ##__VA_ARGS__)
#define inlay_all_dynamic(db, T, text, ...)                                    \
    INLAY_QUERY_(db, INLAY_QUERY_ALL, T, T, 0, text, ##__VA_ARGS__)
#define inlay_exec_dynamic(db, text, ...)                                      \
    INLAY_QUERY_(db, INLAY_QUERY_EXEC, int64_t, int64_t, 0, text, ##__VA_ARGS__)

/*
 * inlay_batch(db, "insert into users (id, name) values ($1, $2)", rows): the
 * statement once for each struct of the slice, whose fields are $1, $2, … in
 * their order; the rows that all of them changed. In one transaction.
 */
#define inlay_batch(db, sql, rows)                                             \
    INLAY_QUERY_(db, INLAY_QUERY_BATCH, int64_t, int64_t, "" sql,              \
                 INLAY_NO_TEXT_, rows)

/*
 * inlay_copy_in(db, "users (id, name)", rows): many rows into a table, by
 * PostgreSQL's COPY; into the columns in the order of the struct's fields.
 * All or none; how many.
 */
#define inlay_copy_in(db, table, rows)                                         \
    INLAY_QUERY_(db, INLAY_QUERY_COPY, int64_t, int64_t, "" table,             \
                 INLAY_NO_TEXT_, rows)

/*
 * A transaction: what follows is done together at inlay_commit, or not at all.
 * One that is open when the call ends is rolled back. Within one, inlay_begin
 * makes a savepoint, and the next commit or rollback is its. Waiting for the
 * client within one fails the call. False: the call has failed (inlay_rollback
 * works all the same).
 */
#define inlay_begin(db) (inlay_api_->db_begin(db))
#define inlay_commit(db) (inlay_api_->db_commit(db))
#define inlay_rollback(db) (inlay_api_->db_rollback(db))

/*
 * A block that is a transaction, and begins again, up to `tries` times in all,
 * when the database could not serialize it with others, or broke a deadlock:
 *     inlay_transaction(db, 3) {
 *         inlay_exec(db, "update accounts set …", …);
 *     }
 * Commits at the end of the block; a failed call rolls back, and so does
 * leaving the block by break, return or goto.
 */
#define inlay_transaction(db, tries)                                           \
    for (struct inlay_attempt inlay_attempt_                                   \
         __attribute__((cleanup(inlay_attempt_end_))) = {db, tries, 0, 0};     \
         inlay_api_->db_attempt(&inlay_attempt_);)

/*
 * Notifications of a channel (PostgreSQL's LISTEN), one after the other, for
 * streams and WebSockets; those who listen share a connection:
 *     inlay_notification note;
 *     inlay_listen(db, INLAY_STR("jobs"));
 *     while (inlay_notified(db, &note))
 *         inlay_event(request, "job", "%s", note.payload.ptr);
 * Of this call's channels; until it ends. One that is slow to ask loses the
 * oldest beyond 1,000 (`lost` of the next one counts them). Notifications that
 * come while the connection is down are lost, too: `lost` is at least 1 then.
 */
#define inlay_listen(db, channel) (inlay_api_->db_listen(db, channel))
#define inlay_notified(db, note) (inlay_api_->db_notified(db, note))

/*
 * Many rows, not all of them in memory:
 *     inlay_each(db, struct user, user, "select …", args…)
 *         inlay_print(request, "%s\n", user.name.ptr);
 * Text of a row lasts until the next one. `break` is allowed; other statements
 * of this db have to wait until the loop has ended.
 */
struct inlay_cursor;
#define inlay_each(db, T, row, sql, ...)                                       \
    for (T row, *inlay_once_ = &row; inlay_once_; inlay_once_ = 0)             \
        for (struct inlay_cursor * inlay_cursor_                               \
                 __attribute__((cleanup(inlay_cursor_close_))) =               \
                 __extension__({                                               \
                     INLAY_QUERY_SITE_(inlay_site_, INLAY_QUERY_EACH, T,       \
                                       "" sql, ##__VA_ARGS__);                 \
                     inlay_api_->cursor_open(                                  \
                         db, &inlay_site_.record, INLAY_NO_TEXT_,              \
                         (const void *const[]){INLAY_ARG_EACH_(                \
                             INLAY_ARG_PTR_, ##__VA_ARGS__) 0});               \
                 });                                                           \
             inlay_cursor_ && inlay_api_->cursor_next(inlay_cursor_, &row);)

static inline void inlay_cursor_close_(struct inlay_cursor **cursor)
{
    if (*cursor)
        inlay_api_->cursor_close(*cursor);
}

static inline void inlay_attempt_end_(struct inlay_attempt *attempt)
{
    if (attempt->is_open)
        inlay_api_->db_rollback(attempt->db);
}

/* INLAY_DB(f, db, "reports"): its parameter is the database of that name. */
#define INLAY_DB(f, param, name) INLAY_SOURCE_(f, param, name, INLAY_SOURCE_DB)

#endif
#endif
