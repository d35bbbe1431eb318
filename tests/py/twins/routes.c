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

enum color { red, green, blue };
INLAY_SLICE(colors, const enum color);

enum color paint(enum color color, enum color second, char letter)
{
    return letter == 'x' ? second : color;
}
INLAY_GET("/paint/{color}", paint);
INLAY_DEFAULT(paint, second, green);
INLAY_DEFAULT(paint, letter, 'a');

colors all_colors(colors c)
{
    return c;
}
INLAY_GET("/colors", all_colors);

struct stroke {
    enum color color;
    char letter;
    char code[4];
    int64_t at[2];
    struct inner pair[2];
    struct stroke *next;
};

struct stroke *same_stroke(struct stroke *stroke)
{
    return stroke;
}
INLAY_POST("/stroke", same_stroke);

const struct stroke *maybe_stroke(const struct stroke *stroke)
{
    return stroke;
}
INLAY_POST("/maybe-stroke", maybe_stroke);
INLAY_DEFAULT(maybe_stroke, stroke, NULL);

int64_t strokes(const struct stroke *a, const struct stroke *b)
{
    return a->at[0] + (b ? b->at[1] : 0);
}
INLAY_PUT("/strokes", strokes);
INLAY_DEFAULT(strokes, b, NULL);

struct point {
    int64_t at[2];
    enum color color;
    char code[4];
};

struct point get_point(const struct point *point)
{
    return *point;
}
INLAY_GET("/point", get_point);

struct blob {
    inlay_bytes data;
};

struct blob same_blob(struct blob blob)
{
    return blob;
}
INLAY_POST("/blob", same_blob);

inlay_html get_html(inlay_text word)
{
    return inlay_format("<p>%.*s", (int)word.len, word.ptr);
}
INLAY_GET("/html", get_html);

inlay_text get_text(inlay_str word)
{
    return word;
}
INLAY_GET("/text", get_text);

inlay_bytes get_bytes(int64_t n)
{
    uint8_t *ptr = inlay_alloc((size_t)n);

    return (inlay_bytes){ptr, ptr ? (size_t)n : 0};
}
INLAY_GET("/bytes/{n}", get_bytes);

int64_t count_bytes(inlay_bytes data)
{
    return (int64_t)data.len;
}
INLAY_POST("/count", count_bytes);
