/*
 * buffer.c - buffers -> slices. The format is read once into a list of
 * copies (this number of an element goes there); when all of them would
 * leave every byte where it is, there is nothing to copy.
 */
#include "py/buffer.h"

#include "base/macros.h"
#include "py/structtype.h"

#include "base/banned.h"

/* Structs within structs; more of them is nobody's format. */
#define DEPTH_MOST 16
#define SIZE_MOST ((size_t)1 << 30)

enum { UNKNOWN = 0, DONE = 1 }; /* or -1 with an exception */

/* One number of each element, or `count` of them side by side. */
struct copy {
    struct inlay_py_item from;
    size_t from_offset, to_offset, count;
    const struct inlay_py_type *to;     /* NULL: sets the byte of inlay_has */
    const struct inlay_py_place *place; /* of the field */
};

/* The rest of a format. */
struct reader {
    const char *at;
    char mode;    /* '@': aligned; '<' or '>': standard sizes; else packed */
    bool foreign; /* '<' or '>' was seen */
    int depth;
};

/* A type in a format: `count` of it, side by side. */
struct part {
    struct inlay_py_item item;
    size_t size, align, count;
    struct reader inside; /* of T{…}; `at` is NULL for others */
};

struct plan {
    const struct inlay_py_conversion *conversion;
    struct reader reader;
    struct inlay_py_place item; /* its index: the element being copied */
    struct copy *copies;
    size_t ncopies, most;
    bool partial; /* an optional field has no value there */
    bool empty;   /* no element: numbers of any kind will do */
};

/* --- Formats ------------------------------------------------------------ */

/* Digits multiply `count`; false past any sensible size. */
static bool read_count(struct reader *reader, size_t *count)
{
    size_t value = 0;

    if (*reader->at < '0' || *reader->at > '9')
        return true;
    for (; *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
        value = value * 10 + (size_t)(*reader->at - '0');
        if (value > SIZE_MOST)
            return false;
    }
    *count *= value;
    return *count <= SIZE_MOST;
}

/* "(2,3)" */
static bool read_shape(struct reader *reader, size_t *count)
{
    if (*reader->at != '(')
        return true;
    do {
        reader->at++;
        if (!read_count(reader, count))
            return false;
    } while (*reader->at == ',');
    return *reader->at++ == ')';
}

static void read_mode(struct reader *reader)
{
    while (*reader->at && strchr("@=<>!^", *reader->at)) {
        reader->mode = *reader->at++;
        reader->foreign |= strchr("<>!", reader->mode) != NULL;
    }
}

static bool read_code(struct reader *reader, struct part *part)
{
    static const struct {
        char code;
        uint8_t native, standard; /* bytes; 0: there is none */
        enum inlay_kind kind;
    } codes[] = {
        {'b', 1, 1, INLAY_KIND_INT},   {'h', 2, 2, INLAY_KIND_INT},
        {'i', 4, 4, INLAY_KIND_INT},   {'l', 8, 4, INLAY_KIND_INT},
        {'q', 8, 8, INLAY_KIND_INT},   {'n', 8, 0, INLAY_KIND_INT},
        {'B', 1, 1, INLAY_KIND_UINT},  {'H', 2, 2, INLAY_KIND_UINT},
        {'I', 4, 4, INLAY_KIND_UINT},  {'L', 8, 4, INLAY_KIND_UINT},
        {'Q', 8, 8, INLAY_KIND_UINT},  {'N', 8, 0, INLAY_KIND_UINT},
        {'f', 4, 4, INLAY_KIND_FLOAT}, {'d', 8, 8, INLAY_KIND_FLOAT},
        {'?', 1, 1, INLAY_KIND_BOOL},  {'s', 1, 1, INLAY_KIND_CHARS},
        {'x', 1, 1, INLAY_KIND_VOID},  {'c', 1, 1, INLAY_KIND_VOID},
        {'e', 2, 2, INLAY_KIND_VOID},  {'u', 2, 2, INLAY_KIND_VOID},
        {'w', 4, 4, INLAY_KIND_VOID},  {'P', 8, 0, INLAY_KIND_VOID},
    };
    bool native = reader->mode == '@' || reader->mode == '^';

    for (size_t i = 0; i < inlay_array_size(codes); i++) {
        if (codes[i].code != *reader->at)
            continue;
        part->size = native ? codes[i].native : codes[i].standard;
        part->align = part->size;
        part->item = (struct inlay_py_item){
            codes[i].kind, (uint32_t)part->size,
            (reader->mode == '>' || reader->mode == '!') && part->size > 1};
        reader->at++;
        return part->size != 0;
    }
    return false;
}

