#include "serve/path_pattern.h"

#include "http/url.h"
#include "load/pattern.h"
#include "serve/request.h"
#include "serve/server.h"

#include "base/banned.h"

/* --- Patterns ------------------------------------------------------------ */

static bool has_star(struct inlay_str pattern)
{
    return pattern.len && pattern.ptr[pattern.len - 1] == '*';
}

const char *inlay_path_pattern_bad(struct inlay_str pattern)
{
    return inlay_pattern_bad_cover(pattern);
}

static struct inlay_str without_slash(struct inlay_str path)
{
    if (path.len && path.ptr[path.len - 1] == '/')
        path.len--;
    return path;
}

bool inlay_path_pattern_matches(struct inlay_str pattern, struct inlay_str path)
{
    if (!has_star(pattern))
        return inlay_str_equal(without_slash(pattern), without_slash(path));
    pattern.len--;
    return inlay_str_starts(path, pattern) ||
           (pattern.ptr[pattern.len - 1] == '/' &&
            inlay_str_equal(path, without_slash(pattern)));
}

/* --- Forms of a path ----------------------------------------------------- */

/* How often a path may be decoded once more by somebody behind. */
#define DECODED_MOST 3

static bool is_separator(char c, bool folds)
{
    return c == '/' || (folds && c == '\\');
}

/*
 * Nobody takes it for another path: no empty segments, none that ends with a
 * dot (as "." and ".." do) or a blank, nothing to decode, no parameters.
 */
static bool is_plain(struct inlay_str path)
{
    char last = '\0';

    for (size_t i = 0; i <= path.len; i++) {
        char c = i < path.len ? path.ptr[i] : '/';

        if (c == '/' &&
            ((last == '/' && i < path.len) || last == '.' || last == ' '))
            return false;
        if ((unsigned char)c < ' ' || c == '\x7f' || c == '%' || c == ';' ||
            c == '\\')
            return false;
        last = c;
    }
    return path.len > 0 && path.ptr[0] == '/';
}

/* Without what some take off the end of a name: "..;a=b" is "..", "admin. "
 * and "admin\n" are "admin". */
static struct inlay_str fold_segment(struct inlay_str segment)
{
    const char *end = memchr(segment.ptr, ';', segment.len);
    bool dots;

    if (end)
        segment.len = (size_t)(end - segment.ptr);
    for (;;) {
        dots = inlay_str_is(segment, ".") || inlay_str_is(segment, "..");
        char last = segment.len ? segment.ptr[segment.len - 1] : 'x';

        if (dots ||
            ((unsigned char)last > ' ' && last != '\x7f' && last != '.'))
            return segment;
        segment.len--;
    }
}

/*
 * RFC 3986 5.2.4, and empty segments go as well; `folds`: as the laxest of
 * servers and file systems may read it. ptr NULL: no memory.
 */
static struct inlay_str normalise(struct inlay_str path,
                                  bool folds,
                                  struct inlay_arena *arena)
{
    char *out = inlay_arena_alloc(arena, path.len + 2);
    size_t len = 0;

    if (!out)
        return inlay_str_make(NULL, 0);
    for (size_t at = 0; at < path.len;) {
        size_t end = at;

        while (end < path.len && !is_separator(path.ptr[end], folds))
            end++;
        struct inlay_str segment = inlay_str_make(path.ptr + at, end - at);

        at = end + 1;
        if (folds && segment.len)
            segment = fold_segment(segment);
        if (segment.len == 0 || inlay_str_is(segment, "."))
            continue;
        if (inlay_str_is(segment, "..")) {
            while (len && out[--len] != '/')
                continue;
            continue;
        }
        out[len++] = '/';
        memcpy(out + len, segment.ptr, segment.len);
        len += segment.len;
    }
    if (len == 0)
        out[len++] = '/';
    return inlay_str_make(out, len);
}

/* -1: there is no room. */
static int add(struct inlay_path_forms *forms, struct inlay_str path)
{
    for (unsigned i = 0; i < forms->count; i++) {
        if (inlay_str_equal(forms->items[i], path))
            return 0;
    }
    if (forms->count == INLAY_PATH_FORMS)
        return -1;
    forms->items[forms->count++] = path;
    return 0;
}

/* A form with and without the root paths of server and proxy. */
static int add_local(struct inlay_path_forms *forms,
                     const struct inlay_request *request,
                     struct inlay_str path)
{
    struct inlay_str own = request->thread->server->config.root_path;

    return add(forms, path) < 0 ||
                   add(forms, inlay_path_without_root(path, own)) < 0 ||
                   add(forms,
                       inlay_path_without_root(path, request->root_path)) < 0
               ? -1
               : 0;
}

/* As it is, and as those read it who work it out, strictly or not. */
static int add_readings(struct inlay_path_forms *forms,
                        struct inlay_request *request,
                        struct inlay_str path)
{
    struct inlay_str normal = normalise(path, false, &request->arena);
    struct inlay_str folded = normalise(path, true, &request->arena);

    return !normal.ptr || !folded.ptr || add_local(forms, request, path) < 0 ||
                   add_local(forms, request, normal) < 0 ||
                   add_local(forms, request, folded) < 0
               ? -1
               : 0;
}

static int add_all(struct inlay_path_forms *forms,
                   struct inlay_request *request,
                   struct inlay_str path)
{
    if (inlay_likely(is_plain(path)))
        return add_local(forms, request, path);
    for (int i = 0;; i++) {
        if (add_readings(forms, request, path) < 0)
            return -1;
        struct inlay_str decoded =
            inlay_url_decode(path, false, &request->arena);
        if (!decoded.ptr)
            return -1;
        if (decoded.len == path.len || i == DECODED_MOST)
            return 0;
        path = decoded;
    }
}

int inlay_path_forms_of(struct inlay_request *request,
                        struct inlay_path_forms *ret)
{
    struct inlay_str path = request->path, root = request->root_path;

    ret->count = 0;
    if (inlay_likely(!root.len && is_plain(path))) {
        ret->items[ret->count++] = path;
        return 0;
    }
    if (add_all(ret, request, path) < 0)
        return -1;
    if (!root.len)
        return 0;
    /* What an application gets: see set_paths in asgi_scope.c. */
    struct inlay_str whole = inlay_arena_format(
        &request->arena, "%.*s%.*s", inlay_str_arg(root), inlay_str_arg(path));
    return whole.ptr ? add_all(ret, request, whole) : -1;
}
