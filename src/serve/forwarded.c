#include "serve/forwarded.h"

#include "http/http1.h"
#include "http/url.h"

#include "base/banned.h"

#define PREFIX_MOST 1024

/* The X-Forwarded- family. */
enum field { FIELD_FOR, FIELD_PROTO, FIELD_HOST, FIELD_PORT, FIELD_PREFIX };

static const struct inlay_str fields[] = {
    [FIELD_FOR] = INLAY_STR("x-forwarded-for"),
    [FIELD_PROTO] = INLAY_STR("x-forwarded-proto"),
    [FIELD_HOST] = INLAY_STR("x-forwarded-host"),
    [FIELD_PORT] = INLAY_STR("x-forwarded-port"),
    [FIELD_PREFIX] = INLAY_STR("x-forwarded-prefix"),
};

/* Somebody on the way: an address, an identifier (RFC 7239 6.3), "unknown". */
struct node {
    bool is_ip;
    struct inlay_ip ip;
    struct inlay_str name; /* when it is none */
    int port;              /* 0: not said */
};

static const struct node unknown = {.name = INLAY_STR("unknown")};

/* --- Nodes --------------------------------------------------------------- */

/* "_hidden" (RFC 7239 6.3): safe to be shown as it is. */
static bool is_identifier(struct inlay_str text)
{
    if (text.len < 2 || text.ptr[0] != '_' ||
        text.len >= sizeof(((struct inlay_address *)NULL)->host))
        return false;
    for (size_t i = 1; i < text.len; i++) {
        char c = inlay_ascii_lower(text.ptr[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.' &&
            c != '_' && c != '-')
            return false;
    }
    return true;
}

/* A port, or an identifier for one: 0. Else -1. */
static int read_port(struct inlay_str text)
{
    return is_identifier(text) ? 0 : inlay_port_parse(text);
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]:80", "_x"… */
static struct node read_node(struct inlay_str text)
{
    struct node node = {.is_ip = true};
    struct inlay_str host = text;
    const char *end = text.ptr + text.len, *colon = NULL;

    if (inlay_ip_parse(text, &node.ip))
        return node;
    if (text.len && text.ptr[0] == '[') {
        const char *close = memchr(text.ptr, ']', text.len);

        if (!close)
            return unknown;
        host = inlay_str_make(text.ptr + 1, (size_t)(close - text.ptr) - 1);
        if (!memchr(host.ptr, ':', host.len))
            return unknown;
        colon = close + 1 < end ? close + 1 : NULL;
        if (colon && *colon != ':')
            return unknown;
    } else if (text.len) {
        colon = memchr(text.ptr, ':', text.len);
        if (colon)
            host.len = (size_t)(colon - text.ptr);
    }
    if (colon)
        node.port =
            read_port(inlay_str_make(colon + 1, (size_t)(end - colon) - 1));
    if (node.port < 0)
        return unknown;
    if (inlay_ip_parse(host, &node.ip) &&
        (host.ptr != text.ptr || inlay_ip_is_v4(&node.ip)))
        return node;
    node.is_ip = false;
    node.name = host;
    return is_identifier(host) || inlay_str_is_nocase(host, "unknown")
               ? node
               : unknown;
}

static bool trusts(const struct inlay_networks *trusted,
                   const struct node *node)
{
    return trusted->everyone ||
           (node->is_ip && inlay_networks_have(trusted, &node->ip));
}

static int set_client(struct inlay_request *request, const struct node *node)
{
    struct inlay_address *client =
        inlay_arena_new(&request->arena, struct inlay_address);

    if (!client)
        return -1;
    client->port = node->port;
    if (node->is_ip)
        inlay_ip_format(&node->ip, client->host);
    else
        memcpy(client->host, node->name.ptr, node->name.len);
    request->client = client;
    return 0;
}

/* --- What is said, carried out ------------------------------------------- */

static void set_scheme(struct inlay_request *request, struct inlay_str text)
{
    if (inlay_str_is_nocase(text, "https") || inlay_str_is_nocase(text, "wss"))
        request->scheme = INLAY_STR("https");
    else if (inlay_str_is_nocase(text, "http") ||
             inlay_str_is_nocase(text, "ws"))
        request->scheme = INLAY_STR("http");
}

static struct inlay_header *find(const struct inlay_request *request,
                                 struct inlay_str name)
{
    for (size_t i = 0; i < request->nheaders; i++) {
        if (inlay_str_equal(request->headers[i].name, name))
            return &request->headers[i];
    }
    return NULL;
}

/* The application sees one Host header, as the client sent it to the proxy. */
static int set_host(struct inlay_request *request, struct inlay_str host)
{
    struct inlay_header *header = find(request, INLAY_STR("host"));

    if (header) {
        header->value = host;
        return 0;
    }
    struct inlay_header *headers = inlay_arena_zalloc_array(
        &request->arena, request->nheaders + 1, sizeof(*headers));
    if (!headers)
        return -1;
    headers[0] = (struct inlay_header){INLAY_STR("host"), host};
    memcpy(headers + 1, request->headers, request->nheaders * sizeof(*headers));
    request->headers = headers;
    request->nheaders++;
    return 0;
}

static bool has_port(struct inlay_str host)
{
    const char *from = host.ptr, *end = host.ptr + host.len;

    if (host.len && host.ptr[0] == '[')
        from = memchr(host.ptr, ']', host.len);
    return from && memchr(from, ':', (size_t)(end - from));
}

/* A host without a port gets the one of the proxy, unless it is the scheme's
 * own. */
static int add_port(struct inlay_request *request, struct inlay_str text)
{
    struct inlay_header *header = find(request, INLAY_STR("host"));
    int usual = inlay_str_is(request->scheme, "https") ? 443 : 80;
    int port = inlay_port_parse(text);

    if (port <= 0 || port == usual || !header || header->value.len == 0 ||
        has_port(header->value))
        return 0;
    struct inlay_str host = inlay_arena_format(
        &request->arena, "%.*s:%d", inlay_str_arg(header->value), port);
    if (!host.ptr)
        return -1;
    header->value = host;
    return 0;
}

/* Whole segments, none of them "", "." or "..": it becomes part of links. */
static bool prefix_valid(struct inlay_str text)
{
    size_t from = 1;

    if (text.len == 0 || text.len > PREFIX_MOST || text.ptr[0] != '/' ||
        !inlay_utf8_valid(text))
        return false;
    for (size_t i = 1; i <= text.len; i++) {
        if (i < text.len && text.ptr[i] != '/') {
            unsigned char c = (unsigned char)text.ptr[i];

            if (c <= ' ' || c == 0x7f || strchr("\"#<>?\\^`{|}", c))
                return false;
            continue;
        }
        struct inlay_str segment = inlay_str_make(text.ptr + from, i - from);
        if (segment.len == 0 || inlay_str_is(segment, ".") ||
            inlay_str_is(segment, ".."))
            return false;
        from = i + 1;
    }
    return true;
}

static int set_prefix(struct inlay_request *request, struct inlay_str text)
{
    if (text.len && text.ptr[text.len - 1] == '/')
        text.len--;
    if (text.len > PREFIX_MOST)
        return 0;
    struct inlay_str prefix = inlay_url_decode(text, false, &request->arena);
    if (!prefix.ptr)
        return -1;
    if (!prefix_valid(prefix))
        return 0;
    struct inlay_str whole =
        inlay_arena_format(&request->arena, "%.*s%.*s", inlay_str_arg(prefix),
                           inlay_str_arg(request->root_path));
    if (!whole.ptr)
        return -1;
    request->root_path = whole;
    return 0;
}

/* --- X-Forwarded-*: lists that each proxy adds to ------------------------ */

/* The items of all fields of one name as one list, from its end. */
struct items {
    const struct inlay_request *request;
    struct inlay_str name;
    size_t left;           /* headers not looked at */
    struct inlay_str rest; /* of the header at hand; ptr NULL: none */
};

static bool item_before(struct items *items, struct inlay_str *ret)
{
    for (;;) {
        while (!items->rest.ptr) {
            if (items->left == 0)
                return false;
            const struct inlay_header *header =
                &items->request->headers[--items->left];
            if (inlay_str_equal(header->name, items->name))
                items->rest = header->value;
        }
        struct inlay_str item = items->rest;
        const char *comma = item.len ? memrchr(item.ptr, ',', item.len) : NULL;
        items->rest.ptr = NULL;
        if (comma) {
            items->rest = inlay_str_make(item.ptr, (size_t)(comma - item.ptr));
            item = inlay_str_make(comma + 1, item.len - items->rest.len - 1);
        }
        *ret = inlay_str_trim(item);
        if (ret->len)
            return true;
    }
}

static struct items items_of(const struct inlay_request *request,
                             enum field field)
{
    return (struct items){
        .request = request,
        .name = fields[field],
        .left = request->nheaders,
    };
}

/*
 * The item that the `depth`th proxy from our side has added, or the first: a
 * list that is shorter was set anew by one of those in between. ptr NULL: none.
 */
static struct inlay_str item_at(const struct inlay_request *request,
                                enum field field,
                                size_t depth)
{
    struct items items = items_of(request, field);
    struct inlay_str item, found = {NULL, 0};

    for (size_t i = 0; i <= depth && item_before(&items, &item); i++)
        found = item;
    return found;
}

/* The nearest address that is not trusted is the client; how many are trusted
 * before it goes to *depth_ret. */
static int apply_for(struct inlay_request *request,
                     const struct inlay_networks *trusted,
                     size_t *depth_ret)
{
    struct items items = items_of(request, FIELD_FOR);
    struct inlay_str item, last = {NULL, 0};
    struct node node;
    size_t count = 0;

    while (item_before(&items, &item)) {
        last = item;
        count++;
        if (trusted->everyone)
            continue;
        node = read_node(item);
        if (!trusts(trusted, &node))
            break;
    }
    if (count == 0)
        return 0;
    *depth_ret = count - 1;
    node = read_node(last);
    return set_client(request, &node);
}

static int apply_family(struct inlay_request *request,
                        const struct inlay_networks *trusted)
{
    struct inlay_str text;
    size_t depth = 0;

    if (apply_for(request, trusted, &depth) < 0)
        return -1;
    set_scheme(request, item_at(request, FIELD_PROTO, depth));
    text = item_at(request, FIELD_HOST, depth);
    if (text.len && inlay_http_authority_valid(text) &&
        set_host(request, text) < 0)
        return -1;
    text = item_at(request, FIELD_PORT, depth);
    if (text.len && add_port(request, text) < 0)
        return -1;
    text = item_at(request, FIELD_PREFIX, depth);
    return text.len ? set_prefix(request, text) : 0;
}

/* --- Forwarded: elements, each of one proxy ------------------------------ */

/* What holds so far: the last element that came from someone not trusted,
 * completed by those behind it. */
struct chosen {
    bool any;   /* an element has been read */
    bool named; /* some element says who it is for */
    struct node node;
    struct inlay_str host, proto;
};

static void choose(struct chosen *chosen,
                   const struct inlay_networks *trusted,
                   const struct inlay_forwarded_element *element)
{
    struct node node = element->node.ptr ? read_node(element->node) : unknown;

    chosen->named |= element->node.ptr != NULL;
    if (!chosen->any || !trusts(trusted, &node)) {
        chosen->node = node;
        chosen->host = chosen->proto = (struct inlay_str){NULL, 0};
    }
    chosen->any = true;
    if (!chosen->host.ptr)
        chosen->host = element->host;
    if (!chosen->proto.ptr)
        chosen->proto = element->proto;
}

/* A line that can't be read: nothing that stands before it counts. */
static void distrust(struct chosen *chosen)
{
    *chosen = (struct chosen){.any = true, .named = true, .node = unknown};
}

static int apply_standard(struct inlay_request *request,
                          const struct inlay_networks *trusted)
{
    struct chosen chosen = {.any = false};
    struct inlay_forwarded_element element;

    for (size_t i = 0; i < request->nheaders; i++) {
        struct inlay_str rest = request->headers[i].value;
        int status;

        if (!inlay_str_is(request->headers[i].name, "forwarded"))
            continue;
        while ((status =
                    inlay_forwarded_next(&rest, &request->arena, &element)) > 0)
            choose(&chosen, trusted, &element);
        if (status < 0)
            distrust(&chosen);
    }
    if (chosen.named && set_client(request, &chosen.node) < 0)
        return -1;
    set_scheme(request, chosen.proto);
    if (chosen.host.len && inlay_http_authority_valid(chosen.host))
        return set_host(request, chosen.host);
    return 0;
}

/*
 * Nearly every proxy sets the X-Forwarded- family and lets a client's own
 * Forwarded through: with one of the family there, Forwarded is not looked at.
 */
int inlay_forwarded_apply(struct inlay_request *request,
                          const struct inlay_networks *trusted)
{
    for (size_t i = 0; i < request->nheaders; i++) {
        struct inlay_str name = request->headers[i].name;

        if (!inlay_str_starts(name, INLAY_STR("x-forwarded-")))
            continue;
        for (size_t field = 0; field < inlay_array_size(fields); field++) {
            if (inlay_str_equal(name, fields[field]))
                return apply_family(request, trusted);
        }
    }
    return apply_standard(request, trusted);
}
