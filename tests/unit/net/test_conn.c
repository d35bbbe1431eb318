/* What a connection reads, and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "peer.h"

#include "base/banned.h"

/* --- Reading ------------------------------------------------------------- */

static void test_echo_and_idle(void **state)
{
    struct fixture *fixture = *state;

    fixture->user->echo = true;
    send_text(fixture, "hello");
    run_for(fixture, 10);
    check_peer(fixture, "hello");
    assert_int_equal(fixture->drains, 1);
    assert_int_equal(fixture->eofs, 0);
    /* An idle connection holds nothing. */
    assert_null(fixture->user->conn.in.data);
    assert_null(fixture->user->conn.out.data);
    assert_null(fixture->user->conn.tail.data);
    assert_null(fixture->user->conn.chunks);
}

/* Who takes nothing is read no further than one scratch. */
static void test_backpressure(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;
    size_t total = 1000000, sent = 0;

    user->take = 0;
    for (int i = 0; i < 5; i++) {
        sent = pump(fixture, sent, total);
        run_for(fixture, 5);
    }
    assert_true(sent < total);
    assert_int_equal(fixture->offers, 1);
    assert_true(user->conn.paused);
    assert_in_range(inlay_buf_len(&user->conn.in), 1, INLAY_LOOP_SCRATCH);

    user->take = SIZE_MAX;
    inlay_conn_resume(&user->conn);
    assert_int_equal(fixture->offers, 1); /* not from within */
    while (inlay_buf_len(&user->got) < total) {
        sent = pump(fixture, sent, total);
        run_for(fixture, 2);
    }
    assert_int_equal(inlay_buf_len(&user->got), total);
    check_counted(inlay_buf_view(&user->got));
    assert_null(user->conn.in.data);
}

/* Taken bit by bit, by a user that asks for more at once. */
static void test_partial_takes(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;
    size_t sent = 0;

    user->take = 1000;
    user->resume = true;
    while (inlay_buf_len(&user->got) < 300000) {
        sent = pump(fixture, sent, 300000);
        run_for(fixture, 2);
        assert_false(user->conn.paused);
    }
    check_counted(inlay_buf_view(&user->got));
}

static void test_pause(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;

    user->pause = true;
    send_text(fixture, "a");
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    send_text(fixture, "b");
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    inlay_conn_resume(&user->conn);
    inlay_conn_pause(&user->conn); /* the last word counts */
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    inlay_conn_resume(&user->conn);
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 2);
    assert_memory_equal(user->got.data, "ab", 2);
}

static void test_kept_bytes_wait_for_resume(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;

    user->take = 1;
    send_text(fixture, "abc");
    run_for(fixture, 5);
    send_text(fixture, "def");
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    inlay_conn_resume(&user->conn);
    inlay_conn_pause(&user->conn);
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    user->take = SIZE_MAX;
    inlay_conn_resume(&user->conn);
    run_for(fixture, 5);
    assert_int_equal(inlay_buf_len(&user->got), 6);
    assert_memory_equal(user->got.data, "abcdef", 6);
}

/* --- Where the user wants it ---------------------------------------------- */

static void test_room(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;
    char room[16];

    memset(room, '.', sizeof(room));
    user->room = room;
    user->room_len = 8;
    send_text(fixture, "0123456789");
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 2);
    assert_ptr_equal(user->offered, room);
    assert_int_equal(user->offered_len, 2);
    assert_memory_equal(room, "89234567........", 16);
    assert_int_equal(inlay_buf_len(&user->got), 10);
    assert_memory_equal(user->got.data, "0123456789", 10);
    assert_null(user->conn.in.data);
    shutdown(fixture->peer, SHUT_WR);
    run_for(fixture, 5);
    assert_int_equal(fixture->eofs, 1);
    assert_true(user->conn.eof);
}

/* Reading 0 bytes would look like the peer's end. */
static void test_no_room(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;
    char room[4] = "....";

    for (int i = 0; i < 3; i++) {
        user->room = i == 1 ? room : NULL;
        user->room_len = i == 2 ? 4 : 0;
        send_text(fixture, "hello");
        run_for(fixture, 5);
        assert_int_equal(fixture->offers, i + 1);
        assert_int_equal(fixture->asked, i + 1);
        assert_ptr_equal(user->offered, fixture->loop.scratch);
        assert_int_equal(user->offered_len, 5);
        assert_int_equal(fixture->eofs, 0);
        assert_false(user->conn.eof);
    }
    /* What is dropped while it closes lands nowhere else. */
    user->room = room;
    inlay_conn_close_after_write(&user->conn);
    send_text(fixture, "late");
    run_for(fixture, 5);
    assert_int_equal(user->conn.discarded, 4);
    assert_int_equal(fixture->asked, 3);
    assert_memory_equal(room, "....", 4);
}

