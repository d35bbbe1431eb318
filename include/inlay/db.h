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

/* --- A place that asks ---------------------------------------------------- */

/*
 * With this the compiler speaks of the macro that was written, not of what it is
 * made of. What can be wrong is checked in words before it is used; each thing
 * that was written is used as seldom as can be, as its errors are repeated.
 */
#pragma GCC system_header

/* How many there are; 18 stands for all from there on. */
#define INLAY_COUNT_(...)                                                      \
    INLAY_COUNT_OF_(0, ##__VA_ARGS__, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18,  \
                    18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 17,    \
                    16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0,  \
                    0)
#define INLAY_COUNT_OF_(z, a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11,   \
                        a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, \
                        a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, \
                        a34, a35, a36, a37, a38, a39, n, ...)                  \
    n

/*
 * X(number, argument) for each, numbers count down to 1. The SQL before them
 * is passed along: no list is empty, so none needs a "##", and arguments are
 * expanded before the macro is. That is why they may be statements themselves.
 */
#define INLAY_EACH_(X, ...)                                                    \
    INLAY_CONCAT_(INLAY_EACH_, INLAY_COUNT_(__VA_ARGS__))(X, __VA_ARGS__)
#define INLAY_EACH_0(...)
#define INLAY_EACH_1(...)
#define INLAY_EACH_2(X, sql, a) X(1, a)
#define INLAY_EACH_3(X, sql, b, ...) X(2, b) INLAY_EACH_2(X, sql, __VA_ARGS__)
#define INLAY_EACH_4(X, sql, b, ...) X(3, b) INLAY_EACH_3(X, sql, __VA_ARGS__)
#define INLAY_EACH_5(X, sql, b, ...) X(4, b) INLAY_EACH_4(X, sql, __VA_ARGS__)
#define INLAY_EACH_6(X, sql, b, ...) X(5, b) INLAY_EACH_5(X, sql, __VA_ARGS__)
#define INLAY_EACH_7(X, sql, b, ...) X(6, b) INLAY_EACH_6(X, sql, __VA_ARGS__)
#define INLAY_EACH_8(X, sql, b, ...) X(7, b) INLAY_EACH_7(X, sql, __VA_ARGS__)
#define INLAY_EACH_9(X, sql, b, ...) X(8, b) INLAY_EACH_8(X, sql, __VA_ARGS__)
#define INLAY_EACH_10(X, sql, b, ...) X(9, b) INLAY_EACH_9(X, sql, __VA_ARGS__)
#define INLAY_EACH_11(X, sql, b, ...)                                          \
    X(10, b) INLAY_EACH_10(X, sql, __VA_ARGS__)
#define INLAY_EACH_12(X, sql, b, ...)                                          \
    X(11, b) INLAY_EACH_11(X, sql, __VA_ARGS__)
#define INLAY_EACH_13(X, sql, b, ...)                                          \
    X(12, b) INLAY_EACH_12(X, sql, __VA_ARGS__)
#define INLAY_EACH_14(X, sql, b, ...)                                          \
    X(13, b) INLAY_EACH_13(X, sql, __VA_ARGS__)
#define INLAY_EACH_15(X, sql, b, ...)                                          \
    X(14, b) INLAY_EACH_14(X, sql, __VA_ARGS__)
#define INLAY_EACH_16(X, sql, b, ...)                                          \
    X(15, b) INLAY_EACH_15(X, sql, __VA_ARGS__)
#define INLAY_EACH_17(X, sql, b, ...)                                          \
    X(16, b) INLAY_EACH_16(X, sql, __VA_ARGS__)
#define INLAY_EACH_18(...)

/* Of an array the pointer that it becomes. */
#define INLAY_ARG_VALUE_(n, x) __auto_type inlay_arg_##n##_ = ((void)0, x);
#define INLAY_ARG_TYPE_(n, x) __typeof__(inlay_arg_##n##_) *arg##n;
#define INLAY_ARG_PTR_(n, x) &inlay_arg_##n##_,

/* The SQL, the first of the rest; "" when it is missing. */
#define INLAY_SQL_(...) INLAY_SECOND_(0, ##__VA_ARGS__, "", "")
#define INLAY_SECOND_(z, second, ...) second

#define INLAY_IS_(x, T) __builtin_types_compatible_p(__typeof__(x), T)
#define INLAY_CHECK_DB_(name, db)                                              \
    _Static_assert(INLAY_IS_(db, inlay_db *),                                  \
                   name ": what comes first has to be the inlay_db *")

#define INLAY_DB_(name, db)                                                    \
    __extension__({                                                            \
        INLAY_CHECK_DB_(name, db);                                             \
        (inlay_db *)(db);                                                      \
    })

/* What only a literal is: an array of char, and constant. */
#define INLAY_IS_LITERAL_(sql)                                                 \
    (INLAY_IS_(sql, char[sizeof(sql)]) && __builtin_constant_p(sql))
