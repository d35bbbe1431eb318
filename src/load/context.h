/*
 * context.h - the running call: its memory and its error. One pointer per
 * thread, so that inlay_alloc and inlay_fail of a module find them. A thread
 * without a running call has none, and there they fail safely.
 */
#ifndef INLAY_LOAD_CONTEXT_H
#define INLAY_LOAD_CONTEXT_H

#include <stdarg.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

/* What a call gives back while it waits for others: Python's lock. */
struct inlay_waiting {
    void *(*begin)(void); /* what `end` needs; NULL: nothing was given */
    void (*end)(void *given);
};

/* Memory of inlay_array that nobody has taken yet. */
struct inlay_owned_block {
    struct inlay_owned_block *next;
    void *ptr;   /* inlay_malloc'ed, zeroed */
    size_t size; /* bytes */
};

struct inlay_context;
struct inlay_func;

/*
 * What a call can do that answers a request; of serve/, which load/ does not
 * see. `context` is the running call. Texts are valid UTF-8 or bytes as C gave
 * them, formatted already, and the callee's to check. What goes wrong is
 * inlay_context_fail.
 */
struct inlay_http_ops {
    void (*status)(struct inlay_context *context, int status);
    void (*header)(struct inlay_context *context,
                   struct inlay_str name,
                   struct inlay_str value,
                   bool replaces);
    void (*trailer)(struct inlay_context *context,
                    struct inlay_str name,
                    struct inlay_str value);
    void (*redirect)(struct inlay_context *context,
                     int status,
                     struct inlay_str location);
    void (*send_file)(struct inlay_context *context, struct inlay_str path);
    void (*next)(struct inlay_context *context);
    struct inlay_str (*part)(struct inlay_context *context, int part);
    struct inlay_str (*request_header)(struct inlay_context *context,
                                       struct inlay_str name);
    int (*answered)(struct inlay_context *context);
    /* A wait of a call that has failed: false, or it never returns. */
    bool (*refuse)(struct inlay_context *context);
    ptrdiff_t (*read)(struct inlay_context *context, void *buffer, size_t size);
    bool (*write)(struct inlay_context *context,
                  struct inlay_str bytes,
                  bool text);
    /* The head of a stream of events goes out first. */
    bool (*event)(struct inlay_context *context, struct inlay_str text);
    bool (*sleep)(struct inlay_context *context, uint32_t ms);
    bool (*accept)(struct inlay_context *context, struct inlay_str subprotocol);
    bool (*receive)(struct inlay_context *context, struct inlay_message *ret);
    bool (*send)(struct inlay_context *context, struct inlay_message message);
    void (*close)(struct inlay_context *context,
                  int code,
                  struct inlay_str reason);
};

struct inlay_query;

/*
 * What a call can do with a database; of db/, which load/ does not see. The
 * inlay_db of a call begins with a pointer to these. What goes wrong is
 * inlay_context_fail, and false or NULL. A cursor begins with its inlay_db *.
 */
struct inlay_db_ops {
    /* `args` as `query` says; `text`: the SQL where the query has none. */
    bool (*query)(struct inlay_db *db,
                  const struct inlay_query *query,
                  struct inlay_str text,
                  const void *const *args,
                  void *result);
    struct inlay_cursor *(*cursor_open)(struct inlay_db *db,
                                        const struct inlay_query *query,
                                        struct inlay_str text,
                                        const void *const *args);
    bool (*cursor_next)(struct inlay_cursor *cursor, void *row_ret);
    void (*cursor_close)(struct inlay_cursor *cursor);
    bool (*begin)(struct inlay_db *db);
    bool (*commit)(struct inlay_db *db);
    bool (*rollback)(struct inlay_db *db);
    bool (*attempt)(struct inlay_attempt *attempt);
    bool (*listen)(struct inlay_db *db, struct inlay_str channel);
    bool (*notified)(struct inlay_db *db, struct inlay_notification *ret);
};

struct inlay_context {
    struct inlay_arena *arena;
    struct inlay_context *outer; /* the call that this one interrupts */
    bool dirty;                  /* the arena was used or the call failed */
    bool may_retry;              /* of `error`, when a database has said it: */
    char sqlstate[6];            /* and "23505"; else "" */
    int error;                   /* enum inlay_error_kind; first one wins */
    struct inlay_str error_text; /* in the arena */
    /* NULL: the caller holds nothing that others wait for. */
    const struct inlay_waiting *waiting;
    /* NULL: it answers no request (a call from Python, a state), */
    const struct inlay_http_ops *http;
    /* and then: how a coroutine sleeps; NULL: its thread does. */
    bool (*sleep)(struct inlay_context *context, uint32_t ms);
    /* The blocks themselves are the arena's; freed by it unless taken. */
    struct inlay_owned_block *owned;
    /*
     * For reports of crashes and the watchdog: what is served and the function
     * that runs. Both last as long as modules. "GET /users/{id}", "guard
     * /admin"; "" and NULL when nothing is (a call from Python).
     */
    struct inlay_str what;
    const struct inlay_func *func;
    bool writes; /* the function has returned; its result is being written */
};

extern __thread struct inlay_context *inlay_context_current
    __attribute__((tls_model("initial-exec")));

/* Fills in `context` and makes it the thread's current call. */
static inline void inlay_context_enter(struct inlay_context *context,
                                       struct inlay_arena *arena)
{
    *context = (struct inlay_context){
        .arena = arena,
        .outer = inlay_context_current,
    };
    inlay_context_current = context;
}

/*
 * Makes a call the thread's current one (again), be it that another thread
 * began it; inlay_context_leave ends that.
 */
static inline void inlay_context_resume(struct inlay_context *context)
{
    context->outer = inlay_context_current;
    inlay_context_current = context;
}

/* Back to the outer call; the arena stays the caller's. */
static inline void inlay_context_leave(struct inlay_context *context)
{
    inlay_context_current = context->outer;
}

/* Text in the call's arena; ptr is NULL without memory. */
struct inlay_str inlay_context_print(struct inlay_context *context,
                                     const char *format,
                                     va_list args) inlay_printf(2, 0);

/* The call fails, unless it has already; `text` is copied. */
void inlay_context_fail(struct inlay_context *context,
                        int kind,
                        struct inlay_str text);

/* As if it had not failed. */
static inline void inlay_context_clear_error(struct inlay_context *context)
{
    context->error = 0;
    context->error_text = (struct inlay_str){NULL, 0};
    context->may_retry = false;
    context->sqlstate[0] = '\0';
}

/*
 * Takes the memory of an inlay_array of this call out of it: the caller
 * frees it with inlay_free. False: it is none of this call's.
 */
bool inlay_context_take(struct inlay_context *context,
                        const void *ptr,
                        size_t *size_ret);

/* The services that modules get; one immutable table. */
extern const struct inlay_api inlay_api_table;

/* HTTP status and short text of an error kind ("NotFound"). */
int inlay_error_kind_status(int kind);
struct inlay_str inlay_error_kind_text(int kind);

#endif
