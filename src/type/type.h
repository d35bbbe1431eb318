/*
 * type.h - the waist: what a C function takes and gives, as plain data. DWARF
 * is read into it; Python calls, routes, JSON, text, schemas and validation
 * are driven by it. No DIE, no PyObject. Lives in its module's arena and is
 * never changed after load: any thread may read it.
 */
#ifndef INLAY_TYPE_TYPE_H
#define INLAY_TYPE_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum inlay_kind {
    INLAY_KIND_VOID,     /* only as a result */
    INLAY_KIND_BOOL,     /* _Bool, 1 byte */
    INLAY_KIND_INT,      /* two's complement, size 1, 2, 4 or 8 */
    INLAY_KIND_UINT,     /* size 1, 2, 4 or 8 */
    INLAY_KIND_FLOAT,    /* IEEE 754, size 4 or 8 */
    INLAY_KIND_CHAR,     /* char, 1 byte: one ASCII character */
    INLAY_KIND_ENUM,     /* an integer of size 1, 2, 4 or 8 with names */
    INLAY_KIND_CSTR,     /* const char *: NUL-terminated UTF-8 or NULL */
    INLAY_KIND_STR,      /* inlay_str, inlay_text, inlay_html: `media` */
    INLAY_KIND_BYTES,    /* inlay_bytes {const uint8_t *ptr; size_t len;} */
    INLAY_KIND_DATE,     /* inlay_date, 4 bytes */
    INLAY_KIND_DATETIME, /* inlay_datetime, 16 bytes */
    INLAY_KIND_UUID,     /* inlay_uuid, 16 bytes */
    INLAY_KIND_SLICE,    /* {T *ptr; inlay_len len;} of elem */
    INLAY_KIND_OWNED,    /* {T *ptr; inlay_owned len;} of elem; a result */
    INLAY_KIND_OPTIONAL, /* {inlay_has has; T value;} of elem */
    INLAY_KIND_STRUCT,   /* fields */
    /* Within a struct only. */
    INLAY_KIND_CHARS, /* char[N]: UTF-8 of less than N bytes, then NULs */
    INLAY_KIND_ARRAY, /* T[N]: `count` of elem, one behind the other */
    /*
     * struct T *: elem is the STRUCT. As a parameter never NULL unless its
     * fallback is; as a field or result NULL is None.
     */
    INLAY_KIND_POINTER,
    /* Parameters and results only; 8 bytes; no JSON form. */
    INLAY_KIND_HANDLE,       /* struct T * with T_new and T_free: `object` */
    INLAY_KIND_OBJECT,       /* PyObject * */
    INLAY_KIND_CALLBACK,     /* R (*)(A, B): a parameter; `signature` */
    INLAY_KIND_USERDATA,     /* void * beside a callback: hidden, NULL */
    INLAY_KIND_ARROW_ARRAY,  /* struct ArrowArray *: a parameter */
    INLAY_KIND_ARROW_SCHEMA, /* struct ArrowSchema *: hidden, of the array */
    /*
     * Given by the server, to functions of routes, guards and providers:
     * inlay_request *, inlay_socket *, inlay_db *, a pointer to what a provider
     * or state of the module returns. `injected`, `provided`. An inlay_db * is
     * also given to calls from Python.
     */
    INLAY_KIND_INJECTED,
    INLAY_KIND_UPLOAD,      /* inlay_upload: a parameter, of a form; no JSON */
    INLAY_KIND_UNSUPPORTED, /* `reason` says why; `name` is the C spelling */
};

/* Where something is declared; file is absolute, "" when unknown. */
struct inlay_source {
    struct inlay_str file;
    uint32_t line;
};

/* One name of an enum. Several may share a value: the first one goes out. */
struct inlay_enumerator {
    struct inlay_str name;
    int64_t value; /* of an unsigned 8-byte enum: the same bits */
};

/* What a function pointer takes and gives; types of the waist. */
struct inlay_signature {
    const struct inlay_type *result;
    const struct inlay_type **params;
    struct inlay_str *names; /* one per parameter; "" when C gives none */
    size_t nparams;          /* USERDATA among them, which nobody sees */
};

/*
 * C's object idiom: `struct counter` with counter_new, counter_free and
 * functions counter_… whose first parameter is a struct counter *.
 */
struct inlay_func;
struct inlay_object {
    struct inlay_str name; /* "counter" */
    struct inlay_source decl;
    const struct inlay_func *create, *destroy;
    /*
     * Tells one layout of the struct from another, members' structs and all;
     * 0: incomplete. After a hot swap the new code gets old objects only if
     * it is the same.
     */
    uint64_t layout;
};