/* More than the scratch holds lands; what is not taken outlives the room. */
static void test_rest_of_a_room(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;
    size_t size = 1000000, sent = 0;
    char *room = malloc(size);

    user->room = room;
    user->room_len = size;
    user->take = 1000;
    sent = pump(fixture, sent, size);
    assert_true(sent > 2 * INLAY_LOOP_SCRATCH);
    run_for(fixture, 5);
    assert_int_equal(fixture->closes, 0);
    assert_int_equal(fixture->offers, 1);
    assert_ptr_equal(user->offered, room);
    assert_int_equal(user->offered_len, sent);
    assert_true(user->conn.paused);
    assert_int_equal(inlay_buf_len(&user->conn.in), sent - 1000);
    free(room);
    user->room = NULL;
    sent = pump(fixture, sent, size);
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    user->take = SIZE_MAX;
    inlay_conn_resume(&user->conn);
    while (inlay_buf_len(&user->got) < size) {
        run_for(fixture, 2);
        sent = pump(fixture, sent, size);
    }
    check_counted(inlay_buf_view(&user->got));
    assert_null(user->conn.in.data);
}

static void test_pause_with_room(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = fixture->user;
    char room[8] = "........";

    user->room = room;
    user->room_len = sizeof(room);
    user->pause = true;
    send_text(fixture, "one");
    run_for(fixture, 5);
    send_text(fixture, "two");
    run_for(fixture, 5);
    assert_int_equal(fixture->asked, 1);
    assert_memory_equal(room, "one.....", 8);
    inlay_conn_resume(&user->conn);
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 2);
    assert_memory_equal(room, "two.....", 8);
    assert_memory_equal(user->got.data, "onetwo", 6);
}

/* --- The peer's end ------------------------------------------------------ */

static void test_half_closed_peer_is_answered(void **state)
{
    struct fixture *fixture = *state;

    fixture->user->echo = true;
    send_text(fixture, "hello");
    shutdown(fixture->peer, SHUT_WR);
    run_for(fixture, 10);
    assert_int_equal(fixture->eofs, 1);
    inlay_conn_write(&fixture->user->conn, " more", 5);
    run_for(fixture, 10);
    check_peer(fixture, "hello more");
    inlay_conn_close_after_write(&fixture->user->conn);
    run_for(fixture, 5); /* nobody to linger for */
    assert_int_equal(fixture->closes, 1);
}

static void test_eof_while_paused(void **state)
{
    struct fixture *fixture = *state;

    inlay_conn_pause(&fixture->user->conn);
    send_text(fixture, "rest");
    shutdown(fixture->peer, SHUT_WR);
    assert_true(cost_of(fixture, 60) < 0.03); /* it does not spin */
    assert_int_equal(fixture->eofs, 1);
    assert_false(fixture->user->conn.eof);
    assert_int_equal(fixture->offers, 0);
    inlay_conn_resume(&fixture->user->conn);
    assert_true(cost_of(fixture, 60) < 0.03);
    assert_int_equal(fixture->offers, 1);
    assert_int_equal(fixture->eofs, 2); /* now that it was read */
    assert_true(fixture->user->conn.eof);
    assert_memory_equal(fixture->user->got.data, "rest", 4);
}

static void test_vanished_peer(void **state)
{
    struct fixture *fixture = *state;

    inlay_conn_pause(&fixture->user->conn);
    close(fixture->peer);
    fixture->peer = -1;
    run_for(fixture, 10);
    assert_int_equal(fixture->closes, 1);
}

static void reset_peer(struct fixture *fixture)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fixture->peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fixture->peer);
    fixture->peer = -1;
}

static void test_reset_while_paused(void **state)
{
    struct fixture *fixture = *state;

    use_tcp(fixture);
    inlay_conn_pause(&fixture->user->conn);
    run_for(fixture, 5);
    assert_int_equal(fixture->closes, 0);
    reset_peer(fixture);
    run_for(fixture, 10);
    assert_int_equal(fixture->closes, 1);
}

static void test_reset_after_eof_while_paused(void **state)
{
    struct fixture *fixture = *state;

    use_tcp(fixture);
    inlay_conn_pause(&fixture->user->conn);
    shutdown(fixture->peer, SHUT_WR);
    run_for(fixture, 5);
    assert_int_equal(fixture->eofs, 1);
    reset_peer(fixture);
    run_for(fixture, 10);
    assert_int_equal(fixture->closes, 1);
}

/* What was not taken keeps nobody from hearing the rest while it closes. */
static void test_close_with_kept_bytes(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 8u << 20;
    char *block = calloc(1, size);

    use_tcp(fixture);
    fixture->user->take = 0;
    send_text(fixture, "kept");
    run_for(fixture, 5);
    assert_int_equal(inlay_conn_write(&fixture->user->conn, block, size), 0);
    free(block);
    inlay_conn_close_after_write(&fixture->user->conn);
    send_text(fixture, "more");
    assert_true(cost_of(fixture, 60) < 0.03); /* it does not spin */
    assert_true(fixture->user->conn.blocked);
    assert_int_equal(fixture->user->conn.discarded, 4);
    assert_int_equal(fixture->offers, 1);
    reset_peer(fixture);
    run_for(fixture, 10);
    assert_int_equal(fixture->closes, 1);
}

