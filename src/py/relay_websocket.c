/*
 * relay_websocket.c - an accepted WebSocket in its relay, both sides. What
 * arrives collects as records in `body`, which changes places with the Python
 * thread's `inbox` when that is empty; what is sent collects in `records`.
 * So messages that come together cost one lock and no allocation.
 */
#include "base/mem.h"
#include "py/relay_io.h"
#include "serve/response.h"
#include "serve/websocket.h"

#include "base/banned.h"

/* --- The Python thread ---------------------------------------------------- */

/* Under the lock: is the I/O thread to hold messages back? */
static bool queue_full(const struct inlay_relay *relay)
{
    return relay->messages >= relay->bridge->message_queue ||
           inlay_buf_len(&relay->body) >= relay->bridge->body_window;
}

/* WAIT, GONE, or OK: the inbox is not empty. */
static enum inlay_relay_status refill(struct inlay_relay *relay)
{
    enum inlay_relay_status status = INLAY_RELAY_OK;
    bool resume = false;

    inlay_buf_shrink(&relay->inbox, INLAY_RELAY_KEPT);
    pthread_mutex_lock(&relay->lock);
    if (inlay_buf_len(&relay->body) > 0) {
        struct inlay_buf empty = relay->inbox;

        resume = queue_full(relay) && !relay->gone;
        if (resume)
            relay->resume = true;
        relay->inbox = relay->body;
        relay->body = empty;
        relay->messages = 0;
    } else if (relay->gone) {
        status = INLAY_RELAY_GONE;
    } else {
        relay->hungry = true;
        status = INLAY_RELAY_WAIT;
    }
    pthread_mutex_unlock(&relay->lock);
    if (resume)
        inlay_relay_post(relay);
    return status;
}

enum inlay_relay_status inlay_relay_message(struct inlay_relay *relay,
                                            struct inlay_record *record_ret,
                                            struct inlay_str *bytes_ret)
{
    if (inlay_buf_len(&relay->inbox) == 0) {
        enum inlay_relay_status status = refill(relay);

        if (status != INLAY_RELAY_OK)
            return status;
    }
    *record_ret = inlay_record_take(&relay->inbox, bytes_ret);
    return INLAY_RELAY_OK;
}

enum inlay_relay_status inlay_relay_accept(struct inlay_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    bool gone = relay->gone;
    relay->start = !gone;
    pthread_mutex_unlock(&relay->lock);
    if (gone)
        return INLAY_RELAY_GONE;
    relay->answered = true;
    inlay_relay_post(relay);
    return INLAY_RELAY_OK;
}

/* A long message in a chunk: it is sent from there. */
static struct inlay_chunk *make_chunk(struct inlay_str bytes)
{
    struct inlay_chunk *chunk =
        inlay_chunk_create(INLAY_WEBSOCKET_ROOM + bytes.len);

    if (!chunk)
        return NULL;
    memcpy(chunk->data + INLAY_WEBSOCKET_ROOM, bytes.ptr, bytes.len);
    chunk->len = bytes.len;
    return chunk;
}

/* Under the lock. Takes the chunk, NULL: the bytes are in the record. */
static enum inlay_relay_status box(struct inlay_relay *relay,
                                   struct inlay_record record,
                                   struct inlay_str bytes,
                                   struct inlay_chunk *chunk)
{
    enum inlay_relay_status status = INLAY_RELAY_OK;

    if (relay->gone)
        status = INLAY_RELAY_GONE;
    else if (!inlay_relay_hold(relay, record.len))
        status = INLAY_RELAY_OVER;
    else if (inlay_record_put(&relay->records, record, bytes) < 0)
        status = INLAY_RELAY_FULL;
    if (status != INLAY_RELAY_OK) {
        if (chunk)
            inlay_chunk_destroy(chunk);
        return status;
    }
    relay->boxed += record.len;
    if (chunk) {
        chunk->next = NULL;
        *relay->chunks_last = chunk;
        relay->chunks_last = &chunk->next;
    }
    return inlay_relay_full(relay) ? INLAY_RELAY_WAIT : INLAY_RELAY_OK;
}

enum inlay_relay_status inlay_relay_send_message(struct inlay_relay *relay,
                                                 enum inlay_websocket_kind kind,
                                                 struct inlay_str bytes)
{
    struct inlay_record record = {.len = bytes.len, .kind = (uint16_t)kind};
    struct inlay_chunk *chunk = NULL;

