/*
 * fuzz_session.c - a whole connection: bytes into a session over a socket
 * pair, with native routes and a handler that answers late, holds bodies back,
 * streams, and accepts WebSockets, whose messages it sends back. However the
 * bytes are cut, the answers are the same; and after the client's end the
 * connection ends too. The first byte of the input chooses the cuts.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/url.h"
#include "native_sample.h"
#include "serve/session.h"
#include "serve/websocket.h"

#include "base/banned.h"

#define TICKS_MOST 4000 /* until the connection must have ended */
#define ANSWERS_MOST ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What waits for the next tick: to be answered, or to go on with its body. */
struct waiting {
    struct inlay_list node;
    struct inlay_request *request;
    size_t len;
    uint32_t sum; /* of the body's bytes */
};

struct late {
    struct inlay_handler handler; /* first */
    struct inlay_list waiting;
};

struct client {
    struct inlay_io_thread *thread;
    struct late *late;
    int fd;
    bool reset; /* the server cut the connection: bytes may be lost */
    struct inlay_buf answers;
};

static void check(bool fine)
{
    if (!fine)
        abort();
}

/* --- The handler --------------------------------------------------------- */

static void leave(void *arg)
{
    inlay_list_remove(&((struct waiting *)arg)->node);
}

static enum inlay_outcome wait(struct late *late, struct inlay_request *request)
{
    struct waiting *waiting = inlay_arena_new(&request->arena, struct waiting);

    check(waiting != NULL);
    waiting->request = request;
    inlay_list_init(&waiting->node);
    inlay_list_append(&late->waiting, &waiting->node);
    check(inlay_arena_defer(&request->arena, leave, waiting) == 0);
    request->handler_data = waiting;
    if (request->has_body)
        inlay_request_want_body(request);
    return INLAY_PENDING;
}

static void stream(struct inlay_request *request)
{
    inlay_response_start(request, 200, NULL, 0, -1);
    inlay_response_write(request, request->method);
    inlay_response_write(request, request->path);
    inlay_response_end(request);
}

/* The query as a header: what would break out of it is refused. */
static void show(struct inlay_request *request)
{
    struct inlay_header header = {
        INLAY_STR("x-query"),
        inlay_url_decode(request->query, true, &request->arena)};

    inlay_response_send_with(request, 200, &header, 1, request->query);
}

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    if (request->websocket && inlay_str_is(request->path, "/s"))
        check(inlay_websocket_accept(request, INLAY_STR(""), NULL, 0) == 0);
    if (request->websocket || inlay_str_is(request->path, "/w"))
        return wait((struct late *)handler, request);
    if (inlay_str_is(request->path, "/s"))
        stream(request);
    else if (inlay_str_is(request->path, "/q"))
        show(request);
    else
        return INLAY_DECLINED;
    return INLAY_HANDLED;
}

static void on_body(struct inlay_handler *handler inlay_unused,
                    struct inlay_request *request,
                    struct inlay_str chunk,
                    bool last)
{
    struct waiting *waiting = request->handler_data;

    check(last == request->body_done);
    waiting->len += chunk.len;
    for (size_t i = 0; i < chunk.len; i++)
        waiting->sum = waiting->sum * 31 + (unsigned char)chunk.ptr[i];
    inlay_request_pause(request);
}

static void on_nothing(struct inlay_handler *handler inlay_unused,
                       struct inlay_request *request inlay_unused)
{
}

static void on_message(struct inlay_handler *handler inlay_unused,
                       struct inlay_request *request,
                       enum inlay_websocket_kind kind,
                       struct inlay_str bytes)
{
    check(kind == INLAY_WEBSOCKET_BINARY || inlay_utf8_valid(bytes));
    if (inlay_str_is(bytes, "bye")) {
        inlay_websocket_close(request, 4000, bytes);
        return;
    }
    check(inlay_websocket_send(request, kind, bytes) == 0);
    if (bytes.len % 2)
        inlay_request_pause(request);
}

static void on_websocket_end(struct inlay_handler *handler inlay_unused,
                             struct inlay_request *request,
                             uint16_t code,
                             struct inlay_str reason)
{
    check(request->websocket && code >= 1000 && code < 5000);
    check(inlay_utf8_valid(reason));
}

static const struct inlay_handler_ops late_ops = {
    .on_request = on_request,
    .on_body = on_body,
    .on_drained = on_nothing,
    .on_abort = on_nothing,
    .on_message = on_message,
    .on_websocket_end = on_websocket_end,
};

static void answer_waiting(struct late *late)
{
    inlay_list_for_each (node, &late->waiting) {
        struct waiting *waiting = inlay_list_entry(node, struct waiting, node);
        struct inlay_request *request = waiting->request;

        if (!request->body_done || request->started) {
            inlay_request_resume(request);
            continue;
        }
        if (request->websocket) {
            check(inlay_websocket_accept(request, INLAY_STR(""), NULL, 0) == 0);
            continue;
        }
        struct inlay_str text = inlay_arena_format(
            &request->arena, "%.*s %zu %u", inlay_str_arg(request->method),
            waiting->len, waiting->sum);
        inlay_response_send(request, 200, INLAY_STR("text/plain"), text);
    }
}

