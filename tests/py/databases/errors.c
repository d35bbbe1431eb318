/* What goes wrong, and how it is said. */
#include <inlay.h>
#include <inttypes.h>
#include <string.h>

struct item {
    int64_t id;
    inlay_str name;
    int32_t count;
};
INLAY_SLICE(items, struct item);
INLAY_SLICE(ids, int64_t);

struct item get_item(inlay_db *db, int64_t id)
{
    return inlay_one(db, struct item,
                     "select id, name, count from items where id = $1", id);
}
INLAY_GET("/items/{id}", get_item);

items list_items(inlay_db *db)
{
    return inlay_all(db, items, "select * from items order by id");
}
INLAY_GET("/items", list_items);

struct item create_item(inlay_db *db, struct item item)
{
    inlay_exec(db, "insert into items (id, name, count) values ($1, $2, $3)",
               item.id, item.name, item.count);
    return item;
}
INLAY_POST("/items", create_item);
INLAY_STATUS(create_item, 201);

int64_t rename_item(inlay_db *db, int64_t id, inlay_str name)
{
    return inlay_exec(db, "update items set name = $2 where id = $1", id, name);
}
INLAY_PUT("/items/{id}", rename_item);

int64_t delete_items(inlay_db *db)
{
    return inlay_exec(db, "delete from items");
}
INLAY_DELETE("/items", delete_items);

/* --- Wrong --- */

struct item missing_column(inlay_db *db)
{
    return inlay_one(db, struct item, "select 1 as id, 'a' as name");
}
INLAY_GET("/wrong/column", missing_column);

struct item null_value(inlay_db *db)
{
    return inlay_one(db, struct item,
                     "select 1 as id, 'a' as name, cast(null as int) as count");
}
INLAY_GET("/wrong/null", null_value);

int16_t too_wide(inlay_db *db)
{
    return inlay_one(db, int16_t, "select 70000");
}
INLAY_GET("/wrong/wide", too_wide);

double rounded(inlay_db *db)
{
    return inlay_one(db, double, "select cast(9007199254740993 as bigint)");
}
INLAY_GET("/wrong/rounded", rounded);

INLAY_SLICE(texts, inlay_str);

/* 70 of a MiB: more than a request has. */
#define LARGE_ROWS                                                             \
    "with recursive n(i, text) as (select 1, $1 union all"                     \
    " select i + 1, text from n where i < 70) select text from n"

static inlay_str mebibyte(void)
{
    char *text = inlay_alloc(1 << 20);

    if (!text)
        return INLAY_STR("");
    memset(text, 'x', 1 << 20);
    return (inlay_str){text, 1 << 20};
}

int64_t large(inlay_db *db)
{
    texts all = inlay_all(db, texts, LARGE_ROWS, mebibyte());

    return (int64_t)all.len;
}
INLAY_GET("/wrong/large", large);

int64_t large_one_by_one(inlay_db *db)
{
    int64_t size = 0;

    inlay_each(db, inlay_str, text, LARGE_ROWS, mebibyte())
    {
        size += (int64_t)text.len;
    }
    return size;
}
INLAY_GET("/large", large_one_by_one);

int64_t wrong_type(inlay_db *db)
{
    return inlay_one(db, int64_t, "select 'abc'");
}
INLAY_GET("/wrong/type", wrong_type);

int64_t wrong_sql(inlay_db *db)
{
    return inlay_one(db, int64_t, "choose 1");
}
INLAY_GET("/wrong/sql", wrong_sql);

int64_t no_rows(inlay_db *db)
{
    return inlay_one(db, int64_t, "delete from items where id = -1");
}
INLAY_GET("/wrong/rows", no_rows);

/* --- Transactions --- */

int64_t left_open(inlay_db *db, int64_t id)
{
    inlay_begin(db);
    inlay_exec(db, "insert into items (id, name, count) values ($1, 'x', 1)",
               id);
    return inlay_one(db, int64_t, "select count(*) from items where id = $1",
                     id);
}
INLAY_POST("/left-open", left_open);

