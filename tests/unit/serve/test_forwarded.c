/* What proxies say, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "serve/forwarded.h"

#include "base/banned.h"

#define HEADERS 8

static struct inlay_header headers[HEADERS];
static struct inlay_request request;
static struct inlay_address peer;
static struct inlay_networks networks;

/*
 * Applies lines ("name: value\n…") to a request to x from 10.0.0.1, with
 * 10.0.0.0/8 and 2001:db8::/32 trusted, or everyone. What comes out is
 * "client:port scheme host root".
 */
static const char *apply_to(const char *lines, bool everyone)
{
    static const struct inlay_str trusted[] = {INLAY_STR("10.0.0.0/8"),
                                               INLAY_STR("2001:db8::/32")};

    inlay_arena_deinit(&request.arena);
    inlay_arena_init(&request.arena, 1u << 20);
    assert_null(
        inlay_networks_parse("", trusted, 2, &request.arena, &networks));
    networks.everyone = everyone;
    peer = (struct inlay_address){.host = "10.0.0.1", .port = 5};
    request.client = &peer;
    request.scheme = INLAY_STR("http");
    request.root_path = INLAY_STR("/own");
    request.headers = headers;
    request.nheaders = 0;
    while (*lines) {
        const char *colon = strchr(lines, ':'), *end = strchr(lines, '\n');

        assert_true(colon && request.nheaders < HEADERS);
        size_t len = end ? (size_t)(end - colon) : strlen(colon);
        headers[request.nheaders++] = (struct inlay_header){
            inlay_str_make(lines, (size_t)(colon - lines)),
            inlay_str_trim(inlay_str_make(colon + 1, len - 1))};
        lines = colon + len + (end ? 1 : 0);
    }
    assert_int_equal(inlay_forwarded_apply(&request, &networks), 0);
    struct inlay_str host = inlay_request_header(&request, INLAY_STR("host"));
    struct inlay_str out = inlay_arena_format(
        &request.arena, "%s:%d %.*s %.*s %.*s", request.client->host,
        request.client->port, inlay_str_arg(request.scheme),
        inlay_str_arg(host), inlay_str_arg(request.root_path));
    assert_non_null(out.ptr);
    return out.ptr;
}

#define gives(lines, out)                                                      \
    assert_string_equal(apply_to("host: x\n" lines, false), out)
#define gives_everyone(lines, out)                                             \
    assert_string_equal(apply_to("host: x\n" lines, true), out)

static void test_for(void **state)
{
    (void)state;
    gives("x-forwarded-for: 192.0.2.1", "192.0.2.1:0 http x /own");
    gives("x-forwarded-for: 6.6.6.6, 192.0.2.1", "192.0.2.1:0 http x /own");
    gives("x-forwarded-for: 6.6.6.6, 192.0.2.1, 10.1.1.1, 2001:db8::2",
          "192.0.2.1:0 http x /own");
    gives("x-forwarded-for: 6.6.6.6\nx-forwarded-for: 192.0.2.1,10.1.1.1",
          "192.0.2.1:0 http x /own");
    /* All trusted: the first one. */
    gives("x-forwarded-for: 10.9.9.9, 10.1.1.1", "10.9.9.9:0 http x /own");
    gives("x-forwarded-for: 192.0.2.1:80, 10.1.1.1:9",
          "192.0.2.1:80 http x /own");
    gives("x-forwarded-for: [2001:DB9::1]:443", "2001:db9::1:443 http x /own");
    gives("x-forwarded-for: [2001:db9::1]", "2001:db9::1:0 http x /own");
    gives("x-forwarded-for: 2001:db9::1", "2001:db9::1:0 http x /own");
    gives("x-forwarded-for: ", "10.0.0.1:5 http x /own");
    gives("x-forwarded-for: , ,", "10.0.0.1:5 http x /own");
    gives("x-forwarded-for: 192.0.2.1,, ", "192.0.2.1:0 http x /own");
    gives_everyone("x-forwarded-for: 6.6.6.6, 192.0.2.1",
                   "6.6.6.6:0 http x /own");
}

