/* The lines that every answer's head has: date, server, config.headers. */
#include "serve/session.h"

#include "base/banned.h"

#define HEADERS_MOST 65536

static struct inlay_error *split(struct inlay_str line,
                                 struct inlay_header *ret)
{
    static const struct inlay_str ours[] = {
        INLAY_STR("connection"),        INLAY_STR("content-length"),
        INLAY_STR("keep-alive"),        INLAY_STR("trailer"),
        INLAY_STR("transfer-encoding"), INLAY_STR("upgrade"),
    };
    const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;

    if (!colon)
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "headers: \"%.*s\" has no colon: write Name: value",
            inlay_str_arg(line));
    size_t len = (size_t)(colon - line.ptr);
    ret->name = inlay_str_make(line.ptr, len);
    ret->value = inlay_str_trim(inlay_str_make(colon + 1, line.len - len - 1));
    if (!inlay_header_name_valid(ret->name))
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "headers: \"%.*s\" is no header name",
                                  inlay_str_arg(ret->name));
    if (!inlay_header_value_valid(ret->value))
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "headers: the value of %.*s has a control character",
            inlay_str_arg(ret->name));
    if (inlay_header_name_among(ret->name, ours, inlay_array_size(ours)))
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "headers: %.*s can't be set, it says how the server sends answers",
            inlay_str_arg(ret->name));
    return NULL;
}

static int add_line(struct inlay_buf *out, struct inlay_header header)
{
    return inlay_buf_append_str(out, header.name) < 0 ||
                   inlay_buf_append_literal(out, ": ") < 0 ||
                   inlay_buf_append_str(out, header.value) < 0 ||
                   inlay_buf_append_literal(out, "\r\n") < 0
               ? -1
               : 0;
}

/* `rest`: the configured headers; a date or server among them is in the place
 * of ours, as in uvicorn. */
static struct inlay_error *read_headers(const struct inlay_strs *lines,
                                        struct inlay_buf *rest,
                                        bool *date,
                                        bool *server)
{
    for (size_t i = 0; i < lines->count; i++) {
        struct inlay_header header;
        struct inlay_error *error = split(lines->items[i], &header);

        if (error)
            return error;
        if (add_line(rest, header) < 0)
            return inlay_error_create(
                INLAY_ERROR_VALUE, "headers: more than %d bytes", HEADERS_MOST);
        if (inlay_str_is_nocase(header.name, "date"))
            *date = false;
        if (inlay_str_is_nocase(header.name, "server"))
            *server = false;
    }
    return NULL;
}

struct inlay_error *inlay_common_init(struct inlay_common *common,
                                      const struct inlay_server_config *config,
                                      struct inlay_arena *arena)
{
    static const char date_line[] = "date: " /* and 29 characters */
                                    "                             \r\n";
    static const char server_line[] = "server: inlay\r\n";
    bool date = config->date_header, server = config->server_header;
    struct inlay_buf rest;

    inlay_buf_init(&rest, HEADERS_MOST);
    struct inlay_error *error =
        read_headers(&config->headers, &rest, &date, &server);
    struct inlay_str more = inlay_buf_view(&rest);
    char *at = NULL;
    if (!error) {
        common->date_len = date ? sizeof(date_line) - 1 : 0;
        common->server_len = server ? sizeof(server_line) - 1 : 0;
        common->len = common->date_len + common->server_len + more.len;
        at = inlay_arena_alloc(arena, common->len + 1);
        if (!at)
            error = inlay_error_no_memory();
    }
    if (at) {
        common->text = at;
        memcpy(at, date_line, common->date_len);
        memcpy(at + common->date_len, server_line, common->server_len);
        if (more.len)
            memcpy(at + common->date_len + common->server_len, more.ptr,
                   more.len);
    }
    inlay_buf_deinit(&rest);
    return error;
}
