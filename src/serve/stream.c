/* Answers as HTTP/1.1 messages: struct inlay_stream_ops of a session. */
#include "http/http1.h"
#include "serve/access_log.h"
#include "serve/metrics.h"
#include "serve/session.h"

#include "base/banned.h"

static char *put(char *at, const char *text, size_t len)
{
    memcpy(at, text, len);
    return at + len;
}
#define put_literal(at, literal) put((at), literal, sizeof(literal) - 1)

static char *put_str(char *at, struct inlay_str text)
{
    return text.len ? put(at, text.ptr, text.len) : at;
}

static char *put_status(char *at, int status)
{
    if (inlay_likely(status == 200))
        return put_literal(at, "HTTP/1.1 200 OK\r\n");
    at = put_literal(at, "HTTP/1.1 ");
    at += inlay_format_u64(at, (uint64_t)status);
    *at++ = ' ';
    at = put_str(at, inlay_http_reason(status));
    return put_literal(at, "\r\n");
}

static char *put_common(char *at, const struct inlay_request *request)
{
    const struct inlay_common *common = &request->thread->common;
    struct inlay_str text = inlay_io_thread_common(request->thread);

    if (inlay_unlikely(request->has_date || request->has_server)) {
        size_t own = common->date_len + common->server_len;

        if (!request->has_date)
            at = put(at, text.ptr, common->date_len);
        if (!request->has_server)
            at = put(at, text.ptr + common->date_len, common->server_len);
        return put(at, text.ptr + own, text.len - own);
    }
    return put_str(at, text);
}

static char *put_headers(char *at,
                         const struct inlay_header *headers,
                         size_t nheaders)
{
    for (size_t i = 0; i < nheaders; i++) {
        at = put_str(at, headers[i].name);
        at = put_literal(at, ": ");
        at = put_str(at, headers[i].value);
        at = put_literal(at, "\r\n");
    }
    return at;
}

static char *put_framing(char *at, const struct inlay_request *request)
{
    if (request->length >= 0) {
        at = put_literal(at, "content-length: ");
        at += inlay_format_u64(at, (uint64_t)request->length);
        at = put_literal(at, "\r\n");
    } else if (request->chunked) {
        at = put_literal(at, "transfer-encoding: chunked\r\n");
    }
    if (request->close)
        at = put_literal(at, "connection: close\r\n");
    else if (request->http_minor == 0)
        at = put_literal(at, "connection: keep-alive\r\n");
    return put_literal(at, "\r\n");
}

/* An unread body that will not be read ends the connection: say so. */
static bool body_is_left(const struct inlay_session *session,
                         const struct inlay_request *request)
{
    if (request->body_done || !session->receiving)
        return false;
    if (session->expects)
        return true;
    return !request->body_wanted &&
           (session->body_length < 0 ||
            (uint64_t)session->body_length - session->body_seen >
                INLAY_SESSION_DRAIN);
}

static int start(struct inlay_request *request,
                 const struct inlay_header *headers,
                 size_t nheaders)
{
    struct inlay_session *session = inlay_session_of(request);
    struct inlay_buf *out = inlay_conn_out(&session->conn);
    size_t size = 256 + request->thread->common.len;

    for (size_t i = 0; i < nheaders; i++)
        size += headers[i].name.len + headers[i].value.len + 4;
    if (inlay_unlikely(!out || inlay_buf_reserve(out, size) < 0))
        return -1;
    if (session->receiving && body_is_left(session, request))
        request->close = true;
    char *begin = inlay_buf_tail(out);
    char *at = put_status(begin, request->status);
    at = put_common(at, request);
    at = put_headers(at, headers, nheaders);
    at = put_framing(at, request);
    inlay_buf_added(out, (size_t)(at - begin));
    inlay_conn_wrote(&session->conn);
    inlay_session_wrote(session, (size_t)(at - begin));
    return 0;
}

static int put_bytes(struct inlay_session *session,
                     const void *data,
                     size_t len)
{
    if (inlay_unlikely(inlay_conn_write(&session->conn, data, len) < 0))
        return -1;
    inlay_session_wrote(session, len);
    return 0;
}

static int write_body(struct inlay_request *request, struct inlay_str bytes)
{
    struct inlay_session *session = inlay_session_of(request);

    if (!request->chunked)
        return put_bytes(session, bytes.ptr, bytes.len);

    char head[18];
    size_t head_len = inlay_http1_chunk_head(head, bytes.len);
    if (put_bytes(session, head, head_len) < 0 ||
        put_bytes(session, bytes.ptr, bytes.len) < 0)
        return -1;
    return put_bytes(session, "\r\n", 2);
}

