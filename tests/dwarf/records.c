#include <inlay.h>

INLAY_OPTIONAL(maybe_int, int64_t);
INLAY_OPTIONAL(maybe_str, inlay_str);

/* Finds one. */
static int64_t find(int64_t id,
                    uint8_t limit,
                    maybe_int shift,
                    inlay_str q,
                    const char *c,
                    double rate,
                    float scale,
                    bool all,
                    maybe_str name,
                    uint64_t big,
                    maybe_int none)
{
    return id + limit + (shift.has ? shift.value : 0) + (int64_t)q.len;
}
INLAY_GET("/find/{id}", find);
INLAY_ROUTE("POST,PUT", "/again/{id:int}", find);
INLAY_DEFAULT(find, limit, 20);
INLAY_DEFAULT(find, shift, -7);
INLAY_DEFAULT(find, q, "grün");
INLAY_DEFAULT(find, c, NULL);
INLAY_DEFAULT(find, rate, 5);
INLAY_DEFAULT(find, scale, 2.5);
INLAY_DEFAULT(find, all, true);
INLAY_DEFAULT(find, name, "x");
INLAY_DEFAULT(find, big, UINT64_MAX);
INLAY_STATUS(find, 201);

inlay_str rest(inlay_str rest)
{
    return inlay_format("<%.*s>", (int)rest.len, rest.ptr);
}
INLAY_DELETE("/rest/{rest:path}", rest);

int64_t fails(int64_t a)
{
    inlay_fail(INLAY_NOT_FOUND, "no %d", (int)a);
    inlay_fail(INLAY_INTERNAL, "second");
    return a;
}

int64_t not_a_route(int64_t a)
{
    int64_t *copy = inlay_alloc(sizeof(*copy));

    *copy = a;
    return *copy + 1;
}

enum color { red = 0, blue = 7 };
struct pixel {
    int x;
};

int64_t more_defaults(enum color color,
                      enum color mask,
                      char letter,
                      const struct pixel *pixel,
                      inlay_bytes bytes,
                      inlay_html page,
                      double real)
{
    return color + mask + letter + (pixel ? pixel->x : 0) +
           (int64_t)bytes.len + (int64_t)page.len + (int64_t)real;
}
INLAY_DEFAULT(more_defaults, color, blue);
INLAY_DEFAULT(more_defaults, mask, red | blue);
INLAY_DEFAULT(more_defaults, letter, 'x');
INLAY_DEFAULT(more_defaults, pixel, NULL);
INLAY_DEFAULT(more_defaults, bytes, "\xff");
INLAY_DEFAULT(more_defaults, page, "<p>");
INLAY_DEFAULT(more_defaults, real, 1ul << 63);
