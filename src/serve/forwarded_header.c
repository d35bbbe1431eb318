#include "serve/forwarded.h"

#include "base/banned.h"

static void skip_blanks(struct inlay_str *rest)
{
    while (rest->len && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t')) {
        rest->ptr++;
        rest->len--;
    }
}

static bool take(struct inlay_str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    rest->ptr++;
    rest->len--;
    return true;
}

static struct inlay_str take_bytes(struct inlay_str *rest, size_t len)
{
    struct inlay_str text = inlay_str_make(rest->ptr, len);

    rest->ptr += len;
    rest->len -= len;
    return text;
}

static struct inlay_str take_token(struct inlay_str *rest)
{
    size_t len = 0;

    while (len < rest->len && inlay_token_char(rest->ptr[len]))
        len++;
    return take_bytes(rest, len);
}

/* RFC 9110 5.6.4: `text` is what stands between the quotes. */
static struct inlay_str unescape(struct inlay_str text,
                                 struct inlay_arena *arena)
{
    char *copy = inlay_arena_alloc(arena, text.len);
    size_t len = 0;

    if (!copy)
        return (struct inlay_str){NULL, 0};
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        copy[len++] = text.ptr[i];
    }
    return inlay_str_make(copy, len);
}

/* The opening quote has been taken. */
static int take_quoted(struct inlay_str *rest,
                       struct inlay_arena *arena,
                       struct inlay_str *ret)
{
    bool escaped = false;
    size_t len = 0;

    while (len < rest->len && rest->ptr[len] != '"') {
        if (rest->ptr[len] == '\\') {
            escaped = true;
            len++;
        }
        len++;
    }
    if (len >= rest->len)
        return -1;
    *ret = take_bytes(rest, len);
    take(rest, '"');
    if (escaped)
        *ret = unescape(*ret, arena);
    return ret->ptr ? 0 : -1;
}

/* A token; many forget that an address with a port needs quotes. */
static int take_bare(struct inlay_str *rest, struct inlay_str *ret)
{
    size_t len = 0;

    while (
        len < rest->len && rest->ptr[len] != '\0' &&
        (inlay_token_char(rest->ptr[len]) || strchr(":[]/@", rest->ptr[len])))
        len++;
    *ret = take_bytes(rest, len);
    return len ? 0 : -1;
}

/* Each parameter at most once (RFC 7239 4). */
static int keep(struct inlay_str *member, struct inlay_str value)
{
    if (member->ptr)
        return -1;
    *member = value;
    return 0;
}

static int take_pair(struct inlay_str *rest,
                     struct inlay_arena *arena,
                     struct inlay_forwarded_element *element)
{
    struct inlay_str name = take_token(rest), value;

    if (name.len == 0 || !take(rest, '='))
        return -1;
    if ((take(rest, '"') ? take_quoted(rest, arena, &value)
                         : take_bare(rest, &value)) < 0)
        return -1;
    if (inlay_str_is_nocase(name, "for"))
        return keep(&element->node, value);
    if (inlay_str_is_nocase(name, "host"))
        return keep(&element->host, value);
    if (inlay_str_is_nocase(name, "proto"))
        return keep(&element->proto, value);
    return 0; /* by, and whatever else there may be */
}

int inlay_forwarded_next(struct inlay_str *rest,
                         struct inlay_arena *arena,
                         struct inlay_forwarded_element *ret)
{
    struct inlay_forwarded_element element = {0};
    bool empty = true;

    for (skip_blanks(rest); rest->len; skip_blanks(rest)) {
        if (take(rest, ',')) {
            if (!empty)
                break;
        } else if (!take(rest, ';')) {
            if (take_pair(rest, arena, &element) < 0)
                return -1;
            empty = false;
            skip_blanks(rest);
            if (rest->len && rest->ptr[0] != ',' && rest->ptr[0] != ';')
                return -1;
        }
    }
    if (empty)
        return 0;
    *ret = element;
    return 1;
}
