/*
 * relay_io.c - the I/O thread's side of a relay: the handler that is
 * last in the server's chain. Nothing here takes the GIL or sees Python.
 */
#include "py/relay_io.h"

#include <errno.h>

#include "base/mem.h"
#include "py/relay.h"
#include "serve/metrics.h"
#include "serve/request.h"
#include "serve/response.h"

#include "base/banned.h"

#define HEAD_KEPT 8192     /* head memory that a spare relay keeps */
#define BODY_KEPT 4096     /* body and answer memory that it keeps */
#define SPARES 256         /* per I/O thread */
#define BODY_SLACK 1048576 /* past the window: what one read may bring */

/* --- Life of a relay ----------------------------------------------------- */

static struct inlay_relay_lane *lane_of(const struct inlay_relay *relay)
{
    return &relay->bridge->lanes[relay->thread->index];
}

static struct inlay_relay *relay_alloc(struct inlay_bridge *bridge)
{
    struct inlay_relay *relay = inlay_calloc(1, sizeof(*relay));

    if (!relay)
        return NULL;
    relay->bridge = bridge;
    pthread_mutex_init(&relay->lock, NULL);
    inlay_buf_init(&relay->body, bridge->body_window + BODY_SLACK);
    inlay_buf_init(&relay->answer, 2 * INLAY_ANSWER_HEAD);
    inlay_buf_init(&relay->inbox, INLAY_ANSWER_HEAD);
    inlay_buf_init(&relay->records, SIZE_MAX / 2);
    return relay;
}

/* Of a body that nobody will read any more. */
static void drop_room(struct inlay_relay *relay)
{
    struct inlay_chunk **all[] = {&relay->room, &relay->landed,
                                  &relay->landing};

    for (size_t i = 0; i < inlay_array_size(all); i++) {
        if (*all[i])
            inlay_chunk_destroy(*all[i]);
        *all[i] = NULL;
    }
}

void inlay_relay_free(struct inlay_relay *relay)
{
    drop_room(relay);
    inlay_chunks_destroy(relay->chunks);
    inlay_buf_deinit(&relay->body);
    inlay_buf_deinit(&relay->answer);
    inlay_buf_deinit(&relay->inbox);
    inlay_buf_deinit(&relay->records);
    pthread_mutex_destroy(&relay->lock);
    inlay_free(relay->head);
    inlay_free(relay);
}

/* A reference of the I/O thread: the last one puts it among the spares. */
static void unref_io(struct inlay_relay *relay)
{
    struct inlay_relay_lane *lane = lane_of(relay);

    if (atomic_fetch_sub(&relay->refs, 1) != 1)
        return;
    if (lane->nspare >= SPARES || relay->chunks) {
        inlay_relay_free(relay);
        return;
    }
    if (relay->head_size > HEAD_KEPT) {
        inlay_free(relay->head);
        relay->head = NULL;
        relay->head_size = 0;
    }
    drop_room(relay);
    inlay_buf_clear(&relay->body);
    inlay_buf_shrink(&relay->body, BODY_KEPT);
    inlay_buf_clear(&relay->answer);
    inlay_buf_shrink(&relay->answer, BODY_KEPT);
    inlay_buf_shrink(&relay->inbox, 0);
    inlay_buf_shrink(&relay->records, 0);
    relay->next = lane->spare;
    lane->spare = relay;
    lane->nspare++;
}

static struct inlay_relay *relay_get(struct inlay_bridge *bridge,
                                     struct inlay_io_thread *thread)
{
    struct inlay_relay_lane *lane = &bridge->lanes[thread->index];
    struct inlay_relay *relay = lane->spare;

    if (relay) {
        lane->spare = relay->next;
        lane->nspare--;
    } else if (!(relay = relay_alloc(bridge))) {
        return NULL;
    }
    relay->thread = thread;
    relay->body.limit = bridge->body_window + BODY_SLACK;
    relay->inbox.limit = INLAY_ANSWER_HEAD;
    atomic_init(&relay->refs, 1);
    relay->paused = relay->accepted = false;
    relay->upgrade = relay->expects_continue = false;
    relay->wants_trailers = relay->timed = false;
    relay->route = INLAY_STR("");
    relay->owner = NULL;
    relay->taken = relay->answered = false;
    relay->nheaders = relay->inlined = 0;
    relay->body_last = relay->hungry = false;
    relay->gone = relay->eof = false;
    atomic_init(&relay->expired, false);
    relay->start = relay->end = relay->abort = false;
    relay->want_body = relay->resume = relay->blocked = false;
    relay->chunks = NULL;
    relay->chunks_last = &relay->chunks;
    relay->boxed = relay->writing = relay->held = 0;
    relay->messages = relay->ntrailers = 0;
    return relay;
}

