/*
 * What functions of routes, guards and providers say of the answer and ask of
 * the request: struct inlay_http_ops of a native call. What is said on the
 * pool is kept in the call's memory until the function is back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/native_task.h"
#include "serve/response.h"
#include "serve/server.h"

#include "base/banned.h"

static const struct inlay_str none = {NULL, 0};

void inlay_native_misuse(struct inlay_native_call *call,
                         const char *name,
                         const char *text)
{
    char line[384];
    int len = snprintf(line, sizeof(line), "%s: %s", name, text);

    if (len < 0)
        return;
    inlay_context_fail(
        &call->context, INLAY_INTERNAL,
        inlay_str_make(line, inlay_min((size_t)len, sizeof(line) - 1)));
}

static void fail_no_memory(struct inlay_native_call *call)
{
    inlay_context_fail(&call->context, INLAY_NO_MEMORY,
                       INLAY_STR("out of memory for this call"));
}

struct inlay_native_said *inlay_native_say(struct inlay_native_call *call)
{
    if (!call->said)
        call->said =
            inlay_arena_new(call->context.arena, struct inlay_native_said);
    if (!call->said)
        fail_no_memory(call);
    return call->said;
}

/* Nobody has answered yet? Else the call has failed. */
static bool may_answer(struct inlay_native_call *call, const char *name)
{
    if (call->request->started)
        inlay_native_misuse(call, name, "the answer has begun");
    else if (inlay_native_has_answered(call))
        inlay_native_misuse(call, name, "there is an answer already");
    else
        return true;
    return false;
}

/* --- The answer --------------------------------------------------------- */

void inlay_native_say_status(struct inlay_context *context, int status)
{
    struct inlay_native_call *call = inlay_native_call_of(context);
    struct inlay_native_said *said;

    if (status < 200 || status > 599) {
        inlay_native_misuse(call, "inlay_status", "not one of 200 to 599");
        return;
    }
    if (!may_answer(call, "inlay_status"))
        return;
    said = inlay_native_say(call);
    if (said)
        said->status = status;
}

/* At the end of a list, copied. */
static void append(struct inlay_native_call *call,
                   struct inlay_extra **list,
                   struct inlay_str name,
                   struct inlay_str value,
                   bool replaces)
{
    struct inlay_arena *arena = call->context.arena;
    struct inlay_extra *extra = inlay_arena_new(arena, struct inlay_extra);

    if (extra) {
        extra->header = (struct inlay_header){inlay_arena_copy(arena, name),
                                              inlay_arena_copy(arena, value)};
        extra->replaces = replaces;
    }
    if (!extra || !extra->header.name.ptr || !extra->header.value.ptr) {
        fail_no_memory(call);
        return;
    }
    while (*list)
        list = &(*list)->next;
    *list = extra;
}

static void misuse_header(struct inlay_native_call *call,
                          struct inlay_str name,
                          bool replaces,
                          const char *text)
{
    char quoted[160], label[192];

    inlay_str_quote(name, quoted, sizeof(quoted));
    snprintf(label, sizeof(label), "inlay_header_%s(%s)",
             replaces ? "set" : "add", quoted);
    inlay_native_misuse(call, label, text);
}

/* Why an answer can't have it. */
static const char *wrong_header(struct inlay_str name, struct inlay_str value)
{
    if (!inlay_header_name_valid(name))
        return "the name is none that a header can have (RFC 9110 5.1)";
    if (!inlay_header_value_valid(value))
        return "the value has a line break or control character (RFC 9110 5.5)";
    return "this header is about framing, which is the server's";
}

void inlay_native_say_header(struct inlay_context *context,
                             struct inlay_str name,
                             struct inlay_str value,
                             bool replaces)
{
    struct inlay_native_call *call = inlay_native_call_of(context);

    if (inlay_native_is_pooled(call) && call->task->pooled) {
        struct inlay_native_said *said = inlay_native_say(call);

        if (said)
            append(call, &said->headers, name, value, replaces);
        return;
    }
    if (call->request->started) {
        misuse_header(call, name, replaces, "the answer has begun");
        return;
    }
    /* Of these an answer has one. */
    bool single = inlay_str_is_nocase(name, "content-type") ||
                  inlay_str_is_nocase(name, "etag");
    int added = inlay_request_add_header(call->request, name, value,
                                         replaces || single);
    if (added == -2)
        fail_no_memory(call);
    else if (added < 0)
        misuse_header(call, name, replaces, wrong_header(name, value));
}

