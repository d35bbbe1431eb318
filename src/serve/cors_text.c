/* cors_text.c - the text of a CORS layer -> inlay_cors. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "http/header.h"
#include "serve/cors_parts.h"

#include "base/banned.h"

#define ITEMS_MOST 1024 /* of one kind */

/* --- Origins -------------------------------------------------------------- */

static bool has_any(struct inlay_str text, const char *chars)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!text.ptr[i] || strchr(chars, text.ptr[i]))
            return true;
    }
    return false;
}

bool inlay_cors_split(struct inlay_str text, struct inlay_cors_origin *ret)
{
    const char *at = text.len ? memmem(text.ptr, text.len, "://", 3) : NULL;

    if (!at || at == text.ptr)
        return false;
    size_t len = (size_t)(at - text.ptr);
    struct inlay_str rest = inlay_str_make(at + 3, text.len - len - 3);
    const char *end = rest.ptr + rest.len;
    const char *bracket =
        rest.len && *rest.ptr == '[' ? memchr(rest.ptr, ']', rest.len) : NULL;
    const char *from = bracket ? bracket : rest.ptr;
    const char *colon = memchr(from, ':', (size_t)(end - from));

    *ret = (struct inlay_cors_origin){
        .text = text,
        .scheme = inlay_str_make(text.ptr, len),
        .host = inlay_str_make(rest.ptr,
                               (size_t)((colon ? colon : end) - rest.ptr)),
        .port = colon ? inlay_str_make(colon + 1, (size_t)(end - colon) - 1)
                      : INLAY_STR(""),
    };
    return ret->host.len > 0 && !(colon && !ret->port.len);
}

/* NULL, or what is wrong. */
static const char *read_pattern(struct inlay_cors_origin *origin)
{
    struct inlay_str *host = &origin->host;

    if (inlay_str_is(origin->port, "*")) {
        origin->any_port = true;
        origin->port = INLAY_STR("");
    }
    if (host->len > 2 && host->ptr[0] == '*' && host->ptr[1] == '.') {
        origin->any_host = true;
        host->ptr++;
        host->len--;
    }
    if (has_any(*host, "*/?#@ ") || has_any(origin->scheme, "*/?#@ "))
        return "write https://a.example, https://*.example.com, "
               "http://localhost:*, or *, without a path";
    for (size_t i = 0; i < origin->port.len; i++) {
        if (origin->port.ptr[i] < '0' || origin->port.ptr[i] > '9')
            return "the port must be a number or *, and no path follows";
    }
    for (size_t i = 0; i < origin->text.len; i++) {
        if (origin->text.ptr[i] >= 'A' && origin->text.ptr[i] <= 'Z')
            return "browsers send origins in lower case";
    }
    return NULL;
}

static struct inlay_error *add_origin(struct inlay_cors *cors,
                                      struct inlay_str text)
{
    struct inlay_cors_origin origin = {.text = text};
    const char *why = NULL;

    if (inlay_str_is(text, "*")) {
        cors->any_origin = true;
        return NULL;
    }
    if (!inlay_str_is(text, "null"))
        why = inlay_cors_split(text, &origin)
                  ? read_pattern(&origin)
                  : "an origin has the form https://a.example";
    if (why)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "origin: \"%.*s\" is none: %s",
                                  inlay_str_arg(text), why);
    cors->patterns |= origin.any_host || origin.any_port;
    if (cors->norigins == ITEMS_MOST)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "origin: more than %d of them", ITEMS_MOST);
    cors->origins[cors->norigins++] = origin;
    return NULL;
}

/* --- Lists ------------------------------------------------------------------ */

struct list {
    struct inlay_str items[ITEMS_MOST];
    size_t count;
    bool any; /* "*" */
};

static struct inlay_error *add_names(struct list *list,
                                     struct inlay_str what,
                                     struct inlay_str names)
{
    struct inlay_str name;

    while (inlay_layer_part(&names, ',', &name)) {
        if (inlay_str_is(name, "*"))
            list->any = true;
        if (!inlay_header_name_valid(name))
            return inlay_error_create(INLAY_ERROR_VALUE,
                                      "%.*s: \"%.*s\" is no name of one",
                                      inlay_str_arg(what), inlay_str_arg(name));
        if (list->count == ITEMS_MOST)
            return inlay_error_create(INLAY_ERROR_VALUE,
                                      "%.*s: more than %d of them",
                                      inlay_str_arg(what), ITEMS_MOST);
        list->items[list->count++] = name;
    }
    return NULL;
}

/* "a, b". ptr NULL: no memory. */
static struct inlay_str join(const struct list *list, struct inlay_arena *arena)
{
    size_t size = 1, len = 0;

    for (size_t i = 0; i < list->count; i++)
        size += list->items[i].len + 2;
    char *text = inlay_arena_alloc(arena, size);
    if (!text)
        return inlay_str_make(NULL, 0);
    for (size_t i = 0; i < list->count; i++) {
        if (i) {
            memcpy(text + len, ", ", 2);
            len += 2;
        }
        memcpy(text + len, list->items[i].ptr, list->items[i].len);
        len += list->items[i].len;
    }
    return inlay_str_make(text, len);
}

static struct inlay_str *keep(const struct list *list,
                              struct inlay_arena *arena)
{
    struct inlay_str *items =
        inlay_arena_zalloc_array(arena, list->count + 1, sizeof(*items));

