/* What PostgreSQL alone has, and what many do at once. */
#include <inlay.h>

struct row {
    int64_t id;
    inlay_str name;
};

struct row get_row(inlay_db *db, int64_t id)
{
    return inlay_one(db, struct row, "select id, name from rows where id = $1",
                     id);
}
INLAY_GET("/rows/{id}", get_row);

int64_t slow(inlay_db *db, double seconds)
{
    inlay_exec(db, "select pg_sleep($1)", seconds);
    return 1;
}
INLAY_GET("/slow", slow);

int64_t slow_within(inlay_db *db, double seconds)
{
    inlay_transaction(db, 1)
    {
        inlay_exec(db, "insert into rows values (-1, 'left')");
        inlay_exec(db, "select pg_sleep($1)", seconds);
    }
    return 1;
}
INLAY_GET("/slow-within", slow_within);

int64_t fails(inlay_db *db)
{
    return inlay_one(db, int64_t, "select 1 / (id - id) from rows where id = 1");
}
INLAY_GET("/fails", fails);

/* Adds by reading and writing, at the level where that must be serializable. */
int64_t add(inlay_db *db, int64_t amount)
{
    int64_t total = 0;

    inlay_transaction(db, 1000)
    {
        inlay_exec(db, "set transaction isolation level serializable");
        total = inlay_one(db, int64_t, "select total from counter") + amount;
        inlay_exec(db, "update counter set total = $1", total);
    }
    return total;
}
INLAY_POST("/add", add);

void listen(inlay_db *db, inlay_request *request)
{
    inlay_notification note;

    inlay_listen(db, INLAY_STR("jobs"));
    inlay_event(request, "ready", "%s", "");
    while (inlay_notified(db, &note))
        inlay_event(request, "job", "%s", note.payload.ptr);
}
INLAY_GET("/listen", listen);

int64_t pooled(inlay_db *db, int64_t id)
{
    int64_t length = 0;

    inlay_transaction(db, 1)
    {
        struct row row = inlay_one(
            db, struct row, "select id, name from rows where id = $1", id);
        length = (int64_t)row.name.len;
    }
    return length;
}
INLAY_ASYNC(pooled);
INLAY_GET("/pooled/{id}", pooled);

/* A provider that asks. */
struct row *wanted_row(inlay_db *db, int64_t id)
{
    struct row *row = inlay_alloc(sizeof(*row));

    if (row)
        *row = inlay_one(db, struct row,
                         "select id, name from rows where id = $1", id);
    return row;
}
INLAY_PROVIDE(wanted_row);

inlay_str provided(struct row *row)
{
    return row->name;
}
INLAY_GET("/provided/{id}", provided);
