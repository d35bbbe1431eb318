/* values.c - a function for every row of the type table, both ways. */
#include <inlay.h>

#define ECHO(name, T)                                                          \
    T name(T v)                                                                \
    {                                                                          \
        return v;                                                              \
    }

enum color { RED, GREEN = 5, BLUE, AZURE = BLUE };
enum level { LOW = -1, HIGH = 1 };
enum wide { SMALL = 1, LARGE = 0xffffffffffffffff };
typedef enum { LEFT, RIGHT } side;
enum tight { T0 = 200 } __attribute__((packed));
/* Names that Python keeps for itself. */
enum names { mro, from, from_, _sunder_, __dunder__, None, name, value };

INLAY_OPTIONAL(maybe_color, enum color);
INLAY_OPTIONAL(maybe_bytes, inlay_bytes);
INLAY_OPTIONAL(maybe_char, char);
INLAY_SLICE(colors, enum color);
INLAY_SLICE(blobs, inlay_bytes);
INLAY_SLICE(doubles, const double);
INLAY_SLICE(changing, double);

struct point {
    double x, y;
};
struct item {
    char name[8];
    enum color color;
    char letter;
    inlay_bytes data;
    double matrix[2][3];
    struct point corners[2];
    int16_t numbers[3];
    const char *note;
    char lines[2][4];
    maybe_color tint;
};
INLAY_SLICE(items, struct item);
struct node {
    int64_t value;
    struct node *next;
};
struct outer {
    struct point at;
    struct node *chain;
    const struct point *fixed;
    changing samples;
    inlay_str name;
    enum color colors[2];
};
struct label {
    int64_t id;
    inlay_str name;
    double score;
    bool on;
    int small;
};
struct limp {
    maybe_color a;
    struct limp *b;
};
struct keywords {
    int from, from_, keys, __dictoffset__, __weaklistoffset__;
    bool None;
};

ECHO(echo_bool, bool)
ECHO(echo_i8, int8_t)
ECHO(echo_i16, int16_t)
ECHO(echo_i32, int32_t)
ECHO(echo_i64, int64_t)
ECHO(echo_u8, uint8_t)
ECHO(echo_u16, uint16_t)
ECHO(echo_u32, uint32_t)
ECHO(echo_u64, uint64_t)
ECHO(echo_float, float)
ECHO(echo_double, double)
ECHO(echo_char, char)
ECHO(echo_text, const char *)
ECHO(echo_str, inlay_str)
ECHO(echo_media, inlay_text)
ECHO(echo_html, inlay_html)
ECHO(echo_bytes, inlay_bytes)
ECHO(echo_color, enum color)
ECHO(echo_level, enum level)
ECHO(echo_wide, enum wide)
ECHO(echo_side, side)
ECHO(echo_tight, enum tight)
ECHO(echo_names, enum names)
ECHO(echo_maybe_color, maybe_color)
ECHO(echo_maybe_bytes, maybe_bytes)
ECHO(echo_maybe_char, maybe_char)
ECHO(echo_colors, colors)
ECHO(echo_blobs, blobs)
ECHO(echo_doubles, doubles)
ECHO(echo_point, struct point)
ECHO(echo_item, struct item)
ECHO(echo_items, items)
ECHO(echo_node, struct node)
ECHO(echo_outer, struct outer)
ECHO(echo_label, struct label)
ECHO(echo_limp, struct limp)
ECHO(echo_keywords, struct keywords)

struct label bad_label(void)
{
    return (struct label){.name = {"\xff", 1}};
}
struct label no_label(struct label v)
{
    inlay_fail(INLAY_CONFLICT, "no %.*s", (int)v.name.len, v.name.ptr);
    v.name = (inlay_str){"\xff", 1};
    return v;
}
struct label long_label(struct label v, int64_t times)
{
    for (inlay_str once = v.name; times > 1; times--)
        v.name = inlay_format("%.*s%.*s", (int)v.name.len, v.name.ptr,
                              (int)once.len, once.ptr);
    return v;
}
char not_ascii(void)
{
    return (char)0xe9;
}
enum color no_color(void)
{
    return (enum color)77;
}
struct item full_name(void)
{
    return (struct item){.name = "12345678"};
}
struct item bad_name(void)
{
    return (struct item){.name = "\xff"};
}
inlay_bytes bad_bytes(void)
{
    return (inlay_bytes){NULL, 3};
}
inlay_bytes no_bytes(void)
{
    return (inlay_bytes){NULL, 0};
}
uint64_t where(inlay_bytes v)
{
    return (uintptr_t)v.ptr;
}
struct point *no_point(void)
{
    return NULL;
}

double length(const struct point *p)
{
    return p->x * p->x + p->y * p->y;
}
int is_null(const struct point *p)
{
    return !p;
}
INLAY_DEFAULT(is_null, p, NULL);

int64_t total(const struct node *n)
{
    int64_t sum = 0;

    for (int most = 100; n && most; n = n->next, most--)
        sum += n->value;
    return sum;
}

void move_by(struct point *p, double x)
{
    p->x += x;
}
bool maybe_move(struct point *p)
{
    if (p)
        p->x = 42;
    return p != NULL;
}
INLAY_DEFAULT(maybe_move, p, NULL);

bool same(struct point *a, const struct point *b)
{
    return a == b;
}

/* The list is the same nodes the other way round. */
struct node *reverse(struct node *n)
{
    struct node *before = NULL;

    while (n) {
        struct node *next = n->next;
        n->next = before;
        before = n;
        n = next;
    }
    return before;
}
void push(struct node *n, int64_t value)
{
    struct node *made = inlay_alloc(sizeof(*made));

    *made = (struct node){value, n->next};
    n->next = made;
}
void cut(struct node *n)
{
    n->next = NULL;
}
void change(struct outer *o)
{
    o->at.x = -1;
    if (o->chain)
        o->chain->value++;
    for (size_t i = 0; i < o->samples.len; i++)
        o->samples.ptr[i] *= 2;
    o->name = INLAY_STR("changed");
    o->colors[0] = GREEN;
}
void touch(struct outer *o)
{
    (void)o;
}
void spoil(struct outer *o)
{
    o->name = (inlay_str){"\xff", 1};
}
void change_and_fail(struct point *p)
{
    p->x = 99;
    inlay_fail(INLAY_CONFLICT, "no");
}

struct node ring(void)
{
    struct node *n = inlay_alloc(sizeof(*n));

    *n = (struct node){1, n};
    return *n;
}
struct node *long_chain(int64_t count)
{
    struct node *n = NULL;

    for (; count > 0; count--) {
        struct node *made = inlay_alloc(sizeof(*made));
        *made = (struct node){count, n};
        n = made;
    }
    return n;
}