int64_t failed_within(inlay_db *db, int64_t id)
{
    inlay_transaction(db, 1)
    {
        inlay_exec(db,
                   "insert into items (id, name, count) values ($1, 'x', 1)",
                   id);
        inlay_fail(INLAY_DENIED, "not today");
    }
    return id;
}
INLAY_POST("/failed-within", failed_within);

int64_t broken_off(inlay_db *db, int64_t id)
{
    inlay_transaction(db, 1)
    {
        inlay_exec(db,
                   "insert into items (id, name, count) values ($1, 'x', 1)",
                   id);
        if (id > 0)
            break;
    }
    return inlay_one(db, int64_t, "select count(*) from items where id = $1",
                     id);
}
INLAY_POST("/broken-off", broken_off);

items savepoints(inlay_db *db)
{
    inlay_begin(db);
    inlay_exec(db, "insert into items (id, name, count) values (1, 'one', 1)");
    inlay_begin(db);
    inlay_exec(db, "insert into items (id, name, count) values (2, 'two', 2)");
    inlay_rollback(db);
    inlay_begin(db);
    inlay_exec(db, "insert into items (id, name, count) values (3, 'tri', 3)");
    inlay_commit(db);
    inlay_commit(db);
    return inlay_all(db, items, "select * from items order by id");
}
INLAY_POST("/savepoints", savepoints);

int64_t ended_within(inlay_db *db, int64_t id)
{
    inlay_transaction(db, 1)
    {
        inlay_exec(db, "delete from items where id = 0");
        inlay_exec(db, "rollback");
        inlay_exec(db,
                   "insert into items (id, name, count) values ($1, 'x', 1)",
                   id);
    }
    return id;
}
INLAY_POST("/ended-within", ended_within);

int64_t serialization(inlay_db *db)
{
    return inlay_exec(db, "do $$ begin raise exception 'a secret' using "
                          "errcode = '40001'; end $$");
}
INLAY_GET("/wrong/serialization", serialization);

int64_t commit_of_none(inlay_db *db)
{
    inlay_commit(db);
    return 1;
}
INLAY_POST("/wrong/commit", commit_of_none);

void writes_within(inlay_db *db, inlay_request *request)
{
    inlay_begin(db);
    inlay_write(request, INLAY_STR("part"));
}
INLAY_GET("/wrong/write", writes_within);

/* --- Cursors --- */

void stream(inlay_db *db, inlay_request *request, int64_t most)
{
    inlay_each(db, struct item, item,
               "with recursive n(i) as (select 1 union all select i + 1 from n"
               " where i < $1) select i as id, 'item' as name, 7 as count"
               " from n",
               most)
        inlay_print(request, "%" PRId64 "\n", item.id);
}
INLAY_GET("/stream", stream);

int64_t first_of_many(inlay_db *db)
{
    int64_t sum = 0;

    inlay_each(db, int64_t, id,
               "with recursive n(i) as (select 1 union all select i + 1 from n"
               " where i < 1000000) select i from n")
    {
        sum += id;
        if (id == 10)
            break;
    }
    return sum + inlay_one(db, int64_t, "select 1000");
}
INLAY_GET("/first", first_of_many);

struct named {
    int64_t id;
    inlay_str name;
};

inlay_str tenth(inlay_db *db)
{
    struct named last = {0};

    inlay_each(db, struct named, row,
               "with recursive n(i) as (select 1 union all select i + 1 from n"
               " where i < 1000) select i as id, 'name ' || i as name from n")
    {
        last = row;
        if (row.id == 10)
            break;
    }
    return last.name;
}
INLAY_GET("/tenth", tenth);

/* --- Dynamic text --- */

ids sorted(inlay_db *db, bool down)
{
    inlay_str sql = inlay_format("select id from items order by id %s",
                                 down ? "desc" : "asc");

    return inlay_all_dynamic(db, ids, sql);
}
INLAY_GET("/sorted", sorted);

/* --- Two databases --- */

struct both {
    inlay_str one, other;
};

struct both both(inlay_db *db, inlay_db *reports)
{
    return (struct both){
        inlay_one(db, inlay_str, "select name from place"),
        inlay_one(reports, inlay_str, "select name from place"),
    };
}
INLAY_GET("/both", both);
INLAY_DB(both, reports, "reports");