static int write_chunk(struct inlay_request *request, struct inlay_chunk *chunk)
{
    struct inlay_session *session = inlay_session_of(request);
    size_t len = chunk->len;

    if (request->chunked) {
        char head[18];
        size_t head_len = inlay_http1_chunk_head(head, len);

        if (put_bytes(session, head, head_len) < 0) {
            inlay_chunk_destroy(chunk);
            return -1;
        }
    }
    if (inlay_conn_write_chunk(&session->conn, chunk) < 0)
        return -1;
    inlay_session_wrote(session, len);
    return request->chunked ? put_bytes(session, "\r\n", 2) : 0;
}

/* A part of a message: `first`, fields, an empty line. */
static int write_fields(struct inlay_session *session,
                        struct inlay_str first,
                        const struct inlay_header *headers,
                        size_t nheaders)
{
    struct inlay_buf *out = inlay_conn_out(&session->conn);
    size_t size = first.len + 2;

    for (size_t i = 0; i < nheaders; i++)
        size += headers[i].name.len + headers[i].value.len + 4;
    if (inlay_buf_reserve(out, size) < 0)
        return -1;
    char *at = put_str(inlay_buf_tail(out), first);
    at = put_headers(at, headers, nheaders);
    put_literal(at, "\r\n");
    inlay_buf_added(out, size);
    inlay_conn_wrote(&session->conn);
    inlay_session_wrote(session, size);
    return 0;
}

static int inform(struct inlay_request *request,
                  int status,
                  const struct inlay_header *headers,
                  size_t nheaders)
{
    char line[128];
    char *end = put_status(line, status);

    return write_fields(inlay_session_of(request),
                        inlay_str_make(line, (size_t)(end - line)), headers,
                        nheaders);
}

static int trailers(struct inlay_request *request,
                    const struct inlay_header *headers,
                    size_t nheaders)
{
    return write_fields(inlay_session_of(request), INLAY_STR("0\r\n"), headers,
                        nheaders);
}

static void end(struct inlay_request *request)
{
    struct inlay_session *session = inlay_session_of(request);
    bool cut = false;

    if (request->chunked && !request->trailed)
        cut = put_bytes(session, "0\r\n\r\n", 5) < 0;
    inlay_session_finish(session, cut);
}

static void abort_answer(struct inlay_request *request)
{
    inlay_session_finish(inlay_session_of(request), true);
}

static void pause_body(struct inlay_request *request)
{
    inlay_session_hold(inlay_session_of(request), true);
}

static void resume_body(struct inlay_request *request)
{
    struct inlay_session *session = inlay_session_of(request);

    if (session->held || session->exchange->replay)
        inlay_session_hold(session, false);
}

static void want_body(struct inlay_request *request)
{
    struct inlay_session *session = inlay_session_of(request);

    if (!session->expects || request->started)
        return;
    session->expects = false;
    put_bytes(session, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    /* From now on body bytes are due. */
    inlay_session_hold(session, session->held);
}

static size_t queued(const struct inlay_request *request)
{
    return inlay_session_of(request)->conn.queued;
}

const struct inlay_stream_ops inlay_http1_stream = {
    .start = start,
    .write = write_body,
    .write_chunk = write_chunk,
    .inform = inform,
    .trailers = trailers,
    .end = end,
    .abort = abort_answer,
    .pause = pause_body,
    .resume = resume_body,
    .want_body = want_body,
    .queued = queued,
};

void inlay_session_refuse(struct inlay_session *session,
                          int status,
                          const char *reason)
{
    struct inlay_str text = inlay_str_from(reason);
    struct inlay_buf *out = inlay_conn_out(&session->conn);

    if (session->closing)
        return;
    if (session->thread->metrics && !session->told)
        inlay_metrics_refused(session->thread->metrics, status);
    if (session->thread->server->access && !session->told)
        inlay_access_log_refused(session->thread, &session->client, status);
    if (!out || inlay_buf_reserve(out, 384 + session->thread->common.len +
                                           text.len) < 0) {
        inlay_conn_close(&session->conn);
        return;
    }
    char *begin = inlay_buf_tail(out);
    char *at = put_status(begin, status);
    at = put_str(at, inlay_io_thread_common(session->thread));
    at = put_literal(at, "content-type: text/plain; charset=utf-8\r\n"
                         "connection: close\r\n"
                         "content-length: ");
    at += inlay_format_u64(at, text.len + 1);
    at = put_literal(at, "\r\n\r\n");
    at = put_str(at, text);
    *at++ = '\n';
    inlay_buf_added(out, (size_t)(at - begin));
    inlay_conn_wrote(&session->conn);
    inlay_session_wrote(session, (size_t)(at - begin));
    inlay_session_close(session);
}
