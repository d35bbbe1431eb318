/*
 * constraints.c - INLAY_RANGE, …_LENGTH, …_PATTERN, …_STRICT, …_CHECK: what
 * values must be, to the fields and parameters that they are about.
 */
#include <elf.h>
#include <math.h>

#include "base/macros.h"
#include "load/targets.h"
#include "type/real.h"
#include "type/regexp.h"

#include "base/banned.h"

#define DEPTH_MOST 64 /* optionals and lists in one another */

struct apply {
    struct inlay_module *module;
    struct inlay_structs structs;
    struct inlay_arena scratch;
};

/* --- Which kinds they fit ----------------------------------------------- */

/* Optionals off, and lists if asked to; NULL: a type that holds itself. */
static const struct inlay_type *look_through(const struct inlay_type *type,
                                             bool lists)
{
    for (int i = 0; i < DEPTH_MOST; i++) {
        bool list =
            type->kind == INLAY_KIND_SLICE || type->kind == INLAY_KIND_ARRAY;

        if (type->kind != INLAY_KIND_OPTIONAL && !(list && lists))
            return type;
        type = type->elem;
    }
    return NULL;
}

static bool is_number(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_INT || type->kind == INLAY_KIND_UINT ||
           type->kind == INLAY_KIND_FLOAT;
}

static bool is_text(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_STR || type->kind == INLAY_KIND_CSTR ||
           type->kind == INLAY_KIND_CHARS || type->kind == INLAY_KIND_CHAR;
}

static bool has_length(const struct inlay_type *type)
{
    return is_text(type) || type->kind == INLAY_KIND_BYTES ||
           type->kind == INLAY_KIND_SLICE;
}

/* --- Bounds ------------------------------------------------------------- */

/* INLAY_NONE; of unsigned literals the same bits are a large number. */
static bool is_open(int64_t value, double real)
{
    return value == INLAY_NONE && real <= 0;
}

static struct inlay_error *no_integer(const char *text)
{
    return inlay_records_wrong(
        "%s is no whole number: the bounds of one are whole", text);
}

static struct inlay_error *no_fit(const char *text,
                                  const struct inlay_type *type)
{
    return inlay_records_wrong("%s does not fit %.*s", text,
                               inlay_str_arg(type->name));
}

/* A bound of INT or UINT; its text as JSON. */
static struct inlay_error *integer_bound(struct apply *apply,
                                         const struct inlay_type *type,
                                         int64_t value,
                                         double real,
                                         const char *text,
                                         struct inlay_str *ret)
{
    bool large = real >= 0x1p63 && value < 0; /* past int64_t */
    char digits[32];
    size_t len;

    if (real != (large ? (double)(uint64_t)value : (double)value))
        return real == floor(real) ? no_fit(text, type) : no_integer(text);
    if (type->kind == INLAY_KIND_INT
            ? large || value < inlay_int_least(type->size) ||
                  value > inlay_int_most(type->size)
            : (!large && value < 0) ||
                  (uint64_t)value > inlay_uint_most(type->size))
        return no_fit(text, type);
    len = type->kind == INLAY_KIND_INT
              ? inlay_format_i64(digits, value)
              : inlay_format_u64(digits, (uint64_t)value);
    *ret = inlay_arena_copy(&apply->module->arena, inlay_str_make(digits, len));
    return ret->ptr ? NULL : inlay_error_no_memory();
}

/* A bound of FLOAT, rounded as its values are. */
static struct inlay_error *real_bound(struct apply *apply,
                                      const struct inlay_type *type,
                                      double real,
                                      const char *text,
                                      double *ret,
                                      struct inlay_str *text_ret)
{
    char digits[INLAY_REAL_MOST];

    if (!isfinite(real) || (type->size == 4 && !isfinite((float)real)))
        return no_fit(text, type);
    *ret = type->size == 4 ? (double)(float)real : real;
    *text_ret = inlay_arena_copy(
        &apply->module->arena,
        inlay_str_make(digits,
                       inlay_real_format(digits, real, INLAY_REAL_REPR)));
    return text_ret->ptr ? NULL : inlay_error_no_memory();
}

