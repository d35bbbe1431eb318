/* listen.c - listening sockets of a C program. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "embed/app.h"

#include "base/banned.h"

#define BACKLOG 2048
#define MODE 0666 /* of socket files, as `inlay run` has it */

static struct inlay_error *keep(struct inlay_app *app, int fd)
{
    if (inlay_buf_append(&app->fds, &fd, sizeof(fd)) == 0)
        return NULL;
    close(fd);
    return inlay_error_no_memory();
}

/* --- TCP ------------------------------------------------------------------ */

static int port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return -1;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return -1;
}

int inlay_app_port(const struct inlay_app *app)
{
    size_t count = 0;
    const int *fds = app ? inlay_app_fds(app, &count) : NULL;
    int port = -1;

    for (size_t i = 0; i < count && port < 0; i++)
        port = port_of(fds[i]);
    return port;
}

static int open_tcp(const struct addrinfo *info)
{
    int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    info->ai_protocol);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        (info->ai_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* One port for all addresses: the first socket has chosen it. */
static void set_port(const struct addrinfo *info, int port)
{
    if (info->ai_family == AF_INET)
        ((struct sockaddr_in *)info->ai_addr)->sin_port = htons((uint16_t)port);
    else if (info->ai_family == AF_INET6)
        ((struct sockaddr_in6 *)info->ai_addr)->sin6_port =
            htons((uint16_t)port);
}

static struct inlay_error *bind_tcp(struct inlay_app *app,
                                    const char *host,
                                    int port,
                                    const struct addrinfo *found)
{
    struct inlay_error *error = NULL;
    bool any = false;

    for (const struct addrinfo *at = found; !error && at; at = at->ai_next) {
        if (any && port == 0) {
            size_t count;
            const int *fds = inlay_app_fds(app, &count);

            set_port(at, port_of(fds[count - 1]));
        }
        int fd = open_tcp(at);

        if (fd >= 0) {
            error = keep(app, fd);
            any = true;
        } else if (errno != EAFNOSUPPORT || !at->ai_next) {
            /* A kernel without IPv6, where the name has both, is no error. */
            if (errno != EAFNOSUPPORT || !any)
                error = inlay_error_system(errno, "cannot listen on %s:%d",
                                           host, port);
        }
    }
    return error;
}

/* --- Unix ----------------------------------------------------------------- */

/* A socket file that nobody listens on is left from a killed server. */
static struct inlay_error *remove_left_over(const struct sockaddr_un *address)
{
    struct stat info;

    if (stat(address->sun_path, &info) < 0)
        return NULL; /* bind() says if that is not because there is none */
    if (!S_ISSOCK(info.st_mode))
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "cannot listen on unix:%s: it exists and is "
                                  "not a socket",
                                  address->sun_path);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe >= 0 &&
        connect(probe, (const struct sockaddr *)address, sizeof(*address)) <
            0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    if (probe >= 0)
        close(probe);
    return NULL;
}

static struct inlay_error *own(struct inlay_app *app, const char *path)
{
    struct inlay_str copy =
        inlay_arena_copy(&app->memory, inlay_str_from(path));
    struct inlay_app_file file = {.path = copy.ptr};
    struct stat info;

    if (stat(path, &info) < 0)
        return NULL;
    file.device = info.st_dev;
    file.inode = info.st_ino;
    if (!copy.ptr || inlay_buf_append(&app->files, &file, sizeof(file)) < 0)
        return inlay_error_no_memory();
    return NULL;
}

static struct inlay_error *bind_unix(struct inlay_app *app, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct inlay_error *error;
    size_t len = strlen(path);

    if (!len || len >= sizeof(address.sun_path))
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "cannot listen on unix:%s: the path has 1 to "
                                  "%zu bytes",
                                  path, sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, len);
    if ((error = remove_left_over(&address)))
        return error;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        error = inlay_error_system(errno, "cannot listen on unix:%s", path);
        if (fd >= 0)
            close(fd);
        return error;
    }
    if ((error = own(app, path))) {
        close(fd);
        return error;
    }
    /* Nobody can connect before it listens. */
    if (chmod(path, MODE) < 0 || listen(fd, BACKLOG) < 0) {
        error = inlay_error_system(errno, "cannot listen on unix:%s", path);
        close(fd);
        return error;
    }
    return keep(app, fd);
}

/* --- Both ----------------------------------------------------------------- */

struct inlay_error *inlay_app_bind(struct inlay_app *app,
                                   const char *host,
                                   int port)
{
    const struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    struct addrinfo *found;
    char service[16];

    if (strncmp(host, "unix:", 5) == 0)
        return bind_unix(app, host + 5);
    snprintf(service, sizeof(service), "%d", port);
    int status = getaddrinfo(*host ? host : NULL, service, &hints, &found);
    if (status)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "cannot listen on %s:%d: %s", host, port,
                                  gai_strerror(status));
    struct inlay_error *error = bind_tcp(app, host, port, found);
    freeaddrinfo(found);
    return error;
}

void inlay_app_unbind(struct inlay_app *app)
{
    size_t count;
    const int *fds = inlay_app_fds(app, &count);

    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    inlay_buf_clear(&app->fds);
    struct inlay_str view = inlay_buf_view(&app->files);
    const struct inlay_app_file *files = (const void *)view.ptr;
    for (size_t i = 0; i < view.len / sizeof(*files); i++) {
        struct stat info;

        if (stat(files[i].path, &info) == 0 && info.st_ino == files[i].inode &&
            info.st_dev == files[i].device)
            unlink(files[i].path);
    }
    inlay_buf_clear(&app->files);
}

struct inlay_str inlay_app_name(struct inlay_arena *arena, int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    char host[NI_MAXHOST];
    struct inlay_str name = {0};

    memset(&address, 0, sizeof(address));
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return INLAY_STR("");
    if (address.ss_family == AF_UNIX)
        name = inlay_arena_format(arena, "unix:%s",
                                  ((struct sockaddr_un *)&address)->sun_path);
    else if (getnameinfo((struct sockaddr *)&address, len, host, sizeof(host),
                         NULL, 0, NI_NUMERICHOST) == 0)
        name = inlay_arena_format(
            arena,
            address.ss_family == AF_INET6 ? "http://[%s]:%d" : "http://%s:%d",
            host, port_of(fd));
    return name.ptr ? name : INLAY_STR("");
}
