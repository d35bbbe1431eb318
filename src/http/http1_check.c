#include "http/http1_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/banned.h"

/* The fields that decide how a message is read; what is said of each. */
struct framing {
    struct inlay_header *host;
    size_t hosts;
    struct inlay_str length; /* Content-Length */
    size_t lengths;
    struct inlay_str coding; /* Transfer-Encoding */
    size_t codings;
    bool close, keep_alive, upgrade_token; /* of Connection */
    bool upgrade_field;
    bool expects;       /* Expect: 100-continue */
    bool expects_other; /* some other expectation */
    bool forwarded;     /* of a proxy, or of a client who says so */
};

static struct inlay_http1_error refuse(int status, const char *reason)
{
    return (struct inlay_http1_error){status, reason};
}

static const struct inlay_http1_error fine;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    char lower = inlay_ascii_lower(c);

    return is_digit(c) || (lower >= 'a' && lower <= 'f');
}

static bool ipv6_valid(struct inlay_str text)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr addr;

    if (text.len == 0 || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return strlen(copy) == text.len && inet_pton(AF_INET6, copy, &addr) == 1;
}

/* Past the reg-name at the start (RFC 3986 3.2.2). */
static const char *skip_reg_name(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (inlay_likely(inlay_octet_is(*at, INLAY_OCTET_HOST)))
            continue;
        if (*at != '%' || end - at < 3 || !is_hex(at[1]) || !is_hex(at[2]))
            break;
        at += 2;
    }
    return at;
}

/* ":80", ":" or nothing (RFC 3986 3.2.3). */
static bool port_valid(struct inlay_str port)
{
    unsigned value = 0;

    if (port.len == 0)
        return true;
    if (port.ptr[0] != ':')
        return false;
    for (size_t i = 1; i < port.len; i++) {
        if (!is_digit(port.ptr[i]))
            return false;
        value = value * 10 + (unsigned)(port.ptr[i] - '0');
        if (value > 65535)
            return false;
    }
    return true;
}

bool inlay_http_authority_valid(struct inlay_str text)
{
    if (text.len == 0)
        return true;
    const char *end = text.ptr + text.len;
    const char *split;
    if (text.ptr[0] == '[') {
        split = memchr(text.ptr, ']', text.len);
        if (!split || !ipv6_valid(inlay_str_make(
                          text.ptr + 1, (size_t)(split - text.ptr) - 1)))
            return false;
        split++;
    } else {
        split = skip_reg_name(text.ptr, end);
        if (split == text.ptr)
            return false;
    }
    return port_valid(inlay_str_make(split, (size_t)(end - split)));
}

static void split_query(struct inlay_http1_head *head, struct inlay_str text)
{
    const char *mark = memchr(text.ptr, '?', text.len);

    head->path = text;
    head->query = inlay_str_make(text.ptr + text.len, 0);
    if (!mark)
        return;
    head->path.len = (size_t)(mark - text.ptr);
    head->query = inlay_str_make(mark + 1, text.len - head->path.len - 1);
}

/* The length of "http://" or "https://" at the start; 0: neither. */
static size_t scheme_len(struct inlay_str target)
{
    static const struct inlay_str schemes[] = {
        INLAY_STR("http://"),
        INLAY_STR("https://"),
    };

    for (size_t i = 0; i < inlay_array_size(schemes); i++) {
        size_t len = schemes[i].len;
        if (target.len >= len &&
            inlay_str_equal_nocase(inlay_str_make(target.ptr, len), schemes[i]))
            return len;
    }
    return 0;
}

/* RFC 9112 3.2; `authority_ret` is set for the absolute form only. */
static bool read_target(struct inlay_http1_head *head,
                        struct inlay_str *authority_ret)
{
    struct inlay_str target = head->target;

    if (target.len == 0 || !inlay_octets_are(target, INLAY_OCTET_TARGET))
        return false;
    if (target.ptr[0] == '/') {
        split_query(head, target);
        return true;
    }
    if (inlay_str_is(target, "*")) {
        split_query(head, target);
        return head->method_id == INLAY_METHOD_OPTIONS;
    }
    size_t skip = scheme_len(target);
    if (!skip)
        return false;
    struct inlay_str rest =
        inlay_str_make(target.ptr + skip, target.len - skip);
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
        len++;
    *authority_ret = inlay_str_make(rest.ptr, len);
    split_query(head, inlay_str_make(rest.ptr + len, rest.len - len));
    if (head->path.len == 0)
        head->path = INLAY_STR("/");
    return len > 0 && inlay_http_authority_valid(*authority_ret);
}

static void read_connection(struct framing *framing, struct inlay_str value)
{
    if (inlay_header_has_token(value, INLAY_STR("close")))
        framing->close = true;
    if (inlay_header_has_token(value, INLAY_STR("keep-alive")))
        framing->keep_alive = true;
    if (inlay_header_has_token(value, INLAY_STR("upgrade")))
        framing->upgrade_token = true;
}

