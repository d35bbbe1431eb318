/* relay_io.h - what relay.c, relay_io.c and relay_websocket.c say to each
 * other. */
#ifndef INLAY_PY_RELAY_IO_H
#define INLAY_PY_RELAY_IO_H

#include "py/relay.h"

#define INLAY_RELAY_KEPT 1024   /* memory that an empty buffer keeps */
#define INLAY_RELAY_COPIED 4096 /* bytes up to this are copied, not queued */

extern const struct inlay_handler_ops inlay_bridge_ops;

/* End of a tick: the lane's letters go to the queue. I/O thread. */
void inlay_relay_lane_flush(struct inlay_later *later);

/* Wakes the Python thread if it sleeps. Any thread. */
void inlay_bridge_ring(struct inlay_bridge *bridge);

/* Without a reference left. Any thread. */
void inlay_relay_free(struct inlay_relay *relay);

/* --- The Python thread ---------------------------------------------------- */

/* Puts it into the I/O thread's box. Never for a relay that is gone: its
 * thread may have ended. */
void inlay_relay_post(struct inlay_relay *relay);

/* --- Under the lock ------------------------------------------------------- */

/* More is held in memory; false: too much is. */
bool inlay_relay_hold(struct inlay_relay *relay, size_t len);

/* Is more unsent than the window? */
bool inlay_relay_full(const struct inlay_relay *relay);

/* Appends `record` and its bytes. 0, or -1: no memory. */
int inlay_record_put(struct inlay_buf *out,
                     struct inlay_record record,
                     struct inlay_str bytes);

/* The first one. */
static inline struct inlay_record inlay_record_peek(const struct inlay_buf *in)
{
    struct inlay_record record;

    memcpy(&record, in->data + in->start, sizeof(record));
    return record;
}

/* Takes the first one off; the bytes stay until the next change. */
struct inlay_record inlay_record_take(struct inlay_buf *in,
                                      struct inlay_str *bytes_ret);

/* --- The I/O thread ------------------------------------------------------- */

/* What was in the box. */
struct inlay_letter {
    bool start, end, abort, want_body, resume;
    struct inlay_chunk *chunks;
    struct inlay_buf records; /* the lane's when it is empty */
    size_t bytes;
};

/* Tells the Python thread that there is news. */
void inlay_relay_tell(struct inlay_relay *relay);
void inlay_relay_tell_gone(struct inlay_relay *relay);

/* The request is no longer ours; the reference that came with it goes. */
struct inlay_request *inlay_relay_let_go(struct inlay_relay *relay);

/* The packed headers of an answer, in the request's memory; or NULL. */
struct inlay_header *inlay_relay_unpack(struct inlay_relay *relay,
                                        struct inlay_str packed,
                                        size_t count);

void inlay_relay_on_message(struct inlay_handler *handler,
                            struct inlay_request *request,
                            enum inlay_websocket_kind kind,
                            struct inlay_str bytes);
void inlay_relay_on_websocket_end(struct inlay_handler *handler,
                                  struct inlay_request *request,
                                  uint16_t code,
                                  struct inlay_str reason);

/* Accepts the WebSocket and sends its messages; the request may be over
 * then. 0, or -1: give up. */
int inlay_relay_deliver(struct inlay_relay *relay, struct inlay_letter *letter);

#endif
