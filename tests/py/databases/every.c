/* Every type that a database takes and gives, there and back. */
#include <inlay.h>

enum colour { RED, GREEN, BLUE };
INLAY_SLICE(ints, int64_t);
INLAY_SLICE(texts, inlay_str);
INLAY_OPTIONAL(maybe_int, int64_t);
INLAY_OPTIONAL(maybe_text, inlay_str);
INLAY_OPTIONAL(maybe_real, double);

struct point {
    int32_t x, y;
};

struct every {
    bool flag;
    int16_t small;
    int32_t medium;
    int64_t big;
    float narrow;
    double precise;
    inlay_str words;
    inlay_bytes data;
    inlay_date day;
    inlay_datetime moment;
    inlay_uuid id;
    enum colour colour;
    maybe_int maybe;
    maybe_text note;
    inlay_str amount;
    ints numbers;
    texts names;
    struct point place;
};
INLAY_SLICE(everies, struct every);

/* All of them, as a batch of structs. */
everies insert_batch(inlay_db *db, everies rows)
{
    inlay_batch(db,
                "insert into every values ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
                " $10, $11, $12, $13, $14, $15, $16, $17, $18)",
                rows);
    return inlay_all(db, everies, "select * from every order by big");
}
INLAY_POST("/batch", insert_batch);

everies insert_copy(inlay_db *db, everies rows)
{
    if (inlay_copy_in(db,
                      "every (flag, small, medium, big, narrow, precise, words,"
                      " data, day, moment, id, colour, maybe, note, amount,"
                      " numbers, names, place)",
                      rows) != (int64_t)rows.len)
        inlay_fail(INLAY_INTERNAL, "copied another number of rows");
    return inlay_all(db, everies, "select * from every order by big");
}
INLAY_POST("/copy", insert_copy);

void clear(inlay_db *db)
{
    inlay_exec(db, "delete from every");
}
INLAY_DELETE("/all", clear);

/* One value of each kind as it comes back. */
inlay_str echo_text(inlay_db *db, inlay_str value)
{
    return inlay_one(db, inlay_str, "select cast($1 as text)", value);
}
INLAY_GET("/text", echo_text);

int64_t echo_int(inlay_db *db, int64_t value)
{
    return inlay_one(db, int64_t, "select cast($1 as bigint)", value);
}
INLAY_GET("/int", echo_int);

double echo_real(inlay_db *db, double value)
{
    return inlay_one(db, double, "select cast($1 as double precision)", value);
}
INLAY_GET("/real", echo_real);

maybe_int echo_maybe(inlay_db *db, maybe_int value)
{
    return inlay_maybe(db, maybe_int, "select cast($1 as bigint)", value);
}
INLAY_GET("/maybe", echo_maybe);

inlay_str echo_literal(inlay_db *db)
{
    return inlay_one(db, inlay_str, "select cast($1 as text)", "it's \\ \"x\"");
}
INLAY_GET("/literal", echo_literal);

/* What no parameter has: the first of several rows, and none. */
INLAY_OPTIONAL(maybe_point, struct point);
maybe_point find_point(inlay_db *db, int32_t most)
{
    return inlay_maybe(db, maybe_point,
                       "select 1 as x, 2 as y where $1 > 0", most);
}
INLAY_GET("/point", find_point);