/* What an INJECTED pointer points to. */
enum inlay_injected {
    INLAY_INJECTED_REQUEST,
    INLAY_INJECTED_SOCKET,
    INLAY_INJECTED_DB,
    INLAY_INJECTED_PROVIDED, /* by a function that INLAY_PROVIDE or
                                INLAY_STATE names */
};

/*
 * What values must be, beyond their type: INLAY_RANGE, INLAY_LENGTH,
 * INLAY_PATTERN. Bounds are inclusive. Of an optional or a list: of what is in
 * it, but for the length, which of a list is its number of items.
 */
struct inlay_regex;
struct inlay_constraints {
    bool has_least, has_most;
    bool real;           /* least_real and most_real count */
    int64_t least, most; /* of unsigned 8-byte numbers: the same bits */
    double least_real, most_real;
    struct inlay_str least_text, most_text; /* as JSON: "0", "1.5" */
    size_t min_length;                      /* code points or items; 0: any */
    size_t max_length;                      /* SIZE_MAX: any */
    struct inlay_str pattern;               /* "": none */
    const struct inlay_regex *regex;
};

struct inlay_field {
    struct inlay_str name;
    const struct inlay_type *type;
    uint32_t offset; /* bytes from the start of the struct */
    struct inlay_source decl;
    const struct inlay_constraints *constraints; /* NULL: none */
};

/* A typedef of a struct, whose tag is another name. */
struct inlay_alias {
    const struct inlay_alias *next;
    struct inlay_str name;
};

struct inlay_type {
    enum inlay_kind kind;
    uint32_t size;  /* bytes, as sizeof */
    uint32_t align; /* bytes, a power of two; 1 for void */
    /*
     * As a person knows it: "int64_t", "inlay_str"; of a struct its tag (or
     * the typedef of a struct without one): "user"; of a slice or optional
     * its typedef's name.
     */
    struct inlay_str name;
    struct inlay_source decl; /* of structs; else file is "" */
    union {
        struct { /* SLICE, OWNED, OPTIONAL, ARRAY, POINTER */
            const struct inlay_type *elem;
            uint32_t ptr_offset;   /* SLICE, OWNED: of the pointer */
            uint32_t len_offset;   /* SLICE, OWNED: of the length */
            uint32_t has_offset;   /* OPTIONAL: of the inlay_has */
            uint32_t value_offset; /* OPTIONAL: of the value */
            uint32_t count;        /* ARRAY: of elements, at least 1 */
            bool elem_const;       /* SLICE, POINTER: of const T */
        };
        struct { /* STRUCT */
            const struct inlay_field *fields;
            size_t nfields;
            const struct inlay_alias *aliases; /* those that were used */
            uint32_t natural_align; /* what members need; some ABIs ask */
            bool strict;            /* INLAY_STRICT: no unknown keys */
            /* INLAY_CHECK, after all else was right: NULL, or what is wrong
             * (UTF-8, valid until the next call). Any thread. */
            const char *(*check)(const void *value);
        };
        struct {                                    /* ENUM */
            const struct inlay_enumerator *members; /* as declared */
            size_t nmembers;
            bool is_signed;
        };
        struct { /* HANDLE */
            const struct inlay_object *object;
            bool object_const; /* of const T */
        };
        struct { /* INJECTED */
            enum inlay_injected injected;
            bool injected_const; /* of const T; such a request can't wait */
            /* PROVIDED: the struct's tag, "store"; one per module. */
            struct inlay_str provided;
        };
        const struct inlay_signature *signature; /* CALLBACK */
        struct inlay_str media;  /* STR: of a whole answer; "": JSON */
        struct inlay_str reason; /* UNSUPPORTED: "union x has no JSON form" */
    };
};

/* The argument that stands for an absent one. */
struct inlay_param {
    struct inlay_str name; /* "" when the C file gives none */
    const struct inlay_type *type;
    /*
     * NULL: must be given. Else a value of `type` (type->size bytes) to use
     * when absent: an INLAY_DEFAULT, or {has = false} of an optional.
     */
    const void *fallback;
    struct inlay_str fallback_text; /* as written in C: "20"; "" if none */
    const struct inlay_constraints *constraints; /* NULL: none */
};

/*
 * Parameters that Python does not see: USERDATA, and the ARROW_SCHEMA that
 * comes with the ARROW_ARRAY nearest to it.
 */
static inline bool inlay_param_hidden(const struct inlay_param *param)
{
    return param->type->kind == INLAY_KIND_USERDATA ||
           param->type->kind == INLAY_KIND_ARROW_SCHEMA;
}

