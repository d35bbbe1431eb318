/* C's object idiom in its spellings, and what looks like it. */
#include <inlay.h>

/* By its tag. */
struct counter {
    int64_t total;
};
/* By a typedef with _t, without a tag. */
typedef struct {
    int32_t depth;
} stack_t_;
typedef stack_t_ stack_t;
struct opaque;
typedef struct opaque opaque_t;
struct broken;
struct chained;
struct half {
    int a;
};
struct wrong {
    int a;
};
INLAY_SLICE(counters, struct counter *);
struct has_counter {
    struct counter *c;
};
struct embeds_counter {
    struct counter c;
};

// clang-format off
struct counter *counter_new(int64_t start) { (void)start; return 0; }
void counter_free(struct counter *self) { (void)self; }
int64_t counter_add(struct counter *self, int64_t n) { return self->total += n; }
int64_t counter_get(const struct counter *self) { return self->total; }
struct counter *counter_copy(const struct counter *self) { return (struct counter *)self; }
int64_t counter_bad(struct counter *self, int *v) { return self->total + *v; }
int64_t counter_many(int64_t n) { return n; }
int64_t both(struct counter *a, struct counter *b) { return a->total + b->total; }
int64_t counters_size(struct counter *a) { return a->total; }

stack_t *stack_new(void) { return 0; }
void stack_free(stack_t *self) { (void)self; }
int32_t stack_depth(const stack_t *self) { return self->depth; }
opaque_t *opaque_new(struct counter *of) { (void)of; return 0; }
void opaque_free(opaque_t *self) { (void)self; }
bool opaque_is(struct opaque *self) { return self != 0; }

struct broken *broken_new(int *a) { (void)a; return 0; }
void broken_free(struct broken *self) { (void)self; }
int broken_get(struct broken *self) { return !self; }
struct chained *chained_new(struct broken *a) { (void)a; return 0; }
void chained_free(struct chained *self) { (void)self; }
struct chained *chained_get(void) { return 0; }

struct half *half_new(void) { return 0; }
struct wrong *wrong_new(void) { return 0; }
int wrong_free(struct wrong *self) { return !self; }

int64_t by_value(struct counter v) { return v.total; }
int64_t in_slice(counters v) { return (int64_t)v.len; }
int64_t in_field(struct has_counter v) { return v.c->total; }
int64_t in_struct(struct embeds_counter v) { return v.c.total; }
int64_t in_callback(int (*v)(struct counter *)) { return v(0); }
static struct counter *hidden_new(void) { return 0; }
void *use_hidden(void) { return hidden_new(); }
