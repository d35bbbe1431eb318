/*
 * fuzz_websocket.c - the WebSocket engine, with and without compression:
 * whatever the bytes, and however they are cut, the events are the same; text
 * is UTF-8, no message passes the limit, and what was not taken is as it came.
 * The first byte of the input chooses the cuts, the second what was agreed on.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "http/websocket.h"
#include "http/websocket_deflate.h"

#include "base/banned.h"

#define LIMIT 2000
#define SMALL_WINDOW 4 /* a bit of the choice */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct recorder {
    struct inlay_buf log; /* of events, comparable byte by byte */
    bool go, stopped, closed;
};

static void check(bool fine)
{
    if (!fine)
        abort();
}

static bool note(void *arg, char kind, struct inlay_str bytes)
{
    struct recorder *recorder = arg;

    check(!recorder->stopped && !recorder->closed);
    inlay_buf_append_char(&recorder->log, kind);
    inlay_buf_append_u64(&recorder->log, bytes.len);
    inlay_buf_append_char(&recorder->log, ':');
    inlay_buf_append_str(&recorder->log, bytes);
    recorder->stopped = !recorder->go;
    return recorder->go;
}

static bool on_message(void *arg,
                       enum inlay_websocket_kind kind,
                       struct inlay_str bytes)
{
    check(bytes.len <= LIMIT);
    if (kind == INLAY_WEBSOCKET_TEXT)
        check(inlay_utf8_valid(bytes));
    return note(arg, kind == INLAY_WEBSOCKET_TEXT ? 'T' : 'B', bytes);
}

static bool on_ping(void *arg, struct inlay_str bytes)
{
    check(bytes.len <= INLAY_WEBSOCKET_CONTROL_MOST);
    return note(arg, 'I', bytes);
}

static bool on_pong(void *arg, struct inlay_str bytes)
{
    check(bytes.len <= INLAY_WEBSOCKET_CONTROL_MOST);
    return note(arg, 'O', bytes);
}

static void on_close(void *arg, uint16_t code, struct inlay_str reason)
{
    struct recorder *recorder = arg;

    check(code == INLAY_WEBSOCKET_NO_CODE || inlay_websocket_code_valid(code));
    check(reason.len <= INLAY_WEBSOCKET_REASON_MOST);
    check(inlay_utf8_valid(reason));
    note(arg, 'C', reason);
    inlay_buf_append_u64(&recorder->log, code);
    recorder->stopped = false;
    recorder->closed = true;
}

static const struct inlay_websocket_events events = {
    .on_message = on_message,
    .on_ping = on_ping,
    .on_pong = on_pong,
    .on_close = on_close,
};

static enum inlay_websocket_status feed_copy(struct inlay_websocket *ws,
                                             const uint8_t *data,
                                             size_t len,
                                             size_t *consumed_ret)
{
    char *copy = malloc(len ? len : 1);

    if (len)
        memcpy(copy, data, len);
    enum inlay_websocket_status status =
        inlay_websocket_feed(ws, copy, len, consumed_ret);
    check(*consumed_ret <= len);
    for (size_t i = *consumed_ret; i < len; i++)
        check((uint8_t)copy[i] == data[i]);
    free(copy);
    return status;
}

static struct inlay_websocket_deflate *agree(uint8_t choice)
{
    struct inlay_deflate_terms terms = {
        .client_no_takeover = choice & 2,
        .client_bits = choice & SMALL_WINDOW ? 9 : 0,
    };

    return choice & 1 ? inlay_deflate_create(&terms) : NULL;
}

/* `cuts` 0: everything at once. */
static void record(struct recorder *recorder,
                   const uint8_t *data,
                   size_t size,
                   uint8_t cuts,
                   uint8_t choice)
{
    enum inlay_websocket_status status = INLAY_WEBSOCKET_MORE;
    struct inlay_websocket ws;
    uint32_t random = cuts;

    *recorder = (struct recorder){.go = !(cuts & 1)};
    inlay_buf_init(&recorder->log, SIZE_MAX / 2);
    inlay_websocket_init(&ws, LIMIT, &events, recorder);
    ws.deflate = agree(choice);
    while (size && status != INLAY_WEBSOCKET_ERROR) {
        size_t len = size, consumed;

        random = random * 1664525u + 1013904223u;
        if (cuts)
            len = inlay_min(len, 1 + (random >> 16) % (cuts / 4 + 1u));
        recorder->stopped = false;
        status = feed_copy(&ws, data, len, &consumed);
        check(status == INLAY_WEBSOCKET_PAUSED || consumed == len);
        check(inlay_websocket_in_message(&ws) || !ws.message.data);
        check(ws.message.size <= 4 * LIMIT + 4096);
        data += consumed;
        size -= consumed;
    }
    check(recorder->closed == (status == INLAY_WEBSOCKET_ENDED));
    if (status == INLAY_WEBSOCKET_ERROR)
        check(inlay_websocket_code_valid(ws.code) && ws.reason);
    inlay_buf_format(&recorder->log, " %d %d", status == INLAY_WEBSOCKET_ERROR,
                     ws.code);
    inlay_deflate_destroy(ws.deflate);
    inlay_websocket_deinit(&ws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recorder whole, cut;

    if (size < 2)
        return 0;
    record(&whole, data + 2, size - 2, 0, data[1]);
    record(&cut, data + 2, size - 2, data[0] ? data[0] : 1, data[1]);
    /* With a smaller window, zlib may or may not find out that a client
     * refers to what is before it: that depends on the pieces. */
    check(
        (data[1] & SMALL_WINDOW) ||
        inlay_str_equal(inlay_buf_view(&whole.log), inlay_buf_view(&cut.log)));
    inlay_buf_deinit(&whole.log);
    inlay_buf_deinit(&cut.log);
    return 0;
}