/* --- Letters to the Python thread ---------------------------------------- */

void inlay_relay_lane_flush(struct inlay_later *later)
{
    struct inlay_relay_lane *lane =
        inlay_container_of(later, struct inlay_relay_lane, flush);
    struct inlay_bridge *bridge = lane->bridge;

    if (!lane->first)
        return;
    pthread_mutex_lock(&bridge->lock);
    *bridge->last = lane->first;
    bridge->last = lane->last;
    pthread_mutex_unlock(&bridge->lock);
    lane->first = NULL;
    lane->last = &lane->first;
    inlay_bridge_ring(bridge);
}

void inlay_relay_tell(struct inlay_relay *relay)
{
    struct inlay_relay_lane *lane = lane_of(relay);

    if (atomic_exchange(&relay->to_python, true))
        return;
    atomic_fetch_add(&relay->refs, 1);
    relay->next = NULL;
    *lane->last = relay;
    lane->last = &relay->next;
    inlay_loop_later(&relay->thread->loop, &lane->flush);
}

/* --- The head ------------------------------------------------------------ */

/* Names whose values are no secrets and come again and again. */
static bool cacheable(struct inlay_str name)
{
    switch (name.len) {
    case 2:
        return inlay_str_is(name, "te");
    case 3:
        return inlay_str_is(name, "dnt");
    case 4:
        return inlay_str_is(name, "host");
    case 6:
        return inlay_str_is(name, "accept") || inlay_str_is(name, "origin") ||
               inlay_str_is(name, "pragma");
    case 7:
        return inlay_str_is(name, "upgrade");
    case 8:
        return inlay_str_is(name, "priority");
    case 9:
        return inlay_str_is(name, "sec-ch-ua");
    case 10:
        return inlay_str_is(name, "user-agent") ||
               inlay_str_is(name, "connection") ||
               inlay_str_is(name, "keep-alive");
    case 12:
        return inlay_str_is(name, "content-type");
    case 13:
        return inlay_str_is(name, "cache-control");
    case 14:
        return inlay_str_is(name, "accept-charset") ||
               inlay_str_is(name, "content-length") ||
               inlay_str_is(name, "sec-fetch-mode") ||
               inlay_str_is(name, "sec-fetch-site") ||
               inlay_str_is(name, "sec-fetch-dest") ||
               inlay_str_is(name, "sec-fetch-user");
    case 15:
        return inlay_str_is(name, "accept-encoding") ||
               inlay_str_is(name, "accept-language");
    case 16:
        return inlay_str_is(name, "sec-ch-ua-mobile");
    case 17:
        return inlay_str_is(name, "transfer-encoding") ||
               inlay_str_is(name, "x-forwarded-proto");
    case 18:
        return inlay_str_is(name, "sec-ch-ua-platform");
    case 21:
        return inlay_str_is(name, "sec-websocket-version");
    case 24:
        return inlay_str_is(name, "sec-websocket-extensions");
    case 25:
        return inlay_str_is(name, "upgrade-insecure-requests");
    default:
        return false;
    }
}