static bool skip_fields(struct reader *reader, struct part *part);

/* The next type, whatever it is; false: nothing that we know. */
static bool read_part(struct reader *reader, struct part *part)
{
    *part = (struct part){.count = 1};
    read_mode(reader);
    if (!read_shape(reader, &part->count))
        return false;
    read_mode(reader);
    size_t repeat = 1;
    if (!read_count(reader, &repeat))
        return false;
    if (reader->at[0] == 'T' && reader->at[1] == '{') {
        reader->at += 2;
        part->count *= repeat;
        return part->count <= SIZE_MOST && skip_fields(reader, part);
    }
    if (!read_code(reader, part))
        return false;
    if (part->item.kind == INLAY_KIND_CHARS) {
        /* Of text it is the length. */
        part->size *= repeat;
        part->item.size = (uint32_t)part->size;
        return true;
    }
    part->count *= repeat;
    return part->count <= SIZE_MOST;
}

/* ":name:"; empty when there is none. */
static bool read_name(struct reader *reader, struct inlay_str *ret)
{
    *ret = (struct inlay_str){NULL, 0};
    if (*reader->at != ':')
        return true;
    const char *begin = reader->at + 1, *end = strchr(begin, ':');
    if (!end)
        return false;
    *ret = inlay_str_make(begin, (size_t)(end - begin));
    reader->at = end + 1;
    return true;
}

/* Where a part begins, and what lies behind it. False past any size. */
static bool advance(const struct reader *reader,
                    const struct part *part,
                    size_t *begin,
                    size_t *offset)
{
    if (reader->mode == '@' && part->align)
        *offset = (*offset + part->align - 1) / part->align * part->align;
    *begin = *offset;
    *offset += part->size * part->count;
    return part->size <= SIZE_MOST && *offset <= SIZE_MOST;
}

/* The fields of a struct up to its brace: how large it is. */
static bool skip_fields(struct reader *reader, struct part *part)
{
    struct part field;
    struct inlay_str name;
    size_t begin, align = 1;

    if (++reader->depth > DEPTH_MOST)
        return false;
    part->inside = *reader;
    part->item.kind = INLAY_KIND_STRUCT;
    while (*reader->at != '}') {
        if (!read_part(reader, &field) || !read_name(reader, &name) ||
            !advance(reader, &field, &begin, &part->size))
            return false;
        align = inlay_max(align, field.align);
    }
    reader->at++;
    reader->depth--;
    part->align = align;
    return true;
}

/* --- The plan ----------------------------------------------------------- */

/* As many copies as a type can need. */
static size_t count_leaves(const struct inlay_type *type)
{
    size_t count = 0;

    if (type->kind == INLAY_KIND_OPTIONAL)
        return 1 + count_leaves(type->elem);
    if (type->kind != INLAY_KIND_STRUCT)
        return 1;
    for (size_t i = 0; i < type->nfields; i++)
        count += count_leaves(type->fields[i].type);
    return count;
}

static int add_copy(struct plan *plan, struct copy copy)
{
    /* A name twice. */
    if (plan->ncopies == plan->most)
        return UNKNOWN;
    plan->copies[plan->ncopies++] = copy;
    return DONE;
}

static bool is_number(enum inlay_kind kind)
{
    return kind == INLAY_KIND_INT || kind == INLAY_KIND_UINT ||
           kind == INLAY_KIND_FLOAT || kind == INLAY_KIND_BOOL;
}

