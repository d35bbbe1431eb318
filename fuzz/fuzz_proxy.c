/*
 * fuzz_proxy.c - what proxies send: PROXY headers, of which any chunking gives
 * the same, and header lines, of which nothing that is not valid gets through.
 * The first byte of the input chooses which, and the cuts.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "http/http1.h"
#include "http/proxy_protocol.h"
#include "serve/forwarded.h"

#include "base/banned.h"

#define HEADERS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
    if (!fine)
        abort();
}

/* --- PROXY headers --------------------------------------------------------- */

static void check_address(const struct inlay_address *address)
{
    struct inlay_ip ip;

    check(memchr(address->host, '\0', sizeof(address->host)) != NULL);
    check(address->port >= -1 && address->port <= 65535);
    check(address->port < 0 ||
          inlay_ip_parse(inlay_str_from(address->host), &ip));
}

static enum inlay_proxy_status feed(struct inlay_str bytes,
                                    size_t step,
                                    size_t *taken_ret,
                                    struct inlay_proxy_peers *ret)
{
    struct inlay_proxy_protocol proxy;
    enum inlay_proxy_status status = INLAY_PROXY_MORE;
    size_t at = 0;

    inlay_proxy_protocol_init(&proxy);
    while (at < bytes.len && status == INLAY_PROXY_MORE) {
        size_t len = inlay_min(step, bytes.len - at), taken = 0;

        status =
            inlay_proxy_protocol_feed(&proxy, bytes.ptr + at, len, &taken, ret);
        check(taken <= len && (status != INLAY_PROXY_MORE || taken == len));
        at += taken;
    }
    *taken_ret = at;
    return status;
}

static void fuzz_header(struct inlay_str bytes, size_t step)
{
    struct inlay_proxy_peers whole = {0}, cut = {0};
    size_t taken, taken_cut;
    enum inlay_proxy_status status =
        feed(bytes, inlay_max(bytes.len, (size_t)1), &taken, &whole);

    check(feed(bytes, step, &taken_cut, &cut) == status);
    check(taken == taken_cut || status == INLAY_PROXY_ERROR);
    if (status != INLAY_PROXY_DONE)
        return;
    check(memcmp(&whole, &cut, sizeof(whole)) == 0);
    if (whole.known) {
        check_address(&whole.client);
        check_address(&whole.local);
    }
}

/* --- Header lines ---------------------------------------------------------- */

/* "name: value" lines; a name of one letter stands for those that count. */
static size_t read_lines(struct inlay_str text, struct inlay_header *headers)
{
    static const struct inlay_str names[] = {
        INLAY_STR("x-forwarded-for"),
        INLAY_STR("x-forwarded-proto"),
        INLAY_STR("x-forwarded-host"),
        INLAY_STR("x-forwarded-port"),
        INLAY_STR("forwarded"),
        INLAY_STR("x-forwarded-prefix"),
        INLAY_STR("host"),
    };
    size_t count = 0;

    while (text.len && count < HEADERS) {
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end ? (size_t)(end - text.ptr) : text.len;
        struct inlay_str line = inlay_str_make(text.ptr, len);

        text.ptr += len + (end ? 1 : 0);
        text.len -= len + (end ? 1 : 0);
        if (line.len == 0)
            continue;
        struct inlay_str value = inlay_str_make(line.ptr + 1, line.len - 1);
        size_t name = (size_t)(unsigned char)line.ptr[0];
        if (!inlay_header_value_valid(value))
            continue;
        headers[count++] = (struct inlay_header){
            names[name % inlay_array_size(names)], inlay_str_trim(value)};
    }
    return count;
}

static void check_client(const struct inlay_address *client)
{
    struct inlay_str host = inlay_str_from(client->host);
    struct inlay_ip ip;

    check(host.len > 0 && client->port >= 0 && client->port <= 65535);
    check(inlay_ip_parse(host, &ip) || host.ptr[0] == '_' ||
          inlay_str_equal_nocase(host, INLAY_STR("unknown")));
}

static void fuzz_lines(struct inlay_str text, bool everyone)
{
    static const struct inlay_address peer = {.host = "10.0.0.1", .port = 1};
    static struct inlay_network network = {.bits = 128};
    struct inlay_networks trusted = {
        .items = &network, .count = 1, .everyone = everyone};
    struct inlay_header headers[HEADERS];
    struct inlay_request request = {
        .client = &peer,
        .scheme = INLAY_STR("http"),
        .root_path = INLAY_STR(""),
        .headers = headers,
        .nheaders = read_lines(text, headers),
    };

    check(inlay_ip_parse(INLAY_STR("10.0.0.1"), &network.ip));
    struct inlay_str before = inlay_request_header(&request, INLAY_STR("host"));
    inlay_arena_init(&request.arena, 1u << 20);
    check(inlay_forwarded_apply(&request, &trusted) == 0);
    check_client(request.client);
    check(inlay_str_is(request.scheme, "http") ||
          inlay_str_is(request.scheme, "https"));
    struct inlay_str host = inlay_request_header(&request, INLAY_STR("host"));
    check(inlay_str_equal(host, before) || inlay_http_authority_valid(host) ||
          inlay_str_starts(host, before));
    struct inlay_str root = request.root_path;
    check(root.len == 0 ||
          (root.ptr[0] == '/' && root.len > 1 && root.ptr[1] != '/' &&
           root.ptr[1] != '\\' && inlay_utf8_valid(root)));
    inlay_arena_deinit(&request.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct inlay_str text = inlay_str_make((const char *)data + 1, size - 1);
    size_t choice = data[0];
    if (choice & 1)
        fuzz_header(text, 1 + (choice >> 1) % 32);
    else
        fuzz_lines(text, choice & 2);
    return 0;
}
