/* RFC 6455 4.2: what opens a WebSocket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "http/websocket_handshake.h"

#include "base/banned.h"

#define HEADERS_MOST 6
#define KEY                                                                    \
    {                                                                          \
        "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="                        \
    }
#define UPGRADE                                                                \
    {                                                                          \
        "upgrade", "websocket"                                                 \
    }
#define VERSION                                                                \
    {                                                                          \
        "sec-websocket-version", "13"                                          \
    }

struct sample {
    const char *lines[HEADERS_MOST][2];
    enum inlay_handshake expected;
};

static const struct sample samples[] = {
    {{UPGRADE, KEY, VERSION}, INLAY_HANDSHAKE_VALID},
    {{{"upgrade", "WebSocket"}, KEY, VERSION}, INLAY_HANDSHAKE_VALID},
    {{{"upgrade", "h2c, websocket"}, KEY, VERSION}, INLAY_HANDSHAKE_VALID},
    {{{"upgrade", "h2c"}, KEY, VERSION}, INLAY_HANDSHAKE_NONE},
    {{{"upgrade", "websockets"}, KEY, VERSION}, INLAY_HANDSHAKE_NONE},
    {{UPGRADE, KEY}, INLAY_HANDSHAKE_MALFORMED},
    {{UPGRADE, KEY, VERSION, VERSION}, INLAY_HANDSHAKE_MALFORMED},
    {{UPGRADE, VERSION}, INLAY_HANDSHAKE_MALFORMED},
    {{UPGRADE, VERSION, KEY, KEY}, INLAY_HANDSHAKE_MALFORMED},
    {{UPGRADE, KEY, {"sec-websocket-version", "8"}},
     INLAY_HANDSHAKE_BAD_VERSION},
    {{UPGRADE, {"sec-websocket-version", "14"}}, INLAY_HANDSHAKE_BAD_VERSION},
    {{UPGRADE, VERSION, {"sec-websocket-key", ""}}, INLAY_HANDSHAKE_MALFORMED},
    {{UPGRADE, VERSION, {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ="}},
     INLAY_HANDSHAKE_MALFORMED},
    {{UPGRADE, VERSION, {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=a"}},
     INLAY_HANDSHAKE_MALFORMED},
    {{UPGRADE, VERSION, {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ-="}},
     INLAY_HANDSHAKE_MALFORMED},
    {{UPGRADE, VERSION, {"sec-websocket-key", "dGhl*HNhbXBsZSBub25jZQ=="}},
     INLAY_HANDSHAKE_MALFORMED},
};

static struct inlay_http1_head head_of(const struct sample *sample,
                                       struct inlay_header *headers)
{
    size_t count = 0;

    for (; count < HEADERS_MOST && sample->lines[count][0]; count++) {
        headers[count].name = inlay_str_from(sample->lines[count][0]);
        headers[count].value = inlay_str_from(sample->lines[count][1]);
    }
    return (struct inlay_http1_head){
        .method_id = INLAY_METHOD_GET,
        .minor = 1,
        .upgrade = true,
        .content_length = -1,
        .headers = headers,
        .nheaders = count,
    };
}

static void requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < inlay_array_size(samples); i++) {
        struct inlay_header headers[HEADERS_MOST];
        struct inlay_http1_head head = head_of(&samples[i], headers);
        const char *reason = NULL;

        assert_int_equal(inlay_websocket_check(&head, &reason),
                         samples[i].expected);
        assert_int_equal(reason != NULL,
                         samples[i].expected == INLAY_HANDSHAKE_MALFORMED ||
                             samples[i].expected ==
                                 INLAY_HANDSHAKE_BAD_VERSION);
    }
}

/* What no WebSocket can be is served as if it had not asked. */
static void not_followed(void **state)
{
    struct inlay_header headers[HEADERS_MOST];
    struct inlay_http1_head head = head_of(&samples[0], headers);
    const char *reason;

    (void)state;
    head.method_id = INLAY_METHOD_POST;
    assert_int_equal(inlay_websocket_check(&head, &reason),
                     INLAY_HANDSHAKE_NONE);
    head = head_of(&samples[0], headers);
    head.content_length = 3;
    assert_int_equal(inlay_websocket_check(&head, &reason),
                     INLAY_HANDSHAKE_NONE);
    head = head_of(&samples[0], headers);
    head.chunked = true;
    assert_int_equal(inlay_websocket_check(&head, &reason),
                     INLAY_HANDSHAKE_NONE);
    head = head_of(&samples[0], headers);
    head.upgrade = false;
    assert_int_equal(inlay_websocket_check(&head, &reason),
                     INLAY_HANDSHAKE_NONE);
}

/* The example of RFC 6455 1.3. */
static void accept_key(void **state)
{
    struct inlay_header headers[HEADERS_MOST];
    struct inlay_http1_head head = head_of(&samples[0], headers);
    char key[INLAY_WEBSOCKET_ACCEPT_LEN];

    (void)state;
    assert_int_equal(
        inlay_websocket_accept_key(head.headers, head.nheaders, key), 0);
    assert_memory_equal(key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof(key));
    assert_int_equal(inlay_websocket_accept_key(head.headers, 1, key), -1);
}

static void deflate_in_any_header(void **state)
{
    static const struct inlay_header headers[] = {
        {INLAY_STR("sec-websocket-extensions"), INLAY_STR("foo")},
        {INLAY_STR("host"), INLAY_STR("permessage-deflate")},
        {INLAY_STR("sec-websocket-extensions"),
         INLAY_STR("permessage-deflate; server_max_window_bits=10")},
    };
    struct inlay_deflate_terms terms;

    (void)state;
    assert_false(inlay_websocket_find_deflate(headers, 2, &terms));
    assert_true(inlay_websocket_find_deflate(headers, 3, &terms));
    assert_int_equal(terms.server_bits, 10);
}

static void subprotocols(void **state)
{
    static const struct inlay_header headers[] = {
        {INLAY_STR("sec-websocket-protocol"), INLAY_STR("a, b ,,c")},
        {INLAY_STR("x"), INLAY_STR("no")},
        {INLAY_STR("sec-websocket-protocol"), INLAY_STR(" ,d")},
    };
    struct inlay_subprotocols list =
        inlay_subprotocols_of(headers, inlay_array_size(headers));
    struct inlay_str item;
    char all[8];
    size_t len = 0;

    (void)state;
    while (inlay_subprotocols_next(&list, &item)) {
        assert_int_equal(item.len, 1);
        all[len++] = item.ptr[0];
    }
    assert_int_equal(len, 4);
    assert_memory_equal(all, "abcd", 4);
    assert_false(inlay_subprotocols_next(&list, &item));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),     cmocka_unit_test(not_followed),
        cmocka_unit_test(accept_key),   cmocka_unit_test(deflate_in_any_header),
        cmocka_unit_test(subprotocols),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