#define INLAY_CHECK_LITERAL_(name, sql)                                        \
    _Static_assert(INLAY_IS_(sql, char[sizeof(sql)]),                          \
                   name ": the SQL has to be a literal");                      \
    _Static_assert(!INLAY_IS_(sql, char[sizeof(sql)]) ||                       \
                       __builtin_constant_p(sql),                              \
                   name ": the SQL has to be a literal")
#define INLAY_CHECK_DYNAMIC_(name, sql)                                        \
    _Static_assert(INLAY_IS_(sql, inlay_str),                                  \
                   name ": the SQL has to be an inlay_str")
#define INLAY_RECORD_LITERAL_(sql)                                             \
    __builtin_choose_expr(INLAY_IS_LITERAL_(sql), sql, "")
#define INLAY_RECORD_DYNAMIC_(sql) 0
#define INLAY_TEXT_LITERAL_(sql) ((inlay_str){0, 0})
#define INLAY_TEXT_DYNAMIC_(sql)                                               \
    __builtin_choose_expr(INLAY_IS_(sql, inlay_str), sql, ((inlay_str){0, 0}))

#define INLAY_CHECK_(name, db, T, how, ...)                                    \
    INLAY_CHECK_DB_(name, db);                                                 \
    __typeof__(T) *inlay_row_;                                                 \
    _Static_assert(INLAY_IS_(*inlay_row_, __typeof__(({ *inlay_row_; }))),     \
                   name ": before the SQL comes the type of a row");           \
    _Static_assert(!INLAY_IS_(*inlay_row_, void),                              \
                   name ": void is no row: inlay_exec gives none");            \
    _Static_assert(INLAY_COUNT_(__VA_ARGS__) > 0,                              \
                   name ": the SQL is missing");                               \
    _Static_assert(INLAY_COUNT_(__VA_ARGS__) < 18,                             \
                   name ": a statement has 16 arguments at most");             \
    INLAY_CHECK_##how##_(name, INLAY_SQL_(__VA_ARGS__))

/*
 * The arguments' values, then the place with pointers to its types: those are
 * never read, the debug information of them is. Members are in the order of the
 * arguments.
 */
#define INLAY_SITE_(kind, how, ...)                                            \
    INLAY_EACH_(INLAY_ARG_VALUE_, __VA_ARGS__)                                 \
    static struct {                                                            \
        struct inlay_query_record record;                                      \
        struct {                                                               \
            __typeof__(inlay_row_) row;                                        \
            INLAY_EACH_(INLAY_ARG_TYPE_, __VA_ARGS__)                          \
        } * types;                                                             \
    } inlay_site_                                                              \
        __attribute__((section("inlay_query"), aligned(8), INLAY_KEEP_)) = {   \
            {INLAY_RECORD_##how##_(INLAY_SQL_(__VA_ARGS__)), __FILE__,         \
             __LINE__, kind, INLAY_COUNT_(__VA_ARGS__) - 1, 0},                \
            0};
#define INLAY_SITE_ARGS_(...)                                                  \
    ((const void *const[]){INLAY_EACH_(INLAY_ARG_PTR_, __VA_ARGS__) 0})

#define INLAY_QUERY_(name, db, kind, T, how, ...)                              \
    __extension__({                                                            \
        INLAY_CHECK_(name, db, T, how, __VA_ARGS__);                           \
        __typeof__(*inlay_row_) inlay_result_;                                 \
        INLAY_SITE_(kind, how, __VA_ARGS__)                                    \
        __builtin_memset(&inlay_result_, 0, sizeof(inlay_result_));            \
        inlay_api_->query((inlay_db *)(db), &inlay_site_.record,               \
                          INLAY_TEXT_##how##_(INLAY_SQL_(__VA_ARGS__)),        \
                          INLAY_SITE_ARGS_(__VA_ARGS__), &inlay_result_);      \
        inlay_result_;                                                         \
    })

/* --- Statements ----------------------------------------------------------- */

/* T inlay_one(db, T, "select …", args…): no row is not_found. Of a scalar
 * type the first column. */
#define inlay_one(db, T, ...)                                                  \
    INLAY_QUERY_("inlay_one", db, INLAY_QUERY_ONE, T, LITERAL, __VA_ARGS__)

/* inlay_maybe(db, maybe_user, "select …", args…): of an INLAY_OPTIONAL. */
#define inlay_maybe(db, T, ...)                                                \
    INLAY_QUERY_("inlay_maybe", db, INLAY_QUERY_MAYBE, T, LITERAL, __VA_ARGS__)

/* inlay_all(db, users, "select …", args…): of an INLAY_SLICE. */
#define inlay_all(db, T, ...)                                                  \
    INLAY_QUERY_("inlay_all", db, INLAY_QUERY_ALL, T, LITERAL, __VA_ARGS__)

/* int64_t inlay_exec(db, "update …", args…): the rows that it changed. */
#define inlay_exec(db, ...)                                                    \
    INLAY_QUERY_("inlay_exec", db, INLAY_QUERY_EXEC, int64_t, LITERAL,         \
                 __VA_ARGS__)