/* Of eight bytes at a time: the cache compares the bytes anyway. */
static uint64_t hash_bytes(const char *ptr, size_t len)
{
    uint64_t hash = len * UINT64_C(0x9e3779b97f4a7c15), word;

    for (; len >= sizeof(word); ptr += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, ptr, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    word = 0;
    memcpy(&word, ptr, len);
    hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 29;
    return hash ? hash : 1;
}

static struct inlay_str put(char **at, struct inlay_str text)
{
    char *start = *at;

    if (text.len)
        memcpy(start, text.ptr, text.len);
    *at += text.len;
    return inlay_str_make(start, text.len);
}

static void copy_line(struct inlay_relay *relay,
                      struct inlay_relay_line *line,
                      const struct inlay_header *header,
                      char **at)
{
    size_t len = header->name.len + header->value.len;

    line->name = put(at, header->name);
    line->value = put(at, header->value);
    line->hash = len <= INLAY_RELAY_LINE && cacheable(line->name)
                     ? hash_bytes(line->name.ptr, len)
                     : 0;
    if (inlay_unlikely(inlay_str_is(line->name, "expect")))
        relay->expects_continue = true;
    if (inlay_unlikely(inlay_str_is(line->name, "upgrade")) &&
        inlay_header_has_token(line->value, INLAY_STR("websocket")))
        relay->upgrade = true;
    if (inlay_unlikely(inlay_str_is(line->name, "te")) &&
        inlay_header_has_token(line->value, INLAY_STR("trailers")))
        relay->wants_trailers = true;
}

/* Not the server's own, which the Python side has already. */
static struct inlay_str other_root_path(const struct inlay_request *request)
{
    struct inlay_str own = request->thread->server->config.root_path;

    if (inlay_likely(request->root_path.ptr == own.ptr))
        return (struct inlay_str){NULL, 0};
    return request->root_path;
}

static size_t head_bytes(const struct inlay_request *request)
{
    size_t bytes = request->nheaders * sizeof(struct inlay_relay_line);

    bytes += request->method.len + request->path.len + request->raw_path.len +
             request->query.len + request->root_path.len;
    bytes += sizeof(request->client->host) + sizeof(request->local->host);
    for (size_t i = 0; i < request->nheaders; i++)
        bytes += request->headers[i].name.len + request->headers[i].value.len;
    return bytes;
}

/* The request may end while Python still reads the head: it gets a copy. */
static int copy_head(struct inlay_relay *relay,
                     const struct inlay_request *request)
{
    size_t bytes = head_bytes(request);

    if (bytes > relay->head_size) {
        size_t size = inlay_max(bytes, (size_t)2048);
        char *head = inlay_malloc(size);

        if (!head)
            return -1;
        inlay_free(relay->head);
        relay->head = head;
        relay->head_size = size;
    }
    relay->lines = (void *)relay->head;
    relay->nlines = request->nheaders;
    char *at = (void *)(relay->lines + relay->nlines);
    for (size_t i = 0; i < request->nheaders; i++)
        copy_line(relay, &relay->lines[i], &request->headers[i], &at);
    relay->method_id = request->method_id;
    relay->method = put(&at, request->method);
    relay->path = put(&at, request->path);
    relay->raw_path = put(&at, request->raw_path);
    relay->query = put(&at, request->query);
    relay->root_path = other_root_path(request);
    if (inlay_unlikely(relay->root_path.ptr != NULL))
        relay->root_path = put(&at, relay->root_path);
    relay->client = put(&at, inlay_str_from(request->client->host));
    relay->local = put(&at, inlay_str_from(request->local->host));
    relay->client_port = request->client->port;
    relay->local_port = request->local->port;
    relay->http_major = request->http_major;
    relay->http_minor = request->http_minor;
    relay->https = inlay_str_is(request->scheme, "https");
    relay->has_body = request->has_body;
    relay->content_length = request->content_length;
    relay->body_last = !request->has_body;
    relay->timed = request->began != 0;
    relay->began = request->began;
    relay->websocket = request->websocket;
    if (relay->websocket)
        relay->body.limit = relay->inbox.limit = relay->bridge->body_window +
                                                 relay->bridge->message_bytes +
                                                 BODY_SLACK;
    return 0;
}

/* --- Letters from the Python thread -------------------------------------- */

static void open_box(struct inlay_relay *relay, struct inlay_letter *ret)
{
    pthread_mutex_lock(&relay->lock);
    *ret = (struct inlay_letter){
        .start = relay->start,
        .end = relay->end,
        .abort = relay->abort,
        .want_body = relay->want_body,
        .resume = relay->resume,
        .chunks = relay->chunks,
        .bytes = relay->boxed,
    };
    if (inlay_unlikely(inlay_buf_len(&relay->records) > 0)) {
        struct inlay_relay_lane *lane = lane_of(relay);

        ret->records = relay->records;
        relay->records = lane->records;
        inlay_buf_init(&lane->records, relay->records.limit);
    }
    relay->start = false;
    relay->want_body = relay->resume = false;
    relay->chunks = NULL;
    relay->chunks_last = &relay->chunks;
    relay->writing += relay->boxed;
    relay->boxed = 0;
    pthread_mutex_unlock(&relay->lock);
}

/* Frees what was not used, but for some memory of the records. */
static void drop_letter(struct inlay_relay *relay, struct inlay_letter *letter)
{
    struct inlay_relay_lane *lane = lane_of(relay);

    inlay_chunks_destroy(letter->chunks);
    if (!letter->records.data)
        return;
    inlay_buf_shrink(&letter->records, INLAY_RELAY_KEPT);
    inlay_buf_deinit(&lane->records);
    lane->records = letter->records;
}

struct inlay_request *inlay_relay_let_go(struct inlay_relay *relay)
{
    struct inlay_request *request = relay->request;

    relay->request = NULL;
    request->handler_data = NULL;
    unref_io(relay);
    return request;
}

void inlay_relay_tell_gone(struct inlay_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    relay->gone = true;
    pthread_mutex_unlock(&relay->lock);
    inlay_relay_tell(relay);
}

struct inlay_header *inlay_relay_unpack(struct inlay_relay *relay,
                                        struct inlay_str packed,
                                        size_t count)
{
    const char *at = packed.ptr;
    struct inlay_header *headers = inlay_arena_zalloc_array(
        &relay->request->arena, count + 1, sizeof(*headers));

    for (size_t i = 0; headers && i < count; i++) {
        uint32_t lens[2];

        memcpy(lens, at, sizeof(lens));
        at += sizeof(lens);
        headers[i].name = inlay_str_make(at, lens[0]);
        headers[i].value = inlay_str_make(at + lens[0], lens[1]);
        at += lens[0] + lens[1];
    }
    return headers;
}

/* The 103s, or the trailers. What is wrong with them was said in Python. */
static void send_fields(struct inlay_relay *relay,
                        struct inlay_letter *letter,
                        enum inlay_record_kind kind)
{
    while (inlay_buf_len(&letter->records) > 0) {
        struct inlay_str bytes;

        if (inlay_record_peek(&letter->records).kind != kind)
            return;
        struct inlay_record record =
            inlay_record_take(&letter->records, &bytes);
        struct inlay_header *headers =
            inlay_relay_unpack(relay, bytes, record.number);
        if (!headers)
            continue;
        if (kind == INLAY_RECORD_INFORM)
            inlay_response_inform(relay->request, 103, headers, record.number);
        else
            inlay_response_trailers(relay->request, headers, record.number);
    }
}

static int start_answer(struct inlay_relay *relay,
                        const struct inlay_letter *letter)
{
    struct inlay_str text = inlay_buf_view(&relay->answer);
    struct inlay_header *headers =
        inlay_relay_unpack(relay, text, relay->nheaders);
    int64_t length = letter->end && !relay->streamed
                         ? (int64_t)(relay->inlined + letter->bytes)
                         : -1;

    if (relay->websocket)
        relay->request->close = true; /* a refusal ends the connection */
    if (letter->chunks && letter->chunks->fd >= 0)
        relay->request->as_is = true; /* the kernel sends files */
    if (!headers || inlay_response_start(relay->request, relay->status, headers,
                                         relay->nheaders, length) < 0)
        return -1;
    if (relay->inlined == 0)
        return 0;
    return inlay_response_write(
        relay->request,
        inlay_str_make(text.ptr + text.len - relay->inlined, relay->inlined));
}

/* 0, or -1: the request ended or is to be given up. */
static int write_chunks(struct inlay_relay *relay, struct inlay_letter *letter)
{
    for (struct inlay_chunk *chunk; (chunk = letter->chunks);) {
        int written;

        letter->chunks = chunk->next;
        chunk->next = NULL;
        if (chunk->fd < 0 && chunk->len <= INLAY_RELAY_COPIED) {
            written = inlay_response_write(
                relay->request, inlay_str_make(chunk->data, chunk->len));
            inlay_chunk_destroy(chunk);
        } else {
            written = inlay_response_write_chunk(relay->request, chunk);
        }
        if (written < 0 || !relay->request)
            return -1;
    }
    return 0;
}

static void give_up(struct inlay_relay *relay)
{
    if (!relay->request)
        return;
    inlay_relay_tell_gone(relay);
    inlay_response_abort(inlay_relay_let_go(relay));
}

/* Is there room again? Then Python is told if it waits for that. */
static void set_writing(struct inlay_relay *relay, size_t writing)
{
    pthread_mutex_lock(&relay->lock);
    relay->writing = writing;
    relay->held = inlay_min(relay->held, relay->boxed + writing);
    bool tell = relay->blocked && !inlay_relay_full(relay);
    if (tell)
        relay->blocked = false;
    pthread_mutex_unlock(&relay->lock);
    if (tell)
        inlay_relay_tell(relay);
}

/* 0, or -1: give up. The request may be over. */
static int answer(struct inlay_relay *relay, struct inlay_letter *letter)
{
    send_fields(relay, letter, INLAY_RECORD_INFORM);
    if (letter->start && start_answer(relay, letter) < 0)
        return -1;
    if (write_chunks(relay, letter) < 0)
        return -1;
    send_fields(relay, letter, INLAY_RECORD_TRAILERS);
    if (letter->end)
        inlay_response_end(inlay_relay_let_go(relay));
    return 0;
}

/* Has it accepted its WebSocket, or does now? */
static bool is_accepted(const struct inlay_relay *relay,
                        const struct inlay_letter *letter)
{
    return relay->accepted ||
           (letter->start && relay->websocket && relay->status == 101);
}

/* What there is to be sent. */
static void carry_out(struct inlay_relay *relay, struct inlay_letter *letter)
{
    if (letter->start && relay->timed) {
        relay->request->queue_ns = relay->taken_at - relay->request->began;
        relay->request->route = relay->route;
    }
    int status = inlay_unlikely(is_accepted(relay, letter))
                     ? inlay_relay_deliver(relay, letter)
                     : answer(relay, letter);
    if (status < 0)
        give_up(relay);
    else if (relay->request)
        set_writing(relay, inlay_response_queued(relay->request));
}

/* Carries the letter out; the mail's reference ends here. */
static void on_mail(struct inlay_mail *mail)
{
    struct inlay_relay *relay =
        inlay_container_of(mail, struct inlay_relay, mail);
    struct inlay_letter letter;

    atomic_store(&relay->to_io, false);
    open_box(relay, &letter);
    if (relay->request) {
        if (letter.want_body)
            inlay_request_want_body(relay->request);
        if (letter.start || letter.bytes || letter.end || letter.records.data)
            carry_out(relay, &letter);
        if (letter.abort && relay->request)
            give_up(relay);
        if (letter.resume && relay->request && relay->paused) {
            relay->paused = false;
            inlay_request_resume(relay->request);
        }
    }
    if (inlay_unlikely(letter.chunks || letter.records.data))
        drop_letter(relay, &letter);
    unref_io(relay);
}

/* --- The handler --------------------------------------------------------- */

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    struct inlay_bridge *bridge =
        inlay_container_of(handler, struct inlay_bridge, handler);
    struct inlay_relay *relay = relay_get(bridge, request->thread);

    if (!relay || copy_head(relay, request) < 0) {
        if (relay)
            unref_io(relay);
        inlay_response_error(request, 503, INLAY_STR("Out of memory"));
        return INLAY_HANDLED;
    }
    lane_of(relay)->thread = request->thread;
    relay->mail.on_receive = on_mail;
    relay->request = request;
    request->handler_data = relay;
    atomic_fetch_add(&bridge->in_flight, 1);
    inlay_metrics_count(request->thread->metrics, INLAY_METRICS_QUEUED, 1);
    inlay_relay_tell(relay);
    return INLAY_PENDING;
}