/* Never the proxy's own address for one that can't be read. */
static void test_unknown(void **state)
{
    (void)state;
    gives("x-forwarded-for: unknown", "unknown:0 http x /own");
    gives("x-forwarded-for: 192.0.2.1, what?", "unknown:0 http x /own");
    gives("x-forwarded-for: 192.0.2.1, <script>, 10.1.1.1",
          "unknown:0 http x /own");
    gives("x-forwarded-for: 192.0.2.1:99999", "unknown:0 http x /own");
    gives("x-forwarded-for: [192.0.2.1]:80", "unknown:0 http x /own");
    gives("x-forwarded-for: [2001:db9::1", "unknown:0 http x /own");
    gives("x-forwarded-for: [2001:db9::1]80", "unknown:0 http x /own");
    gives("x-forwarded-for: _gazonk", "_gazonk:0 http x /own");
    gives("x-forwarded-for: _", "unknown:0 http x /own");
    gives_everyone("x-forwarded-for: what?, 192.0.2.1",
                   "unknown:0 http x /own");
}

static void test_scheme_and_host(void **state)
{
    (void)state;
    gives("x-forwarded-proto: https", "10.0.0.1:5 https x /own");
    gives("x-forwarded-proto: WSS", "10.0.0.1:5 https x /own");
    gives("x-forwarded-proto: ftp", "10.0.0.1:5 http x /own");
    gives("x-forwarded-proto: https;", "10.0.0.1:5 http x /own");
    gives("x-forwarded-host: example.com", "10.0.0.1:5 http example.com /own");
    gives("x-forwarded-host: [2001:db9::1]:8443",
          "10.0.0.1:5 http [2001:db9::1]:8443 /own");
    gives("x-forwarded-host: evil.com/path", "10.0.0.1:5 http x /own");
    gives("x-forwarded-host: user@evil.com", "10.0.0.1:5 http x /own");
    gives("x-forwarded-host: a b", "10.0.0.1:5 http x /own");
    gives("x-forwarded-host: a:99999", "10.0.0.1:5 http x /own");
    gives("x-forwarded-port: 8443", "10.0.0.1:5 http x:8443 /own");
    gives("x-forwarded-port: 80", "10.0.0.1:5 http x /own");
    gives("x-forwarded-port: 443\nx-forwarded-proto: https",
          "10.0.0.1:5 https x /own");
    gives("x-forwarded-port: 8443\nx-forwarded-host: a:1",
          "10.0.0.1:5 http a:1 /own");
    gives("x-forwarded-port: 8443\nx-forwarded-host: [2001:db9::1]",
          "10.0.0.1:5 http [2001:db9::1]:8443 /own");
    gives("x-forwarded-port: 0", "10.0.0.1:5 http x /own");
    gives("x-forwarded-port: 1e3", "10.0.0.1:5 http x /own");
    /* HTTP/1.0 without a host. */
    assert_string_equal(apply_to("x-forwarded-host: a", false),
                        "10.0.0.1:5 http a /own");
    assert_string_equal(apply_to("x-forwarded-port: 81", false),
                        "10.0.0.1:5 http  /own");
}

/* Of lists the entry of the proxy that saw the client. */
static void test_depth(void **state)
{
    (void)state;
    gives("x-forwarded-for: 192.0.2.1, 10.1.1.1\n"
          "x-forwarded-proto: https, http\nx-forwarded-host: a, b",
          "192.0.2.1:0 https a /own");
    gives("x-forwarded-for: 6.6.6.6, 192.0.2.1\n"
          "x-forwarded-proto: http, https\nx-forwarded-host: evil, a",
          "192.0.2.1:0 https a /own");
    gives("x-forwarded-for: 192.0.2.1, 10.1.1.1, 10.1.1.2\n"
          "x-forwarded-proto: https",
          "192.0.2.1:0 https x /own");
    gives("x-forwarded-proto: http, https", "10.0.0.1:5 https x /own");
}

static void test_prefix(void **state)
{
    (void)state;
    gives("x-forwarded-prefix: /api", "10.0.0.1:5 http x /api/own");
    gives("x-forwarded-prefix: /api/v1/", "10.0.0.1:5 http x /api/v1/own");
    gives("x-forwarded-prefix: /caf%c3%a9", "10.0.0.1:5 http x /café/own");
    gives("x-forwarded-prefix: /", "10.0.0.1:5 http x /own");
    gives("x-forwarded-prefix: api", "10.0.0.1:5 http x /own");
    gives("x-forwarded-prefix: //evil.com", "10.0.0.1:5 http x /own");
    gives("x-forwarded-prefix: /\\evil.com", "10.0.0.1:5 http x /own");
    gives("x-forwarded-prefix: /%2fevil.com", "10.0.0.1:5 http x /own");
    gives("x-forwarded-prefix: /a/../b", "10.0.0.1:5 http x /own");
    gives("x-forwarded-prefix: /a/%2e%2e", "10.0.0.1:5 http x /own");
    gives("x-forwarded-prefix: /a?b", "10.0.0.1:5 http x /own");
    gives("x-forwarded-prefix: /a%0d%0ab", "10.0.0.1:5 http x /own");
    gives("x-forwarded-prefix: /%ff", "10.0.0.1:5 http x /own");
    gives("x-forwarded-prefix: /a\"<", "10.0.0.1:5 http x /own");
}