/* The same with SQL that is made at run time, an inlay_str: never of a
 * client's text. */
#define inlay_one_dynamic(db, T, ...)                                          \
    INLAY_QUERY_("inlay_one_dynamic", db, INLAY_QUERY_ONE, T, DYNAMIC,         \
                 __VA_ARGS__)
#define inlay_maybe_dynamic(db, T, ...)                                        \
    INLAY_QUERY_("inlay_maybe_dynamic", db, INLAY_QUERY_MAYBE, T, DYNAMIC,     \
                 __VA_ARGS__)
#define inlay_all_dynamic(db, T, ...)                                          \
    INLAY_QUERY_("inlay_all_dynamic", db, INLAY_QUERY_ALL, T, DYNAMIC,         \
                 __VA_ARGS__)
#define inlay_exec_dynamic(db, ...)                                            \
    INLAY_QUERY_("inlay_exec_dynamic", db, INLAY_QUERY_EXEC, int64_t, DYNAMIC, \
                 __VA_ARGS__)

/*
 * inlay_batch(db, "insert into users (id, name) values ($1, $2)", rows): the
 * statement once for each struct of the slice, whose fields are $1, $2, … in
 * their order; the rows that all of them changed. In one transaction. A compound
 * literal takes parentheses of its own, ((users){rows, 20}), as every argument
 * of these macros that has a comma.
 */
#define inlay_batch(db, ...)                                                   \
    INLAY_QUERY_("inlay_batch", db, INLAY_QUERY_BATCH, int64_t, LITERAL,       \
                 __VA_ARGS__)

/*
 * inlay_copy_in(db, "users (id, name)", rows): many rows into a table, by
 * PostgreSQL's COPY; the columns are called as the struct's fields, in their
 * order. All or none; how many.
 */
#define inlay_copy_in(db, ...)                                                 \
    INLAY_QUERY_("inlay_copy_in", db, INLAY_QUERY_COPY, int64_t, LITERAL,      \
                 __VA_ARGS__)

/*
 * A transaction: what follows is done together at inlay_commit, or not at all.
 * One that is open when the call ends is rolled back. Within one, inlay_begin
 * makes a savepoint, and the next commit or rollback is its. Waiting for the
 * client within one fails the call. False: the call has failed (inlay_rollback
 * works all the same).
 */
#define inlay_begin(db) (inlay_api_->db_begin(INLAY_DB_("inlay_begin", db)))
#define inlay_commit(db) (inlay_api_->db_commit(INLAY_DB_("inlay_commit", db)))
#define inlay_rollback(db)                                                     \
    (inlay_api_->db_rollback(INLAY_DB_("inlay_rollback", db)))

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
    for (struct inlay_attempt inlay_attempt_ __attribute__((cleanup(           \
             inlay_attempt_end_))) = {INLAY_DB_("inlay_transaction", db),      \
                                      tries, 0, 0};                            \
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
#define inlay_listen(db, channel)                                              \
    (inlay_api_->db_listen(INLAY_DB_("inlay_listen", db), channel))
#define inlay_notified(db, note)                                               \
    (inlay_api_->db_notified(INLAY_DB_("inlay_notified", db), note))

/*
 * Many rows, not all of them in memory:
 *     inlay_each(db, struct user, user, "select …", args…)
 *         inlay_print(request, "%s\n", user.name.ptr);
 * Text of a row lasts until the next one. `break` is allowed; other statements
 * of this db have to wait until the loop has ended.
 */
struct inlay_cursor;
#define inlay_each(db, T, row, ...)                                            \
    for (INLAY_EACH_ROW_(db, T, __VA_ARGS__) row, *inlay_once_ = &row;         \
         inlay_once_; inlay_once_ = 0)                                         \
        for (struct inlay_cursor * inlay_cursor_                               \
                 __attribute__((cleanup(inlay_cursor_close_))) =               \
                 INLAY_EACH_OPEN_(db, T, __VA_ARGS__);                         \
             inlay_cursor_ && inlay_api_->cursor_next(inlay_cursor_, &row);)

/* T, once all is checked. */
#define INLAY_EACH_ROW_(db, T, ...)                                            \
    __typeof__(__extension__({                                                 \
        INLAY_CHECK_("inlay_each", db, T, LITERAL, __VA_ARGS__);               \
        *inlay_row_;                                                           \
    }))
#define INLAY_EACH_OPEN_(db, T, ...)                                           \
    __extension__({                                                            \
        __typeof__(T) *inlay_row_;                                             \
        INLAY_SITE_(INLAY_QUERY_EACH, LITERAL, __VA_ARGS__)                    \
        inlay_api_->cursor_open((inlay_db *)(db), &inlay_site_.record,         \
                                (inlay_str){0, 0},                             \
                                INLAY_SITE_ARGS_(__VA_ARGS__));                \
    })

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
