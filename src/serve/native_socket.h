/*
 * native_socket.h - WebSocket routes: a coroutine per connection, which
 * accepts, receives and sends. Messages that nobody asked for yet are kept, at
 * most limits.ws_queue of them and limits.body_window bytes; then the client
 * has to wait. I/O thread only.
 *
 * An inlay_socket * is the inlay_native_call of its function. Others on the
 * same I/O thread may send to it and close it, without waiting.
 */
#ifndef INLAY_SERVE_NATIVE_SOCKET_H
#define INLAY_SERVE_NATIVE_SOCKET_H

#include "serve/handler.h"
#include "serve/native_route.h"

/* A WebSocket is asked for at a route of table->sockets. HANDLED or PENDING. */
enum inlay_outcome inlay_native_socket_begin(
    struct inlay_request *request,
    const struct inlay_native_route *route,
    const struct inlay_route_match *match);

/* Of the native handler's vtable; `request` is one that it has accepted. */
void inlay_native_on_message(struct inlay_handler *handler,
                             struct inlay_request *request,
                             enum inlay_websocket_kind kind,
                             struct inlay_str bytes);
void inlay_native_on_websocket_end(struct inlay_handler *handler,
                                   struct inlay_request *request,
                                   uint16_t code,
                                   struct inlay_str reason);

#endif