static void say_trailer(struct inlay_context *context,
                        struct inlay_str name,
                        struct inlay_str value)
{
    struct inlay_native_call *call = inlay_native_call_of(context);
    struct inlay_native_said *said;

    if (!inlay_header_name_valid(name) || !inlay_header_value_valid(value) ||
        !inlay_response_may_trail(name)) {
        inlay_native_misuse(call, "inlay_trailer_set",
                            "its name or value is not valid, or it has to "
                            "stand before the body (RFC 9110 6.5.1)");
        return;
    }
    said = inlay_native_say(call);
    if (said)
        append(call, &said->trailers, name, value, true);
}

/* RFC 3986: what may stand in a URI does, the rest is percent-encoded. */
static struct inlay_str encode_location(struct inlay_arena *arena,
                                        struct inlay_str text)
{
    static const char kept[] = "-._~:/?#[]@!$&'()*+,;=%";
    static const char digits[] = "0123456789ABCDEF";
    char *start = inlay_arena_alloc(arena, text.len * 3 + 1), *at = start;

    if (!start)
        return none;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
            (c >= 'a' && c <= 'z') || (c && strchr(kept, c))) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    return inlay_str_make(start, (size_t)(at - start));
}

static void redirect(struct inlay_context *context,
                     int status,
                     struct inlay_str location)
{
    struct inlay_native_call *call = inlay_native_call_of(context);
    struct inlay_native_said *said;

    if (status < 300 || status > 399 || status == 304) {
        inlay_native_misuse(call, "inlay_redirect",
                            "301, 302, 303, 307 and 308 redirect");
        return;
    }
    if (!may_answer(call, "inlay_redirect"))
        return;
    location = encode_location(context->arena, location);
    said = location.ptr ? inlay_native_say(call) : NULL;
    if (!said) {
        fail_no_memory(call);
        return;
    }
    inlay_native_say_header(context, INLAY_STR("location"), location, true);
    said->status = status;
    said->redirected = true;
}

/* --- Files -------------------------------------------------------------- */

static void close_file(void *arg)
{
    struct inlay_native_said *said = arg;

    if (said->has_file)
        close(said->file.fd);
}

static void fail_open(struct inlay_native_call *call, int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
        inlay_context_fail(&call->context, INLAY_NOT_FOUND,
                           INLAY_STR("Not Found"));
        break;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        inlay_context_fail(&call->context, INLAY_UNAVAILABLE,
                           INLAY_STR("inlay_send_file: no descriptors or "
                                     "memory left"));
        break;
    default:
        inlay_native_misuse(call, "inlay_send_file",
                            "the file can't be read (its rights?)");
    }
}

/* A regular file, open; -1: the call has failed. A pipe must not make the
 * thread wait for who writes into it. */
static int open_file(struct inlay_native_call *call,
                     const char *path,
                     struct stat *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0 && fstat(fd, ret) == 0 && S_ISREG(ret->st_mode))
        return fd;
    fail_open(call, fd < 0 ? errno : ENOENT);
    if (fd >= 0)
        close(fd);
    return -1;
}

static void send_file(struct inlay_context *context, struct inlay_str path)
{
    struct inlay_native_call *call = inlay_native_call_of(context);
    struct inlay_native_said *said;
    struct stat stat;

    if (!may_answer(call, "inlay_send_file"))
        return;
    said = inlay_native_say(call);
    if (!said)
        return;
    int fd = open_file(call, path.ptr, &stat);
    if (fd < 0)
        return;
    said->file = (struct inlay_static_file){
        .fd = fd,
        .size = (uint64_t)stat.st_size,
        .modified = stat.st_mtim,
        .type = inlay_media_type_find(path),
        .coding = INLAY_CODING_IDENTITY,
    };
    said->has_file = true;
    if (inlay_arena_defer(context->arena, close_file, said) < 0) {
        close_file(said);
        said->has_file = false;
        fail_no_memory(call);
    }
}

