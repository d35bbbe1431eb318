/* What a connection writes: bytes, chunks, files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "peer.h"

#include "base/banned.h"

static struct inlay_chunk *chunk_of(const char *text)
{
    struct inlay_chunk *chunk = inlay_chunk_create(strlen(text));

    memcpy(chunk->data, text, strlen(text));
    return chunk;
}

static void test_order_of_writes(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_conn *conn = &fixture->user->conn;

    inlay_conn_write(conn, "1", 1);
    inlay_conn_write_chunk(conn, chunk_of("2"));
    inlay_conn_write(conn, "3", 1);
    inlay_buf_append(inlay_conn_out(conn), "4", 1);
    inlay_conn_wrote(conn);
    inlay_conn_write_chunk(conn, chunk_of(""));
    inlay_conn_write_chunk(conn, chunk_of("5"));
    inlay_conn_write_chunk(conn, chunk_of("6"));
    inlay_conn_write(conn, "7", 1);
    assert_int_equal(conn->queued, 7);
    run_for(fixture, 5);
    check_peer(fixture, "1234567");
    assert_int_equal(fixture->drains, 1);
    assert_null(conn->out.data);
    assert_null(conn->tail.data);
}

/* More than the socket takes, in all three ways, against a slow reader. */
static void test_slow_reader(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_buf got;
    size_t written = 0;
    unsigned step = 0;

    use_tcp(fixture);
    inlay_buf_init(&got, SIZE_MAX / 2);
    while (written < 2000000 || inlay_buf_len(&got) < written) {
        struct inlay_conn *conn = &fixture->user->conn;
        while (written < 2000000 && conn->queued < 200000) {
            size_t len = step * 7919 % 30000 + 1;
            struct inlay_chunk *chunk = inlay_chunk_create(len);
            for (size_t i = 0; i < len; i++)
                chunk->data[i] = (char)((written + i) % 251);
            written += len;
            if (step++ % 3) {
                inlay_conn_write(conn, chunk->data, len);
                inlay_chunk_destroy(chunk);
            } else {
                inlay_conn_write_chunk(conn, chunk);
            }
        }
        run_for(fixture, 1);
        peer_read(fixture, &got);
    }
    assert_int_equal(inlay_buf_len(&got), written);
    check_counted(inlay_buf_view(&got));
    run_for(fixture, 2);
    assert_true(fixture->drains >= 1);
    assert_int_equal(fixture->user->conn.queued, 0);
    inlay_buf_deinit(&got);
}

/* An unlinked file of `len` counted bytes. */
static int counted_file(size_t len)
{
    char path[] = "/tmp/inlay-test-XXXXXX";
    int fd = mkstemp(path);
    char block[251 * 64];

    assert_true(fd >= 0);
    unlink(path);
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)(i % 251);
    for (size_t at = 0; at < len; at += sizeof(block))
        assert_true(write(fd, block, inlay_min(sizeof(block), len - at)) > 0);
    return fd;
}

static bool fd_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void test_files_among_bytes(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_conn *conn = &fixture->user->conn;
    int first = counted_file(200), second = dup(first), third = dup(first);

    inlay_conn_write(conn, "a", 1);
    inlay_conn_write_chunk(conn, inlay_chunk_of_file(first, 'b', 1));
    inlay_conn_write(conn, "c", 1);
    inlay_conn_write_chunk(conn, chunk_of("d"));
    inlay_conn_write_chunk(conn, inlay_chunk_of_file(second, 'e', 2));
    inlay_conn_write_chunk(conn, inlay_chunk_of_file(third, 'g', 3));
    inlay_conn_write(conn, "j", 1);
    assert_int_equal(conn->queued, 10);
    run_for(fixture, 5);
    check_peer(fixture, "abcdefghij");
    assert_int_equal(fixture->drains, 1);
    assert_false(fd_open(first) || fd_open(second) || fd_open(third));
}

static void test_slow_reader_of_a_file(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 3000000, head = 251 * 3;
    struct inlay_buf got;
    char bytes[251 * 3];

    use_tcp(fixture);
    inlay_buf_init(&got, SIZE_MAX / 2);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i % 251);
    inlay_conn_write(&fixture->user->conn, bytes, sizeof(bytes));
    inlay_conn_write_chunk(&fixture->user->conn,
                           inlay_chunk_of_file(counted_file(size), 0, size));
    assert_int_equal(fixture->user->conn.queued, head + size);
    run_for(fixture, 5);
    assert_true(fixture->user->conn.blocked);
    assert_true(fixture->user->conn.queued > size / 2);
    assert_true(cost_of(fixture, 30) < 0.02);
    while (inlay_buf_len(&got) < head + size) {
        run_for(fixture, 1);
        peer_read(fixture, &got);
    }
    check_counted(inlay_buf_view(&got));
    assert_int_equal(fixture->user->conn.queued, 0);
    inlay_buf_deinit(&got);
}

