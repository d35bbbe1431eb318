/*
 * samples.h - C types for the tests, described by hand as the loader would
 * describe them from debug information.
 */
#ifndef TESTS_UNIT_TYPE_SAMPLES_H
#define TESTS_UNIT_TYPE_SAMPLES_H

#include "base/buf.h"
#include "type/json.h"
#include "type/text.h"
#include "type/type.h"
#include "type/violation.h"

struct sample_item {
    inlay_str name;
    double price;
};

INLAY_OPTIONAL(sample_maybe_i64, int64_t);
INLAY_OPTIONAL(sample_maybe_u8, uint8_t);
INLAY_OPTIONAL(sample_maybe_str, inlay_str);
INLAY_OPTIONAL(sample_maybe_item, struct sample_item);
INLAY_SLICE(sample_i64s, int64_t);
INLAY_SLICE(sample_f64s, double);
INLAY_SLICE(sample_strs, inlay_str);
INLAY_SLICE(sample_items, struct sample_item);

/* What values must be: see sample_rules_init. */
INLAY_OPTIONAL(sample_maybe_date, inlay_date);
struct sample_rules {
    int64_t age;
    uint64_t big;
    inlay_str name;
    double score;
    sample_i64s counts;
    sample_strs words;
    sample_maybe_i64 rank;
    inlay_bytes data;
    sample_maybe_date day;
};

struct sample_order {
    int64_t id;
    sample_items items;
    sample_maybe_str note;
    sample_strs tags;
    sample_maybe_u8 rank;
    bool ok;
};

/* A tree: a slice of the struct that holds it. */
struct sample_node {
    int32_t value;
    struct {
        struct sample_node *ptr;
        inlay_len len;
    } kids;
};

/* Everything else in one struct. */
struct sample_misc {
    int8_t i8;
    int16_t i16;
    int32_t i32;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float f32;
    const char *cstr;
    sample_maybe_item maybe_item;
    struct sample_order order;
    struct sample_node node;
};

enum sample_color { red, green, blue };
/* Of one byte, with a sign. */
enum __attribute__((packed)) sample_level { low = -1, high = 1, top = high };

INLAY_OPTIONAL(sample_maybe_color, enum sample_color);
INLAY_SLICE(sample_colors, enum sample_color);
INLAY_ARRAY(sample_owned_i64s, int64_t);

struct sample_link {
    int32_t value;
    struct sample_link *next;
};

/* What lies in place, or is a pointer. */
struct sample_kinds {
    enum sample_color color;
    enum sample_level level;
    char letter;
    char code[4];
    int64_t triple[3];
    struct sample_item pair[2];
    inlay_bytes data;
    struct sample_link *link;
    sample_maybe_color maybe_color;
};

extern const struct inlay_type sample_date, sample_datetime, sample_uuid;
extern const struct inlay_type sample_rules_type;

/* Compiles the patterns of sample_rules_type; until the arena goes. */
void sample_rules_init(struct inlay_arena *arena);

extern const struct inlay_type sample_i8, sample_i16, sample_i32, sample_i64;
extern const struct inlay_type sample_u8, sample_u16, sample_u32, sample_u64;
extern const struct inlay_type sample_f32, sample_f64, sample_bool;
extern const struct inlay_type sample_void, sample_cstr, sample_str;
extern const struct inlay_type sample_maybe_i64_type, sample_maybe_u8_type;
extern const struct inlay_type sample_maybe_str_type, sample_maybe_item_type;
extern const struct inlay_type sample_i64s_type, sample_f64s_type;
extern const struct inlay_type sample_strs_type, sample_items_type;
extern const struct inlay_type sample_item_type, sample_order_type;
extern const struct inlay_type sample_nodes_type, sample_node_type;
extern const struct inlay_type sample_misc_type, sample_union;
extern const struct inlay_type sample_char, sample_bytes, sample_chars4;
extern const struct inlay_type sample_color_type, sample_level_type;
extern const struct inlay_type sample_maybe_color_type, sample_colors_type;
extern const struct inlay_type sample_triple_type, sample_pair_type;
extern const struct inlay_type sample_link_type, sample_link_ptr_type;
extern const struct inlay_type sample_owned_i64s_type, sample_kinds_type;
extern const struct inlay_type sample_object;

/* By the name it has in golden.txt; NULL: no such type. */
const struct inlay_type *sample_by_name(struct inlay_str name);

#endif