/* --- Somebody else's answer --------------------------------------------- */

static void pass_on(struct inlay_context *context)
{
    struct inlay_native_call *call = inlay_native_call_of(context);
    struct inlay_native_task *task = call->task;
    struct inlay_native_said *said;

    if (!call->work->is_route) {
        inlay_native_misuse(call, "inlay_next",
                            "a guard passes a request on when it returns; only "
                            "the function of a route, or its providers, can "
                            "leave the answer to others");
        return;
    }
    if (call->said && call->said->status) {
        inlay_native_misuse(call, "inlay_next", "inlay_status was called");
        return;
    }
    if (!may_answer(call, "inlay_next"))
        return;
    if (call->work->input.form) {
        inlay_native_misuse(call, "inlay_next",
                            "the form was read: others would not get the "
                            "body");
        return;
    }
    if (task && task->inflow.asked) {
        inlay_native_misuse(call, "inlay_next",
                            "inlay_read was called: others would not get the "
                            "body");
        return;
    }
    said = inlay_native_say(call);
    if (said)
        said->next = true;
}

/* --- The request -------------------------------------------------------- */

struct inlay_str inlay_native_part(struct inlay_context *context, int part)
{
    struct inlay_native_call *call = inlay_native_call_of(context);
    const struct inlay_request *request = call->request;

    switch ((enum inlay_part)part) {
    case INLAY_PART_METHOD:
        return request->method;
    case INLAY_PART_PATH:
        /* The server may have ended before a function on the pool has. */
        return inlay_native_is_pooled(call) && call->task->pooled
                   ? call->task->pooled->local_path
                   : inlay_request_local_path(request);
    case INLAY_PART_RAW_PATH:
        return request->raw_path;
    case INLAY_PART_QUERY:
        return request->query;
    case INLAY_PART_SCHEME:
        return request->scheme;
    case INLAY_PART_CLIENT:
        return inlay_str_from(request->client ? request->client->host : "");
    case INLAY_PART_ROUTE:
        return request->route;
    case INLAY_PART_ID:
        return request->id;
    }
    inlay_native_misuse(call, "inlay_part", "no such part");
    return none;
}

struct inlay_str inlay_native_request_header(struct inlay_context *context,
                                             struct inlay_str name)
{
    const struct inlay_request *request =
        inlay_native_call_of(context)->request;

    for (size_t i = 0; i < request->nheaders; i++) {
        if (inlay_str_equal_nocase(request->headers[i].name, name))
            return request->headers[i].value;
    }
    return none;
}

static int answered(struct inlay_context *context)
{
    return inlay_native_call_of(context)->request->status;
}

/* --- WebSockets: none here ---------------------------------------------- */

static void refuse_socket(struct inlay_context *context)
{
    inlay_native_misuse(inlay_native_call_of(context), "a WebSocket",
                        "this request is none, or not this function's");
}

static bool accept_socket(struct inlay_context *context,
                          struct inlay_str subprotocol inlay_unused)
{
    refuse_socket(context);
    return false;
}

static bool receive(struct inlay_context *context,
                    struct inlay_message *message inlay_unused)
{
    refuse_socket(context);
    return false;
}

static bool send_message(struct inlay_context *context,
                         struct inlay_message message inlay_unused)
{
    refuse_socket(context);
    return false;
}

static void close_socket(struct inlay_context *context,
                         int code inlay_unused,
                         struct inlay_str reason inlay_unused)
{
    refuse_socket(context);
}

const struct inlay_http_ops inlay_native_http = {
    .status = inlay_native_say_status,
    .header = inlay_native_say_header,
    .trailer = say_trailer,
    .redirect = redirect,
    .send_file = send_file,
    .next = pass_on,
    .part = inlay_native_part,
    .request_header = inlay_native_request_header,
    .answered = answered,
    .refuse = inlay_native_refuse,
    .read = inlay_native_read,
    .write = inlay_native_write,
    .event = inlay_native_event,
    .sleep = inlay_native_sleep,
    .accept = accept_socket,
    .receive = receive,
    .send = send_message,
    .close = close_socket,
};