    if (bytes.len > INLAY_RELAY_COPIED) {
        chunk = make_chunk(bytes);
        if (!chunk)
            return INLAY_RELAY_FULL;
        record.in_chunk = true;
        bytes = INLAY_STR("");
    }
    pthread_mutex_lock(&relay->lock);
    enum inlay_relay_status status = box(relay, record, bytes, chunk);
    pthread_mutex_unlock(&relay->lock);
    if (status == INLAY_RELAY_OK || status == INLAY_RELAY_WAIT)
        inlay_relay_post(relay);
    return status;
}

void inlay_relay_close(struct inlay_relay *relay,
                       uint16_t code,
                       struct inlay_str reason)
{
    struct inlay_record record = {
        .len = reason.len, .number = code, .kind = INLAY_RECORD_CLOSE};

    pthread_mutex_lock(&relay->lock);
    bool post = !relay->gone;
    if (post && inlay_record_put(&relay->records, record, reason) < 0)
        relay->abort = true;
    pthread_mutex_unlock(&relay->lock);
    if (post)
        inlay_relay_post(relay);
}

/* --- The I/O thread ------------------------------------------------------- */

/* 0, or -1: the connection is to be closed. Takes the chunk. */
static int send_one(struct inlay_relay *relay,
                    struct inlay_record record,
                    struct inlay_str bytes,
                    struct inlay_chunk *chunk)
{
    enum inlay_websocket_kind kind = (enum inlay_websocket_kind)record.kind;

    if (chunk)
        return inlay_websocket_send_chunk(relay->request, kind, chunk);
    if (record.kind != INLAY_RECORD_CLOSE)
        return inlay_websocket_send(relay->request, kind, bytes);
    inlay_websocket_close(inlay_relay_let_go(relay), (uint16_t)record.number,
                          bytes);
    return 0;
}

static int accept_it(struct inlay_relay *relay)
{
    struct inlay_header *headers = inlay_relay_unpack(
        relay, inlay_buf_view(&relay->answer), relay->nheaders);

    if (!headers)
        return -1;
    relay->accepted = true;
    return inlay_websocket_accept(relay->request, headers[0].value, headers + 1,
                                  relay->nheaders - 1);
}

int inlay_relay_deliver(struct inlay_relay *relay, struct inlay_letter *letter)
{
    if (letter->start && accept_it(relay) < 0)
        return -1;
    while (relay->request && inlay_buf_len(&letter->records) > 0) {
        struct inlay_chunk *chunk = NULL;
        struct inlay_str bytes;
        struct inlay_record record =
            inlay_record_take(&letter->records, &bytes);

        if (record.in_chunk) {
            chunk = letter->chunks;
            letter->chunks = chunk->next;
            chunk->next = NULL;
        }
        if (send_one(relay, record, bytes, chunk) < 0)
            return -1;
    }
    return 0;
}

void inlay_relay_on_message(struct inlay_handler *handler inlay_unused,
                            struct inlay_request *request,
                            enum inlay_websocket_kind kind,
                            struct inlay_str bytes)
{
    struct inlay_record record = {.len = bytes.len, .kind = (uint16_t)kind};
    struct inlay_relay *relay = request->handler_data;

    if (!relay)
        return;
    pthread_mutex_lock(&relay->lock);
    int put = inlay_record_put(&relay->body, record, bytes);
    relay->messages++;
    bool tell = relay->hungry, full = queue_full(relay);
    relay->hungry = false;
    pthread_mutex_unlock(&relay->lock);
    if (put < 0) {
        inlay_relay_tell_gone(relay);
        inlay_websocket_close(inlay_relay_let_go(relay), 1011,
                              INLAY_STR("out of memory"));
        return;
    }
    if (tell)
        inlay_relay_tell(relay);
    if (full && !relay->paused) {
        relay->paused = true;
        inlay_request_pause(request);
    }
}

void inlay_relay_on_websocket_end(struct inlay_handler *handler inlay_unused,
                                  struct inlay_request *request,
                                  uint16_t code,
                                  struct inlay_str reason)
{
    struct inlay_record record = {
        .len = reason.len, .number = code, .kind = INLAY_RECORD_CLOSE};
    struct inlay_relay *relay = request->handler_data;

    if (!relay)
        return;
    /* Without memory for it there is no record, which says 1006. */
    pthread_mutex_lock(&relay->lock);
    (void)!inlay_record_put(&relay->body, record, reason);
    pthread_mutex_unlock(&relay->lock);
    inlay_relay_tell_gone(relay);
    inlay_relay_let_go(relay);
}
