/* The mounts of a static handler, from "/path=folder". */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "serve/server.h"
#include "serve/static.h"
#include "serve/static_files.h"

#include "base/banned.h"

#define MEMORY_MOST ((size_t)16 << 20)

void inlay_static_destroy(struct inlay_handler *handler)
{
    struct inlay_static *files = (struct inlay_static *)handler;

    for (size_t i = 0; i < files->nmounts; i++) {
        struct inlay_static_mount *mount = &files->mounts[i];

        for (unsigned t = 0; mount->roots && t < files->nthreads; t++) {
            if (mount->roots[t].fd >= 0)
                close(mount->roots[t].fd);
        }
    }
    inlay_arena_deinit(&files->memory);
    inlay_free(files);
}

static struct inlay_error *open_roots(struct inlay_static *files,
                                      struct inlay_static_mount *mount)
{
    mount->roots = inlay_arena_zalloc_array(&files->memory, files->nthreads,
                                            sizeof(*mount->roots));
    if (!mount->roots)
        return inlay_error_no_memory();
    for (unsigned i = 0; i < files->nthreads; i++)
        mount->roots[i].fd = -1;
    for (unsigned i = 0; i < files->nthreads; i++) {
        mount->roots[i].fd =
            open(mount->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (mount->roots[i].fd < 0)
            return inlay_error_system(
                errno, "static: cannot open the folder \"%s\"", mount->folder);
    }
    return NULL;
}

/* The application may change its folder later. */
static struct inlay_error *read_folder(struct inlay_static *files,
                                       struct inlay_str text,
                                       const char **ret)
{
    _cleanup_free_ char *here = NULL;

    if (text.ptr[0] != '/') {
        here = getcwd(NULL, 0);
        if (!here)
            return inlay_error_system(errno, "static: the current folder");
    }
    struct inlay_str folder =
        inlay_arena_format(&files->memory, "%s%s%.*s", here ? here : "",
                           here ? "/" : "", inlay_str_arg(text));
    if (!folder.ptr)
        return inlay_error_no_memory();
    *ret = folder.ptr;
    return NULL;
}

/* The text's part before '=', without slashes at its end. */
static struct inlay_error *read_prefix(struct inlay_str text,
                                       size_t len,
                                       struct inlay_str *ret)
{
    struct inlay_str prefix = inlay_str_make(text.ptr, len);

    while (prefix.len && prefix.ptr[prefix.len - 1] == '/')
        prefix.len--;
    /* What no request's path can hold would never be found. */
    if (text.ptr[0] != '/' ||
        (prefix.len && !inlay_static_path_valid(
                           inlay_str_make(prefix.ptr + 1, prefix.len - 1))))
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "static: \"%.*s\" is no path: it begins with \"/\", and has no "
            "empty segment and none that begins with a dot",
            (int)len, text.ptr);
    *ret = prefix;
    return NULL;
}

static struct inlay_error *add_mount(struct inlay_static *files,
                                     struct inlay_str text)
{
    struct inlay_static_mount *mount = &files->mounts[files->nmounts];
    const char *equals = text.len ? memchr(text.ptr, '=', text.len) : NULL;
    size_t len = equals ? (size_t)(equals - text.ptr) : 0;

    if (len == 0 || len + 1 == text.len ||
        memchr(text.ptr, '\0', text.len) != NULL)
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "static: \"%.*s\" is not of the form /path=folder",
            inlay_str_arg(text));
    struct inlay_error *error = read_prefix(text, len, &mount->prefix);
    if (error)
        return error;
    for (size_t i = 0; i < files->nmounts; i++) {
        if (inlay_str_equal(files->mounts[i].prefix, mount->prefix))
            return inlay_error_create(INLAY_ERROR_VALUE,
                                      "static: two folders for \"%.*s\"",
                                      (int)len, text.ptr);
    }
    error = read_folder(files, inlay_str_make(equals + 1, text.len - len - 1),
                        &mount->folder);
    if (error)
        return error;
    files->nmounts++;
    return open_roots(files, mount);
}

static int by_length(const void *a, const void *b)
{
    size_t first = ((const struct inlay_static_mount *)a)->prefix.len;
    size_t second = ((const struct inlay_static_mount *)b)->prefix.len;

    return (first < second) - (first > second);
}

static struct inlay_error *read_cache_control(struct inlay_static *files,
                                              int64_t max_age)
{
    if (max_age < 0)
        return NULL;
    files->cache_control = inlay_arena_format(
        &files->memory, "public, max-age=%lld", (long long)max_age);
    return files->cache_control.ptr ? NULL : inlay_error_no_memory();
}

static struct inlay_error *read_index(struct inlay_static *files,
                                      struct inlay_str index)
{
    if (index.len &&
        (memchr(index.ptr, '/', index.len) || !inlay_static_path_valid(index)))
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "static_index: \"%.*s\" is not the name of a file",
            inlay_str_arg(index));
    files->index = index;
    return NULL;
}

/* Kernels before 5.6 have no openat2; old containers forbid it. */
static bool lacks_openat2(int root)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC};
    long fd = syscall(SYS_openat2, root, ".", &how, sizeof(how));

    if (fd < 0)
        return errno == ENOSYS || errno == EPERM;
    close((int)fd);
    return false;
}

static struct inlay_error *init(struct inlay_static *files,
                                const struct inlay_server_config *config)
{
    struct inlay_error *error = read_index(files, config->static_index);

    files->mounts = inlay_arena_zalloc_array(
        &files->memory, config->static_mounts.count, sizeof(*files->mounts));
    if (!error && !files->mounts)
        error = inlay_error_no_memory();
    if (!error)
        error = read_cache_control(files, config->static_max_age);
    for (size_t i = 0; !error && i < config->static_mounts.count; i++)
        error = add_mount(files, config->static_mounts.items[i]);
    if (error)
        return error;
    qsort(files->mounts, files->nmounts, sizeof(*files->mounts), by_length);
    files->walk = lacks_openat2(files->mounts[0].roots[0].fd);
    return NULL;
}

struct inlay_error *inlay_static_create(
    const struct inlay_server_config *config,
    struct inlay_handler **ret)
{
    struct inlay_static *files;

    *ret = NULL;
    if (config->static_mounts.count == 0)
        return NULL;
    files = inlay_calloc(1, sizeof(*files));
    if (!files)
        return inlay_error_no_memory();
    inlay_arena_init(&files->memory, MEMORY_MOST);
    files->handler.ops = &inlay_static_ops;
    files->nthreads = config->io_threads;
    struct inlay_error *error = init(files, config);
    if (error) {
        inlay_static_destroy(&files->handler);
        return error;
    }
    *ret = &files->handler;
    return NULL;
}
