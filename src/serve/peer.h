/*
 * peer.h - who is at the other end of a session: may it connect, is its word
 * on others believed, and what does a PROXY header say. Private to serve/.
 */
#ifndef INLAY_SERVE_PEER_H
#define INLAY_SERVE_PEER_H

#include "serve/session.h"

/* Of a new session, whose client is known; -1: it is not to be. */
int inlay_peer_enter(struct inlay_session *session);
/* The same session ends. */
void inlay_peer_leave(struct inlay_session *session);

/* Bytes of the PROXY header that session->proxy awaits: how many were taken.
 * Closes the connection when they are wrong. */
size_t inlay_peer_read(struct inlay_session *session,
                       const char *data,
                       size_t len);

#endif