struct inlay_func {
    struct inlay_str name;
    const struct inlay_type *result;
    struct inlay_param *params;
    size_t nparams;
    struct inlay_source decl;
    struct inlay_str doc; /* the comment above it, markers stripped; or "" */
    uint64_t address;     /* in the file, as its symbol says */
    void *entry;          /* in memory; NULL until loaded */
    bool exported;        /* a global symbol; false: only a record names it */
    bool nogil;           /* INLAY_NOGIL: called without the GIL */
    bool is_async;        /* INLAY_ASYNC: runs on the pool, is awaited */
    /*
     * Set when it belongs to an object: its create, its destroy, or a method
     * (the first parameter is its HANDLE and its name begins with the
     * object's). Not a function of the module then.
     */
    const struct inlay_object *object;
    /* Why it can't be called ("" when it can): names parameter and type. */
    struct inlay_str reason;
};

/* "int", "user[]", "str | None": for messages and signatures in Python. */
struct inlay_arena;
struct inlay_str inlay_type_describe(const struct inlay_type *type,
                                     struct inlay_arena *arena);

/*
 * fn for `type` and every type that it consists of, outermost first; the
 * fields of a struct once, however often it is reached. false when fn ended
 * it by returning false, or there was no memory.
 */
bool inlay_type_walk(const struct inlay_type *type,
                     bool (*fn)(void *arg, const struct inlay_type *type),
                     void *arg);

/*
 * Numbers, arrays and structs of them; `named`: also enums and char, alone or
 * as char[N]. There is no pointer in it. A few structs in one another can have
 * millions of fields: `steps` (NULL: any number) counts down, 0 ends it.
 */
bool inlay_type_flat(const struct inlay_type *type,
                     bool named,
                     uint64_t *steps);

/*
 * The first type reached from `type` that has no JSON form, with `why`; NULL:
 * all have one. `reading`: a parameter, which OWNED can't be.
 */
const struct inlay_type *inlay_type_without_json(const struct inlay_type *type,
                                                 bool reading,
                                                 struct inlay_str *why);

/* May a field of this type be left out: {has = false}, a NULL struct T *? */
static inline bool inlay_type_omissible(const struct inlay_type *type)
{
    return type->kind == INLAY_KIND_OPTIONAL ||
           type->kind == INLAY_KIND_POINTER;
}

/* Smallest and largest value of an INT or UINT type of `size` bytes. */
static inline int64_t inlay_int_least(uint32_t size)
{
    return size == 8 ? INT64_MIN : -((int64_t)1 << (size * 8 - 1));
}

static inline int64_t inlay_int_most(uint32_t size)
{
    return size == 8 ? INT64_MAX : ((int64_t)1 << (size * 8 - 1)) - 1;
}

static inline uint64_t inlay_uint_most(uint32_t size)
{
    return size == 8 ? UINT64_MAX : ((uint64_t)1 << (size * 8)) - 1;
}

/* Integer stores and loads by size; `size` is 1, 2, 4 or 8. */
static inline void inlay_int_store(void *at, uint32_t size, uint64_t value)
{
    switch (size) {
    case 1:
        *(uint8_t *)at = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)at = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)at = (uint32_t)value;
        break;
    default:
        *(uint64_t *)at = value;
        break;
    }
}

static inline int64_t inlay_int_load(const void *at, uint32_t size)
{
    switch (size) {
    case 1:
        return *(const int8_t *)at;
    case 2:
        return *(const int16_t *)at;
    case 4:
        return *(const int32_t *)at;
    default:
        return *(const int64_t *)at;
    }
}

static inline uint64_t inlay_uint_load(const void *at, uint32_t size)
{
    switch (size) {
    case 1:
        return *(const uint8_t *)at;
    case 2:
        return *(const uint16_t *)at;
    case 4:
        return *(const uint32_t *)at;
    default:
        return *(const uint64_t *)at;
    }
}

/* The value of an ENUM, as its members have it. */
static inline int64_t inlay_enum_load(const struct inlay_type *type,
                                      const void *at)
{
    return type->is_signed ? inlay_int_load(at, type->size)
                           : (int64_t)inlay_uint_load(at, type->size);
}

/* The first member of that value, or NULL. */
static inline const struct inlay_enumerator *inlay_enum_find(
    const struct inlay_type *type,
    int64_t value)
{
    for (size_t i = 0; i < type->nmembers; i++)
        if (type->members[i].value == value)
            return &type->members[i];
    return NULL;
}

#endif