/* A number of the wrong kind: "expected int, got float". */
static int refuse(const struct plan *plan, struct copy copy)
{
    static const uint64_t zero;
    _cleanup_decref_ PyObject *like = inlay_py_item_object(copy.from, &zero);

    if (!like)
        return -1;
    return inlay_py_mismatch(plan->conversion, copy.to, like, copy.place);
}

static int bind_fields(struct plan *plan,
                       struct reader reader,
                       const struct inlay_py_type *to,
                       size_t from_offset,
                       size_t to_offset,
                       const struct inlay_py_place *place);

/* A part of the foreign element is to become a `to`. */
static int bind_part(struct plan *plan,
                     const struct part *part,
                     const struct inlay_py_type *to,
                     size_t from_offset,
                     size_t to_offset,
                     const struct inlay_py_place *place)
{
    const struct inlay_type *c = to->c;
    struct copy copy = {part->item, from_offset, to_offset, 1, to, place};

    if (c->kind == INLAY_KIND_STRUCT && part->inside.at && part->count == 1)
        return bind_fields(plan, part->inside, to, from_offset, to_offset,
                           place);
    if (c->kind == INLAY_KIND_OPTIONAL) {
        struct copy has = {.to_offset = to_offset + c->has_offset};
        int done = add_copy(plan, has);

        return done == DONE ? bind_part(plan, part, to->elem, from_offset,
                                        to_offset + c->value_offset, place)
                            : done;
    }
    for (; copy.to->c->kind == INLAY_KIND_ARRAY; copy.to = copy.to->elem)
        copy.count *= copy.to->c->count;
    if (part->inside.at || part->count != copy.count)
        return UNKNOWN;
    if (inlay_py_item_suits(copy.from, copy.to->c) ||
        (copy.from.kind == INLAY_KIND_CHARS && copy.count == 1 &&
         c->kind == INLAY_KIND_CHARS))
        return add_copy(plan, copy);
    if (!is_number(copy.from.kind) || !is_number(copy.to->c->kind))
        return UNKNOWN;
    return plan->empty ? DONE : refuse(plan, copy);
}

/* The field `name` of a struct; NULL: none. */
static const struct inlay_field *find_field(const struct inlay_type *c,
                                            struct inlay_str name)
{
    for (size_t i = 0; i < c->nfields; i++)
        if (inlay_str_equal(c->fields[i].name, name))
            return &c->fields[i];
    return NULL;
}

/* Every field has its copies, or may be absent. */
static int check_missing(struct plan *plan,
                         const struct inlay_py_record *record,
                         const bool *found,
                         const struct inlay_py_place *place)
{
    for (size_t i = 0; i < record->nfields; i++) {
        if (found[i])
            continue;
        if (!inlay_type_omissible(record->types[i]->c))
            return inlay_py_fail(plan->conversion, place, PyExc_TypeError,
                                 "missing field %R", record->names[i]);
        plan->partial = true;
    }
    return DONE;
}

static int bind_fields(struct plan *plan,
                       struct reader reader,
                       const struct inlay_py_type *to,
                       size_t from_offset,
                       size_t to_offset,
                       const struct inlay_py_place *place)
{
    const struct inlay_type *c = to->c;
    struct inlay_py_frame *frame = plan->conversion->frame;
    struct inlay_py_place *places =
        inlay_py_frame_alloc(frame, c->nfields * sizeof(*places));
    bool *found = inlay_py_frame_alloc(frame, c->nfields);
    size_t offset = 0, begin;
    struct part part;
    struct inlay_str name;
    int done = DONE;

    if (!places || !found)
        return -1;
    memset(found, 0, c->nfields);
    while (*reader.at != '}' && done == DONE) {
        /* It was read before: this can't fail. */
        if (!read_part(&reader, &part) || !read_name(&reader, &name) ||
            !advance(&reader, &part, &begin, &offset))
            return UNKNOWN;
        const struct inlay_field *field = find_field(c, name);
        size_t i = field ? (size_t)(field - c->fields) : 0;
        if (!field)
            continue;
        found[i] = true;
        places[i] = (struct inlay_py_place){place, to->record->names[i], 0};
        done = bind_part(plan, &part, to->record->types[i], from_offset + begin,
                         to_offset + field->offset, &places[i]);
    }
    return done == DONE ? check_missing(plan, to->record, found, place) : done;
}

