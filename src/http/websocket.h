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

/* Payload of a control frame at most (RFC 6455 5.5); a close's reason. */
#define INLAY_WEBSOCKET_CONTROL_MOST 125
#define INLAY_WEBSOCKET_REASON_MOST 123

/* RFC 6455 7.4.1, as far as they are made here. */
enum inlay_websocket_code {
    INLAY_WEBSOCKET_NO_CODE = 1005,
    INLAY_WEBSOCKET_LOST = 1006,
    INLAY_WEBSOCKET_PROTOCOL_ERROR = 1002,
    INLAY_WEBSOCKET_BAD_DATA = 1007,
    INLAY_WEBSOCKET_TOO_BIG = 1009,
    INLAY_WEBSOCKET_INTERNAL_ERROR = 1011,
    INLAY_WEBSOCKET_RESTART = 1012,
};

/*
 * Called from within inlay_websocket_feed, which returns PAUSED after one that
 * returned false: no other is called before the next feed. The bytes are
 * valid during the call. None may feed or deinit the engine.
 */
struct inlay_websocket_events {
    /* A whole message, decompressed; text is valid UTF-8. */
    bool (*on_message)(void *arg,
                       enum inlay_websocket_kind kind,
                       struct inlay_str bytes);
    bool (*on_ping)(void *arg, struct inlay_str bytes);
    bool (*on_pong)(void *arg, struct inlay_str bytes);
    /* The peer's close, NO_CODE when it gave none. The last event. */
    void (*on_close)(void *arg, uint16_t code, struct inlay_str reason);
};

enum inlay_websocket_status {
    INLAY_WEBSOCKET_MORE = 0,   /* everything was taken; more may come */
    INLAY_WEBSOCKET_PAUSED = 1, /* an event said stop: feed the rest later */
    INLAY_WEBSOCKET_ENDED = 2,  /* after on_close: what follows is dropped */
    INLAY_WEBSOCKET_ERROR = -1, /* fail the connection by `code`, `reason` */
};

struct inlay_websocket_deflate;

/* About 250 bytes; the message's memory exists while it is incomplete. */
struct inlay_websocket {
    const struct inlay_websocket_events *events;
    void *arg;
    struct inlay_websocket_deflate *deflate; /* NULL: RSV1 is an error; the
                                                caller's */
    struct inlay_buf message; /* what came of it so far, decompressed */
    size_t limit;             /* bytes of a message, decompressed */
    uint64_t left;            /* bytes of the frame that are still to come */
    const char *reason;       /* of ERROR: a line for the peer */
    uint16_t code;            /* of ERROR */
    int8_t status;            /* enum inlay_websocket_status */
    uint8_t opcode;           /* of the frame */
    uint8_t kind;             /* of the message under way; 0: none */
    bool in_frame;            /* its head has been read */
    bool fin;                 /* of the frame */
    bool compressed;          /* the message is */
    struct inlay_utf8 utf8;   /* where its text is cut */
    uint8_t mask[4];          /* the next byte's first */
    uint8_t head_len, control_len;
    uint8_t head[14]; /* of a frame, when it comes in pieces */
    char control[INLAY_WEBSOCKET_CONTROL_MOST];
};

/* `limit`: bytes of a message. Allocates nothing. */
void inlay_websocket_init(struct inlay_websocket *websocket,
                          size_t limit,
                          const struct inlay_websocket_events *events,
                          void *arg);
void inlay_websocket_deinit(struct inlay_websocket *websocket);

/*
 * Feed bytes, which are unmasked in place: those that were taken are spoilt.
 * `consumed_ret` says how many that are: all of them unless PAUSED. A message
 * that lies whole in one frame within `data` is given on from there.
 */
enum inlay_websocket_status inlay_websocket_feed(
    struct inlay_websocket *websocket,
    char *data,
    size_t len,
    size_t *consumed_ret);

/* Has a message or a frame begun that has not ended? */
bool inlay_websocket_in_message(const struct inlay_websocket *websocket);

/* May it stand in a close frame (RFC 6455 7.4, IANA's registry)? */
bool inlay_websocket_code_valid(unsigned code);

/* --- Writing ------------------------------------------------------------ */

/* Opcodes of control frames (RFC 6455 5.2), and the bit of permessage-deflate
 * (RFC 7692 6), to be added to a kind. */
#define INLAY_WEBSOCKET_CLOSE 8u
#define INLAY_WEBSOCKET_PING 9u
#define INLAY_WEBSOCKET_PONG 10u
#define INLAY_WEBSOCKET_COMPRESSED 0x40u

/* The head of a whole message or a control frame; its length. */
size_t inlay_websocket_head(char buf[INLAY_WEBSOCKET_ROOM],
                            unsigned opcode,
                            uint64_t len);

/*
 * The payload of a close frame; its length. A code that is not allowed gives
 * an empty one; the reason is cut at a character, and left out when it is no
 * UTF-8.
 */
size_t inlay_websocket_close_payload(char buf[INLAY_WEBSOCKET_CONTROL_MOST],
                                     unsigned code,
                                     struct inlay_str reason);

#endif