static void test_standard(void **state)
{
    (void)state;
    gives("forwarded: for=192.0.2.1;proto=https;host=example.com",
          "192.0.2.1:0 https example.com /own");
    gives("forwarded: For=\"[2001:DB9::1]:47\" ; Proto=HTTPS;by=10.0.0.1",
          "2001:db9::1:47 https x /own");
    gives("forwarded: for=6.6.6.6;host=evil, for=192.0.2.1;host=a,for=10.2.2.2",
          "192.0.2.1:0 http a /own");
    gives("forwarded: for=6.6.6.6;host=evil\nforwarded: for=192.0.2.1",
          "192.0.2.1:0 http x /own");
    gives("forwarded: for=192.0.2.1, for=10.1.1.1;proto=https;host=a",
          "192.0.2.1:0 https a /own");
    gives("forwarded: for=10.2.2.2, for=10.1.1.1", "10.2.2.2:0 http x /own");
    gives("forwarded: for=192.0.2.1:80", "192.0.2.1:80 http x /own");
    gives("forwarded: for=\"192.0.2.1:_p\"", "192.0.2.1:0 http x /own");
    gives("forwarded: for=unknown;proto=https", "unknown:0 https x /own");
    gives("forwarded: for=_hidden", "_hidden:0 http x /own");
    gives("forwarded: for=\"_x:80\"", "_x:80 http x /own");
    gives("forwarded: for=\"192.0.\\2.1\"", "192.0.2.1:0 http x /own");
    gives("forwarded: ;, ;for=192.0.2.1;;,", "192.0.2.1:0 http x /own");
    gives("forwarded: for=192.0.2.1;ext=\"a, for=6.6.6.6;\\\"b\"",
          "192.0.2.1:0 http x /own");
    gives("forwarded: for=192.0.2.1;host=\"a/b\"", "192.0.2.1:0 http x /own");
    gives("forwarded: proto=https;host=a", "10.0.0.1:5 https a /own");
    gives("forwarded: ", "10.0.0.1:5 http x /own");
    gives_everyone("forwarded: for=6.6.6.6;host=a, for=192.0.2.1;host=b",
                   "6.6.6.6:0 http a /own");
}

static void test_wrong_standard(void **state)
{
    (void)state;
    /* A quote that a client has opened must not hide who it is. */
    gives("forwarded: for=\"6.6.6.6, for=192.0.2.1;host=a",
          "unknown:0 http x /own");
    gives("forwarded: for=\", for=\"192.0.2.1\"", "unknown:0 http x /own");
    gives("forwarded: for=\"a\\", "unknown:0 http x /own");
    gives("forwarded: for", "unknown:0 http x /own");
    gives("forwarded: =a", "unknown:0 http x /own");
    gives("forwarded: for=", "unknown:0 http x /own");
    gives("forwarded: for=\"\"", "unknown:0 http x /own");
    gives("forwarded: for =192.0.2.1", "unknown:0 http x /own");
    gives("forwarded: for=192.0.2.1 b", "unknown:0 http x /own");
    gives("forwarded: for=192.0.2.1;for=10.0.0.2", "unknown:0 http x /own");
    gives("forwarded: for=192.0.2.1;proto=http;proto=https",
          "unknown:0 http x /own");
    gives("forwarded: junk\nforwarded: for=192.0.2.1;host=a",
          "192.0.2.1:0 http a /own");
    gives("forwarded: host=evil;for=\nforwarded: for=10.3.3.3",
          "unknown:0 http x /own");
}

/* With one of the family there, Forwarded is the client's own. */
static void test_both(void **state)
{
    (void)state;
    gives("forwarded: for=6.6.6.6;host=evil;proto=https\n"
          "x-forwarded-for: 192.0.2.1",
          "192.0.2.1:0 http x /own");
    gives("x-forwarded-server: y\nforwarded: for=192.0.2.1",
          "192.0.2.1:0 http x /own");
}

static int teardown(void **state)
{
    (void)state;
    inlay_arena_deinit(&request.arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_for),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_scheme_and_host),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_standard),
        cmocka_unit_test(test_wrong_standard),
        cmocka_unit_test(test_both),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
