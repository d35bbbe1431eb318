/*
 * fuzz_http1.c - the request engine: whatever the bytes, and however they are
 * cut, the events are the same, and what they hold is what RFC 9110 allows.
 * The first byte of the input chooses the cuts.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "http/http1.h"

#include "base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct inlay_http1_limits limits = {
    .head_bytes = 1024,
    .header_count = 16,
    .trailer_bytes = 64,
};

struct recorder {
    struct inlay_buf log; /* of events, comparable byte by byte */
    struct inlay_buf body;
    bool go, stopped;
};

static void check(bool fine)
{
    if (!fine)
        abort();
}

static bool stop_or_go(struct recorder *recorder)
{
    check(!recorder->stopped);
    recorder->stopped = !recorder->go;
    return recorder->go;
}

static void put(struct inlay_buf *log, struct inlay_str text)
{
    inlay_buf_append_u64(log, text.len);
    inlay_buf_append_char(log, ':');
    inlay_buf_append_str(log, text);
}

static void check_head(const struct inlay_http1_head *head)
{
    check(inlay_header_name_valid(head->method));
    check(head->path.len > 0);
    check(head->path.ptr[0] == '/' || inlay_str_is(head->path, "*"));
    for (size_t i = 0; i < head->target.len; i++)
        check(head->target.ptr[i] > ' ' && head->target.ptr[i] < 0x7f);
    check(!head->chunked || head->content_length < 0);
    check(!head->chunked || head->minor == 1);
    check(head->minor <= 1 && head->nheaders <= limits.header_count);
    size_t hosts = 0;
    for (size_t i = 0; i < head->nheaders; i++) {
        const struct inlay_header *header = &head->headers[i];
        check(inlay_header_name_valid(header->name));
        check(inlay_header_value_valid(header->value));
        for (size_t j = 0; j < header->name.len; j++)
            check(inlay_ascii_lower(header->name.ptr[j]) ==
                  header->name.ptr[j]);
        check(inlay_str_trim(header->value).len == header->value.len);
        hosts += inlay_str_is(header->name, "host");
    }
    check(hosts == 1 || (hosts == 0 && head->minor == 0));
}

static bool on_head(void *arg, const struct inlay_http1_head *head)
{
    struct recorder *recorder = arg;
    struct inlay_buf *log = &recorder->log;

    check_head(head);
    put(log, head->method);
    put(log, head->path);
    put(log, head->query);
    inlay_buf_format(log, "%d%d%d%d%d%d,%lld", (int)head->method_id,
                     head->minor, head->keep_alive, head->chunked,
                     head->expects_continue, head->upgrade,
                     (long long)head->content_length);
    for (size_t i = 0; i < head->nheaders; i++) {
        put(log, head->headers[i].name);
        put(log, head->headers[i].value);
    }
    return stop_or_go(recorder);
}

static bool on_body(void *arg, struct inlay_str chunk)
{
    struct recorder *recorder = arg;

    check(chunk.len > 0);
    inlay_buf_append_str(&recorder->body, chunk);
    return stop_or_go(recorder);
}

static void flush_body(struct recorder *recorder)
{
    put(&recorder->log, inlay_buf_view(&recorder->body));
    inlay_buf_clear(&recorder->body);
}

static bool on_complete(void *arg)
{
    struct recorder *recorder = arg;

    flush_body(recorder);
    return stop_or_go(recorder);
}

static enum inlay_http1_status feed_copy(struct inlay_http1 *http1,
                                         const uint8_t *data,
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

/* `cuts` 0: everything at once. */
static void record(struct recorder *recorder,
                   const uint8_t *data,
                   size_t size,
                   uint8_t cuts)
{
    static const struct inlay_http1_events events = {
        .on_head = on_head,
        .on_body = on_body,
        .on_complete = on_complete,
    };
    enum inlay_http1_status status = INLAY_HTTP1_MORE;
    uint32_t random = cuts;

    *recorder = (struct recorder){.go = !(cuts & 1)};
    inlay_buf_init(&recorder->log, SIZE_MAX / 2);
    inlay_buf_init(&recorder->body, SIZE_MAX / 2);
    struct inlay_http1 *http1 = inlay_http1_create(&limits, &events, recorder);
    while (size || status == INLAY_HTTP1_PAUSED) {
        size_t len = size, consumed;
        random = random * 1664525u + 1013904223u;
        if (cuts)
            len = inlay_min(len, 1 + (random >> 16) % (cuts / 4 + 1u));
        recorder->stopped = false;
        status = feed_copy(http1, data, len, &consumed);
        check(consumed <= len);
        if (status == INLAY_HTTP1_ERROR)
            break;
        check(status == INLAY_HTTP1_PAUSED || consumed == len);
        data += consumed;
        size -= consumed;
    }
    flush_body(recorder);
    inlay_buf_format(&recorder->log, "%d %d %d %d", (int)status,
                     inlay_http1_error(http1)->status,
                     inlay_http1_in_head(http1), inlay_http1_in_message(http1));
    inlay_http1_destroy(http1);
}

static void release(struct recorder *recorder)
{
    inlay_buf_deinit(&recorder->log);
    inlay_buf_deinit(&recorder->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recorder whole, cut;

    if (size < 1)
        return 0;
    record(&whole, data + 1, size - 1, 0);
    record(&cut, data + 1, size - 1, data[0] ? data[0] : 1);
    check(
        inlay_str_equal(inlay_buf_view(&whole.log), inlay_buf_view(&cut.log)));
    release(&whole);
    release(&cut);
    return 0;
}
