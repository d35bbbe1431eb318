/* call_cursor.c - inlay_each: rows that come as they are asked for. */
#include "base/cleanup.h"
#include "db/call.h"
#include "db/row.h"
#include "load/query.h"

#include "base/banned.h"

/* Text of one row. */
#define ROW_MEMORY ((size_t)64 << 20)

/* In the call's arena. */
struct inlay_cursor {
    struct inlay_db *db;
    struct inlay_cursor *next; /* in db->cursors */
    struct inlay_row_reader reader;
    void *driver;            /* the driver's cursor */
    struct inlay_hold *hold; /* that it has taken for itself; NULL: it lives in
                                the call's transaction, or none */
    bool orphan;             /* that has ended */
    struct inlay_rowset *rows;
    size_t at;                /* the next one of them */
    bool more;                /* there may be others behind them */
    struct inlay_arena arena; /* of the row in hand */
};

struct inlay_cursor *inlay_db_cursor_open(struct inlay_db *db,
                                          const struct inlay_query *query,
                                          struct inlay_str text,
                                          const void *const *args)
{
    struct inlay_order order = {
        .kind = INLAY_ORDER_OPEN,
        .sql = query->sql.len ? query->sql : text,
        .nparams = query->nargs,
    };
    struct inlay_cursor *cursor;

    if (!inlay_db_usable(db) ||
        !(order.params = inlay_db_params(db, query, args)))
        return NULL;
    cursor = inlay_arena_new(db->context->arena, struct inlay_cursor);
    if (!cursor) {
        inlay_context_fail(db->context, INLAY_NO_MEMORY,
                           INLAY_STR("out of memory for this call"));
        return NULL;
    }
    if (!inlay_db_run(db, query, &order))
        return NULL;
    inlay_rowset_destroy(order.rows);
    cursor->db = db;
    cursor->reader.query = query;
    cursor->reader.arena = &cursor->arena;
    cursor->driver = order.cursor;
    cursor->hold = order.hold == db->hold ? NULL : order.hold;
    cursor->more = true;
    inlay_arena_init(&cursor->arena, ROW_MEMORY);
    cursor->next = db->cursors;
    db->cursors = cursor;
    return cursor;
}

/* Their columns are looked for once for all of them. */
static bool begin_rows(struct inlay_cursor *cursor)
{
    struct inlay_failure failure = {0};

    if (inlay_row_reader_begin(&cursor->reader, cursor->rows,
                               cursor->db->context->arena, &failure))
        return true;
    inlay_db_fail(cursor->db, NULL, &failure); /* it says where */
    return false;
}

static bool fetch(struct inlay_cursor *cursor)
{
    struct inlay_order order = {
        .kind = INLAY_ORDER_FETCH,
        .cursor = cursor->driver,
        .hold = cursor->hold,
    };

    inlay_rowset_destroy(inlay_take(cursor->rows));
    cursor->at = 0;
    if (cursor->orphan) {
        inlay_db_misuse(cursor->db, "inlay_each",
                        "the transaction that it began in has ended");
        return false;
    }
    if (!inlay_db_run(cursor->db, cursor->reader.query, &order))
        return false;
    cursor->rows = order.rows;
    cursor->more = order.more;
    return !order.rows || !order.rows->nrows || begin_rows(cursor);
}

bool inlay_db_cursor_next(struct inlay_cursor *cursor, void *row_ret)
{
    struct inlay_failure failure = {0};
    struct inlay_db *db = cursor->db;

    if (!inlay_db_usable(db))
        return false;
    while (!cursor->rows || cursor->at >= cursor->rows->nrows) {
        if (!cursor->more || !fetch(cursor))
            return false;
    }
    inlay_arena_reset(&cursor->arena);
    if (inlay_row_read(&cursor->reader, cursor->at++, row_ret, &failure))
        return true;
    inlay_db_fail(db, NULL, &failure); /* it says where */
    return false;
}

static void unlink_cursor(struct inlay_cursor *cursor)
{
    struct inlay_cursor **at = &cursor->db->cursors;

    while (*at && *at != cursor)
        at = &(*at)->next;
    if (*at)
        *at = cursor->next;
}

/* One that lives in a transaction is closed at the latest by its end. */
static void end(struct inlay_cursor *cursor)
{
    struct inlay_hold *hold = inlay_take(cursor->hold);

    inlay_rowset_destroy(inlay_take(cursor->rows));
    /* The last row's text is the call's: the loop may have been left with it. */
    inlay_arena_absorb(cursor->db->context->arena, &cursor->arena);
    unlink_cursor(cursor);
    if (hold)
        inlay_hold_release(hold);
}

void inlay_db_cursor_close(struct inlay_cursor *cursor)
{
    struct inlay_order order = {
        .kind = INLAY_ORDER_CLOSE,
        .cursor = cursor->driver,
        .hold = cursor->hold,
    };

    if (!inlay_db_owned(cursor->db))
        return;
    /* After a failure its transaction has nothing to be closed in. */
    if (!cursor->db->context->error && !cursor->orphan)
        inlay_db_run(cursor->db, cursor->reader.query, &order);
    end(cursor);
}

void inlay_db_cursors_orphan(struct inlay_db *db)
{
    for (struct inlay_cursor *it = db->cursors; it; it = it->next)
        it->orphan |= !it->hold;
}

void inlay_db_cursors_end(struct inlay_db *db)
{
    while (db->cursors)
        end(db->cursors);
}