    if (items && list->count)
        memcpy(items, list->items, list->count * sizeof(*items));
    return items;
}

/* --- All of it -------------------------------------------------------------- */

struct reading {
    struct inlay_cors *cors;
    struct list methods, headers, exposed;
    uint64_t max_age;
};

static struct inlay_error *read_word(struct reading *reading,
                                     struct inlay_str word)
{
    const char *is = memchr(word.ptr, '=', word.len);
    size_t len = is ? (size_t)(is - word.ptr) : word.len;
    struct inlay_str name = inlay_str_make(word.ptr, len);
    struct inlay_str value =
        is ? inlay_str_make(is + 1, word.len - len - 1) : INLAY_STR("");

    if (inlay_str_is(word, "credentials")) {
        reading->cors->credentials = true;
        return NULL;
    }
    if (is && inlay_str_is(name, "method"))
        return add_names(&reading->methods, name, value);
    if (is && inlay_str_is(name, "header"))
        return add_names(&reading->headers, name, value);
    if (is && inlay_str_is(name, "expose-header"))
        return add_names(&reading->exposed, name, value);
    if (!is || !inlay_str_is(name, "max-age"))
        return add_origin(reading->cors, word);
    if (inlay_layer_number(value, INT32_MAX, &reading->max_age))
        return NULL;
    return inlay_error_create(INLAY_ERROR_VALUE,
                              "max-age: \"%.*s\" is no number of seconds",
                              inlay_str_arg(value));
}

static int compare_names(const void *left, const void *right)
{
    const struct inlay_str *a = left, *b = right;
    size_t len = inlay_min(a->len, b->len);
    int order = memcmp(a->ptr, b->ptr, len);

    return order ? order : (a->len > b->len) - (a->len < b->len);
}

/* Those that need no leave (Fetch 2.2.2) are named with the others, in order
 * and each once. */
static void complete_headers(struct list *list)
{
    static const struct inlay_str safe[] = {
        INLAY_STR("Accept"),
        INLAY_STR("Accept-Language"),
        INLAY_STR("Content-Language"),
        INLAY_STR("Content-Type"),
    };
    size_t count = 0;

    for (size_t i = 0; i < inlay_array_size(safe) && list->count < ITEMS_MOST;
         i++)
        list->items[list->count++] = safe[i];
    qsort(list->items, list->count, sizeof(*list->items), compare_names);
    for (size_t i = 0; i < list->count; i++) {
        if (count == 0 ||
            !inlay_str_equal(list->items[count - 1], list->items[i]))
            list->items[count++] = list->items[i];
    }
    list->count = count;
}

static void complete_methods(struct list *list)
{
    static const struct inlay_str all[] = {
        INLAY_STR("DELETE"),  INLAY_STR("GET"),   INLAY_STR("HEAD"),
        INLAY_STR("OPTIONS"), INLAY_STR("PATCH"), INLAY_STR("POST"),
        INLAY_STR("PUT"),     INLAY_STR("QUERY"),
    };

    if (list->any) {
        memcpy(list->items, all, sizeof(all));
        list->count = inlay_array_size(all);
    } else if (list->count == 0) {
        list->items[list->count++] = INLAY_STR("GET");
    }
}

static struct inlay_error *complete(struct reading *reading,
                                    struct inlay_arena *arena)
{
    struct inlay_cors *cors = reading->cors;

    if (!cors->norigins && !cors->any_origin)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "origin: none is given: write *, or "
                                  "https://a.example");
    complete_methods(&reading->methods);
    complete_headers(&reading->headers);
    cors->methods = keep(&reading->methods, arena);
    cors->nmethods = reading->methods.count;
    cors->headers = keep(&reading->headers, arena);
    cors->nheaders = reading->headers.count;
    cors->any_header = reading->headers.any;
    cors->allow_methods = join(&reading->methods, arena);
    cors->expose_headers = join(&reading->exposed, arena);
    cors->max_age =
        inlay_arena_format(arena, "%llu", (unsigned long long)reading->max_age);
    cors->allow_headers = join(&reading->headers, arena);
    if (!cors->methods || !cors->headers || !cors->allow_methods.ptr ||
        !cors->expose_headers.ptr || !cors->max_age.ptr ||
        !cors->allow_headers.ptr)
        return inlay_error_no_memory();
    return NULL;
}

struct inlay_error *inlay_cors_parse(struct inlay_str text,
                                     struct inlay_arena *arena,
                                     struct inlay_cors **ret)
{
    _cleanup_free_ struct reading *reading = inlay_calloc(1, sizeof(*reading));
    struct inlay_cors *cors = inlay_arena_new(arena, struct inlay_cors);
    struct inlay_error *error = NULL;
    struct inlay_str word;

    if (!reading || !cors)
        return inlay_error_no_memory();
    reading->cors = cors;
    reading->max_age = 600;
    text = inlay_arena_copy(arena, text);
    cors->origins = inlay_arena_zalloc_array(
        arena, inlay_min(text.len / 2 + 1, (size_t)ITEMS_MOST),
        sizeof(*cors->origins));
    if (!text.ptr || !cors->origins)
        return inlay_error_no_memory();
    while (!error && inlay_layer_word(&text, &word))
        error = read_word(reading, word);
    if (!error)
        error = complete(reading, arena);
    if (error)
        return error;
    *ret = cors;
    return NULL;
}
