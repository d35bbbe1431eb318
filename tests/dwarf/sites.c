/* Places that ask a database, wherever a compiler may put them. */
#include <inlay.h>

typedef enum color { RED, GREEN } color;

struct user {
    int64_t id;
    inlay_str name;
};
typedef struct user person;
INLAY_SLICE(users, struct user);
INLAY_SLICE(ids, int64_t);
INLAY_OPTIONAL(maybe_user, struct user);

struct deep {
    struct deep_inner {
        users members;
    } inner;
};

/* Inlined in two places. */
static inline struct user helped(inlay_db *db, int64_t id, const char *tag)
{
    return inlay_one(db, struct user, "select $1 $2 $3", id, "literal", tag);
}

struct user helped_once(inlay_db *db, int64_t id)
{
    return helped(db, id, "x");
}

struct user helped_twice(inlay_db *db, int64_t id)
{
    return helped(db, id + 1, "y");
}

/* Scopes in one another; arguments that are no variables. */
int64_t scopes(inlay_db *db, struct user *user, color color)
{
    char text[20] = "text";
    int64_t sum = 0;

    if (user->id) {
        for (int i = 0; i < 3; i++) {
            users all = inlay_all(db, users, "select $1 $2 $3", user->name,
                                  i + 1, color);

            sum += (int64_t)all.len;
            if (all.len > 1)
                sum += inlay_maybe(db, maybe_user, "select $1 $2 $3", text, 1.5,
                                   user)
                           .value.id;
        }
    }
    inlay_each(db, person, row, "select $1", (ids){0}) sum += row.id;
    return sum;
}

double scalar(inlay_db *db)
{
    return inlay_one(db, double, "select 1");
}

int64_t bulk(inlay_db *db, users all)
{
    return inlay_batch(db, "insert $1 $2", all);
}

int64_t dynamic(inlay_db *db, inlay_str text, inlay_uuid id)
{
    return inlay_exec_dynamic(db, text, id);
}

struct deep within(inlay_db *db)
{
    return inlay_one(db, struct deep, "select 1");
}

bool sixteen(inlay_db *db, uint8_t x)
{
    return inlay_one(db, bool, "select $16", x, x, x, x, x, x, x, x, x, x, x, x,
                     x, x, x, 2.5f);
}

/* Whether these are there is the compiler's choice; if so, with their types. */
static int64_t never_called(inlay_db *db)
{
    return inlay_exec(db, "delete", (int8_t)1);
}

static inline int64_t unused(inlay_db *db)
{
    return inlay_exec(db, "delete", (int8_t)1);
}

int64_t dead(inlay_db *db, int64_t x)
{
    if (x > 0 && x < 0)
        return inlay_exec(db, "delete", (int8_t)1);
    if (sizeof(x) == 4)
        x = inlay_exec(db, "delete", (int8_t)1);
    return x;
    return inlay_exec(db, "delete", (int8_t)1);
}
