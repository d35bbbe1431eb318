/* Addresses as text and bytes; lists of networks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/networks.h"

#include "base/banned.h"

/* The text of what was read; "" when it is no address. */
static const char *again(const char *text)
{
    static char out[INLAY_IP_TEXT];
    struct inlay_ip ip;

    if (!inlay_ip_parse(inlay_str_from(text), &ip))
        return "";
    inlay_ip_format(&ip, out);
    return out;
}

static void test_addresses(void **state)
{
    static const char *const wrong[] = {
        "",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "1.2.3.256",
        " 1.2.3.4",
        "1.2.3.4 ",
        "0x7f.0.0.1",
        "2130706433",
        "localhost",
        "fe80::1%lo",
        "[::1]",
        ":::",
        "1::2::3",
        "12345::",
        "1.2.3.4:80",
        "::ffff:1.2.3.4.5",
        "2001:0db8:0000:0000:0000:0000:192.168.100.2000",
    };

    (void)state;
    assert_string_equal(again("192.0.2.1"), "192.0.2.1");
    assert_string_equal(again("2001:DB8:0::0:1"), "2001:db8::1");
    assert_string_equal(again("::ffff:192.0.2.1"), "192.0.2.1");
    assert_string_equal(again("::"), "::");
    for (size_t i = 0; i < inlay_array_size(wrong); i++)
        assert_string_equal(again(wrong[i]), "");
    struct inlay_ip ip;
    assert_false(inlay_ip_parse(inlay_str_make("1.2.3.4\0", 8), &ip));
}

static void test_ports(void **state)
{
    static const char *const wrong[] = {"",   "-1",  "+1",     " 1",  "65536",
                                        "00", "080", "999999", "1\n", "a"};

    (void)state;
    assert_int_equal(inlay_port_parse(INLAY_STR("0")), 0);
    assert_int_equal(inlay_port_parse(INLAY_STR("65535")), 65535);
    for (size_t i = 0; i < inlay_array_size(wrong); i++)
        assert_int_equal(inlay_port_parse(inlay_str_from(wrong[i])), -1);
}

static bool have(const struct inlay_networks *networks, const char *host)
{
    struct inlay_address peer = {.port = host[0] == '/' ? -1 : 1};

    snprintf(peer.host, sizeof(peer.host), "%s", host);
    return inlay_networks_have_peer(networks, &peer);
}

static struct inlay_error *parse(struct inlay_arena *arena,
                                 const char *text,
                                 struct inlay_networks *ret)
{
    struct inlay_str entry = inlay_str_from(text);

    return inlay_networks_parse("allowed", &entry, 1, arena, ret);
}

static void test_networks(void **state)
{
    static const struct inlay_str entries[] = {
        INLAY_STR("127.0.0.1"),      INLAY_STR("10.0.0.0/8"),
        INLAY_STR("192.168.4.0/22"), INLAY_STR("2001:db8::/33"),
        INLAY_STR(" ::1 "),          INLAY_STR("203.0.113.7/32"),
    };
    struct inlay_networks networks;
    struct inlay_arena arena;

    (void)state;
    inlay_arena_init(&arena, 1u << 20);
    assert_null(inlay_networks_parse(
        "allowed", entries, inlay_array_size(entries), &arena, &networks));
    assert_true(have(&networks, "127.0.0.1"));
    assert_true(have(&networks, "::ffff:127.0.0.1"));
    assert_false(have(&networks, "127.0.0.2"));
    assert_true(have(&networks, "10.255.0.9"));
    assert_false(have(&networks, "11.0.0.0"));
    assert_true(have(&networks, "192.168.7.255"));
    assert_false(have(&networks, "192.168.8.0"));
    assert_true(have(&networks, "2001:db8:7fff::1"));
    assert_false(have(&networks, "2001:db8:8000::1"));
    assert_true(have(&networks, "::1"));
    assert_false(have(&networks, "::2"));
    assert_true(have(&networks, "203.0.113.7"));
    assert_false(have(&networks, "/run/x"));
    assert_false(have(&networks, ""));
    assert_null(parse(&arena, "0.0.0.0/0", &networks));
    assert_true(have(&networks, "1.2.3.4"));
    assert_false(have(&networks, "2001:db8::1"));
    assert_null(parse(&arena, "unix", &networks));
    assert_true(have(&networks, "/run/x"));
    assert_false(have(&networks, "127.0.0.1"));
    assert_null(parse(&arena, "*", &networks));
    assert_true(have(&networks, "/run/x") && have(&networks, "1.2.3.4"));
    inlay_arena_deinit(&arena);
}

static void test_wrong_networks(void **state)
{
    static const struct {
        const char *entry, *message;
    } wrong[] = {
        {"localhost", "allowed: \"localhost\" is neither an IP address"},
        {"", "is neither"},
        {"10.0.0.1/8", "has bits set behind the prefix; write 10.0.0.0/8"},
        {"2001:db8::1/64", "write 2001:db8::/64"},
        {"10.0.0.0/33", "a prefix length of 0 to 32"},
        {"10.0.0.0/", "a prefix length of 0 to 32"},
        {"10.0.0.0/8/8", "a prefix length of 0 to 32"},
        {"::/129", "a prefix length of 0 to 128"},
        {"::/-1", "a prefix length of 0 to 128"},
        {"/8", "is neither"},
        {"*.example.com", "is neither"},
    };
    struct inlay_networks networks;
    struct inlay_arena arena;

    (void)state;
    inlay_arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < inlay_array_size(wrong); i++) {
        struct inlay_error *error = parse(&arena, wrong[i].entry, &networks);

        assert_non_null(error);
        assert_int_equal(error->code, INLAY_ERROR_VALUE);
        assert_non_null(strstr(error->message, wrong[i].message));
        inlay_error_destroy(error);
    }
    inlay_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_wrong_networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
