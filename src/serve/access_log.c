#include "serve/access_log.h"

#include <errno.h>
#include <unistd.h>

#include "serve/server.h"

#include "base/banned.h"

#define LINES_FLUSH 65536 /* write before the tick ends */
#define LINE_MOST 8192    /* of a target: the rest is left out */

/* A client chooses these bytes: only printable ASCII goes out as it is. */
static void append_escaped(struct inlay_buf *out, struct inlay_str text)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = inlay_min(text.len, (size_t)LINE_MOST);

    if (inlay_buf_reserve(out, len * 4) < 0)
        return;
    char *at = inlay_buf_tail(out);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c > 0x20 && c < 0x7f && c != '"' && c != '\\') {
            *at++ = (char)c;
            continue;
        }
        *at++ = '\\';
        *at++ = 'x';
        *at++ = digits[c >> 4];
        *at++ = digits[c & 15];
    }
    inlay_buf_added(out, (size_t)(at - inlay_buf_tail(out)));
}

static void append_client(struct inlay_buf *out,
                          const struct inlay_address *client)
{
    if (!client->host[0])
        return;
    append_escaped(out, inlay_str_from(client->host)); /* it may be a path */
    if (client->port >= 0) {
        inlay_buf_append_char(out, ':');
        inlay_buf_append_i64(out, client->port);
    }
}

void inlay_access_log_add(const struct inlay_request *request)
{
    struct inlay_io_thread *thread = request->thread;
    struct inlay_buf *out = &thread->access_lines;

    if (inlay_buf_len(out) > LINES_FLUSH)
        inlay_access_log_flush(&thread->access_flush);
    inlay_buf_append_literal(out, "INFO:     ");
    append_client(out, request->client);
    inlay_buf_append_literal(out, " - \"");
    append_escaped(out, request->method);
    inlay_buf_append_char(out, ' ');
    append_escaped(out, request->raw_path);
    if (request->query.len) {
        inlay_buf_append_char(out, '?');
        append_escaped(out, request->query);
    }
    inlay_buf_append_literal(out, " HTTP/");
    inlay_buf_append_u64(out, request->http_major);
    if (request->http_major < 2) {
        inlay_buf_append_char(out, '.');
        inlay_buf_append_u64(out, request->http_minor);
    }
    inlay_buf_append_literal(out, "\" ");
    inlay_buf_append_i64(out, request->status);
    inlay_buf_append_char(out, ' ');
    inlay_buf_append_str(out, inlay_http_reason(request->status));
    inlay_buf_append_char(out, '\n');
    inlay_loop_later(&thread->loop, &thread->access_flush);
}

void inlay_access_log_flush(struct inlay_later *later)
{
    struct inlay_io_thread *thread =
        inlay_container_of(later, struct inlay_io_thread, access_flush);
    struct inlay_buf *lines = &thread->access_lines;

    while (inlay_buf_len(lines)) {
        struct inlay_str text = inlay_buf_view(lines);
        ssize_t count = write(STDOUT_FILENO, text.ptr, text.len);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        inlay_buf_consume(lines, (size_t)count);
    }
    inlay_buf_shrink(lines, LINES_FLUSH * 2);
}
