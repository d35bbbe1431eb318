/*
 * form.c - parts of a form as they arrive, and where they are kept. One part
 * grows at a time, in `data`; what is complete lies in the request's arena, or
 * behind the other large files in one temporary file, which is mapped at the
 * end. Writes of files go to the page cache, on the I/O thread.
 */
#include "serve/form.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "http/multipart.h"
#include "http/option.h"
#include "http/urlencoded.h"
#include "serve/server.h"

#include "base/banned.h"

#define SPOOL_PIECE ((size_t)64 << 10) /* written at once */

enum form_kind {
    FORM_NONE, /* of another media type: empty */
    FORM_MULTIPART,
    FORM_URLENCODED,
};

struct inlay_form {
    struct inlay_request *request;
    struct inlay_arena *arena;
    const struct inlay_limits *limits;
    enum form_kind kind;
    union {
        struct inlay_multipart multipart;
        struct inlay_urlencoded urlencoded;
    };
    int status; /* of the answer that ends it; 0: none */
    struct inlay_str why;
    uint64_t size; /* bytes that have come */
    size_t kept;   /* of them in memory */
    size_t nfields, nfiles;
    struct inlay_form_part *first, **last;

    /* The part that grows. */
    struct inlay_form_part *part;
    struct inlay_buf data; /* of it, or what is not written of it */
    bool utf8;             /* charset of texts; else ISO-8859-1 */
    bool spooled;          /* it goes to the file */
    uint64_t start;        /* where in it */

    int fd;           /* -1: none */
    uint64_t written; /* bytes of the file */
    void *map;        /* or NULL */
    size_t map_size;
};

/* A part in the file, until that is mapped: data.ptr counts from its start. */
struct spooled_part {
    struct inlay_form_part part;
    uint64_t start;
    bool spooled;
};

static void form_deinit(void *arg)
{
    struct inlay_form *form = arg;

    if (form->kind == FORM_MULTIPART)
        inlay_multipart_deinit(&form->multipart);
    else if (form->kind == FORM_URLENCODED)
        inlay_urlencoded_deinit(&form->urlencoded);
    inlay_buf_deinit(&form->data);
    if (form->map)
        munmap(form->map, form->map_size);
    if (form->fd >= 0)
        close(form->fd);
}

/* The first failure counts. -1, which ends an engine's work too. */
static int fail(struct inlay_form *form, int status, struct inlay_str why)
{
    if (!form->status) {
        form->status = status;
        form->why = why;
    }
    return -1;
}

static int fail_memory(struct inlay_form *form)
{
    return fail(form, 503, inlay_http_reason(503));
}

/* The arena is full, or there is no memory. */
static int fail_arena(struct inlay_form *form)
{
    return fail(form, 413, inlay_http_reason(413));
}

static int fail_size(struct inlay_form *form, const char *what, size_t limit)
{
    struct inlay_str why = inlay_arena_format(
        form->arena, "%s exceeded maximum size of %zuKB.", what, limit / 1024);

    return why.ptr ? fail(form, 400, why) : fail_memory(form);
}

static int fail_count(struct inlay_form *form, const char *what, size_t limit)
{
    struct inlay_str why = inlay_arena_format(
        form->arena, "Too many %s. Maximum number of %s is %zu.", what, what,
        limit);

    return why.ptr ? fail(form, 400, why) : fail_memory(form);
}

/* --- The temporary file -------------------------------------------------- */

static int fail_file(struct inlay_form *form, const char *doing)
{
    const struct inlay_server_config *config =
        &form->request->thread->server->config;
    char reason[128];

    inlay_log_write(&config->log, INLAY_LOG_ERROR,
                    "a file of a form, in %.*s: %s: %s",
                    inlay_str_arg(config->form_folder), doing,
                    strerror_r(errno, reason, sizeof(reason)));
    return fail(form, 503, inlay_http_reason(503));
}

