/* Which file of which mount a request is for, if any. */
#include "serve/static.h"

#include <unistd.h>

#include "serve/response.h"
#include "serve/server.h"
#include "serve/static_files.h"

#include "base/banned.h"

#define PATH_MOST 4095 /* the kernel's PATH_MAX, without its NUL */
#define SUFFIX_MOST 4  /* ".zst" */

/* What is looked for, and what of it was found. */
struct lookup {
    const struct inlay_static *files;
    const struct inlay_request *request;
    int root;
    char *path; /* room for PATH, "/", index, suffix and NUL */
    size_t len;
    struct inlay_static_file file;
};

static struct inlay_static_mount *find_mount(const struct inlay_static *files,
                                             struct inlay_str path)
{
    for (size_t i = 0; i < files->nmounts; i++) {
        struct inlay_static_mount *mount = &files->mounts[i];
        size_t len = mount->prefix.len;

        if (inlay_str_starts(path, mount->prefix) &&
            (path.len == len ? len > 0 : path.ptr[len] == '/'))
            return mount;
    }
    return NULL;
}

static struct inlay_str suffix_of(enum inlay_coding coding)
{
    switch (coding) {
    case INLAY_CODING_IDENTITY:
        break;
    case INLAY_CODING_GZIP:
        return INLAY_STR(".gz");
    case INLAY_CODING_BR:
        return INLAY_STR(".br");
    case INLAY_CODING_ZSTD:
        return INLAY_STR(".zst");
    }
    return INLAY_STR("");
}

static void append(struct lookup *lookup, struct inlay_str text)
{
    if (text.len)
        memcpy(lookup->path + lookup->len, text.ptr, text.len);
    lookup->len += text.len;
    lookup->path[lookup->len] = '\0';
}

static enum inlay_static_found open_file(struct lookup *lookup)
{
    return inlay_static_open(lookup->files, lookup->root, lookup->path,
                             &lookup->file);
}

/* The compressed one beside it that the client likes best. */
static bool open_twin(struct lookup *lookup)
{
    static const enum inlay_coding all[] = {INLAY_CODING_ZSTD, INLAY_CODING_BR,
                                            INLAY_CODING_GZIP};
    enum inlay_coding ranked[inlay_array_size(all)];
    size_t len = lookup->len;
    size_t count =
        inlay_coding_rank(lookup->request->headers, lookup->request->nheaders,
                          all, inlay_array_size(all), ranked);
    bool found = false;

    for (size_t i = 0; i < count && !found; i++) {
        append(lookup, suffix_of(ranked[i]));
        found = open_file(lookup) == INLAY_STATIC_FILE;
        lookup->file.coding = ranked[i];
        lookup->len = len;
        lookup->path[len] = '\0';
    }
    return found;
}

static enum inlay_static_found find(struct lookup *lookup)
{
    struct inlay_static_file *file = &lookup->file;

    file->type =
        inlay_media_type_find(inlay_str_make(lookup->path, lookup->len));
    file->varies = file->type->compressible;
    if (file->type->compressible && open_twin(lookup))
        return INLAY_STATIC_FILE;
    file->coding = INLAY_CODING_IDENTITY;
    return open_file(lookup);
}

/* --- Answers ----------------------------------------------------------- */

/*
 * A folder's own address ends with a slash, or its links would lead astray.
 * Relative, so that it holds whatever prefix a proxy took off, and can't lead
 * to another host.
 */
static void redirect(struct inlay_request *request)
{
    struct inlay_str path = request->raw_path, query = request->query;
    const char *slash = memrchr(path.ptr, '/', path.len);
    struct inlay_str last =
        slash ? inlay_str_make(slash + 1,
                               path.len - (size_t)(slash + 1 - path.ptr))
              : path;
    struct inlay_header header = {
        INLAY_STR("location"),
        inlay_arena_format(&request->arena, "./%.*s/%s%.*s",
                           inlay_str_arg(last), query.len ? "?" : "",
                           inlay_str_arg(query)),
    };

    if (header.value.ptr)
        inlay_response_send_with(request, 307, &header, 1, INLAY_STR(""));
    else
        inlay_response_error(request, 503, INLAY_STR("Service Unavailable"));
}