static bool is_reversed(const struct inlay_constraints *constraints,
                        const struct inlay_type *type)
{
    if (!constraints->has_least || !constraints->has_most)
        return false;
    if (type->kind == INLAY_KIND_FLOAT)
        return constraints->least_real > constraints->most_real;
    return type->kind == INLAY_KIND_INT
               ? constraints->least > constraints->most
               : (uint64_t)constraints->least > (uint64_t)constraints->most;
}

static struct inlay_error *add_range(
    struct apply *apply,
    const struct inlay_constraint_record *record,
    const struct inlay_type *type,
    struct inlay_constraints *constraints)
{
    struct inlay_error *error = NULL;

    type = look_through(type, true);
    if (!type || !is_number(type))
        return inlay_records_wrong("%s is no number", record->member);
    if (constraints->has_least || constraints->has_most)
        return inlay_records_wrong("%s has a range already", record->member);
    constraints->has_least = !is_open(record->low, record->low_real);
    constraints->has_most = !is_open(record->high, record->high_real);
    constraints->real = type->kind == INLAY_KIND_FLOAT;
    constraints->least = record->low;
    constraints->most = record->high;
    if (!constraints->has_least && !constraints->has_most)
        return inlay_records_wrong("both ends are open");
    if (constraints->has_least)
        error =
            constraints->real
                ? real_bound(apply, type, record->low_real, record->low_text,
                             &constraints->least_real, &constraints->least_text)
                : integer_bound(apply, type, record->low, record->low_real,
                                record->low_text, &constraints->least_text);
    if (!error && constraints->has_most)
        error =
            constraints->real
                ? real_bound(apply, type, record->high_real, record->high_text,
                             &constraints->most_real, &constraints->most_text)
                : integer_bound(apply, type, record->high, record->high_real,
                                record->high_text, &constraints->most_text);
    if (!error && is_reversed(constraints, type))
        error = inlay_records_wrong("%s is more than %s", record->low_text,
                                    record->high_text);
    return error;
}

static struct inlay_error *add_length(
    const struct inlay_constraint_record *record,
    const struct inlay_type *type,
    struct inlay_constraints *constraints)
{
    int64_t low = record->low, high = record->high;

    type = look_through(type, false);
    if (!type || !has_length(type))
        return inlay_records_wrong(
            type && type->kind == INLAY_KIND_ARRAY
                ? "%s always has the same length"
                : "%s has no length: it is no text, bytes or slice",
            record->member);
    if (constraints->min_length > 0 || constraints->max_length != SIZE_MAX)
        return inlay_records_wrong("%s has a length already", record->member);
    if (low == INLAY_NONE && high == INLAY_NONE)
        return inlay_records_wrong("both ends are open");
    if (low != INLAY_NONE && low < 0)
        return inlay_records_wrong("a length of %s can't be", record->low_text);
    if (high != INLAY_NONE && high < 0)
        return inlay_records_wrong("a length of %s can't be",
                                   record->high_text);
    if (low != INLAY_NONE && high != INLAY_NONE && low > high)
        return inlay_records_wrong("%s is more than %s", record->low_text,
                                   record->high_text);
    if (low != INLAY_NONE)
        constraints->min_length = (size_t)low;
    if (high != INLAY_NONE)
        constraints->max_length = (size_t)high;
    return NULL;
}

static struct inlay_error *add_pattern(
    struct apply *apply,
    const struct inlay_constraint_record *record,
    const struct inlay_type *type,
    struct inlay_constraints *constraints)
{
    struct inlay_str pattern = inlay_str_from(record->pattern);

