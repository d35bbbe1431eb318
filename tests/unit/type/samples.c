#include "samples.h"

#include "base/macros.h"
#include "type/regexp.h"

#include "base/banned.h"

#define TEXT(literal)                                                          \
    {                                                                          \
        "" literal, sizeof(literal) - 1                                        \
    }

#define SCALAR(variable, kind_, ctype)                                         \
    const struct inlay_type variable = {                                       \
        .kind = INLAY_KIND_##kind_,                                            \
        .size = sizeof(ctype),                                                 \
        .align = _Alignof(ctype),                                              \
        .name = TEXT(#ctype),                                                  \
    }

SCALAR(sample_i8, INT, int8_t);
SCALAR(sample_i16, INT, int16_t);
SCALAR(sample_i32, INT, int32_t);
SCALAR(sample_i64, INT, int64_t);
SCALAR(sample_u8, UINT, uint8_t);
SCALAR(sample_u16, UINT, uint16_t);
SCALAR(sample_u32, UINT, uint32_t);
SCALAR(sample_u64, UINT, uint64_t);
SCALAR(sample_f32, FLOAT, float);
SCALAR(sample_f64, FLOAT, double);
SCALAR(sample_bool, BOOL, bool);
SCALAR(sample_cstr, CSTR, const char *);
SCALAR(sample_str, STR, inlay_str);

SCALAR(sample_char, CHAR, char);
SCALAR(sample_bytes, BYTES, inlay_bytes);
SCALAR(sample_object, OBJECT, void *);
SCALAR(sample_date, DATE, inlay_date);
SCALAR(sample_datetime, DATETIME, inlay_datetime);
SCALAR(sample_uuid, UUID, inlay_uuid);

const struct inlay_type sample_void = {
    .kind = INLAY_KIND_VOID,
    .align = 1,
    .name = TEXT("void"),
};

const struct inlay_type sample_union = {
    .kind = INLAY_KIND_UNSUPPORTED,
    .size = 8,
    .align = 8,
    .name = TEXT("union x"),
    .reason = TEXT("union x has no JSON form"),
};

#define OPTIONAL(ctype, elem_)                                                 \
    const struct inlay_type ctype##_type = {                                   \
        .kind = INLAY_KIND_OPTIONAL,                                           \
        .size = sizeof(ctype),                                                 \
        .align = _Alignof(ctype),                                              \
        .name = TEXT(#ctype),                                                  \
        .elem = &(elem_),                                                      \
        .has_offset = offsetof(ctype, has),                                    \
        .value_offset = offsetof(ctype, value),                                \
    }

#define SLICE(ctype, elem_)                                                    \
    const struct inlay_type ctype##_type = {                                   \
        .kind = INLAY_KIND_SLICE,                                              \
        .size = sizeof(ctype),                                                 \
        .align = _Alignof(ctype),                                              \
        .name = TEXT(#ctype),                                                  \
        .elem = &(elem_),                                                      \
        .ptr_offset = offsetof(ctype, ptr),                                    \
        .len_offset = offsetof(ctype, len),                                    \
    }

OPTIONAL(sample_maybe_i64, sample_i64);
OPTIONAL(sample_maybe_u8, sample_u8);
OPTIONAL(sample_maybe_str, sample_str);
OPTIONAL(sample_maybe_item, sample_item_type);
SLICE(sample_i64s, sample_i64);
SLICE(sample_f64s, sample_f64);
SLICE(sample_strs, sample_str);
SLICE(sample_items, sample_item_type);

#define FIELD(tag, member, type_)                                              \
    {                                                                          \
        .name = TEXT(#member), .type = &(type_),                               \
        .offset = offsetof(struct tag, member),                                \
    }

#define STRUCT(tag, short_name, fields_)                                       \
    const struct inlay_type tag##_type = {                                     \
        .kind = INLAY_KIND_STRUCT,                                             \
        .size = sizeof(struct tag),                                            \
        .align = _Alignof(struct tag),                                         \
        .name = TEXT(short_name),                                              \
        .fields = fields_,                                                     \
        .nfields = inlay_array_size(fields_),                                  \
    }

static const struct inlay_field item_fields[] = {
    FIELD(sample_item, name, sample_str),
    FIELD(sample_item, price, sample_f64),
};
STRUCT(sample_item, "Item", item_fields);

static const struct inlay_field order_fields[] = {
    FIELD(sample_order, id, sample_i64),
    FIELD(sample_order, items, sample_items_type),
    FIELD(sample_order, note, sample_maybe_str_type),
    FIELD(sample_order, tags, sample_strs_type),
    FIELD(sample_order, rank, sample_maybe_u8_type),
    FIELD(sample_order, ok, sample_bool),
};
STRUCT(sample_order, "Order", order_fields);

const struct inlay_type sample_nodes_type = {
    .kind = INLAY_KIND_SLICE,
    .size = sizeof(sample_items),
    .align = _Alignof(sample_items),
    .name = TEXT("nodes"),
    .elem = &sample_node_type,
    .ptr_offset = offsetof(sample_items, ptr),
    .len_offset = offsetof(sample_items, len),
};
static const struct inlay_field node_fields[] = {
    FIELD(sample_node, value, sample_i32),
    FIELD(sample_node, kids, sample_nodes_type),
};
STRUCT(sample_node, "Node", node_fields);

static const struct inlay_field misc_fields[] = {
    FIELD(sample_misc, i8, sample_i8),
    FIELD(sample_misc, i16, sample_i16),
    FIELD(sample_misc, i32, sample_i32),
    FIELD(sample_misc, u16, sample_u16),
    FIELD(sample_misc, u32, sample_u32),
    FIELD(sample_misc, u64, sample_u64),
    FIELD(sample_misc, f32, sample_f32),
    FIELD(sample_misc, cstr, sample_cstr),
    FIELD(sample_misc, maybe_item, sample_maybe_item_type),
    FIELD(sample_misc, order, sample_order_type),
    FIELD(sample_misc, node, sample_node_type),
};
STRUCT(sample_misc, "Misc", misc_fields);

/* --- In place, or by pointer --------------------------------------------- */

static const struct inlay_enumerator color_members[] = {
    {TEXT("red"), red},
    {TEXT("green"), green},
    {TEXT("blue"), blue},
};
static const struct inlay_enumerator level_members[] = {
    {TEXT("low"), low},
    {TEXT("high"), high},
    {TEXT("top"), top},
};

#define ENUM(tag, short_name, members_, is_signed_)                            \
    const struct inlay_type sample_##tag##_type = {                            \
        .kind = INLAY_KIND_ENUM,                                               \
        .size = sizeof(enum sample_##tag),                                     \
        .align = _Alignof(enum sample_##tag),                                  \
        .name = TEXT(short_name),                                              \
        .members = members_,                                                   \
        .nmembers = inlay_array_size(members_),                                \
        .is_signed = is_signed_,                                               \
    }

ENUM(color, "Color", color_members, false);
ENUM(level, "Level", level_members, true);
OPTIONAL(sample_maybe_color, sample_color_type);
SLICE(sample_colors, sample_color_type);

const struct inlay_type sample_owned_i64s_type = {
    .kind = INLAY_KIND_OWNED,
    .size = sizeof(sample_owned_i64s),
    .align = _Alignof(sample_owned_i64s),
    .name = TEXT("sample_owned_i64s"),
    .elem = &sample_i64,
    .ptr_offset = offsetof(sample_owned_i64s, ptr),
    .len_offset = offsetof(sample_owned_i64s, len),
};

const struct inlay_type sample_chars4 = {
    .kind = INLAY_KIND_CHARS,
    .size = 4,
    .align = 1,
    .name = TEXT("char[4]"),
};

#define ARRAY(variable, elem_, count_)                                         \
    const struct inlay_type variable = {                                       \
        .kind = INLAY_KIND_ARRAY,                                              \
        .size = sizeof(((struct sample_kinds *)0)->elem_),                     \
        .align = 8,                                                            \
        .name = TEXT(#elem_),                                                  \
        .elem = &sample_##elem_##_elem,                                        \
        .count = count_,                                                       \
    }

#define sample_triple_elem sample_i64
#define sample_pair_elem sample_item_type
ARRAY(sample_triple_type, triple, 3);
ARRAY(sample_pair_type, pair, 2);

const struct inlay_type sample_link_ptr_type = {
    .kind = INLAY_KIND_POINTER,
    .size = sizeof(void *),
    .align = _Alignof(void *),
    .name = TEXT("struct sample_link *"),
    .elem = &sample_link_type,
};
static const struct inlay_field link_fields[] = {
    FIELD(sample_link, value, sample_i32),
    FIELD(sample_link, next, sample_link_ptr_type),
};
STRUCT(sample_link, "Link", link_fields);

static const struct inlay_field kinds_fields[] = {
    FIELD(sample_kinds, color, sample_color_type),
    FIELD(sample_kinds, level, sample_level_type),
    FIELD(sample_kinds, letter, sample_char),
    FIELD(sample_kinds, code, sample_chars4),
    FIELD(sample_kinds, triple, sample_triple_type),
    FIELD(sample_kinds, pair, sample_pair_type),
    FIELD(sample_kinds, data, sample_bytes),
    FIELD(sample_kinds, link, sample_link_ptr_type),
    FIELD(sample_kinds, maybe_color, sample_maybe_color_type),
};
STRUCT(sample_kinds, "Kinds", kinds_fields);

/* --- Constraints -------------------------------------------------------- */

OPTIONAL(sample_maybe_date, sample_date);

#define ANY .max_length = SIZE_MAX, .pattern = TEXT("")

static const struct inlay_constraints age_rules = {
    ANY,         .has_least = true,       .has_most = true,
    .most = 150, .least_text = TEXT("0"), .most_text = TEXT("150"),
};
static const struct inlay_constraints big_rules = {
    ANY,
    .has_least = true,
    .has_most = true,
    .least = 1,
    .most = -2,
    .least_text = TEXT("1"),
    .most_text = TEXT("18446744073709551614"),
};
static struct inlay_constraints name_rules = {
    .min_length = 1,
    .max_length = 5,
    .pattern = TEXT("^[a-z\xC3\xA9]+$"),
};
static const struct inlay_constraints score_rules = {
    ANY,
    .has_least = true,
    .has_most = true,
    .real = true,
    .least_real = 0.5,
    .most_real = 1e20,
    .least_text = TEXT("0.5"),
    .most_text = TEXT("1e+20"),
};
static const struct inlay_constraints counts_rules = {
    .has_most = true,
    .most = 9,
    .most_text = TEXT("9"),
    .min_length = 2,
    .max_length = 3,
    .pattern = TEXT(""),
};
static struct inlay_constraints words_rules = {
    .max_length = 2,
    .pattern = TEXT("^[a-z]+$"),
};
static const struct inlay_constraints rank_rules = {
    ANY,
    .has_least = true,
    .least = -1,
    .least_text = TEXT("-1"),
};
static const struct inlay_constraints data_rules = {
    .min_length = 1,
    .max_length = 2,
    .pattern = TEXT(""),
};

static const char *check_rules(const void *value)
{
    const struct sample_rules *rules = value;

    return rules->age == 13 ? "13 is \"bad\": \\" : NULL;
}

#define RULED(member, type_)                                                   \
    {                                                                          \
        .name = TEXT(#member), .type = &(type_),                               \
        .offset = offsetof(struct sample_rules, member),                       \
        .constraints = &member##_rules,                                        \
    }

static const struct inlay_field rules_fields[] = {
    RULED(age, sample_i64),
    RULED(big, sample_u64),
    RULED(name, sample_str),
    RULED(score, sample_f64),
    RULED(counts, sample_i64s_type),
    RULED(words, sample_strs_type),
    RULED(rank, sample_maybe_i64_type),
    RULED(data, sample_bytes),
    FIELD(sample_rules, day, sample_maybe_date_type),
};
const struct inlay_type sample_rules_type = {
    .kind = INLAY_KIND_STRUCT,
    .size = sizeof(struct sample_rules),
    .align = _Alignof(struct sample_rules),
    .name = TEXT("Rules"),
    .fields = rules_fields,
    .nfields = inlay_array_size(rules_fields),
    .strict = true,
    .check = check_rules,
};

void sample_rules_init(struct inlay_arena *arena)
{
    struct inlay_constraints *ruled[] = {&name_rules, &words_rules};

    for (size_t i = 0; i < inlay_array_size(ruled); i++)
        inlay_error_destroy(
            inlay_regex_create(ruled[i]->pattern, arena, &ruled[i]->regex));
}

const struct inlay_type *sample_by_name(struct inlay_str name)
{
    static const struct {
        const char *name;
        const struct inlay_type *type;
    } types[] = {
        {"i8", &sample_i8},
        {"i64", &sample_i64},
        {"u8", &sample_u8},
        {"u64", &sample_u64},
        {"f64", &sample_f64},
        {"boolean", &sample_bool},
        {"str", &sample_str},
        {"maybe_i64", &sample_maybe_i64_type},
        {"i64s", &sample_i64s_type},
        {"f64s", &sample_f64s_type},
        {"item", &sample_item_type},
        {"items", &sample_items_type},
        {"order", &sample_order_type},
        {"color", &sample_color_type},
        {"level", &sample_level_type},
        {"maybe_color", &sample_maybe_color_type},
        {"colors", &sample_colors_type},
        {"letter", &sample_char},
        {"code", &sample_chars4},
        {"bytes", &sample_bytes},
        {"triple", &sample_triple_type},
        {"pair", &sample_pair_type},
        {"link", &sample_link_type},
        {"kinds", &sample_kinds_type},
        {"date", &sample_date},
        {"datetime", &sample_datetime},
        {"uuid", &sample_uuid},
        {"rules", &sample_rules_type},
    };

    for (size_t i = 0; i < inlay_array_size(types); i++)
        if (inlay_str_equal(name, inlay_str_from(types[i].name)))
            return types[i].type;
    return NULL;
}
