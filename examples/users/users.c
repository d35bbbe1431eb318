/*
 * Users in a database: the routes of app.py, in C. It needs no Python:
 *     inlay run users.c --db sqlite:///users.db
 * or stands before app.py, route by route (docs/users-in-c.md).
 */
#include <inlay.h>
#include <inttypes.h>

INLAY_OPTIONAL(maybe_str, inlay_str);
INLAY_OPTIONAL(maybe_double, double);

struct user {
    int64_t id;
    inlay_str name;
    inlay_str email;
    double score;
    inlay_datetime created;
};
INLAY_SLICE(users, struct user);
INLAY_OPTIONAL(maybe_user, struct user);

struct new_user {
    inlay_str name;
    inlay_str email;
    maybe_double score;
};
INLAY_SLICE(new_users, struct new_user);
INLAY_LENGTH(struct new_user, name, 1, 100);
INLAY_LENGTH(struct new_user, email, 3, 254);
INLAY_PATTERN(struct new_user, email, "^[^@]+@[^@]+$");

struct user_change {
    maybe_str name;
    maybe_str email;
    maybe_double score;
};
INLAY_LENGTH(struct user_change, name, 1, 100);
INLAY_LENGTH(struct user_change, email, 3, 254);
INLAY_PATTERN(struct user_change, email, "^[^@]+@[^@]+$");

#define TAKEN "the email is taken"

static struct user found(maybe_user user, int64_t id)
{
    if (!user.has)
        inlay_fail(INLAY_NOT_FOUND, "no user %" PRId64, id);
    return user.value;
}

/* --- One user ------------------------------------------------------------- */

/// One user by id.
struct user get_user(inlay_db *db, int64_t id)
{
    return found(inlay_maybe(db, maybe_user,
                             "select id, name, email, score, created "
                             "from users where id = $1",
                             id),
                 id);
}
INLAY_GET("/users/{id}", get_user);
INLAY_REPLACES(get_user);

/// A new user. 409 when somebody has the email.
struct user create_user(inlay_db *db, struct new_user user)
{
    maybe_user made =
        inlay_maybe(db, maybe_user,
                    "insert into users (name, email, score) values "
                    "($1, $2, coalesce(cast($3 as double precision), 0)) "
                    "on conflict (email) do nothing "
                    "returning id, name, email, score, created",
                    user.name, user.email, user.score);

    if (!made.has)
        inlay_fail(INLAY_CONFLICT, TAKEN);
    else
        inlay_header_set("location", "/users/%" PRId64, made.value.id);
    return made.value;
}
INLAY_POST("/users", create_user);
INLAY_STATUS(create_user, 201);
INLAY_REPLACES(create_user);

/// Changes what is given; the rest stays.
struct user change_user(inlay_db *db, int64_t id, struct user_change change)
{
    maybe_user user = {0};

    inlay_transaction(db, 3)
    {
        /* Whoever takes it a moment later gets a 409, too, in other words. */
        if (inlay_one(db, bool,
                      "select exists (select 1 from users "
                      "where email = $1 and id <> $2) "
                      "and exists (select 1 from users where id = $2)",
                      change.email, id))
            inlay_fail(INLAY_CONFLICT, TAKEN);
        user = inlay_maybe(db, maybe_user,
                           "update users set name = coalesce($2, name), "
                           "email = coalesce($3, email), "
                           "score = coalesce($4, score) where id = $1 "
                           "returning id, name, email, score, created",
                           id, change.name, change.email, change.score);
    }
    return found(user, id);
}
INLAY_PATCH("/users/{id}", change_user);
INLAY_REPLACES(change_user);

/// Forgets a user.
void delete_user(inlay_db *db, int64_t id)
{
    if (!inlay_exec(db, "delete from users where id = $1", id))
        inlay_fail(INLAY_NOT_FOUND, "no user %" PRId64, id);
}
INLAY_DELETE("/users/{id}", delete_user);
INLAY_REPLACES(delete_user);

/* --- Many ----------------------------------------------------------------- */

/// Users in the order of their ids; `after` is the last id of the page before.
users list_users(inlay_db *db, int32_t limit, int64_t after)
{
    return inlay_all(db, users,
                     "select id, name, email, score, created from users "
                     "where id > $1 order by id limit $2",
                     after, limit);
}
INLAY_DEFAULT(list_users, limit, 20);
INLAY_RANGE(list_users, limit, 1, 100);
INLAY_DEFAULT(list_users, after, 0);
INLAY_GET("/users", list_users);
INLAY_REPLACES(list_users);

struct created {
    int64_t created;
};

/// All of them, or none.
struct created create_users(inlay_db *db, new_users users)
{
    int64_t count = 0;

    /* A call that fails within the block rolls back. */
    inlay_transaction(db, 1)
    {
        count =
            inlay_batch(db,
                        "insert into users (name, email, score) values "
                        "($1, $2, coalesce(cast($3 as double precision), 0)) "
                        "on conflict (email) do nothing",
                        users);
        if (count != (int64_t)users.len)
            inlay_fail(INLAY_CONFLICT, TAKEN);
    }
    return (struct created){count};
}
INLAY_LENGTH(create_users, users, 1, 1000);
INLAY_POST("/users/batch", create_users);
INLAY_STATUS(create_users, 201);
INLAY_REPLACES(create_users);

struct csv_row {
    int64_t id;
    inlay_str name, email;
};

/// All users as CSV; however many there are, memory is that of a few.
void export_users(inlay_db *db, inlay_request *request)
{
    inlay_header_set("content-type", "text/csv; charset=utf-8");
    inlay_print(request, "id,name,email\n");
    inlay_each(
        db, struct csv_row, row,
        "select id, '\"' || replace(name, '\"', '\"\"') || '\"' as name, "
        "'\"' || replace(email, '\"', '\"\"') || '\"' as email "
        "from users order by id")
        inlay_print(request, "%" PRId64 ",%.*s,%.*s\n", row.id,
                    (int)row.name.len, row.name.ptr, (int)row.email.len,
                    row.email.ptr);
}
INLAY_GET("/users/export", export_users);
INLAY_REPLACES(export_users);

/* --- Two users, one transaction ------------------------------------------- */

struct transfer {
    int64_t to;
    double amount;
};
INLAY_RANGE(struct transfer, amount, 0.01, INLAY_NONE);

static void add_score(inlay_db *db, int64_t id, double amount)
{
    if (!inlay_exec(db, "update users set score = score + $2 where id = $1", id,
                    amount))
        inlay_fail(INLAY_NOT_FOUND, "no user %" PRId64, id);
}

/// Hands score to another user. 409 when there is not enough of it.
struct user transfer_score(inlay_db *db, int64_t id, struct transfer transfer)
{
    struct user user = {0};

    /* Two who hand score to each other may end in a deadlock: again, then. */
    inlay_transaction(db, 3)
    {
        add_score(db, id, -transfer.amount);
        add_score(db, transfer.to, transfer.amount);
        user = inlay_one(db, struct user,
                         "select id, name, email, score, created "
                         "from users where id = $1",
                         id);
        if (user.score < 0)
            inlay_fail(INLAY_CONFLICT, "the score is not enough");
    }
    return user;
}
INLAY_POST("/users/{id}/transfer", transfer_score);
INLAY_REPLACES(transfer_score);
