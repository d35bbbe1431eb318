/*
 * doc.c - the comment right above a function. decl_line is the line of the
 * name, so lines between it and the comment (result type, attributes) are
 * stepped over.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "dwarf/reader.h"

#include "base/banned.h"

#define FILE_MOST ((off_t)16 << 20)
#define DOC_MOST 65536
#define STEPS_MOST 16 /* lines between comment and name */

void inlay_doc_cache_deinit(struct inlay_doc_cache *cache)
{
    inlay_free(cache->path);
    inlay_free(cache->text);
    inlay_free(cache->lines);
    *cache = (struct inlay_doc_cache){0};
}

/* The whole of a regular file, NUL-terminated; NULL when it can't be read. */
static char *read_file(const char *path, size_t *len_ret)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    size_t len = 0;

    if (fd < 0 || fstat(fd, &status) || !S_ISREG(status.st_mode) ||
        status.st_size > FILE_MOST)
        return NULL;
    size_t size = (size_t)status.st_size;
    _cleanup_free_ char *text = inlay_malloc(size + 1);
    while (text && len < size) {
        ssize_t count = read(fd, text + len, size - len);

        if (count < 0)
            return NULL;
        if (count == 0)
            break;
        len += (size_t)count;
    }
    if (text)
        text[len] = '\0';
    *len_ret = len;
    return inlay_take(text);
}

/* Every line ends with a NUL; a line with a NUL in it is cut there. */
static bool split(struct inlay_doc_cache *cache, size_t len)
{
    size_t count = 1;
    char *at = cache->text;

    for (size_t i = 0; i < len; i++)
        count += cache->text[i] == '\n';
    cache->lines = inlay_calloc(count, sizeof(*cache->lines));
    if (!cache->lines)
        return false;
    for (size_t i = 0; i < count; i++) {
        char *end = memchr(at, '\n', len - (size_t)(at - cache->text));

        cache->lines[i] = at;
        if (!end)
            break;
        if (end > at && end[-1] == '\r')
            end[-1] = '\0';
        *end = '\0';
        at = end + 1;
    }
    cache->nlines = count;
    return true;
}

static bool load(struct inlay_doc_cache *cache, struct inlay_str file)
{
    size_t len = 0;

    if (cache->path && inlay_str_equal(inlay_str_from(cache->path), file))
        return cache->text != NULL;
    inlay_doc_cache_deinit(cache);
    cache->path = inlay_malloc(file.len + 1);
    if (!cache->path)
        return false;
    memcpy(cache->path, file.ptr, file.len);
    cache->path[file.len] = '\0';
    cache->text = read_file(cache->path, &len);
    if (cache->text && split(cache, len))
        return true;
    inlay_free(inlay_take(cache->text));
    return false;
}

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t' || *text == '\f' || *text == '\v')
        text++;
    return text;
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/*
 * May a line stand between a comment and the name it belongs to? Rust's
 * attributes do: "#[no_mangle]".
 */
static bool is_between(const char *line)
{
    return *line && (*line != '#' || line[1] == '[') && !starts(line, "//") &&
           !strchr(line, ';') && !strchr(line, '}') && !strstr(line, "*/");
}

static void append_line(struct inlay_buf *doc, const char *text, size_t len)
{
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    inlay_buf_append(doc, text, len);
    inlay_buf_append_char(doc, '\n');
}

/* Lines first..last all start with two slashes. */
static void read_slashes(const struct inlay_doc_cache *cache,
                         size_t first,
                         size_t last,
                         struct inlay_buf *doc)
{
    for (size_t i = first; i <= last; i++) {
        const char *text = skip_blanks(cache->lines[i]) + 2;

        while (*text == '/' || *text == '!')
            text++;
        text += *text == ' ';
        append_line(doc, text, strlen(text));
    }
}

