#include "http/websocket_handshake.h"

#include <openssl/evp.h>

#include "base/banned.h"

#define KEY_LEN 24 /* 16 bytes as base64: 22 digits and two signs */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* What of a handshake is looked at. */
struct fields {
    struct inlay_str key, version;
    size_t keys, versions;
    bool websocket; /* Upgrade names it */
};

static void read_field(struct fields *fields, const struct inlay_header *header)
{
    switch (header->name.len) {
    case 7:
        if (inlay_str_is(header->name, "upgrade") &&
            inlay_header_has_token(header->value, INLAY_STR("websocket")))
            fields->websocket = true;
        break;
    case 17:
        if (inlay_str_is(header->name, "sec-websocket-key")) {
            fields->key = header->value;
            fields->keys++;
        }
        break;
    case 21:
        if (inlay_str_is(header->name, "sec-websocket-version")) {
            fields->version = header->value;
            fields->versions++;
        }
        break;
    default:
        break;
    }
}

static struct fields read_fields(const struct inlay_header *headers,
                                 size_t nheaders)
{
    struct fields fields = {0};

    for (size_t i = 0; i < nheaders; i++)
        read_field(&fields, &headers[i]);
    return fields;
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '+' || c == '/';
}

static bool key_valid(struct inlay_str key)
{
    if (key.len != KEY_LEN || key.ptr[KEY_LEN - 1] != '=' ||
        key.ptr[KEY_LEN - 2] != '=')
        return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++)
        if (!is_base64(key.ptr[i]))
            return false;
    return true;
}

enum inlay_handshake inlay_websocket_check(const struct inlay_http1_head *head,
                                           const char **reason_ret)
{
    struct fields fields = read_fields(head->headers, head->nheaders);

    if (!head->upgrade || !fields.websocket ||
        head->method_id != INLAY_METHOD_GET || head->chunked ||
        head->content_length > 0)
        return INLAY_HANDSHAKE_NONE;
    if (fields.versions != 1) {
        *reason_ret = "one Sec-WebSocket-Version header is needed";
        return INLAY_HANDSHAKE_MALFORMED;
    }
    if (!inlay_str_is(fields.version, "13")) {
        *reason_ret = "the WebSocket version must be 13";
        return INLAY_HANDSHAKE_BAD_VERSION;
    }
    if (fields.keys != 1 || !key_valid(fields.key)) {
        *reason_ret = "one Sec-WebSocket-Key header is needed, of 16 bytes "
                      "as base64";
        return INLAY_HANDSHAKE_MALFORMED;
    }
    return INLAY_HANDSHAKE_VALID;
}

int inlay_websocket_accept_key(const struct inlay_header *headers,
                               size_t nheaders,
                               char buf[INLAY_WEBSOCKET_ACCEPT_LEN])
{
    struct fields fields = read_fields(headers, nheaders);
    unsigned char text[KEY_LEN + sizeof(GUID) - 1], digest[EVP_MAX_MD_SIZE];
    unsigned char encoded[INLAY_WEBSOCKET_ACCEPT_LEN + 1];
    unsigned digest_len = 0;

    if (fields.key.len != KEY_LEN)
        return -1;
    memcpy(text, fields.key.ptr, KEY_LEN);
    memcpy(text + KEY_LEN, GUID, sizeof(GUID) - 1);
    if (EVP_Digest(text, sizeof(text), digest, &digest_len, EVP_sha1(), NULL) !=
            1 ||
        digest_len != 20)
        return -1;
    EVP_EncodeBlock(encoded, digest, (int)digest_len);
    memcpy(buf, encoded, INLAY_WEBSOCKET_ACCEPT_LEN);
    return 0;
}

bool inlay_websocket_find_deflate(const struct inlay_header *headers,
                                  size_t nheaders,
                                  struct inlay_deflate_terms *ret)
{
    for (size_t i = 0; i < nheaders; i++) {
        if (inlay_str_is(headers[i].name, "sec-websocket-extensions") &&
            inlay_deflate_negotiate(headers[i].value, ret))
            return true;
    }
    return false;
}

/* --- Subprotocols -------------------------------------------------------- */

/* The next header of them; false: there is none. */
static bool next_header(struct inlay_subprotocols *list)
{
    while (list->nheaders) {
        const struct inlay_header *header = list->headers;

        list->headers++;
        list->nheaders--;
        if (!inlay_str_is(header->name, "sec-websocket-protocol"))
            continue;
        list->rest = header->value;
        return true;
    }
    return false;
}

bool inlay_subprotocols_next(struct inlay_subprotocols *list,
                             struct inlay_str *ret)
{
    for (;;) {
        struct inlay_str *rest = &list->rest;

        if (!rest->len) {
            if (!next_header(list))
                return false;
            continue;
        }
        const char *comma = memchr(rest->ptr, ',', rest->len);
        size_t len = comma ? (size_t)(comma - rest->ptr) : rest->len;
        struct inlay_str item = inlay_str_trim(inlay_str_make(rest->ptr, len));
        rest->ptr += comma ? len + 1 : len;
        rest->len -= comma ? len + 1 : len;
        if (item.len) {
            *ret = item;
            return true;
        }
    }
}
