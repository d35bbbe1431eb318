/*
 * peer.h - a connection, a user of it who does as he is told, and its peer, a
 * socket of the test's. For cmocka tests.
 */
#ifndef INLAY_TESTS_UNIT_NET_PEER_H
#define INLAY_TESTS_UNIT_NET_PEER_H

#include "net/conn.h"

struct user {
    struct inlay_conn conn;
    struct fixture *fixture;
    struct inlay_buf got;
    size_t take;             /* at most so many bytes of each offer */
    bool resume;             /* from within on_data */
    bool pause, close, echo; /* likewise */
    bool close_when_drained;
    char *room; /* what on_room says */
    size_t room_len;
    const char *offered; /* by the last on_data */
    size_t offered_len;
};

/* What outlives the connection. */
struct fixture {
    struct inlay_loop loop;
    struct inlay_timer_queue stops;
    struct inlay_timer stop;
    struct user *user; /* NULL once closed */
    int peer;
    int offers, asked, eofs, drains, closes;
};

/* Of cmocka: a socket pair; tear_down ends the connection, once. */
int set_up(void **state);
int tear_down(void **state);
#define conn_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Instead of the socket pair a TCP one, the peer with a small receive
 * buffer. */
void use_tcp(struct fixture *fixture);

void run_for(struct fixture *fixture, uint64_t ms);
/* Seconds of processor time that a while of waiting costs. */
double cost_of(struct fixture *fixture, uint64_t ms);

void send_text(struct fixture *fixture, const char *text);
/* Sends as much of `total` counted bytes as the socket takes; how many. */
size_t pump(struct fixture *fixture, size_t from, size_t total);
void check_counted(struct inlay_str text);

/* What the peer can read now; -1: nothing, 0: end. */
ssize_t peer_read(struct fixture *fixture, struct inlay_buf *into);
void check_peer(struct fixture *fixture, const char *expected);

#endif
