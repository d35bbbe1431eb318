/*
 * websocket.h - a request that becomes a WebSocket. Its session leaves HTTP
 * with inlay_websocket_accept and goes on with the engine of
 * http/websocket.h; the request lives on as the connection's handle until
 * its end. Pings, their deadline, the closing handshake and compression (RFC
 * 7692) are done here; handlers see whole messages. I/O thread only.
 *
 * Before it accepts, a handler may answer such a request as any other:
 * that is a refusal. Messages that come before are not lost.
 * inlay_request_pause and _resume hold messages back, on_drained tells that
 * everything sent has left, inlay_response_queued how much has not.
 */
#ifndef INLAY_SERVE_WEBSOCKET_H
#define INLAY_SERVE_WEBSOCKET_H

#include <stdint.h>

#include "http/header.h"
#include "http/websocket.h"
#include "net/conn.h"
#include "serve/request.h"

/*
 * 101, with `subprotocol` ("": none) and further headers (checked as those of
 * an answer; the handshake's own are refused). Only of a PENDING request with
 * request->websocket. 0, or -1: nothing was sent.
 */
int inlay_websocket_accept(struct inlay_request *request,
                           struct inlay_str subprotocol,
                           const struct inlay_header *headers,
                           size_t nheaders);

/* A whole message; text must be valid UTF-8. 0, or -1: closed, no memory. */
int inlay_websocket_send(struct inlay_request *request,
                         enum inlay_websocket_kind kind,
                         struct inlay_str bytes);

/*
 * The same without a copy: the message begins INLAY_WEBSOCKET_ROOM bytes into
 * chunk->data, chunk->len counts from there on too. Takes the chunk.
 */
int inlay_websocket_send_chunk(struct inlay_request *request,
                               enum inlay_websocket_kind kind,
                               struct inlay_chunk *chunk);

/*
 * A close frame after what is queued, then the closing handshake (10 s at
 * most). The request is over; no event follows. `code` 1000-1003, 1007-1014,
 * 3000-4999; `reason` is cut at 123 bytes.
 */
void inlay_websocket_close(struct inlay_request *request,
                           uint16_t code,
                           struct inlay_str reason);

/*
 * The same, and the request goes on until its handler calls
 * inlay_websocket_close, which then sends nothing, or on_websocket_end is
 * called for the peer's answer. No message comes or goes any more.
 */
void inlay_websocket_shut(struct inlay_request *request,
                          uint16_t code,
                          struct inlay_str reason);

#endif