static int plan_init(struct plan *plan,
                     const struct inlay_py_conversion *conversion,
                     const struct inlay_py_type *elem,
                     const Py_buffer *view,
                     const struct inlay_py_place *place)
{
    struct part part;

    *plan = (struct plan){
        .conversion = conversion,
        .item = {.outer = place},
        .most = count_leaves(elem->c),
        .empty = view->shape[0] == 0,
    };
    plan->reader =
        (struct reader){view->format ? view->format : "B", '@', false, 0};
    if (!read_part(&plan->reader, &part) || *plan->reader.at ||
        part.count != 1 || part.size > (size_t)view->itemsize)
        return UNKNOWN;
    /*
     * numpy does not spell out padding at the end; ctypes before 3.12 (whose
     * formats say '<') did not spell out any.
     */
    if (part.size != (size_t)view->itemsize && plan->reader.foreign)
        return UNKNOWN;
    plan->copies = inlay_py_frame_alloc(conversion->frame,
                                        plan->most * sizeof(*plan->copies));
    if (!plan->copies)
        return -1;
    return bind_part(plan, &part, elem, 0, 0, &plan->item);
}

/* --- Elements ----------------------------------------------------------- */

/* A bool that is neither 0 nor 1 must not get into C. */
static bool bools_valid(const struct copy *copy, const Py_buffer *view)
{
    const uint8_t *at = (const uint8_t *)view->buf + copy->from_offset;
    uint8_t all = 0;

    for (Py_ssize_t i = 0; i < view->shape[0]; i++, at += view->itemsize)
        for (size_t k = 0; k < copy->count; k++)
            all |= at[k];
    return all <= 1;
}

/* Is the memory an array of `elem` as it is? */
static bool is_same(const struct plan *plan,
                    const Py_buffer *view,
                    const struct inlay_type *c)
{
    const struct inlay_type *elem = c->elem;

    if (view->itemsize != (Py_ssize_t)elem->size || plan->partial ||
        (view->readonly && !c->elem_const) ||
        (uintptr_t)view->buf % elem->align ||
        (view->strides && view->strides[0] != view->itemsize &&
         view->shape[0] > 1))
        return false;
    for (size_t i = 0; i < plan->ncopies; i++) {
        const struct copy *copy = &plan->copies[i];

        if (!copy->to || copy->from_offset != copy->to_offset ||
            !inlay_py_item_same(copy->from, copy->to->c) ||
            copy->from.kind == INLAY_KIND_CHARS ||
            (copy->from.kind == INLAY_KIND_BOOL && !bools_valid(copy, view)))
            return false;
    }
    return true;
}

/* char[N] of them, padded with NULs, to ours. */
static int copy_chars(const struct plan *plan,
                      const struct copy *copy,
                      const char *from,
                      char *to)
{
    size_t len = strnlen(from, copy->from.size);
    _cleanup_decref_ PyObject *text =
        PyUnicode_DecodeUTF8(from, (Py_ssize_t)len, "surrogateescape");

    /* The same checks and words as for a str. */
    return text ? inlay_py_in(plan->conversion, copy->to, text, to, copy->place)
                : -1;
}

static int copy_one(const struct plan *plan,
                    const struct copy *copy,
                    const char *from,
                    char *to)
{
    from += copy->from_offset;
    to += copy->to_offset;
    if (!copy->to) {
        *to = 1;
        return 0;
    }
    if (copy->from.kind == INLAY_KIND_CHARS)
        return copy_chars(plan, copy, from, to);
    for (size_t k = 0; k < copy->count; k++) {
        if (!inlay_py_item_store(copy->from, from, copy->to->c, to))
            return inlay_py_item_fail(plan->conversion, copy->from, from,
                                      copy->to, copy->place);
        from += copy->from.size;
        to += copy->to->c->size;
    }
    return 0;
}

