/*
 * websocket.h - the WebSocket engine of a server (RFC 6455): bytes in, events
 * out, and frames to be sent; no socket, no clock. Any chunking of the same
 * bytes gives the same events.
 */
#ifndef INLAY_HTTP_WEBSOCKET_H
#define INLAY_HTTP_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Of a message; the opcode of its first frame. */
enum inlay_websocket_kind {
    INLAY_WEBSOCKET_TEXT = 1,
    INLAY_WEBSOCKET_BINARY = 2,
};

/* The longest head of a server's frame: what a sender leaves free before
 * the bytes of a message so that they need no copy. */
#define INLAY_WEBSOCKET_ROOM 10

#endif