static char *on_room(struct inlay_handler *handler inlay_unused,
                     struct inlay_request *request,
                     size_t *len_ret)
{
    struct inlay_relay *relay = request->handler_data;

    if (!relay)
        return NULL;
    pthread_mutex_lock(&relay->lock);
    /* What landed is read before what lies in `body`. */
    bool first = !relay->landed && inlay_buf_len(&relay->body) == 0;
    if (first && !relay->landing) {
        relay->landing = relay->room;
        relay->room = NULL;
    }
    pthread_mutex_unlock(&relay->lock);
    if (!first || !relay->landing)
        return NULL;
    *len_ret = relay->landing->len;
    return relay->landing->data;
}

/* Under the lock. 0 or -1. */
static int keep_body(struct inlay_relay *relay, struct inlay_str chunk)
{
    if (!relay->landing || chunk.ptr != relay->landing->data)
        return inlay_buf_append_str(&relay->body, chunk);
    relay->landed = relay->landing;
    relay->landed->sent = chunk.len;
    relay->landing = NULL;
    return 0;
}

static void on_body(struct inlay_handler *handler inlay_unused,
                    struct inlay_request *request,
                    struct inlay_str chunk,
                    bool last)
{
    struct inlay_relay *relay = request->handler_data;

    if (!relay)
        return;
    pthread_mutex_lock(&relay->lock);
    int appended = keep_body(relay, chunk);
    size_t held = inlay_buf_len(&relay->body);
    relay->body_last = last && appended == 0;
    bool tell = relay->hungry && (held > 0 || relay->landed || last);
    if (tell)
        relay->hungry = false;
    bool pause = !last && held >= relay->bridge->body_window;
    pthread_mutex_unlock(&relay->lock);
    if (appended < 0) {
        give_up(relay);
        return;
    }
    if (tell)
        inlay_relay_tell(relay);
    if (pause && !relay->paused) {
        relay->paused = true;
        inlay_request_pause(request);
    }
}

