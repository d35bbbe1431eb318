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

/* By the name it has in golden.txt; NULL: no such type. */
const struct inlay_type *sample_by_name(struct inlay_str name);

#endif