/* A file without a name, with O_TMPFILE or without. */
static int open_file(struct inlay_form *form)
{
    const struct inlay_server_config *config =
        &form->request->thread->server->config;
    static const char file[] = "/inlay-form-XXXXXX";
    size_t len = config->form_folder.len;
    char name[PATH_MAX];

    if (len > sizeof(name) - sizeof(file)) {
        errno = ENAMETOOLONG;
        return fail_file(form, "open");
    }
    memcpy(name, config->form_folder.ptr, len);
    memcpy(name + len, file, sizeof(file));
    name[len] = '\0';
    form->fd = open(name, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (form->fd >= 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
        return fail_file(form, "open");
    name[len] = '/';
    form->fd = mkostemp(name, O_CLOEXEC);
    if (form->fd < 0)
        return fail_file(form, "open");
    unlink(name);
    return 0;
}

static int write_file(struct inlay_form *form, struct inlay_str bytes)
{
    while (bytes.len) {
        ssize_t count =
            pwrite(form->fd, bytes.ptr, bytes.len, (off_t)form->written);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return fail_file(form, "write");
        form->written += (size_t)count;
        bytes.ptr += count;
        bytes.len -= (size_t)count;
    }
    return 0;
}

static int flush(struct inlay_form *form)
{
    int status = write_file(form, inlay_buf_view(&form->data));

    inlay_buf_clear(&form->data);
    return status;
}

/* From here on the part goes to the file. */
static int begin_spooling(struct inlay_form *form)
{
    if (form->fd < 0 && open_file(form) < 0)
        return -1;
    form->spooled = true;
    form->start = form->written;
    form->kept -= inlay_buf_len(&form->data);
    return flush(form);
}

static int spool(struct inlay_form *form, struct inlay_str bytes)
{
    if (inlay_buf_len(&form->data) + bytes.len > SPOOL_PIECE && flush(form) < 0)
        return -1;
    if (bytes.len > SPOOL_PIECE / 4)
        return flush(form) < 0 ? -1 : write_file(form, bytes);
    if (inlay_buf_append_str(&form->data, bytes) < 0)
        return fail_memory(form);
    return 0;
}

static int map_file(struct inlay_form *form)
{
    if (form->fd < 0 || !form->written)
        return 0;
    form->map_size = (size_t)form->written;
    void *map = mmap(NULL, form->map_size, PROT_READ, MAP_PRIVATE, form->fd, 0);
    if (map == MAP_FAILED)
        return fail_file(form, "map");
    form->map = map;
    close(form->fd);
    form->fd = -1;
    for (struct inlay_form_part *at = form->first; at; at = at->next) {
        struct spooled_part *part =
            inlay_container_of(at, struct spooled_part, part);

        if (part->spooled)
            at->data.ptr = (const char *)map + part->start;
    }
    return 0;
}

/* --- Parts --------------------------------------------------------------- */

/* Text of a part's head or of a field, as Starlette decodes it. */
static struct inlay_str text_of(struct inlay_form *form, struct inlay_str raw)
{
    struct inlay_str copy = inlay_arena_copy(form->arena, raw);

    if (!copy.ptr || (form->utf8 && inlay_utf8_valid(copy)))
        return copy;
    return inlay_header_text(copy, form->arena);
}

/* A part at the end of the list; NULL without memory. */
static struct inlay_form_part *add_part(struct inlay_form *form)
{
    struct spooled_part *part =
        inlay_arena_new(form->arena, struct spooled_part);

    if (!part)
        return NULL;
    part->part.type = part->part.data = part->part.filename = INLAY_STR("");
    return &part->part;
}

static void finish_part(struct inlay_form *form, struct inlay_form_part *part)
{
    *form->last = part;
    form->last = &part->next;
}

static int on_part(void *arg, const struct inlay_multipart_part *given)
{
    struct inlay_form *form = arg;
    struct inlay_form_part *part = add_part(form);

    if (!part)
        return fail_arena(form);
    form->part = part;
    form->spooled = false;
    inlay_buf_clear(&form->data);
    part->is_file = given->is_file;
    if (given->is_file && ++form->nfiles > form->limits->form_files)
        return fail_count(form, "files", form->limits->form_files);
    if (!given->is_file && ++form->nfields > form->limits->form_fields)
        return fail_count(form, "fields", form->limits->form_fields);
    part->name = text_of(form, given->name);
    if (given->is_file)
        part->filename = text_of(form, given->filename);
    if (given->type.ptr)
        part->type = inlay_header_text(
            inlay_arena_copy(form->arena, given->type), form->arena);
    return part->name.ptr && part->filename.ptr && part->type.ptr
               ? 0
               : fail_arena(form);
}

static int on_data(void *arg, struct inlay_str bytes)
{
    struct inlay_form *form = arg;
    const struct inlay_limits *limits = form->limits;
    size_t len = inlay_buf_len(&form->data) + bytes.len;
    bool full = bytes.len > limits->native_body_bytes - form->kept;

    if (form->spooled)
        return spool(form, bytes);
    if (!form->part->is_file && len > limits->form_field_bytes)
        return fail_size(form, "Part", limits->form_field_bytes);
    if (form->part->is_file && (full || len > limits->form_file_memory))
        return begin_spooling(form) < 0 ? -1 : spool(form, bytes);
    if (full)
        return fail_arena(form);
    if (inlay_buf_append_str(&form->data, bytes) < 0)
        return fail_memory(form);
    form->kept += bytes.len;
    return 0;
}

static int on_end(void *arg)
{
    struct inlay_form *form = arg;
    struct inlay_form_part *part = form->part;
    struct inlay_str data = inlay_buf_view(&form->data);

    if (form->spooled) {
        struct spooled_part *spooled =
            inlay_container_of(part, struct spooled_part, part);

        if (flush(form) < 0)
            return -1;
        spooled->spooled = true;
        spooled->start = form->start;
        part->data.len = (size_t)(form->written - form->start);
    } else {
        part->data = part->is_file ? inlay_arena_copy(form->arena, data)
                                   : text_of(form, data);
        if (!part->data.ptr)
            return fail_arena(form);
    }
    finish_part(form, part);
    return 0;
}

static const struct inlay_multipart_ops multipart_ops = {
    .on_part = on_part,
    .on_data = on_data,
    .on_end = on_end,
};

static int on_pair(void *arg, struct inlay_str name, struct inlay_str value)
{
    struct inlay_form *form = arg;
    size_t len = name.len + value.len;

    if (++form->nfields > form->limits->form_fields)
        return fail_count(form, "fields", form->limits->form_fields);
    if (len > form->limits->native_body_bytes - form->kept)
        return fail_arena(form);
    form->kept += len;
    struct inlay_form_part *part = add_part(form);
    if (!part)
        return fail_arena(form);
    part->name = inlay_urlencoded_decode(name, form->arena);
    part->data = inlay_urlencoded_decode(value, form->arena);
    if (!part->name.ptr || !part->data.ptr)
        return fail_arena(form);
    finish_part(form, part);
    return 0;
}

/* --- The form ------------------------------------------------------------ */

static bool is_utf8(struct inlay_str charset)
{
    return inlay_str_is_nocase(charset, "utf-8") ||
           inlay_str_is_nocase(charset, "utf8") ||
           inlay_str_is_nocase(charset, "utf_8");
}

static int begin_multipart(struct inlay_form *form, struct inlay_str options)
{
    struct inlay_str name, raw, boundary = {NULL, 0};

    form->utf8 = true;
    while (inlay_option_next(&options, &name, &raw)) {
        char *room = inlay_arena_alloc(form->arena, raw.len + 1);

        if (!room)
            return fail_memory(form);
        if (inlay_str_is_nocase(name, "boundary"))
            boundary = inlay_option_unquote(raw, room);
        else if (inlay_str_is_nocase(name, "charset"))
            form->utf8 = is_utf8(inlay_option_unquote(raw, room));
    }
    if (!boundary.ptr)
        return fail(form, 400, INLAY_STR("Missing boundary in multipart."));
    if (inlay_multipart_init(&form->multipart, boundary, &multipart_ops, form) <
        0)
        return fail(form, 400, INLAY_STR("Invalid multipart data."));
    form->kind = FORM_MULTIPART;
    return 0;
}

int inlay_form_create(struct inlay_request *request, struct inlay_form **ret)
{
    const struct inlay_limits *limits = &request->thread->server->config.limits;
    struct inlay_form *form =
        inlay_arena_new(&request->arena, struct inlay_form);
    struct inlay_str rest =
        inlay_request_header(request, INLAY_STR("content-type"));

    *ret = NULL;
    if (!form || inlay_arena_defer(&request->arena, form_deinit, form) < 0)
        return 503;
    *ret = form;
    form->request = request;
    form->arena = &request->arena;
    form->limits = limits;
    form->last = &form->first;
    form->fd = -1;
    inlay_buf_init(&form->data,
                   inlay_max(limits->form_field_bytes,
                             inlay_max(limits->form_file_memory, SPOOL_PIECE)));
    if (request->content_length > 0 &&
        (uint64_t)request->content_length > limits->form_bytes) {
        fail_arena(form);
        return form->status;
    }
    struct inlay_str type = inlay_option_value(&rest);
    if (inlay_str_is_nocase(type, "multipart/form-data")) {
        begin_multipart(form, rest);
    } else if (inlay_str_is_nocase(type, "application/x-www-form-urlencoded")) {
        inlay_urlencoded_init(&form->urlencoded, limits->form_field_bytes,
                              on_pair, form);
        form->kind = FORM_URLENCODED;
    }
    return form->status;
}

static void feed_multipart(struct inlay_form *form, struct inlay_str bytes)
{
    switch (inlay_multipart_feed(&form->multipart, bytes)) {
    case INLAY_MULTIPART_OK:
    case INLAY_MULTIPART_STOPPED: /* who stopped it has said why */
        break;
    case INLAY_MULTIPART_INVALID:
        fail(form, 400, INLAY_STR("Invalid multipart data."));
        break;
    case INLAY_MULTIPART_NO_NAME:
        fail(form, 400,
             INLAY_STR("The Content-Disposition header field \"name\" must be "
                       "provided."));
        break;
    case INLAY_MULTIPART_NO_MEMORY:
        fail_memory(form);
        break;
    }
}

static void took_urlencoded(struct inlay_form *form,
                            enum inlay_urlencoded_status status)
{
    switch (status) {
    case INLAY_URLENCODED_OK:
    case INLAY_URLENCODED_STOPPED:
        break;
    case INLAY_URLENCODED_TOO_LONG:
        fail_size(form, "Field", form->limits->form_field_bytes);
        break;
    case INLAY_URLENCODED_NO_MEMORY:
        fail_memory(form);
        break;
    }
}

int inlay_form_feed(struct inlay_form *form, struct inlay_str bytes)
{
    if (form->status)
        return form->status;
    form->size += bytes.len;
    if (form->size > form->limits->form_bytes)
        fail_arena(form);
    else if (form->kind == FORM_MULTIPART)
        feed_multipart(form, bytes);
    else if (form->kind == FORM_URLENCODED)
        took_urlencoded(form, inlay_urlencoded_feed(&form->urlencoded, bytes));
    return form->status;
}

int inlay_form_finish(struct inlay_form *form)
{
    if (form->status)
        return form->status;
    if (form->kind == FORM_URLENCODED)
        took_urlencoded(form, inlay_urlencoded_finish(&form->urlencoded));
    if (!form->status)
        map_file(form);
    inlay_buf_deinit(&form->data);
    return form->status;
}

struct inlay_str inlay_form_why(const struct inlay_form *form)
{
    return form ? form->why : inlay_http_reason(503);
}

const struct inlay_form_part *inlay_form_parts(const struct inlay_form *form)
{
    return form->first;
}