/* --- The client ---------------------------------------------------------- */

static void on_stop(struct inlay_mail *mail)
{
    struct inlay_io_thread *thread =
        inlay_container_of(mail, struct inlay_io_thread, stop_mail);

    inlay_loop_stop(&thread->loop);
}

static void tick(struct client *client)
{
    char bytes[65536];
    ssize_t count;

    answer_waiting(client->late);
    client->thread->loop.stopped = false;
    inlay_loop_post(&client->thread->loop, &client->thread->stop_mail);
    inlay_loop_run(&client->thread->loop);
    while ((count = recv(client->fd, bytes, sizeof(bytes), 0)) > 0)
        check(inlay_buf_append(&client->answers, bytes, (size_t)count) == 0);
    client->reset |= count < 0 && errno != EAGAIN;
}

static void send_all(struct client *client, const uint8_t *data, size_t len)
{
    for (int i = 0; len && i < TICKS_MOST; i++) {
        ssize_t count = send(client->fd, data, len, MSG_NOSIGNAL);

        if (count > 0) {
            data += count;
            len -= (size_t)count;
        } else if (errno != EAGAIN) {
            return;
        }
        tick(client);
    }
    check(!len);
}

/* `cuts` 0: everything at once. */
static void talk(struct client *client,
                 const uint8_t *data,
                 size_t size,
                 uint8_t cuts)
{
    static const struct inlay_address address = {.host = "client"};
    struct inlay_io_thread *thread = client->thread;
    uint32_t random = cuts;
    int pair[2];

    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    client->fd = pair[1];
    client->reset = false;
    inlay_buf_init(&client->answers, ANSWERS_MOST);
    check(inlay_session_create(thread, pair[0], &address) == 0);
    thread->nconnections++;
    atomic_fetch_add(&thread->server->open_connections, 1);
    while (size) {
        size_t len = size;

        random = random * 1664525u + 1013904223u;
        if (cuts)
            len = inlay_min(len, 1 + (random >> 16) % (cuts + 1u));
        send_all(client, data, len);
        data += len;
        size -= len;
    }
    shutdown(client->fd, SHUT_WR);
    for (int i = 0; i < TICKS_MOST && thread->nconnections; i++)
        tick(client);
    check(!thread->nconnections && inlay_list_empty(&client->late->waiting));
    tick(client);
    close(client->fd);
    struct inlay_str text = inlay_buf_view(&client->answers);
    check(!text.len || inlay_str_starts(text, INLAY_STR("HTTP/1.1 ")));
}

/* Made once: requests are used again, as in a server. */
static struct client client_create(void)
{
    static struct late late = {.handler.ops = &late_ops};
    struct inlay_module *module = sample_module_create(NULL);
    struct inlay_handler *native;
    struct inlay_server *server;
    struct inlay_server_config config;

    inlay_server_config_default(&config);
    config.date_header = false; /* a second may pass between two talks */
    config.limits.head.head_bytes = 1024;
    config.limits.head.header_count = 16;
    config.limits.head.trailer_bytes = 64;
    config.limits.write_window = 1024;
    config.limits.request_memory = 1 << 20;
    config.limits.native_body_bytes = 1000;
    inlay_list_init(&late.waiting);
    check(!inlay_native_create(&module, 1, &native));
    check(!inlay_server_create(&config, &server));
    check(!inlay_server_add_handler(server, &late.handler));
    check(!inlay_server_add_handler(server, native));
    server->threads[0].stop_mail.on_receive = on_stop;
    return (struct client){.thread = &server->threads[0], .late = &late};
}

/* The answers, but for the reason of a refusal: of two it may be either. */
static struct inlay_str settled(const struct client *client)
{
    static const char refusal[] = "content-type: text/plain; charset=utf-8";
    struct inlay_str text = inlay_buf_view(&client->answers);
    const char *at =
        text.len ? memmem(text.ptr, text.len, refusal, sizeof(refusal) - 1)
                 : NULL;

    if (at)
        text.len = (size_t)(at - text.ptr);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct client whole;

    if (!whole.thread)
        whole = client_create();
    if (size < 1)
        return 0;
    struct client cut = whole;
    talk(&whole, data + 1, size - 1, 0);
    talk(&cut, data + 1, size - 1, data[0] ? data[0] : 1);
    check(whole.reset || cut.reset ||
          inlay_str_equal(settled(&whole), settled(&cut)));
    inlay_buf_deinit(&whole.answers);
    inlay_buf_deinit(&cut.answers);
    return 0;
}
