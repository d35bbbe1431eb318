#include "record.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

#include "base/banned.h"

const struct inlay_http1_limits record_limits = {
    .head_bytes = 4096,
    .header_count = 32,
    .trailer_bytes = 512,
};

struct recorder {
    struct inlay_buf *log;
    struct inlay_buf body;
    bool go; /* what events return */
    bool stopped;
};

static void put_escaped(struct inlay_buf *log, struct inlay_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < ' ' || c >= 0x7f || c == '\\')
            inlay_buf_format(log, "\\x%02x", c);
        else
            inlay_buf_append_char(log, (char)c);
    }
}

static void put_limited(struct inlay_buf *log, struct inlay_str text)
{
    if (text.len <= 100) {
        put_escaped(log, text);
        return;
    }
    put_escaped(log, inlay_str_make(text.ptr, 20));
    inlay_buf_format(log, "...(%zu)", text.len);
}

static bool on_head(void *arg, const struct inlay_http1_head *head)
{
    struct recorder *recorder = arg;
    struct inlay_buf *log = recorder->log;

    if (recorder->stopped)
        abort(); /* an event after one that said stop */
    inlay_buf_append_literal(log, "head ");
    put_escaped(log, head->method);
    inlay_buf_append_literal(log, " path=");
    put_limited(log, head->path);
    inlay_buf_append_literal(log, " query=");
    put_limited(log, head->query);
    inlay_buf_format(log, " 1.%d", head->minor);
    if (head->keep_alive)
        inlay_buf_append_literal(log, " keep-alive");
    if (head->chunked)
        inlay_buf_append_literal(log, " chunked");
    if (head->expects_continue)
        inlay_buf_append_literal(log, " expects");
    if (head->upgrade)
        inlay_buf_append_literal(log, " upgrade");
    if (head->content_length >= 0)
        inlay_buf_format(log, " length=%lld", (long long)head->content_length);
    inlay_buf_append_literal(log, "\n");
    for (size_t i = 0; i < head->nheaders; i++) {
        inlay_buf_append_literal(log, "  ");
        put_escaped(log, head->headers[i].name);
        inlay_buf_append_literal(log, "=");
        put_limited(log, head->headers[i].value);
        inlay_buf_append_literal(log, "\n");
    }
    recorder->stopped = !recorder->go;
    return recorder->go;
}

static bool on_body(void *arg, struct inlay_str chunk)
{
    struct recorder *recorder = arg;

    if (recorder->stopped || chunk.len == 0)
        abort();
    inlay_buf_append_str(&recorder->body, chunk);
    recorder->stopped = !recorder->go;
    return recorder->go;
}

static void put_body(struct recorder *recorder)
{
    if (inlay_buf_len(&recorder->body)) {
        inlay_buf_append_literal(recorder->log, "body ");
        put_limited(recorder->log, inlay_buf_view(&recorder->body));
        inlay_buf_append_literal(recorder->log, "\n");
    }
    inlay_buf_clear(&recorder->body);
}

static bool on_complete(void *arg)
{
    struct recorder *recorder = arg;

    if (recorder->stopped)
        abort();
    put_body(recorder);
    inlay_buf_append_literal(recorder->log, "complete\n");
    recorder->stopped = !recorder->go;
    return recorder->go;
}

static size_t next_piece(struct cutter *cutter, size_t left)
{
    size_t piece = cutter->piece;

    if (cutter->random) {
        cutter->random = cutter->random * 1664525u + 1013904223u;
        piece = 1 + (cutter->random >> 16) % 40;
    }
    return piece == 0 || piece > left ? left : piece;
}

/* A copy of the piece, so that a sanitizer sees reads behind its end, and
 * views that outlive it. */
static enum inlay_http1_status feed(struct inlay_http1 *http1,
                                    const char *data,
                                    size_t len,
                                    size_t *consumed_ret)
{
    char *copy = malloc(len ? len : 1);

    if (len)
        memcpy(copy, data, len);
    enum inlay_http1_status status =
        inlay_http1_feed(http1, copy, len, consumed_ret);
    free(copy);
    return status;
}

static void put_end(struct recorder *recorder,
                    struct inlay_http1 *http1,
                    enum inlay_http1_status status)
{
    const struct inlay_http1_error *error = inlay_http1_error(http1);

    put_body(recorder);
    if (status == INLAY_HTTP1_ERROR)
        inlay_buf_format(recorder->log, "error %d %s\n", error->status,
                         error->reason);
    else if (inlay_http1_in_head(http1))
        inlay_buf_append_literal(recorder->log, "waits for the head\n");
    else if (inlay_http1_in_message(http1))
        inlay_buf_append_literal(recorder->log, "waits for the body\n");
}

void record(struct inlay_buf *log, struct inlay_str input, struct cutter cutter)
{
    static const struct inlay_http1_events events = {
        .on_head = on_head,
        .on_body = on_body,
        .on_complete = on_complete,
    };
    struct recorder recorder = {.log = log, .go = !cutter.pause};
    enum inlay_http1_status status = INLAY_HTTP1_MORE;
    size_t at = 0;

    inlay_buf_init(&recorder.body, SIZE_MAX / 2);
    struct inlay_http1 *http1 =
        inlay_http1_create(&record_limits, &events, &recorder);
    while (at < input.len || status == INLAY_HTTP1_PAUSED) {
        size_t len = next_piece(&cutter, input.len - at), consumed;
        recorder.stopped = false;
        status = feed(http1, input.ptr + at, len, &consumed);
        if (status == INLAY_HTTP1_ERROR)
            break;
        if (consumed > len || (status == INLAY_HTTP1_MORE && consumed < len))
            abort();
        at += consumed;
    }
    put_end(&recorder, http1, status);
    inlay_http1_destroy(http1);
    inlay_buf_deinit(&recorder.body);
}
