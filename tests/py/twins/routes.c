/* Every way a native route binds and answers; app.py has each in FastAPI. */
#include <inlay.h>

INLAY_SLICE(ints, const int64_t);
INLAY_SLICE(doubles, const double);
INLAY_OPTIONAL(maybe_int, int64_t);
INLAY_OPTIONAL(maybe_double, double);
INLAY_OPTIONAL(maybe_str, inlay_str);

struct squares {
    int64_t a, b, sum_of_squares;
};

/// Sum of two squares.
///
/// With defaults.
struct squares sum_squares(int64_t a, int64_t b)
{
    return (struct squares){a, b, a * a + b * b};
}
INLAY_GET("/sum-squares", sum_squares);
INLAY_DEFAULT(sum_squares, a, 5);
INLAY_DEFAULT(sum_squares, b, 10);

struct inner {
    int64_t n;
    bool ok;
};
INLAY_SLICE(inners, const struct inner);

struct user {
    int64_t id;
    inlay_str name;
    maybe_double score;
    struct inner inner;
    inners more;
};
INLAY_SLICE(users, const struct user);

struct user create_user(struct user user)
{
    return user;
}
INLAY_POST("/users", create_user);
INLAY_STATUS(create_user, 201);

users put_users(users all)
{
    return all;
}
INLAY_PUT("/users", put_users);

void del_user(int64_t id)
{
    (void)id;
}
INLAY_DELETE("/users/{id}", del_user);

struct user get_user(int64_t id)
{
    if (id > 100)
        inlay_fail(INLAY_NOT_FOUND, "no user %lld \"\n", (long long)id);
    return (struct user){.id = id, .name = INLAY_STR("me")};
}
INLAY_GET("/users/{id}", get_user);

struct numbers {
    ints numbers;
};
INLAY_OPTIONAL(maybe_numbers, struct numbers);

int64_t two(int64_t id, struct inner a, struct numbers b)
{
    return id + a.n + (int64_t)b.numbers.len;
}
INLAY_PUT("/two/{id}", two);

int64_t mix(struct numbers body, int64_t q, maybe_int o)
{
    return (int64_t)body.numbers.len + q + (o.has ? o.value : 0);
}
INLAY_POST("/mix", mix);

maybe_int optional_body(maybe_numbers body)
{
    return (maybe_int){body.has, (int64_t)body.value.numbers.len};
}
INLAY_POST("/optional", optional_body);

doubles reals(doubles xs)
{
    return xs;
}
INLAY_POST("/reals", reals);

struct page {
    int64_t limit;
    maybe_str word;
    maybe_int offset;
};

struct page get_page(struct page page)
{
    return page;
}
INLAY_GET("/page", get_page);

ints get_list(ints x, bool flag, maybe_int z)
{
    (void)flag;
    (void)z;
    return x;
}
INLAY_GET("/list", get_list);
INLAY_DEFAULT(get_list, flag, 0);

inlay_str get_file(inlay_str rest)
{
    return rest;
}
INLAY_GET("/files/{rest:path}", get_file);

double half(double x, const char *unit)
{
    (void)unit;
    return x / 2;
}
INLAY_GET("/half/{x}", half);
INLAY_DEFAULT(half, unit, "m\"");

inlay_str say(inlay_str word)
{
    return word;
}
INLAY_GET("/say", say);

maybe_str perhaps(maybe_str word)
{
    return word;
}
INLAY_GET("/perhaps", perhaps);
