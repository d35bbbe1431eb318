/* What bench_db.py measures; db_app.py and peers/axum_db have the same routes. */
#include <inlay.h>

struct item {
    int64_t id;
    inlay_str name;
    inlay_str email;
    double score;
};
INLAY_SLICE(items, struct item);

struct item one(inlay_db *db, int64_t id)
{
    return inlay_one(db, struct item,
                     "select id, name, email, score from items where id = $1",
                     id);
}
INLAY_GET("/items/{id}", one);

items many(inlay_db *db, int64_t after)
{
    return inlay_all(db, items,
                     "select id, name, email, score from items "
                     "where id > $1 order by id limit 20",
                     after);
}
INLAY_GET("/after/{after}", many);

struct updated {
    int64_t updated;
};

struct updated update(inlay_db *db, int64_t after)
{
    int64_t count = 0;

    inlay_transaction(db, 1) for (int64_t id = after + 1; id <= after + 20;
                                  id++) count +=
        inlay_exec(db, "update counters set total = total + 1 where id = $1",
                   id);
    return (struct updated){count};
}
INLAY_GET("/update/{after}", update);

struct key {
    int64_t id;
};
INLAY_SLICE(keys, struct key);

struct updated batch(inlay_db *db, int64_t after)
{
    struct key rows[20];

    for (int64_t i = 0; i < 20; i++)
        rows[i].id = after + 1 + i;
    return (struct updated){
        inlay_batch(db, "update counters set total = total + 1 where id = $1",
                    ((keys){rows, 20}))};
}
INLAY_GET("/batch/{after}", batch);
