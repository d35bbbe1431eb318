/* context.c - the services of inlay.h, for the thread's running call. */
#include "load/context.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"
#include "load/api.h"
#include "load/parallel.h"

#include "base/banned.h"

__thread struct inlay_context *inlay_context_current
    __attribute__((tls_model("initial-exec")));

static const struct {
    int status;
    struct inlay_str text;
} kinds[] = {[INLAY_OK] = {200, {"OK", 2}},
#define KIND(name, status, text, exception)                                    \
    [INLAY_##name] = {status, {text, sizeof(text) - 1}},
             INLAY_ERROR_KINDS(KIND)
#undef KIND
};

static bool is_kind(int kind)
{
    return kind > 0 && (size_t)kind < inlay_array_size(kinds);
}

int inlay_error_kind_status(int kind)
{
    return kinds[is_kind(kind) || kind == INLAY_OK ? kind : INLAY_INTERNAL]
        .status;
}

struct inlay_str inlay_error_kind_text(int kind)
{
    return kinds[is_kind(kind) || kind == INLAY_OK ? kind : INLAY_INTERNAL]
        .text;
}

static void fail_no_memory(struct inlay_context *context)
{
    context->dirty = true;
    if (context->error)
        return;
    context->error = INLAY_NO_MEMORY;
    context->error_text = INLAY_STR("out of memory for this call");
}

void inlay_context_fail(struct inlay_context *context,
                        int kind,
                        struct inlay_str text)
{
    if (context->error)
        return;
    context->dirty = true;
    context->error = is_kind(kind) ? kind : INLAY_INTERNAL;
    context->error_text = inlay_arena_copy(context->arena, text);
    if (!context->error_text.ptr)
        context->error_text = INLAY_STR("(no memory for the message)");
}

struct inlay_str inlay_context_print(struct inlay_context *context,
                                     const char *format,
                                     va_list args)
{
    va_list again;
    struct inlay_str text = {NULL, 0};

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    if (len >= 0) {
        char *ptr = inlay_arena_alloc(context->arena, (size_t)len + 1);

        if (ptr) {
            vsnprintf(ptr, (size_t)len + 1, format, again);
            text = inlay_str_make(ptr, (size_t)len);
        }
    }
    va_end(again);
    return text;
}

static void *api_alloc(size_t size)
{
    struct inlay_context *context = inlay_context_current;

    if (!context)
        return NULL;
    context->dirty = true;
    /* An empty arena has no byte to point to. */
    void *ptr = inlay_arena_zalloc(context->arena, size ? size : 1);
    if (!ptr)
        fail_no_memory(context);
    return ptr;
}

static void api_fail(int kind, const char *format, ...) inlay_printf(2, 3);

static void api_fail(int kind, const char *format, ...)
{
    struct inlay_context *context = inlay_context_current;
    va_list args;

    if (!context || context->error)
        return;
    context->dirty = true;
    context->error = is_kind(kind) ? kind : INLAY_INTERNAL;
    context->error_text = INLAY_STR("");
    if (!format)
        return;
    va_start(args, format);
    struct inlay_str text = inlay_context_print(context, format, args);
    va_end(args);
    context->error_text =
        text.ptr ? text : INLAY_STR("(no memory for the message)");
}

static struct inlay_str api_format(const char *format, ...) inlay_printf(1, 2);

static struct inlay_str api_format(const char *format, ...)
{
    struct inlay_context *context = inlay_context_current;
    va_list args;

    if (!context || !format)
        return inlay_str_make(NULL, 0);
    context->dirty = true;
    va_start(args, format);
    struct inlay_str text = inlay_context_print(context, format, args);
    va_end(args);
    if (!text.ptr)
        fail_no_memory(context);
    return text;
}

static struct inlay_str api_copy(struct inlay_str text)
{
    struct inlay_context *context = inlay_context_current;
    struct inlay_str copy = {NULL, 0};

    if (!context)
        return copy;
    context->dirty = true;
    if (text.len <= PTRDIFF_MAX)
        copy = inlay_arena_copy(context->arena, text);
    if (!copy.ptr)
        fail_no_memory(context);
    return copy;
}

static void api_defer(void (*fn)(void *), void *arg)
{
    struct inlay_context *context = inlay_context_current;

    if (!context || !fn)
        return;
    context->dirty = true;
    if (inlay_arena_defer(context->arena, fn, arg) < 0)
        fail_no_memory(context);
}

static bool api_failed(void)
{
    struct inlay_context *context = inlay_context_current;

    return !context || context->error;
}

static void free_block(void *arg)
{
    struct inlay_owned_block *block = arg;

    inlay_free(block->ptr);
}

static void *api_array(size_t len, size_t size)
{
    struct inlay_context *context = inlay_context_current;
    size_t bytes;

    if (!context)
        return NULL;
    context->dirty = true;
    struct inlay_owned_block *block =
        inlay_arena_new(context->arena, struct inlay_owned_block);
    if (!block || __builtin_mul_overflow(len, size, &bytes)) {
        fail_no_memory(context);
        return NULL;
    }
    /* An empty one has an address too. */
    block->size = bytes;
    block->ptr = inlay_calloc(1, bytes ? bytes : 1);
    if (!block->ptr ||
        inlay_arena_defer(context->arena, free_block, block) < 0) {
        inlay_free(block->ptr);
        fail_no_memory(context);
        return NULL;
    }
    block->next = context->owned;
    context->owned = block;
    return block->ptr;
}

bool inlay_context_take(struct inlay_context *context,
                        const void *ptr,
                        size_t *size_ret)
{
    for (struct inlay_owned_block *it = context->owned; it; it = it->next) {
        if (!it->ptr || it->ptr != ptr)
            continue;
        *size_ret = it->size;
        it->ptr = NULL;
        return true;
    }
    return false;
}

const struct inlay_api inlay_api_table = {
    .abi = INLAY_ABI,
    .size = sizeof(struct inlay_api),
    .alloc = api_alloc,
    .fail = api_fail,
    .format = api_format,
    .copy = api_copy,
    .defer = api_defer,
    .failed = api_failed,
    .array = api_array,
    .parallel_for = inlay_parallel_for_run,
    .parallel_reduce = inlay_parallel_reduce_run,
    .status = inlay_api_status,
    .header_set = inlay_api_header_set,
    .header_add = inlay_api_header_add,
    .trailer_set = inlay_api_trailer_set,
    .cookie_set = inlay_api_cookie_set,
    .redirect = inlay_api_redirect,
    .send_file = inlay_api_send_file,
    .next = inlay_api_next,
    .part = inlay_api_part,
    .header = inlay_api_header,
    .cookie = inlay_api_cookie,
    .answered = inlay_api_answered,
    .read = inlay_api_read,
    .write = inlay_api_write,
    .print = inlay_api_print,
    .event = inlay_api_event,
    .sleep = inlay_api_sleep,
    .accept = inlay_api_accept,
    .receive = inlay_api_receive,
    .send = inlay_api_send,
    .close = inlay_api_close,
    .handshake = inlay_api_handshake,
    .bearer = inlay_api_bearer,
    .basic = inlay_api_basic,
    .equal = inlay_api_equal,
    .sign = inlay_api_sign,
    .verify = inlay_api_verify,
    .query = inlay_api_query,
    .cursor_open = inlay_api_cursor_open,
    .cursor_next = inlay_api_cursor_next,
    .cursor_close = inlay_api_cursor_close,
    .db_begin = inlay_api_db_begin,
    .db_commit = inlay_api_db_commit,
    .db_rollback = inlay_api_db_rollback,
    .db_attempt = inlay_api_db_attempt,
    .db_listen = inlay_api_db_listen,
    .db_notified = inlay_api_db_notified,
};