static void test_write_to_closed_peer(void **state)
{
    struct fixture *fixture = *state;

    use_tcp(fixture);
    close(fixture->peer);
    fixture->peer = -1;
    run_for(fixture, 5);
    assert_int_equal(fixture->eofs, 1);
    for (int i = 0; i < 3 && fixture->user; i++) {
        inlay_conn_write(&fixture->user->conn, "x", 1); /* no SIGPIPE */
        run_for(fixture, 5);
    }
    assert_int_equal(fixture->closes, 1);
}

/* --- Closing ------------------------------------------------------------- */

static void test_close_within_on_data(void **state)
{
    struct fixture *fixture = *state;

    fixture->user->close = true;
    send_text(fixture, "x");
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 1);
    assert_int_equal(fixture->closes, 1);
}

static void test_close_within_second_offer(void **state)
{
    struct fixture *fixture = *state;

    fixture->user->take = 1;
    send_text(fixture, "abc");
    run_for(fixture, 5);
    fixture->user->close = true;
    /* on_data compares the first byte taken with the one it is given. */
    fixture->user->got.data[0] = 'b';
    inlay_conn_resume(&fixture->user->conn);
    run_for(fixture, 5);
    assert_int_equal(fixture->offers, 2);
    assert_int_equal(fixture->closes, 1);
}

/* The answer survives a peer that still sends. */
static void test_linger(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_buf got;

    use_tcp(fixture);
    inlay_buf_init(&got, SIZE_MAX / 2);
    inlay_conn_write(&fixture->user->conn, "refused", 7);
    inlay_conn_close_after_write(&fixture->user->conn);
    size_t sent = pump(fixture, 0, 100000);
    run_for(fixture, 10);
    assert_true(sent > 0);
    assert_int_equal(fixture->offers, 0);
    assert_int_equal(fixture->closes, 0);
    assert_int_equal(peer_read(fixture, &got), 7);
    assert_int_equal(peer_read(fixture, &got), 0);
    shutdown(fixture->peer, SHUT_WR);
    run_for(fixture, 10);
    assert_int_equal(fixture->closes, 1);
    assert_int_equal(fixture->eofs, 0);
    inlay_buf_deinit(&got);
}

static void test_linger_ends(void **state)
{
    struct fixture *fixture = *state;

    fixture->loop.linger.duration = 20;
    inlay_conn_pause(&fixture->user->conn);
    inlay_conn_close_after_write(&fixture->user->conn);
    run_for(fixture, 5);
    assert_int_equal(fixture->closes, 0);
    assert_true(cost_of(fixture, 60) < 0.03);
    assert_int_equal(fixture->closes, 1);
}

static void test_linger_discards_so_much(void **state)
{
    struct fixture *fixture = *state;
    size_t sent = 0;

    inlay_conn_close_after_write(&fixture->user->conn);
    while (fixture->user && sent < 100000000) {
        sent = pump(fixture, sent, 100000000);
        run_for(fixture, 1);
    }
    assert_int_equal(fixture->closes, 1);
    assert_in_range(sent, 16 << 20, 20 << 20);
}

/* A peer that reads nothing is its user's to end. */
static void test_close_after_write_waits(void **state)
{
    struct fixture *fixture = *state;

    use_tcp(fixture);
    struct inlay_chunk *chunk = inlay_chunk_create(5000000);
    memset(chunk->data, 'x', chunk->len);
    inlay_conn_write_chunk(&fixture->user->conn, chunk);
    inlay_conn_close_after_write(&fixture->user->conn);
    assert_true(cost_of(fixture, 30) < 0.02);
    assert_int_equal(fixture->closes, 0);
    assert_true(fixture->user->conn.queued > 0);
    inlay_conn_close(&fixture->user->conn);
    run_for(fixture, 2);
    assert_int_equal(fixture->closes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        conn_test(test_echo_and_idle),
        conn_test(test_backpressure),
        conn_test(test_partial_takes),
        conn_test(test_pause),
        conn_test(test_kept_bytes_wait_for_resume),
        conn_test(test_room),
        conn_test(test_no_room),
        conn_test(test_rest_of_a_room),
        conn_test(test_pause_with_room),
        conn_test(test_half_closed_peer_is_answered),
        conn_test(test_eof_while_paused),
        conn_test(test_vanished_peer),
        conn_test(test_reset_while_paused),
        conn_test(test_reset_after_eof_while_paused),
        conn_test(test_close_with_kept_bytes),
        conn_test(test_write_to_closed_peer),
        conn_test(test_close_within_on_data),
        conn_test(test_close_within_second_offer),
        conn_test(test_linger),
        conn_test(test_linger_ends),
        conn_test(test_linger_discards_so_much),
        conn_test(test_close_after_write_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