static void on_drained(struct inlay_handler *handler inlay_unused,
                       struct inlay_request *request)
{
    struct inlay_relay *relay = request->handler_data;

    if (relay)
        set_writing(relay, 0);
}

static void on_timeout(struct inlay_handler *handler inlay_unused,
                       struct inlay_request *request)
{
    struct inlay_relay *relay = request->handler_data;

    if (relay)
        atomic_store(&relay->expired, true);
}

static void on_abort(struct inlay_handler *handler inlay_unused,
                     struct inlay_request *request)
{
    struct inlay_relay *relay = request->handler_data;

    if (!relay)
        return;
    inlay_relay_tell_gone(relay);
    inlay_relay_let_go(relay);
}

/* Letters that came after the thread's last look into its box. */
static void return_mail(struct inlay_loop *loop)
{
    struct inlay_mail *mail = loop->mail_first;

    while (mail) {
        struct inlay_mail *next = mail->next;

        if (mail->on_receive == on_mail)
            on_mail(mail);
        mail = next;
    }
    loop->mail_first = NULL;
    loop->mail_last = &loop->mail_first;
}

static void on_eof(struct inlay_handler *handler inlay_unused,
                   struct inlay_request *request)
{
    struct inlay_relay *relay = request->handler_data;

    if (!relay)
        return;
    pthread_mutex_lock(&relay->lock);
    relay->eof = true;
    pthread_mutex_unlock(&relay->lock);
    inlay_relay_tell(relay);
}

/* The I/O threads have ended: what they left behind is put away. */
static void destroy(struct inlay_handler *handler)
{
    struct inlay_bridge *bridge =
        inlay_container_of(handler, struct inlay_bridge, handler);

    for (unsigned i = 0; i < bridge->nlanes; i++) {
        struct inlay_relay_lane *lane = &bridge->lanes[i];

        inlay_list_remove(&lane->flush.node);
        inlay_relay_lane_flush(&lane->flush);
        if (lane->thread)
            return_mail(&lane->thread->loop);
        inlay_buf_deinit(&lane->records);
        for (struct inlay_relay *relay; (relay = lane->spare);) {
            lane->spare = relay->next;
            inlay_relay_free(relay);
        }
    }
    inlay_bridge_unref(bridge);
}

const struct inlay_handler_ops inlay_bridge_ops = {
    .kind = "asgi",
    .on_request = on_request,
    .on_body = on_body,
    .on_room = on_room,
    .on_drained = on_drained,
    .on_abort = on_abort,
    .on_eof = on_eof,
    .on_timeout = on_timeout,
    .on_message = inlay_relay_on_message,
    .on_websocket_end = inlay_relay_on_websocket_end,
    .destroy = destroy,
};
