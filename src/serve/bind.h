/*
 * bind.h - where each parameter of a function comes from: path, query,
 * headers, cookies, form, JSON body, or the server. Worked out once when a
 * route, guard or provider is bound (bind.c), then followed for each request
 * (native_read.c, read_items.c), whose values are laid out in one block:
 *
 *     void *args[nparams] | value of parameter 0 | 1 | ... | result
 */
#ifndef INLAY_SERVE_BIND_H
#define INLAY_SERVE_BIND_H

#include "base/arena.h"
#include "base/error.h"
#include "http/header.h"
#include "load/module.h"
#include "type/json.h"
#include "type/violation.h"

struct inlay_form;
struct inlay_database;
struct inlay_native_call;

enum inlay_bind_source {
    INLAY_BIND_PATH,
    /* By name, as items: of one value or several, or a struct's fields. */
    INLAY_BIND_QUERY,
    INLAY_BIND_HEADER,
    INLAY_BIND_COOKIE,
    INLAY_BIND_FORM,
    INLAY_BIND_BODY, /* the JSON body, or a member of it */
    INLAY_BIND_RAW,  /* the body as it came: inlay_bytes, or optional */
    /* From here on: INJECTED pointers. */
    INLAY_BIND_REQUEST,  /* input->request */
    INLAY_BIND_SOCKET,   /* input->socket */
    INLAY_BIND_DB,       /* inlay_native_database of input->call */
    INLAY_BIND_PROVIDED, /* *input->provided[first] */
    INLAY_BIND_STATE,    /* bound->state->value */
};

/* What INLAY_STATE's function has returned; one per worker and module. */
struct inlay_state {
    const struct inlay_provide_decl *decl;
    void *value; /* set before any request is served */
};

/* Who gives an INJECTED parameter; inject.c. */
struct inlay_injector {
    /* Exactly one of `state_ret` and `slot_ret` is written. Errors name
     * file:line, the parameter and what is missing. */
    struct inlay_error *(*find)(const struct inlay_injector *injector,
                                const struct inlay_param *param,
                                const struct inlay_state **state_ret,
                                size_t *slot_ret);
};

/* A function to be bound to requests: of a route, a guard, a provider. */
struct inlay_bind_target {
    const struct inlay_callable *callable;
    struct inlay_str methods; /* for messages; "" of guards and providers */
    struct inlay_str path;    /* "/users/{id}"; "" of guards */
    bool with_body;           /* structs, slices come from the JSON body, and
                                 inlay_bytes are it; else from the query */
    bool is_part; /* a guard or provider: no body; parameters of the path that
                     it does not name are others' */
    struct inlay_source decl;              /* of the record */
    const struct inlay_injector *injector; /* NULL: nobody gives anything */
};

/* What is looked up by name in a query, headers, cookies or a form. */
struct inlay_bind_item {
    enum inlay_bind_source source; /* QUERY, HEADER, COOKIE or FORM */
    struct inlay_str name;         /* as clients know it: "from", "X-Token" */
    struct inlay_str field;        /* as C does: "from_", "x_token" */
    const struct inlay_type *type;
    const struct inlay_constraints *constraints; /* NULL: none */
    const void *fallback;                        /* NULL: must be given */
    struct inlay_str fallback_text; /* as written in C; "" if none */
    uint32_t offset;                /* of the value in the block */
    bool many; /* a slice or array, or an optional one: all values */
};

struct inlay_bind_param {
    enum inlay_bind_source source;
    const struct inlay_param *param;
    const struct inlay_type *type; /* of the value: what a struct T * is of */
    uint32_t offset;               /* of the value in the block */
    uint32_t pointer; /* of the struct T * to it in the block; 0: it is none */
    size_t first;     /* PATH: number of the path's parameter; PROVIDED: slot;
                         else an item */
    const struct inlay_state *state; /* STATE */
    struct inlay_database *database; /* DB */
    size_t nitems;                   /* by name: 1; of a model: its fields */
    bool model;                      /* a struct whose fields are the items */
    bool maybe;        /* a model that may be absent, when no item is there */
    bool loose_uuid;   /* PATH: {id:uuid}, which takes fewer hyphens */
    uint32_t optional; /* of an optional model in the block, which has the value
                          in it; 0: it is none */
};

struct inlay_bind {
    const struct inlay_callable *callable;
    struct inlay_bind_param *params; /* as the function has them */
    size_t nparams;
    struct inlay_bind_item *items;
    size_t nitems;
    size_t nbody;  /* parameters from JSON */
    bool embedded; /* each of them is a member of the body, by name: there are
                      several, or INLAY_BODY says so */
    size_t nraw;   /* 1: one gets the body as it came; nbody is 0 then */
    size_t nform;  /* parameters from a form: input->form is to be there, even
                      without a body; nbody and nraw are 0 then */
    bool uploads;  /* files are among them: multipart/form-data */
    size_t npath;
    size_t nlists[INLAY_BIND_FORM + 1]; /* items by source */
    size_t ninjected;
    uint32_t size; /* of the block */
    uint32_t result_offset;
};

/*
 * INLAY_ERROR_IMPORT names the record's file:line, the parameter and why it
 * has no place. The result lives in the arena.
 */
struct inlay_error *inlay_bind_create(const struct inlay_bind_target *target,
                                      struct inlay_arena *arena,
                                      struct inlay_bind **ret);

/* An error about it: "file:line: METHODS path: …". */
struct inlay_error *inlay_bind_error(const struct inlay_bind_target *target,
                                     const char *format,
                                     ...) inlay_printf(2, 3);

/* --- Hot ---------------------------------------------------------------- */

struct inlay_bind_input {
    const struct inlay_str *path; /* values of the path's parameters */
    struct inlay_str query;       /* raw */
    struct inlay_str body;
    bool body_is_json; /* what its content-type says */
    const struct inlay_header *headers;
    size_t nheaders;
    const struct inlay_form *form;    /* finished; when bind->nform */
    const struct inlay_json_doc *doc; /* inlay_bind_parse's; NULL: not yet */
    void *request, *socket;           /* what INJECTED ones get */
    struct inlay_native_call *call;   /* who is given databases */
    void **provided;                  /* results of providers, by slot */
};

enum inlay_bind_status {
    INLAY_BIND_OK = 0,
    INLAY_BIND_INVALID = -1,   /* 422: the violations say what */
    INLAY_BIND_BAD_BODY = -2,  /* 400: not even text */
    INLAY_BIND_NO_MEMORY = -3, /* 503 */
    INLAY_BIND_TOO_LARGE = -4, /* 413: the body takes more than a request may */
};

/*
 * Reads the JSON body that parameters are taken from into input->doc, before
 * anything is called: one that is no JSON is the only violation. Nothing to do
 * without such parameters. inlay_bind_read does it when it was not done.
 */
enum inlay_bind_status inlay_bind_parse(const struct inlay_bind *bind,
                                        struct inlay_bind_input *input,
                                        struct inlay_arena *arena,
                                        struct inlay_violations *violations);

/*
 * All values of a request, in the arena: args_ret is ready to be called with,
 * result_ret is room for the result.
 */
enum inlay_bind_status inlay_bind_read(const struct inlay_bind *bind,
                                       const struct inlay_bind_input *input,
                                       struct inlay_arena *arena,
                                       struct inlay_violations *violations,
                                       void ***args_ret,
                                       void **result_ret);

#endif