    type = look_through(type, true);
    if (!type || !is_text(type))
        return inlay_records_wrong("%s is no text", record->member);
    if (constraints->regex)
        return inlay_records_wrong("%s has a pattern already", record->member);
    if (!pattern.len)
        return inlay_records_wrong("the pattern is empty");
    if (!inlay_utf8_valid(pattern))
        return inlay_records_wrong("the pattern is not UTF-8");
    constraints->pattern = pattern;
    return inlay_regex_create(pattern, &apply->module->arena,
                              &constraints->regex);
}

/* --- Where they go ------------------------------------------------------ */

/* Adds to those of a field or parameter, which gets its first ones here. */
static struct inlay_error *add(struct apply *apply,
                               const struct inlay_constraint_record *record,
                               const struct inlay_type *type,
                               const struct inlay_constraints **slot)
{
    struct inlay_constraints *made = (struct inlay_constraints *)*slot;

    if (type->kind == INLAY_KIND_UNSUPPORTED)
        return inlay_records_wrong("%s can't be used: %.*s", record->member,
                                   inlay_str_arg(type->reason));
    if (!made) {
        made = inlay_arena_new(&apply->module->arena, struct inlay_constraints);
        if (!made)
            return inlay_error_no_memory();
        made->max_length = SIZE_MAX;
        made->pattern = INLAY_STR("");
        *slot = made;
    }
    if (record->kind == INLAY_CONSTRAINT_RANGE)
        return add_range(apply, record, type, made);
    return record->kind == INLAY_CONSTRAINT_LENGTH
               ? add_length(record, type, made)
               : add_pattern(apply, record, type, made);
}

static struct inlay_error *add_to_param(
    struct apply *apply,
    const struct inlay_constraint_record *record,
    struct inlay_func *func)
{
    struct inlay_str name = inlay_str_from(record->member);

    for (size_t i = 0; i < func->nparams; i++)
        if (inlay_str_equal(func->params[i].name, name))
            return add(apply, record, func->params[i].type,
                       &func->params[i].constraints);
    return inlay_records_wrong("%.*s has no parameter %s",
                               inlay_str_arg(func->name), record->member);
}

static struct inlay_error *add_to_field(
    struct apply *apply,
    const struct inlay_constraint_record *record,
    struct inlay_type *type)
{
    struct inlay_str name = inlay_str_from(record->member);
    struct inlay_field *fields = (struct inlay_field *)type->fields;

    for (size_t i = 0; i < type->nfields; i++)
        if (inlay_str_equal(fields[i].name, name))
            return add(apply, record, fields[i].type, &fields[i].constraints);
    return inlay_records_wrong("%s has no member %s", record->what,
                               record->member);
}

static struct inlay_error *apply_strict(struct inlay_targets *targets,
                                        const char *what)
{
    if (targets->nfuncs > 0)
        return inlay_records_wrong("%s is a function: write a struct", what);
    for (size_t i = 0; i < targets->ntypes; i++)
        targets->types[i]->strict = true;
    return NULL;
}

static struct inlay_error *apply_constraint(
    struct apply *apply,
    const struct inlay_constraint_record *record)
{
    struct inlay_targets targets;
    struct inlay_error *error;

    if (!record->what || record->kind > INLAY_CONSTRAINT_STRICT ||
        (record->kind != INLAY_CONSTRAINT_STRICT && !record->member))
        return inlay_records_wrong("the record is empty");
    error = inlay_targets_find(apply->module, &apply->structs, record->what,
                               &apply->scratch, &targets);
    if (error)
        return error;
    if (record->kind == INLAY_CONSTRAINT_STRICT)
        return apply_strict(&targets, record->what);
    for (size_t i = 0; !error && i < targets.nfuncs; i++)
        error = add_to_param(apply, record, targets.funcs[i]);
    for (size_t i = 0; !error && i < targets.ntypes; i++)
        error = add_to_field(apply, record, targets.types[i]);
    return error;
}

