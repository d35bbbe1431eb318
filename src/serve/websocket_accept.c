/* The handshake: what asks for a WebSocket, and the answer that begins one. */
#include "http/websocket_handshake.h"
#include "serve/access_log.h"
#include "serve/answer.h"
#include "serve/metrics.h"
#include "serve/response.h"
#include "serve/websocket_session.h"

#include "base/banned.h"

#define OWN_HEADERS 5 /* of a 101, besides those that are asked for */

/* A head as response.c would write it, of a status that it does not know. */
static int start_head(struct inlay_request *request,
                      int status,
                      const struct inlay_header *headers,
                      size_t nheaders)
{
    request->status = status;
    request->chunked = false;
    request->as_is = true;
    int started = request->thread->server->dresses || request->extra
                      ? inlay_answer_start(request, headers, nheaders)
                      : request->stream->start(request, headers, nheaders);
    if (started < 0) {
        request->status = 0;
        return -1;
    }
    request->started = true;
    return 0;
}

static void refuse_version(struct inlay_request *request, const char *reason)
{
    static const struct inlay_header headers[] = {
        {INLAY_STR("connection"), INLAY_STR("Upgrade")},
        {INLAY_STR("upgrade"), INLAY_STR("websocket")},
        {INLAY_STR("sec-websocket-version"), INLAY_STR("13")},
        {INLAY_STR("content-type"), INLAY_STR("text/plain; charset=utf-8")},
    };
    struct inlay_str text = inlay_str_from(reason);

    request->length = (int64_t)text.len;
    if (start_head(request, 426, headers, inlay_array_size(headers)) < 0 ||
        inlay_response_write(request, text) < 0)
        inlay_response_abort(request);
    else
        inlay_response_end(request);
}

/* Does any handler take messages? */
static bool is_served(const struct inlay_server *server)
{
    for (size_t i = 0; i < server->nhandlers; i++)
        if (server->handlers[i]->ops->on_message)
            return true;
    return false;
}

bool inlay_websocket_meet(struct inlay_request *request,
                          const struct inlay_http1_head *head)
{
    const struct inlay_server *server = request->thread->server;
    const char *reason;

    if (!server->config.websockets || !is_served(server))
        return true;
    switch (inlay_websocket_check(head, &reason)) {
    case INLAY_HANDSHAKE_NONE:
        return true;
    case INLAY_HANDSHAKE_VALID:
        request->websocket = true;
        /* Of a refusal: what follows it may be frames, not requests. */
        request->close = true;
        return true;
    case INLAY_HANDSHAKE_MALFORMED:
        request->close = true;
        inlay_response_send(request, 400,
                            INLAY_STR("text/plain; charset=utf-8"),
                            inlay_str_from(reason));
        return false;
    case INLAY_HANDSHAKE_BAD_VERSION:
        request->close = true;
        refuse_version(request, reason);
        return false;
    }
    return true;
}

static bool starts_nocase(struct inlay_str text, struct inlay_str with)
{
    return text.len >= with.len &&
           inlay_str_equal_nocase(inlay_str_make(text.ptr, with.len), with);
}

/* 1: it goes into the head; 0: it has no place there; -1: not allowed. */
static int judge(struct inlay_request *request, struct inlay_header header)
{
    static const struct inlay_str framing[] = {
        INLAY_STR("content-length"),
        INLAY_STR("transfer-encoding"),
        INLAY_STR("keep-alive"),
    };

    if (!inlay_header_name_valid(header.name) ||
        !inlay_header_value_valid(header.value) ||
        starts_nocase(header.name, INLAY_STR("sec-websocket-")) ||
        inlay_str_is_nocase(header.name, "upgrade") ||
        inlay_str_is_nocase(header.name, "connection"))
        return -1;
    if (inlay_header_name_among(header.name, framing,
                                inlay_array_size(framing)))
        return 0;
    request->has_date |= inlay_str_is_nocase(header.name, "date");
    request->has_server |= inlay_str_is_nocase(header.name, "server");
    return 1;
}

/* 101 and what belongs to it. 0, or -1: nothing was sent. */
static int switch_protocols(struct inlay_request *request,
                            const struct inlay_deflate_terms *terms,
                            struct inlay_str subprotocol,
                            const struct inlay_header *more,
                            size_t nmore)
{
    char key[INLAY_WEBSOCKET_ACCEPT_LEN], answer[INLAY_DEFLATE_ANSWER_MOST];
    struct inlay_header *headers = inlay_arena_zalloc_array(
        &request->arena, nmore + OWN_HEADERS, sizeof(*headers));
    size_t count = 3;

    if (!headers || inlay_websocket_accept_key(request->headers,
                                               request->nheaders, key) < 0)
        return -1;
    headers[0] =
        (struct inlay_header){INLAY_STR("upgrade"), INLAY_STR("websocket")};
    headers[1] =
        (struct inlay_header){INLAY_STR("connection"), INLAY_STR("Upgrade")};
    headers[2] = (struct inlay_header){INLAY_STR("sec-websocket-accept"),
                                       inlay_str_make(key, sizeof(key))};
    if (subprotocol.len)
        headers[count++] = (struct inlay_header){
            INLAY_STR("sec-websocket-protocol"), subprotocol};
    if (terms)
        headers[count++] = (struct inlay_header){
            INLAY_STR("sec-websocket-extensions"),
            inlay_str_make(answer, inlay_deflate_answer(terms, answer))};
    for (size_t i = 0; i < nmore; i++) {
        int status = judge(request, more[i]);

        if (status < 0)
            return -1;
        if (status)
            headers[count++] = more[i];
    }
    request->length = -1;
    request->close = false;
    request->head_only = true; /* no body follows */
    if (start_head(request, 101, headers, count) < 0) {
        request->close = true;
        request->head_only = false;
        return -1;
    }
    return 0;
}

int inlay_websocket_accept(struct inlay_request *request,
                           struct inlay_str subprotocol,
                           const struct inlay_header *headers,
                           size_t nheaders)
{
    struct inlay_session *session = inlay_session_of(request);
    struct inlay_deflate_terms terms, *agreed = NULL;

    if (!request->websocket || request->started || session->closing ||
        session->conn.closed || !request->handler->ops->on_message ||
        (subprotocol.len && !inlay_header_name_valid(subprotocol)) ||
        inlay_request_retain(request) < 0)
        return -1;
    if (session->thread->server->config.ws_per_message_deflate &&
        inlay_websocket_find_deflate(request->headers, request->nheaders,
                                     &terms))
        agreed = &terms;
    struct inlay_websocket_session *ws =
        inlay_websocket_create(session, agreed);
    if (!ws)
        return -1;
    if (switch_protocols(request, agreed, subprotocol, headers, nheaders) < 0) {
        inlay_websocket_destroy(ws);
        return -1;
    }
    if (session->thread->server->access)
        inlay_access_log_accepted(request);
    request->stream = &inlay_websocket_stream;
    session->websocket = ws;
    if (request->thread->metrics)
        inlay_metrics_websocket(request->thread->metrics, request);
    if (!session->feeding)
        inlay_websocket_begin(session);
    return 0;
}