static void refuse_method(struct inlay_request *request)
{
    static const struct inlay_header headers[] = {
        {{"allow", 5}, {"GET, HEAD", 9}},
        {{"content-type", 12}, {"application/json", 16}},
    };

    inlay_response_send_with(request, 405, headers, 2,
                             INLAY_STR("{\"detail\":\"Method Not Allowed\"}"));
}

static enum inlay_outcome answer(struct lookup *lookup,
                                 struct inlay_request *request,
                                 enum inlay_static_found found)
{
    switch (found) {
    case INLAY_STATIC_FILE:
        if (inlay_likely(request->method_id == INLAY_METHOD_GET ||
                         request->method_id == INLAY_METHOD_HEAD)) {
            inlay_static_answer(request, &lookup->file,
                                lookup->files->cache_control, 0);
        } else {
            close(lookup->file.fd);
            refuse_method(request);
        }
        return INLAY_HANDLED;
    case INLAY_STATIC_FOLDER:
    case INLAY_STATIC_MISSING:
        break;
    case INLAY_STATIC_FORBIDDEN:
        inlay_response_error(request, 403, INLAY_STR("Forbidden"));
        return INLAY_HANDLED;
    case INLAY_STATIC_BUSY:
        inlay_response_error(request, 503, INLAY_STR("Service Unavailable"));
        return INLAY_HANDLED;
    case INLAY_STATIC_BROKEN:
        inlay_response_error(request, 500, INLAY_STR("Internal Server Error"));
        return INLAY_HANDLED;
    }
    return INLAY_DECLINED;
}

/* A folder that was asked for without its slash: has it an index? */
static enum inlay_outcome answer_folder(struct lookup *lookup,
                                        struct inlay_request *request)
{
    if (!lookup->files->index.len)
        return INLAY_DECLINED;
    if (lookup->len)
        append(lookup, INLAY_STR("/"));
    append(lookup, lookup->files->index);
    enum inlay_static_found found = open_file(lookup);
    if (found != INLAY_STATIC_FILE)
        return answer(lookup, request, found);
    close(lookup->file.fd);
    if (request->method_id == INLAY_METHOD_GET ||
        request->method_id == INLAY_METHOD_HEAD)
        redirect(request);
    else
        refuse_method(request);
    return INLAY_HANDLED;
}

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    const struct inlay_static *files = (struct inlay_static *)handler;
    struct inlay_str path = inlay_request_local_path(request);
    struct inlay_static_mount *mount = find_mount(files, path);

    if (!mount || request->websocket)
        return INLAY_DECLINED;
    bool bare = path.len == mount->prefix.len; /* not even a slash */
    struct inlay_str rest = path;
    rest.ptr += mount->prefix.len + (bare ? 0 : 1);
    rest.len -= mount->prefix.len + (bare ? 0 : 1);
    bool slash = !bare && (!rest.len || rest.ptr[rest.len - 1] == '/');
    if (rest.len > PATH_MOST || (slash && !files->index.len) ||
        !inlay_static_path_valid(rest))
        return INLAY_DECLINED;
    struct lookup lookup = {
        .files = files,
        .request = request,
        .root = inlay_static_root(mount, request->thread),
        .path = inlay_arena_alloc(&request->arena, rest.len + files->index.len +
                                                       SUFFIX_MOST + 2),
    };
    if (inlay_unlikely(!lookup.path)) {
        inlay_response_error(request, 503, INLAY_STR("Service Unavailable"));
        return INLAY_HANDLED;
    }
    append(&lookup, rest);
    if (bare)
        return answer_folder(&lookup, request);
    if (slash)
        append(&lookup, files->index);
    enum inlay_static_found found = find(&lookup);
    if (found == INLAY_STATIC_FOLDER && !slash)
        return answer_folder(&lookup, request);
    return answer(&lookup, request, found);
}

const struct inlay_handler_ops inlay_static_ops = {
    .kind = "static",
    .on_request = on_request,
    .destroy = inlay_static_destroy,
};
