/* The kinds beyond scalars and structs: which stand where, which do not. */
#include <inlay.h>

typedef struct _object PyObject;
struct ArrowArray;
struct ArrowSchema;
struct ArrowArrayStream;

enum color { RED, GREEN = 5, BLUE = -1, CRIMSON = 0 };
typedef enum { LOW, HIGH = 200 } level;
enum wide { WIDEST = 0xffffffffffffffff };
enum __attribute__((packed)) small { SMALL = -128 };
enum unknown;
struct point {
    double x, y;
};
struct box {
    char name[16];
    int32_t cells[2][3];
    struct point corners[4];
    struct {
        int8_t q;
    } parts[2];
    char words[3][8];
    enum color color;
    enum { OFF, ON } state;
    const char *tags[2];
    inlay_bytes data;
};
struct node {
    int64_t value;
    const struct node *next;
    struct node *previous;
};
typedef inlay_html page;
INLAY_ARRAY(reals, double);
INLAY_ARRAY(boxes, struct point);
INLAY_ARRAY(texts, inlay_str);
INLAY_ARRAY(levels, level);
INLAY_SLICE(colors, enum color);
INLAY_SLICE(pointers, struct point *);
INLAY_OPTIONAL(maybe_char, char);
INLAY_OPTIONAL(maybe_point, struct point *);
typedef inlay_date day;
INLAY_SLICE(dates, inlay_date);
INLAY_SLICE(uploads, inlay_upload);
INLAY_OPTIONAL(maybe_uuid, inlay_uuid);
struct event {
    inlay_uuid id;
    inlay_date day;
    inlay_datetime at[2];
};
typedef struct event nickname;
struct holds_upload {
    inlay_upload file;
};
struct holds_owned {
    reals r;
};
struct holds_object {
    PyObject *o;
};
struct holds_void {
    void *p;
};
struct matrix {
    struct point *rows[2];
};
struct endless {
    int8_t a[1 << 25];
};
struct nothing {
    int a;
    int none[0];
};
typedef int32_t row[3];
INLAY_SLICE(rows, row);
typedef struct {
    double *ptr;
    inlay_owned len;
    int more;
} three_owned;
/* A tree of nothing but slices. */
struct tree {
    struct tree *ptr;
    inlay_len len;
};
struct branch;
INLAY_SLICE(branches, struct branch);
struct branch {
    inlay_has has;
    branches value;
};
/* Bit fields without a name are hidden. */
struct hole {
    int : 32;
    int : 32;
    int64_t x;
};
union either {
    int i;
    double d;
};
struct holds_union {
    union either e;
};
typedef int64_t (*visit)(int64_t index,
                         const char *,
                         inlay_str,
                         struct point,
                         const struct node *,
                         enum color,
                         void *data);

// clang-format off
enum color ok_color(enum color v) { return v; }
level ok_level(level v) { return v; }
enum wide ok_wide(enum wide v) { return v; }
enum small ok_small(enum small v) { return v; }
char ok_char(char v) { return v; }
struct box ok_box(struct box v) { return v; }
inlay_bytes ok_bytes(inlay_bytes v) { return v; }
inlay_text ok_text(inlay_text v) { return v; }
inlay_html ok_html(inlay_html v) { return v; }
page ok_page(page v) { return v; }
inlay_str ok_plain(inlay_str v) { return v; }
reals ok_reals(void) { return (reals){0}; }
boxes ok_boxes(void) { return (boxes){0}; }
colors ok_colors(colors v) { return v; }
maybe_char ok_maybe_char(maybe_char v) { return v; }
struct node *ok_node(struct node *v) { return v; }
const struct node *ok_const_node(const struct node *v) { return v; }
PyObject *ok_object(PyObject *v) { return v; }
inlay_date ok_date(inlay_date v) { return v; }
day ok_day(day v) { return v; }
inlay_datetime ok_datetime(inlay_datetime v) { return v; }
inlay_uuid ok_uuid(inlay_uuid v) { return v; }
struct event ok_event(struct event v) { return v; }
dates ok_dates(dates v) { return v; }
maybe_uuid ok_maybe_uuid(maybe_uuid v) { return v; }
inlay_date ok_callback_date(inlay_date (*v)(inlay_datetime, inlay_uuid)) { return v((inlay_datetime){0}, (inlay_uuid){{0}}); }
int64_t ok_upload(inlay_upload v) { return (int64_t)v.data.len; }
int ok_uploads(uploads v) { return (int)v.len; }
int ok_holds_upload(struct holds_upload v) { return (int)v.file.data.len; }
nickname ok_nickname(nickname v) { return v; }
int64_t ok_visit(visit v, void *data) { return v(1, "", (inlay_str){0}, (struct point){0}, 0, RED, data); }
struct point ok_callback(struct point (*v)(void)) { return v(); }
void ok_two(void (*f)(void *), void *a, void (*g)(int, void *), void *b) { f(a); g(1, b); }
void ok_array(struct ArrowArray *v) { (void)v; }
void ok_arrow(struct ArrowSchema *s, struct ArrowArray *v, const struct ArrowArray *w, struct ArrowSchema *t) { (void)s; (void)v; (void)w; (void)t; }

