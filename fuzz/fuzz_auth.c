/*
 * fuzz_auth.c - what clients send to be believed: Authorization headers,
 * cookies, signed text. Signed text is believed only when it was signed; what
 * was signed comes back as it went in.
 */
#include <stdint.h>
#include <stdlib.h>

#include "http/cookie.h"
#include "load/context.h"

#include "base/banned.h"

static const struct inlay_str key = INLAY_STR("0123456789abcdef");

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool lies_within(struct inlay_str part, struct inlay_str whole)
{
    return part.ptr >= whole.ptr &&
           part.ptr + part.len <= whole.ptr + whole.len;
}

static void read_headers(const struct inlay_api *api, struct inlay_str text)
{
    struct inlay_str token, user, password;

    if (api->bearer(text, &token))
        check(token.len && lies_within(token, text));
    if (api->basic(text, &user, &password)) {
        check(!user.len || !memchr(user.ptr, ':', user.len));
        check(inlay_utf8_valid(user) && inlay_utf8_valid(password));
    }
    token = inlay_cookie_find(text, INLAY_STR("sid"));
    check(!token.ptr || lies_within(token, text));
}

static void sign(const struct inlay_api *api, struct inlay_str text)
{
    struct inlay_str given;

    check(!api->verify(key, text, 0, &given));
    struct inlay_str made = api->sign(key, text);
    check(made.ptr && api->verify(key, made, 60, &given));
    check(inlay_str_equal(given, text));
    /* One bit of it, chosen by the text itself. */
    if (text.len) {
        size_t at = (unsigned char)text.ptr[0] * made.len / 256;

        ((char *)(uintptr_t)made.ptr)[at] ^= (char)(1 << (text.len & 7));
        check(!api->verify(key, made, 0, &given));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct inlay_str text = {(const char *)data, size};
    struct inlay_context context;
    struct inlay_arena arena;

    inlay_arena_init(&arena, 1 << 20);
    inlay_context_enter(&context, &arena);
    read_headers(&inlay_api_table, text);
    sign(&inlay_api_table, text);
    check(context.error == INLAY_OK || size > 100000);
    inlay_context_leave(&context);
    inlay_arena_deinit(&arena);
    return 0;
}