static void read_header(struct framing *framing, struct inlay_header *header)
{
    switch (header->name.len) {
    case 4:
        if (inlay_str_is(header->name, "host")) {
            framing->host = header;
            framing->hosts++;
        }
        break;
    case 6:
        if (!inlay_str_is(header->name, "expect"))
            break;
        if (inlay_str_is_nocase(header->value, "100-continue"))
            framing->expects = true;
        else
            framing->expects_other = true;
        break;
    case 7:
        if (inlay_str_is(header->name, "upgrade"))
            framing->upgrade_field = true;
        break;
    case 9:
        if (inlay_str_is(header->name, "forwarded"))
            framing->forwarded = true;
        break;
    case 10:
        if (inlay_str_is(header->name, "connection"))
            read_connection(framing, header->value);
        break;
    case 14:
        if (inlay_str_is(header->name, "content-length")) {
            framing->length = header->value;
            framing->lengths++;
        }
        break;
    case 17:
        if (inlay_str_is(header->name, "transfer-encoding")) {
            framing->coding = header->value;
            framing->codings++;
        }
        __attribute__((fallthrough));
    case 15:
    case 16:
    case 18:
        if (inlay_str_starts(header->name, INLAY_STR("x-forwarded-")))
            framing->forwarded = true;
        break;
    default:
        break;
    }
}

/* RFC 9110 8.6; -1: not a length. */
static int64_t read_length(struct inlay_str text)
{
    int64_t value = 0;

    if (text.len == 0)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.ptr[i]))
            return -1;
        int digit = text.ptr[i] - '0';
        if (value > (INT64_MAX - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    return value;
}

/* A Transfer-Encoding that is not "chunked": is it wrong, or only unknown? */
static struct inlay_http1_error refuse_coding(struct inlay_str list)
{
    const char *at = list.ptr, *end = list.ptr + list.len;
    bool unknown = false;

    for (;;) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        struct inlay_str item = inlay_str_trim(
            inlay_str_make(at, (size_t)((comma ? comma : end) - at)));
        if (inlay_str_is_nocase(item, "chunked")) {
            /* Last, and so after others: those are what we cannot read. */
            if (comma || !unknown)
                return refuse(400, "chunked is not the last transfer coding");
        } else if (inlay_header_name_valid(item)) {
            unknown = true;
        } else {
            return refuse(400, "invalid Transfer-Encoding");
        }
        if (!comma)
            break;
        at = comma + 1;
    }
    return refuse(501, "unknown transfer coding");
}

/* RFC 9112 6: how long is the body? */
static struct inlay_http1_error read_framing(struct inlay_http1_head *head,
                                             const struct framing *framing)
{
    head->content_length = -1;
    if (framing->codings && framing->lengths)
        return refuse(400, "Content-Length with Transfer-Encoding");
    if (framing->codings) {
        if (head->minor == 0)
            return refuse(400, "Transfer-Encoding in HTTP/1.0");
        if (framing->codings > 1)
            return refuse(400, "more than one Transfer-Encoding");
        if (!inlay_str_is_nocase(framing->coding, "chunked"))
            return refuse_coding(framing->coding);
        head->chunked = true;
    }
    if (framing->lengths > 1)
        return refuse(400, "more than one Content-Length");
    if (framing->lengths) {
        head->content_length = read_length(framing->length);
        if (head->content_length < 0)
            return refuse(400, "invalid Content-Length");
    }
    return fine;
}

struct inlay_http1_error inlay_http1_check(struct inlay_http1_head *head)
{
    struct framing framing = {0};
    struct inlay_str authority = {NULL, 0};

    if (!read_target(head, &authority))
        return refuse(400, "invalid request target");
    for (size_t i = 0; i < head->nheaders; i++)
        read_header(&framing, &head->headers[i]);
    if (framing.hosts > 1)
        return refuse(400, "more than one Host");
    if (framing.hosts == 0 && head->minor > 0)
        return refuse(400, "Host is missing");
    if (framing.hosts && !inlay_http_authority_valid(framing.host->value))
        return refuse(400, "invalid Host");
    if (framing.hosts && authority.len)
        framing.host->value = authority;

    struct inlay_http1_error error = read_framing(head, &framing);
    if (error.status)
        return error;
    bool body = head->chunked || head->content_length > 0;
    if (head->minor > 0) { /* RFC 9110 10.1.1 and 7.8: not of HTTP/1.0 */
        if (framing.expects_other)
            return refuse(417, "unknown expectation");
        head->expects_continue = framing.expects && body;
        head->upgrade = framing.upgrade_token && framing.upgrade_field;
    }
    head->forwarded = framing.forwarded;
    head->keep_alive =
        !framing.close && (head->minor > 0 || framing.keep_alive);
    return fine;
}
