/* relay_io.h - what relay.c and relay_io.c say to each other. */
#ifndef INLAY_PY_RELAY_IO_H
#define INLAY_PY_RELAY_IO_H

#include "py/relay.h"

extern const struct inlay_handler_ops inlay_bridge_ops;

/* End of a tick: the lane's letters go to the queue. I/O thread. */
void inlay_lane_flush(struct inlay_later *later);

/* Wakes the Python thread if it sleeps. Any thread. */
void inlay_bridge_ring(struct inlay_bridge *bridge);

/* Without a reference left. Any thread. */
void inlay_relay_free(struct inlay_relay *relay);

#endif