inlay_upload no_upload(void) { return (inlay_upload){0}; }
int no_callback_upload(int (*v)(inlay_upload)) { return v((inlay_upload){0}); }
texts no_texts(void) { return (texts){0}; }
levels no_levels(void) { return (levels){0}; }
int no_owned(reals v) { return (int)v.len; }
int no_holds_owned(struct holds_owned v) { return (int)v.r.len; }
three_owned no_three(void) { return (three_owned){0}; }
int no_holds_object(struct holds_object v) { return !v.o; }
int no_holds_void(struct holds_void v) { return !v.p; }
int no_matrix(struct matrix *v) { return !v; }
int no_endless(struct endless *v) { return !v; }
int no_nothing(struct nothing *v) { return !v; }
int no_rows(rows v) { return (int)v.len; }
int no_pointers(pointers v) { return (int)v.len; }
int no_maybe_point(maybe_point v) { return v.has; }
int no_pointer_pointer(struct point **v) { return !v; }
int no_str_pointer(inlay_str *v) { return !v; }
int no_colors_pointer(colors *v) { return !v; }
int no_union_pointer(union either *v) { return !v; }
int no_tree(struct tree v) { return (int)v.len; }
int no_branches(branches v) { return (int)v.len; }
int no_branch(struct branch v) { return v.has; }
int64_t no_hole(struct hole v) { return v.x; }
int no_nameless(struct { int a; } *v) { return !v; }
int no_unknown(enum unknown *v) { return !v; }
int no_object_pointer(PyObject **v) { return !v; }
int no_void(const void *v) { return !v; }
int no_userdata(void *v, int (*f)(int)) { return f(!v); }
int no_second(int (*f)(void *), void *a, void *v) { return f(a) + !v; }
int no_compare(int (*v)(const void *, const void *)) { return v(0, 0); }
int no_two_data(int (*v)(void *, void *)) { return v(0, 0); }
int no_variadic(int (*v)(int, ...)) { return v(0); }
int no_prototype(int (*v)()) { return v(0); }
int no_callback_callback(int (*v)(int (*)(int))) { return v(0); }
int no_callback_slice(int (*v)(int, colors)) { return v(0, (colors){0}); }
int no_callback_object(int (*v)(PyObject *)) { return v(0); }
int no_callback_union(int (*v)(struct holds_union)) { return !v; }
int no_callback_str(inlay_str (*v)(void)) { return (int)v().len; }
int no_callback_box(struct box (*v)(void)) { return !v; }
int no_callback_pointer(struct point *(*v)(void)) { return !v; }
int (*no_callback_result(void))(int) { return 0; }
int no_schema(struct ArrowSchema *v) { return !v; }
int no_apart(struct ArrowArray *a, int b, struct ArrowSchema *v) { return !a + b + !v; }
int no_between(struct ArrowArray *a, struct ArrowSchema *v, struct ArrowArray *b) { return !a + !v + !b; }
int no_shared(struct ArrowSchema *s, struct ArrowArray *a, struct ArrowSchema *v) { return !s + !a + !v; }
struct ArrowArray *no_arrow_result(void) { return 0; }
int no_stream(struct ArrowArrayStream *v) { return !v; }