static struct inlay_error *apply_check(struct apply *apply,
                                       const struct inlay_check_record *record)
{
    struct inlay_targets targets;
    struct inlay_error *error;

    if (!record->what || !record->check)
        return inlay_records_wrong("the record is empty");
    if (!inlay_module_contains(apply->module, (uintptr_t)record->check, 1,
                               PF_X))
        return inlay_records_wrong("the check is no function of this module");
    error = inlay_targets_find(apply->module, &apply->structs, record->what,
                               &apply->scratch, &targets);
    if (error)
        return error;
    if (targets.nfuncs > 0)
        return inlay_records_wrong("%s is a function: write a struct",
                                   record->what);
    for (size_t i = 0; i < targets.ntypes; i++) {
        if (targets.types[i]->check)
            return inlay_records_wrong("%s has a check already", record->what);
        targets.types[i]->check = record->check;
    }
    return NULL;
}

/* --- Records ------------------------------------------------------------ */

static struct inlay_error *describe(
    struct apply *apply,
    struct inlay_error *error,
    const struct inlay_constraint_record *record)
{
    static const char *const names[] = {
        [INLAY_CONSTRAINT_RANGE] = "RANGE",
        [INLAY_CONSTRAINT_LENGTH] = "LENGTH",
        [INLAY_CONSTRAINT_PATTERN] = "PATTERN",
        [INLAY_CONSTRAINT_STRICT] = "STRICT",
    };
    const char *name =
        record->kind < inlay_array_size(names) ? names[record->kind] : "…";
    struct inlay_str text = inlay_arena_format(
        &apply->scratch, "INLAY_%s(%s%s%s)", name,
        record->what ? record->what : "", record->member ? ", " : "",
        record->member ? record->member : "");

    return inlay_records_error(error, record->file, record->line,
                               text.ptr ? text.ptr : "INLAY_RANGE");
}

static struct inlay_error *apply_constraints(struct apply *apply,
                                             const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error = inlay_records_find(
        apply->module, &debug->sections[INLAY_SECTION_constraint],
        sizeof(struct inlay_constraint_record), &records);

    for (size_t i = 0; !error && i < records.count; i++) {
        const struct inlay_constraint_record *record =
            (const struct inlay_constraint_record *)records.items + i;

        /* Each takes as much as the module is large. */
        inlay_arena_reset(&apply->scratch);
        error = apply_constraint(apply, record);
        if (error)
            error = describe(apply, error, record);
    }
    return error;
}

static struct inlay_error *apply_checks(struct apply *apply,
                                        const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error =
        inlay_records_find(apply->module, &debug->sections[INLAY_SECTION_check],
                           sizeof(struct inlay_check_record), &records);

    for (size_t i = 0; !error && i < records.count; i++) {
        const struct inlay_check_record *record =
            (const struct inlay_check_record *)records.items + i;

        inlay_arena_reset(&apply->scratch);
        error = apply_check(apply, record);
        if (!error)
            continue;
        struct inlay_str text =
            inlay_arena_format(&apply->scratch, "INLAY_CHECK(%s)",
                               record->what ? record->what : "");
        error = inlay_records_error(error, record->file, record->line,
                                    text.ptr ? text.ptr : "INLAY_CHECK");
    }
    return error;
}

struct inlay_error *inlay_constraints_apply(struct inlay_module *module,
                                            const struct inlay_debug *debug)
{
    struct apply apply = {.module = module};
    struct inlay_error *error;

    if (debug->sections[INLAY_SECTION_constraint].size == 0 &&
        debug->sections[INLAY_SECTION_check].size == 0)
        return NULL;
    error = inlay_structs_find(module, &apply.structs);
    if (error)
        return error;
    inlay_arena_init(&apply.scratch, (size_t)16 << 20);
    error = apply_constraints(&apply, debug);
    if (!error)
        error = apply_checks(&apply, debug);
    inlay_arena_deinit(&apply.scratch);
    inlay_structs_deinit(&apply.structs);
    return error;
}
