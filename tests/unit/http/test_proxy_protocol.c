/* PROXY headers, cut into pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "http/proxy_protocol.h"

#include "base/banned.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define MOST 8192

static struct inlay_proxy_peers peers;

/* In pieces of `step`: the status, and the bytes taken. */
static enum inlay_proxy_status feed(struct inlay_str bytes,
                                    size_t step,
                                    size_t *taken_ret)
{
    struct inlay_proxy_protocol proxy;
    enum inlay_proxy_status status = INLAY_PROXY_MORE;
    size_t at = 0;

    inlay_proxy_protocol_init(&proxy);
    while (at < bytes.len && status == INLAY_PROXY_MORE) {
        size_t len = inlay_min(step, bytes.len - at), taken;
        char *piece = malloc(len); /* of that size, for sanitizers */

        assert_non_null(piece);
        memcpy(piece, bytes.ptr + at, len);
        status = inlay_proxy_protocol_feed(&proxy, piece, len, &taken, &peers);
        free(piece);
        assert_true(taken <= len);
        assert_true(status != INLAY_PROXY_MORE || taken == len);
        at += taken;
    }
    *taken_ret = at;
    return status;
}

/* Whatever the pieces: what comes behind the header is left. */
static void done(struct inlay_str header)
{
    char *bytes = malloc(header.len + 3);

    assert_non_null(bytes);
    memcpy(bytes, header.ptr, header.len);
    memcpy(bytes + header.len, "GET", 3);
    for (size_t step = 1; step < header.len + 3; step++) {
        size_t taken;

        peers = (struct inlay_proxy_peers){.known = true};
        assert_int_equal(
            feed(inlay_str_make(bytes, header.len + 3), step, &taken),
            INLAY_PROXY_DONE);
        assert_int_equal(taken, header.len);
    }
    free(bytes);
}

static void fails(struct inlay_str header)
{
    size_t taken;

    for (size_t step = 1; step <= header.len; step++)
        assert_int_equal(feed(header, step, &taken), INLAY_PROXY_ERROR);
}

static void said(const char *client,
                 int client_port,
                 const char *local,
                 int local_port)
{
    assert_true(peers.known);
    assert_string_equal(peers.client.host, client);
    assert_int_equal(peers.client.port, client_port);
    assert_string_equal(peers.local.host, local);
    assert_int_equal(peers.local.port, local_port);
}

static void test_lines(void **state)
{
    (void)state;
    done(INLAY_STR("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"));
    said("192.0.2.1", 56324, "198.51.100.2", 443);
    done(INLAY_STR("PROXY TCP6 2001:db8::1 ::1 0 65535\r\n"));
    said("2001:db8::1", 0, "::1", 65535);
    /* The longest one. */
    done(INLAY_STR("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff"
                   " 65535 65535 0123456789012345678901234567890123456789"
                   "01234\r\n"));
    assert_false(peers.known);
    done(INLAY_STR("PROXY UNKNOWN\r\n"));
    assert_false(peers.known);
}

static void test_wrong_lines(void **state)
{
    static const char *const wrong[] = {
        "GET / HTTP/1.1\r\n",
        "PROXIES",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 65536\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n",
        "PROXY TCP4 2001:db8::1 198.51.100.2 56324 443\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",
        "PROXY TCP4 192.0.2.1\r198.51.100.2 56324 443\r\n",
        "PROXY TCP4 192.0.2 198.51.100.2 56324 443\r\n",
        "PROXY TCP5 192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY tcp4 192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234"
        "5678901234567890123456789012345678901\r\n",
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(wrong); i++)
        fails(inlay_str_from(wrong[i]));
}

static struct inlay_str v2(int command, int family, struct inlay_str rest)
{
    static char bytes[16 + 65535];

    memcpy(bytes, SIGNATURE, 12);
    bytes[12] = (char)command;
    bytes[13] = (char)family;
    bytes[14] = (char)(rest.len >> 8);
    bytes[15] = (char)rest.len;
    memcpy(bytes + 16, rest.ptr, rest.len);
    return inlay_str_make(bytes, 16 + rest.len);
}

#define V4 "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb"
#define TLV "\x04\x00\x03xyz"

static void test_binary(void **state)
{
    static char more[MOST], paths[216];

    (void)state;
    done(v2(0x21, 0x11, INLAY_STR(V4)));
    said("192.0.2.1", 56324, "198.51.100.2", 443);
    done(v2(0x21, 0x11, INLAY_STR(V4 TLV)));
    said("192.0.2.1", 56324, "198.51.100.2", 443);
    done(v2(0x21, 0x21,
            INLAY_STR("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\xff\xff" TLV)));
    said("2001:db8::1", 1, "::1", 65535);
    memcpy(paths, "/run/a", 6);
    memset(paths + 108, 'b', 108); /* without a NUL */
    done(v2(0x21, 0x31, inlay_str_make(paths, sizeof(paths))));
    assert_true(peers.known);
    assert_string_equal(peers.client.host, "/run/a");
    assert_int_equal(peers.client.port, -1);
    assert_int_equal(strlen(peers.local.host), 107);
    /* By the balancer itself, of a kind that we don't know, of datagrams. */
    done(v2(0x20, 0x00, INLAY_STR("")));
    assert_false(peers.known);
    done(v2(0x20, 0xff, INLAY_STR("abc")));
    assert_false(peers.known);
    done(v2(0x21, 0x00, INLAY_STR("")));
    assert_false(peers.known);
    done(v2(0x21, 0x12, INLAY_STR(V4)));
    assert_false(peers.known);
    memcpy(more, V4, 12);
    size_t taken;
    assert_int_equal(
        feed(v2(0x21, 0x11, inlay_str_make(more, INLAY_PROXY_V2_MOST)), 1000,
             &taken),
        INLAY_PROXY_DONE);
    said("192.0.2.1", 56324, "198.51.100.2", 443);
}

static void test_wrong_binary(void **state)
{
    static char more[MOST];

    (void)state;
    fails(INLAY_STR("\r\n\r\n\0\r\nQUIX\n"));
    fails(INLAY_STR("\r\n\r\nGET / HTTP/1.1\r\n"));
    fails(v2(0x11, 0x11, INLAY_STR(V4)));
    fails(v2(0x22, 0x11, INLAY_STR(V4)));
    fails(v2(0x21, 0x41, INLAY_STR(V4)));
    fails(v2(0x21, 0x13, INLAY_STR(V4)));
    fails(v2(0x21, 0x11, INLAY_STR("short")));
    fails(v2(0x21, 0x21, INLAY_STR(V4)));
    fails(v2(0x21, 0x31, INLAY_STR(V4)));
    size_t taken;
    assert_int_equal(
        feed(v2(0x21, 0x11, inlay_str_make(more, INLAY_PROXY_V2_MOST + 1)), 16,
             &taken),
        INLAY_PROXY_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_wrong_lines),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_wrong_binary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
