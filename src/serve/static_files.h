/*
 * static_files.h - what the parts of the static handler share: mounts, how a
 * path becomes an open file, how that becomes an answer. Private to static*.c.
 */
#ifndef INLAY_SERVE_STATIC_FILES_H
#define INLAY_SERVE_STATIC_FILES_H

#include <time.h>

#include "http/accept_encoding.h"
#include "http/media_type.h"
#include "serve/handler.h"
#include "serve/request.h"

/*
 * One I/O thread's hold of a mount's folder, so that nothing is shared. A
 * folder that was replaced (a build that makes it anew, a link that points to
 * another release) is noticed within a second.
 */
struct inlay_static_root {
    int fd;              /* O_PATH */
    uint64_t checked_at; /* loop's ms: is it still the folder of that name? */
};

struct inlay_static_mount {
    struct inlay_str prefix;         /* "/assets"; "" is all paths */
    const char *folder;              /* absolute, NUL-terminated */
    struct inlay_static_root *roots; /* of each I/O thread */
};

struct inlay_static {
    struct inlay_handler handler;      /* first */
    struct inlay_static_mount *mounts; /* longest prefix first */
    size_t nmounts;
    unsigned nthreads;
    struct inlay_str index;         /* "": folders have none */
    struct inlay_str cache_control; /* "": no such header */
    struct inlay_arena memory;      /* of all of it */
    bool walk; /* no openat2 here: segment by segment, without links */
};

/* A file that is to be answered with. */
struct inlay_static_file {
    int fd; /* owned by whoever holds the struct */
    uint64_t size;
    struct timespec modified;
    const struct inlay_media_type *type;
    enum inlay_coding coding;
    bool varies; /* there are, or might be, others for other clients */
};

/* static.c; static_mount.c */
extern const struct inlay_handler_ops inlay_static_ops;
void inlay_static_destroy(struct inlay_handler *handler);

/* --- static_open.c: hot ------------------------------------------------ */

enum inlay_static_found {
    INLAY_STATIC_FILE,
    INLAY_STATIC_FOLDER,
    INLAY_STATIC_MISSING,   /* or not ours to give */
    INLAY_STATIC_FORBIDDEN, /* it can't be read */
    INLAY_STATIC_BUSY,      /* no descriptors or memory left */
    INLAY_STATIC_BROKEN,    /* the disk fails */
};

/*
 * Is `path` (percent-decoded, after the prefix, without its first slash) one
 * that may name a file? Not with empty segments but a last one, "." and "..",
 * NUL, a backslash, or a segment that begins with a dot other than
 * ".well-known".
 */
bool inlay_static_path_valid(struct inlay_str path);

/* The descriptor of the mount's folder for that thread. */
int inlay_static_root(struct inlay_static_mount *mount,
                      const struct inlay_io_thread *thread);

/*
 * Opens `path`, valid and NUL-terminated, below `root`; no link leads out of
 * it. For FILE, descriptor, size and time of *ret are set.
 */
enum inlay_static_found inlay_static_open(const struct inlay_static *files,
                                          int root,
                                          const char *path,
                                          struct inlay_static_file *ret);

/* --- static_answer.c: hot ---------------------------------------------- */

/*
 * Answers with it: a GET or HEAD by what the client already has of it and the
 * parts that it asks for, unless `status` is not 0: then with all of it and
 * that status. `cache_control` may be "". Takes over file->fd. The request is
 * over.
 */
void inlay_static_answer(struct inlay_request *request,
                         struct inlay_static_file *file,
                         struct inlay_str cache_control,
                         int status);

#endif