/* The peer sees a reset, not a whole answer. */
static void test_short_file(void **state)
{
    struct fixture *fixture = *state;
    int fd = counted_file(1000);
    struct inlay_buf got;

    use_tcp(fixture);
    inlay_buf_init(&got, SIZE_MAX / 2);
    inlay_conn_write_chunk(&fixture->user->conn,
                           inlay_chunk_of_file(fd, 0, 1001));
    run_for(fixture, 5);
    assert_int_equal(fixture->closes, 1);
    assert_int_equal(fixture->drains, 0);
    assert_false(fd_open(fd));
    while (peer_read(fixture, &got) > 0)
        ;
    assert_int_equal(errno, ECONNRESET);
    inlay_buf_deinit(&got);
}

/* Files of /proc are read, where sendfile refuses them. */
static void test_file_without_sendfile(void **state)
{
    struct fixture *fixture = *state;
    int fd = open("/proc/self/environ", O_RDONLY | O_CLOEXEC);
    char expected[64];
    struct inlay_buf got;

    inlay_buf_init(&got, SIZE_MAX / 2);
    assert_int_equal(pread(fd, expected, sizeof(expected), 3), 64);
    inlay_conn_write_chunk(&fixture->user->conn,
                           inlay_chunk_of_file(fd, 3, 64));
    run_for(fixture, 5);
    assert_int_equal(peer_read(fixture, &got), 64);
    assert_memory_equal(got.data, expected, 64);
    inlay_buf_deinit(&got);
}

static void test_file_to_closed_peer(void **state)
{
    struct fixture *fixture = *state;
    int fd = counted_file(100000);

    close(fixture->peer);
    fixture->peer = -1;
    inlay_conn_write_chunk(&fixture->user->conn,
                           inlay_chunk_of_file(fd, 0, 100000));
    run_for(fixture, 5);
    assert_int_equal(fixture->closes, 1);
    assert_false(fd_open(fd));
}

static void test_file_out_of_range(void **state)
{
    int fd = counted_file(1);

    (void)state;
    assert_null(inlay_chunk_of_file(fd, INT64_MAX, 1));
    assert_false(fd_open(fd));
    fd = counted_file(1);
    assert_null(inlay_chunk_of_file(fd, 0, SIZE_MAX));
    assert_false(fd_open(fd));
}

static void test_close_when_drained(void **state)
{
    struct fixture *fixture = *state;

    fixture->user->close_when_drained = true;
    inlay_conn_write(&fixture->user->conn, "bye", 3);
    run_for(fixture, 5);
    assert_int_equal(fixture->closes, 1);
    check_peer(fixture, "bye");
}

static void test_write_after_close(void **state)
{
    struct fixture *fixture = *state;
    struct inlay_conn *conn = &fixture->user->conn;

    inlay_conn_write_chunk(conn, chunk_of("dropped"));
    inlay_conn_close(conn);
    inlay_conn_close(conn);
    assert_int_equal(inlay_conn_write(conn, "x", 1), -1);
    assert_int_equal(inlay_conn_write_chunk(conn, chunk_of("x")), -1);
    inlay_buf_append(inlay_conn_out(conn), "x", 1);
    inlay_conn_wrote(conn);
    inlay_conn_pause(conn);
    inlay_conn_resume(conn);
    assert_int_equal(fixture->closes, 0); /* not from within */
    run_for(fixture, 2);
    assert_int_equal(fixture->closes, 1);
    check_peer(fixture, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        conn_test(test_order_of_writes),
        conn_test(test_slow_reader),
        conn_test(test_files_among_bytes),
        conn_test(test_slow_reader_of_a_file),
        conn_test(test_short_file),
        conn_test(test_file_without_sendfile),
        conn_test(test_file_to_closed_peer),
        cmocka_unit_test(test_file_out_of_range),
        conn_test(test_close_when_drained),
        conn_test(test_write_after_close),
    };

    signal(SIGPIPE, SIG_IGN); /* as a server's threads: sendfile has no flag */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
