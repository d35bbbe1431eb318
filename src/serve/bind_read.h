/*
 * bind_read.h - inside serve/: a request -> values of a function's parameters.
 * native_read.c has the whole, path and body; read_items.c what is looked up
 * by name; read_model.c what is said of structs that are read so.
 */
#ifndef INLAY_SERVE_BIND_READ_H
#define INLAY_SERVE_BIND_READ_H

#include "serve/bind.h"
#include "serve/form.h"

/* What is given to a name, raw: see inlay_pairs. */
struct inlay_given {
    struct inlay_str raw;
    const struct inlay_form_part *part; /* of a form */
    struct inlay_given *next;
};

/* What is given to an item: the value that counts, or all of them. */
struct inlay_slot {
    bool seen; /* the name is there, be it with nothing that counts */
    struct inlay_given one;
    struct inlay_given *first, **end;
    size_t count;
};

struct inlay_reading {
    const struct inlay_bind *bind;
    const struct inlay_bind_input *input;
    struct inlay_arena *arena;
    struct inlay_violations *violations;
    char *block;
    struct inlay_slot *slots; /* one per item */
};

/* The names and values of a source, in order. */
struct inlay_pairs {
    enum inlay_bind_source source;
    struct inlay_str rest; /* of the query, or of a cookie header */
    size_t header;         /* the next one */
    const struct inlay_form_part *part;
};

void inlay_pairs_init(struct inlay_pairs *pairs,
                      const struct inlay_reading *reading,
                      enum inlay_bind_source source);

/* 1, 0 at the end, -1 without memory. */
int inlay_pairs_next(struct inlay_pairs *pairs,
                     const struct inlay_reading *reading,
                     struct inlay_str *name_ret,
                     struct inlay_given *given_ret);

/* The text of what was given; ptr is NULL without memory. */
struct inlay_str inlay_given_text(const struct inlay_given *given,
                                  enum inlay_bind_source source,
                                  struct inlay_arena *arena);

/* ["query"], ["header"], … */
extern const struct inlay_place inlay_source_places[];

/* Sorts what a source gives into the slots of its items. */
enum inlay_bind_status inlay_items_take(struct inlay_reading *reading,
                                        enum inlay_bind_source source);

/* Is there a value, or the fallback to be used? */
bool inlay_item_given(const struct inlay_reading *reading,
                      const struct inlay_bind_item *item);

/* A parameter that is read by name, from the slots. */
enum inlay_bind_status inlay_items_read(struct inlay_reading *reading,
                                        const struct inlay_bind_param *bound);

/* --- read_model.c ------------------------------------------------------- */

/* What was given, as JSON, appended: "x", or ["x","y"]. 0 or -1. */
int inlay_given_write(const struct inlay_given *given,
                      enum inlay_bind_source source,
                      struct inlay_arena *arena,
                      struct inlay_buf *out);
int inlay_given_write_all(const struct inlay_slot *slot,
                          enum inlay_bind_source source,
                          struct inlay_arena *arena,
                          struct inlay_buf *out);

/* All that a model could be read from, as pydantic shows it: what is given to
 * its fields, then the other names. */
enum inlay_bind_status inlay_model_input(struct inlay_reading *reading,
                                         const struct inlay_bind_param *bound,
                                         struct inlay_str *ret);

/* Of a struct with INLAY_STRICT: is there a name that it does not know? */
bool inlay_model_has_extras(struct inlay_reading *reading,
                            const struct inlay_bind_param *bound);

/* INLAY_STRICT and INLAY_CHECK, behind its fields, which gave `status`. */
enum inlay_bind_status inlay_model_rules(struct inlay_reading *reading,
                                         const struct inlay_bind_param *bound,
                                         enum inlay_bind_status status);

#endif