static int copy_items(struct plan *plan,
                      const Py_buffer *view,
                      const struct inlay_type *c,
                      void *at)
{
    size_t len = (size_t)view->shape[0], elem = c->elem->size, size;
    ptrdiff_t stride = view->strides ? view->strides[0] : view->itemsize;
    const char *from = view->buf;

    if (__builtin_mul_overflow(len, elem, &size)) {
        PyErr_NoMemory();
        return -1;
    }
    char *items = inlay_py_frame_alloc(plan->conversion->frame, size);
    if (!items)
        return -1;
    /* Padding, and fields that nobody gives. */
    if (c->elem->kind != INLAY_KIND_INT && c->elem->kind != INLAY_KIND_FLOAT)
        memset(items, 0, size);
    size_t i = 0;
    /* Of plain numbers the loop is elsewhere; here is who fails. */
    if (plan->ncopies == 1 && plan->copies[0].to && is_number(c->elem->kind) &&
        is_number(plan->copies[0].from.kind))
        i = inlay_py_items_store(plan->copies[0].from, from, stride, c->elem,
                                 items, elem, len);
    for (; i < len; i++) {
        plan->item.index = (Py_ssize_t)i;
        for (size_t k = 0; k < plan->ncopies; k++)
            if (copy_one(plan, &plan->copies[k], from + (ptrdiff_t)i * stride,
                         items + i * elem) < 0)
                return -1;
    }
    inlay_py_slice_store(c, at, items, len);
    return 0;
}

void inlay_py_slice_store(const struct inlay_type *c,
                          void *at,
                          const void *ptr,
                          size_t len)
{
    memset(at, 0, c->size);
    memcpy((char *)at + c->ptr_offset, &ptr, sizeof(ptr));
    memcpy((char *)at + c->len_offset, &len, sizeof(len));
}

static int view_in(const struct inlay_py_conversion *conversion,
                   const struct inlay_py_type *type,
                   const Py_buffer *view,
                   void *at,
                   const struct inlay_py_place *place)
{
    struct plan plan;

    if (view->ndim > 1 && (is_number(type->elem->c->kind) ||
                           type->elem->c->kind == INLAY_KIND_STRUCT))
        return inlay_py_fail(conversion, place, PyExc_TypeError,
                             "expected an array of one dimension, got %d",
                             view->ndim);
    if (view->ndim != 1 || !view->shape || view->shape[0] < 0 ||
        view->itemsize <= 0 || view->suboffsets)
        return UNKNOWN;
    int done = plan_init(&plan, conversion, type->elem, view, place);
    if (done != DONE)
        return done;
    if (!is_same(&plan, view, type->c))
        return copy_items(&plan, view, type->c, at) < 0 ? -1 : DONE;
    inlay_py_slice_store(type->c, at, view->buf, (size_t)view->shape[0]);
    return DONE;
}

int inlay_py_buffer_in(const struct inlay_py_conversion *conversion,
                       const struct inlay_py_type *type,
                       PyObject *value,
                       void *at,
                       const struct inlay_py_place *place)
{
    Py_buffer *view =
        inlay_py_frame_view(conversion->frame, value, PyBUF_RECORDS_RO);

    if (!view) {
        /* It has no such view now: its elements may do. (numpy: ValueError.) */
        if (!PyErr_ExceptionMatches(PyExc_BufferError) &&
            !PyErr_ExceptionMatches(PyExc_ValueError) &&
            !PyErr_ExceptionMatches(PyExc_TypeError))
            return -1;
        PyErr_Clear();
        return UNKNOWN;
    }
    int done = view_in(conversion, type, view, at, place);
    /* With text in it, references were kept since: it stays until the end. */
    if (done == UNKNOWN)
        inlay_py_frame_drop(conversion->frame);
    return done;
}