/* Lines first..last are one comment; the first starts with its opening. */
static void read_block(const struct inlay_doc_cache *cache,
                       size_t first,
                       size_t last,
                       struct inlay_buf *doc)
{
    for (size_t i = first; i <= last; i++) {
        const char *text = skip_blanks(cache->lines[i]);
        const char *end;

        if (i == first) {
            text += 2;
            while ((*text == '*' && text[1] != '/') || *text == '!')
                text++;
        } else if (*text == '*' && text[1] != '/') {
            text++;
        }
        end = i == last ? strstr(text, "*/") : NULL;
        if (end) {
            /* Of a boxed comment the last line is stars. */
            while (end > text && end[-1] == '*')
                end--;
        } else {
            end = text + strlen(text);
        }
        text += text < end && *text == ' ';
        append_line(doc, text, (size_t)(end - text));
    }
}

/* Appends the comment that ends on line `at`; nothing if none does. */
static void read_comment(const struct inlay_doc_cache *cache,
                         size_t at,
                         struct inlay_buf *doc)
{
    const char *line = skip_blanks(cache->lines[at]);
    size_t first = at;

    if (starts(line, "//")) {
        while (first > 0 && starts(skip_blanks(cache->lines[first - 1]), "//"))
            first--;
        read_slashes(cache, first, at, doc);
        return;
    }
    const char *end = strstr(line + (starts(line, "/*") ? 2 : 0), "*/");
    if (!end || *skip_blanks(end + 2))
        return;
    while (first > 0 && !strstr(cache->lines[first], "/*"))
        first--;
    /* Behind other code it is about that code. */
    if (starts(skip_blanks(cache->lines[first]), "/*"))
        read_block(cache, first, at, doc);
}

/* The text without empty lines at both ends. */
static struct inlay_str trim_lines(const struct inlay_buf *doc)
{
    struct inlay_str text = inlay_buf_view(doc);

    while (text.len && text.ptr[text.len - 1] == '\n')
        text.len--;
    while (text.len && text.ptr[0] == '\n') {
        text.ptr++;
        text.len--;
    }
    return text;
}

struct inlay_str inlay_doc_find(struct inlay_doc_cache *cache,
                                const struct inlay_source *source,
                                struct inlay_arena *arena)
{
    struct inlay_str text = INLAY_STR("");
    struct inlay_buf doc;
    size_t at, steps = 0;

    if (source->line < 2 || !source->file.len || !load(cache, source->file) ||
        source->line > cache->nlines)
        return text;
    at = source->line - 2;
    while (at > 0 && steps++ < STEPS_MOST &&
           is_between(skip_blanks(cache->lines[at])))
        at--;
    inlay_buf_init(&doc, DOC_MOST);
    read_comment(cache, at, &doc);
    text = trim_lines(&doc);
    if (text.len && inlay_utf8_valid(text))
        text = inlay_arena_copy(arena, text);
    else
        text = INLAY_STR("");
    inlay_buf_deinit(&doc);
    return text.ptr ? text : INLAY_STR("");
}

/* The text up to the next NUL; takes it off the rest. */
static struct inlay_str take_entry(struct inlay_str *rest)
{
    const char *end = rest->len ? memchr(rest->ptr, '\0', rest->len) : NULL;
    struct inlay_str entry = {rest->ptr, 0};

    if (!end) {
        rest->len = 0;
        return entry;
    }
    entry.len = (size_t)(end - rest->ptr);
    rest->len -= entry.len + 1;
    rest->ptr = end + 1;
    return entry;
}

struct inlay_error *inlay_docs_apply(struct inlay_reader *reader)
{
    struct inlay_debug *debug = reader->debug;
    struct inlay_str rest = reader->docs;

    debug->documented = rest.ptr != NULL;
    while (rest.len) {
        struct inlay_str name = take_entry(&rest), doc = take_entry(&rest);

        if (doc.len > DOC_MOST || !inlay_utf8_valid(doc))
            continue;
        for (size_t i = 0; i < debug->nfuncs; i++) {
            if (!inlay_die_step(reader))
                return inlay_take(reader->error);
            if (inlay_str_equal(debug->funcs[i].name, name))
                debug->funcs[i].doc = doc;
        }
    }
    return NULL;
}
