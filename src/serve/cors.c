#include "serve/cors.h"

#include "serve/cors_parts.h"
#include "serve/response.h"

#include "base/banned.h"

#define HEADERS_MOST 8

/* --- Origins -------------------------------------------------------------- */

static bool is_label_char(char c)
{
    char lower = inlay_ascii_lower(c);

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.';
}

static bool host_matches(const struct inlay_cors_origin *pattern,
                         struct inlay_str host)
{
    if (!pattern->any_host)
        return inlay_str_equal(pattern->host, host);
    /* `pattern->host` is ".example.com". */
    if (host.len <= pattern->host.len)
        return false;
    size_t rest = host.len - pattern->host.len;
    if (!inlay_str_equal(inlay_str_make(host.ptr + rest, pattern->host.len),
                         pattern->host))
        return false;
    for (size_t i = 0; i < rest; i++) {
        if (!is_label_char(host.ptr[i]))
            return false;
    }
    return host.ptr[0] != '.';
}

static bool port_matches(const struct inlay_cors_origin *pattern,
                         struct inlay_str port)
{
    if (!pattern->any_port)
        return inlay_str_equal(pattern->port, port);
    for (size_t i = 0; i < port.len; i++) {
        if (port.ptr[i] < '0' || port.ptr[i] > '9')
            return false;
    }
    return port.len <= 5;
}

bool inlay_cors_allows(const struct inlay_cors *cors, struct inlay_str origin)
{
    struct inlay_cors_origin parts;

    if (cors->any_origin)
        return true;
    for (size_t i = 0; i < cors->norigins; i++) {
        if (inlay_str_equal(cors->origins[i].text, origin))
            return true;
    }
    if (!cors->patterns || !inlay_cors_split(origin, &parts))
        return false;
    for (size_t i = 0; i < cors->norigins; i++) {
        const struct inlay_cors_origin *pattern = &cors->origins[i];

        if ((pattern->any_host || pattern->any_port) &&
            inlay_str_equal(pattern->scheme, parts.scheme) &&
            host_matches(pattern, parts.host) &&
            port_matches(pattern, parts.port))
            return true;
    }
    return false;
}

/* --- Preflights ------------------------------------------------------------ */

struct answer {
    struct inlay_header headers[HEADERS_MOST];
    size_t nheaders;
    char text[96]; /* of the body */
    size_t len;
    bool refused;
};

static void put_header(struct answer *answer,
                       struct inlay_str name,
                       struct inlay_str value)
{
    answer->headers[answer->nheaders++] = (struct inlay_header){name, value};
}

static void put_text(struct answer *answer, struct inlay_str text)
{
    memcpy(answer->text + answer->len, text.ptr, text.len);
    answer->len += text.len;
}

static void refuse(struct answer *answer, struct inlay_str what)
{
    put_text(answer,
             answer->refused ? INLAY_STR(", ") : INLAY_STR("Disallowed CORS "));
    put_text(answer, what);
    answer->refused = true;
}

static bool has_method(const struct inlay_cors *cors, struct inlay_str method)
{
    for (size_t i = 0; i < cors->nmethods; i++) {
        if (inlay_str_equal(cors->methods[i], method))
            return true;
    }
    return false;
}

/* Are all names of a list allowed? An empty name is not. */
static bool has_headers(const struct inlay_cors *cors, struct inlay_str list)
{
    struct inlay_str name;

    while (inlay_layer_part(&list, ',', &name)) {
        if (!inlay_header_name_among(name, cors->headers, cors->nheaders))
            return false;
    }
    return true;
}

static void judge(const struct inlay_cors *cors,
                  const struct inlay_request *request,
                  struct inlay_str origin,
                  struct inlay_str method,
                  struct answer *answer)
{
    struct inlay_str wanted = inlay_request_header(
        request, INLAY_STR("access-control-request-headers"));
    struct inlay_str network = inlay_request_header(
        request, INLAY_STR("access-control-request-private-network"));
    struct inlay_str allowed = cors->allow_headers;

    if (!inlay_cors_allows(cors, origin))
        refuse(answer, INLAY_STR("origin"));
    else
        put_header(answer, INLAY_STR("access-control-allow-origin"),
                   cors->any_origin && !cors->credentials ? INLAY_STR("*")
                                                          : origin);
    if (!has_method(cors, method))
        refuse(answer, INLAY_STR("method"));
    if (cors->any_header)
        allowed = wanted;
    else if (wanted.ptr && !has_headers(cors, wanted))
        refuse(answer, INLAY_STR("headers"));
    if (allowed.ptr)
        put_header(answer, INLAY_STR("access-control-allow-headers"), allowed);
    if (network.ptr)
        refuse(answer, INLAY_STR("private-network"));
}

static void answer_preflight(const struct inlay_cors *cors,
                             struct inlay_request *request,
                             struct inlay_str origin,
                             struct inlay_str method)
{
    struct answer answer = {.len = 0};

    put_header(&answer, INLAY_STR("content-type"),
               INLAY_STR("text/plain; charset=utf-8"));
    put_header(&answer, INLAY_STR("vary"),
               INLAY_STR("Origin, Access-Control-Request-Method, "
                         "Access-Control-Request-Headers, "
                         "Access-Control-Request-Private-Network"));
    put_header(&answer, INLAY_STR("access-control-allow-methods"),
               cors->allow_methods);
    put_header(&answer, INLAY_STR("access-control-max-age"), cors->max_age);
    if (cors->credentials)
        put_header(&answer, INLAY_STR("access-control-allow-credentials"),
                   INLAY_STR("true"));
    judge(cors, request, origin, method, &answer);
    if (!answer.refused)
        put_text(&answer, INLAY_STR("OK"));
    inlay_response_send_with(request, answer.refused ? 400 : 200,
                             answer.headers, answer.nheaders,
                             inlay_str_make(answer.text, answer.len));
}

/* --- Requests --------------------------------------------------------------- */

/* Without memory the browser shows its user nothing: that is safe. */
static void dress(const struct inlay_cors *cors,
                  struct inlay_request *request,
                  struct inlay_str origin)
{
    bool fixed = cors->any_origin && !cors->credentials;

    inlay_request_add_header(request, INLAY_STR("vary"), INLAY_STR("Origin"),
                             false);
    if (!origin.ptr)
        return;
    if (cors->credentials)
        inlay_request_add_header(request,
                                 INLAY_STR("access-control-allow-credentials"),
                                 INLAY_STR("true"), true);
    if (cors->expose_headers.len)
        inlay_request_add_header(request,
                                 INLAY_STR("access-control-expose-headers"),
                                 cors->expose_headers, true);
    if (fixed || inlay_cors_allows(cors, origin))
        inlay_request_add_header(request,
                                 INLAY_STR("access-control-allow-origin"),
                                 fixed ? INLAY_STR("*") : origin, true);
}

bool inlay_cors_admit(const struct inlay_cors *cors,
                      struct inlay_request *request)
{
    struct inlay_str origin =
        inlay_request_header(request, INLAY_STR("origin"));

    if (origin.ptr && request->method_id == INLAY_METHOD_OPTIONS) {
        struct inlay_str method = inlay_request_header(
            request, INLAY_STR("access-control-request-method"));

        if (method.ptr) {
            answer_preflight(cors, request, origin, method);
            return false;
        }
    }
    dress(cors, request, origin);
    return true;
}
