/*
 * From a path to an open file, so that no path leads out of the folder. What
 * is known of the file is known of the descriptor, never of its name: names
 * may come to mean something else at any time.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "serve/server.h"
#include "serve/static_files.h"

#include "base/banned.h"

#define CHECK_MS 1000
#define TRIES 8 /* while somebody renames folders */
/* A pipe must not make the thread wait for who writes into it. */
#define FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static bool segment_valid(struct inlay_str segment, bool last)
{
    if (segment.len == 0)
        return last;
    /* "." and ".." too */
    return segment.ptr[0] != '.' || inlay_str_is(segment, ".well-known");
}

bool inlay_static_path_valid(struct inlay_str path)
{
    size_t start = 0;

    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];

        if (c == '\0' || c == '\\')
            return false;
        if (c != '/')
            continue;
        if (!segment_valid(inlay_str_make(path.ptr + start, i - start), false))
            return false;
        start = i + 1;
    }
    return segment_valid(inlay_str_make(path.ptr + start, path.len - start),
                         true);
}

/* --- The folder -------------------------------------------------------- */

static bool is_same(const char *folder, int fd)
{
    struct stat named, held;

    return stat(folder, &named) == 0 && fstat(fd, &held) == 0 &&
           named.st_dev == held.st_dev && named.st_ino == held.st_ino;
}

int inlay_static_root(struct inlay_static_mount *mount,
                      const struct inlay_io_thread *thread)
{
    struct inlay_static_root *root = &mount->roots[thread->index];

    if (inlay_likely(thread->loop.now - root->checked_at < CHECK_MS))
        return root->fd;
    root->checked_at = thread->loop.now;
    if (is_same(mount->folder, root->fd))
        return root->fd;
    int fd = open(mount->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) { /* else nothing is found in the old one, or all still is */
        close(root->fd);
        root->fd = fd;
    }
    return root->fd;
}

/* --- The file ---------------------------------------------------------- */

static enum inlay_static_found why(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return INLAY_STATIC_FORBIDDEN;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return INLAY_STATIC_BUSY;
    case EIO:
        return INLAY_STATIC_BROKEN;
    default: /* ENOENT, ENOTDIR, ENAMETOOLONG, EXDEV: it leads out, ... */
        return INLAY_STATIC_MISSING;
    }
}

static int open_beneath(int root, const char *path)
{
    struct open_how how = {
        .flags = FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd;

    for (int i = 0; i < TRIES; i++) {
        fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
        if (inlay_likely(fd >= 0 || (errno != EAGAIN && errno != EINTR)))
            break;
    }
    return (int)fd;
}

/* The same a segment at a time, where openat2 is missing. */
static int open_walking(int root, const char *path)
{
    int folder = root;

    for (;;) {
        size_t len = strcspn(path, "/");
        char name[256];

        if (len >= sizeof(name)) {
            errno = ENAMETOOLONG;
            break;
        }
        memcpy(name, path, len);
        name[len] = '\0';
        bool last = path[len] == '\0';
        int fd = openat(folder, name,
                        (last ? FLAGS : O_PATH | O_DIRECTORY | O_CLOEXEC) |
                            O_NOFOLLOW);
        int error = errno;
        if (folder != root)
            close(folder);
        errno = error;
        if (fd < 0 || last)
            return fd;
        folder = fd;
        path += len + 1;
    }
    if (folder != root)
        close(folder);
    errno = ENAMETOOLONG;
    return -1;
}

enum inlay_static_found inlay_static_open(const struct inlay_static *files,
                                          int root,
                                          const char *path,
                                          struct inlay_static_file *ret)
{
    enum inlay_static_found found = INLAY_STATIC_MISSING;
    struct stat stat;
    int fd = inlay_unlikely(files->walk) ? open_walking(root, path)
                                         : open_beneath(root, path);

    if (fd < 0)
        return why(errno);
    if (inlay_likely(fstat(fd, &stat) == 0)) {
        if (inlay_likely(S_ISREG(stat.st_mode))) {
            ret->fd = fd;
            ret->size = (uint64_t)stat.st_size;
            ret->modified = stat.st_mtim;
            return INLAY_STATIC_FILE;
        }
        if (S_ISDIR(stat.st_mode))
            found = INLAY_STATIC_FOLDER;
    }
    close(fd);
    return found;
}
