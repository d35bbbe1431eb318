/*
 * python.c - an interpreter inside a C program: finds the virtual environment
 * and its libpython, and lets python/inlay/program.py serve. No header of
 * Python is needed for that: Py_BytesMain, of its stable ABI, is all.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "embed/app.h"
#include "type/json.h"

#include "base/banned.h"

#define ANSWER_MOST ((size_t)64 << 10)
#define GIVEN_MOST ((size_t)4 << 20)

extern char **environ;

typedef int (*python_main)(int argc, char **argv);

/* What the environment's interpreter says of itself: a line for each. */
static const char question[] =
    "import importlib.util as u, os, sys, sysconfig as s\n"
    "def config(name): return str(s.get_config_var(name) or '')\n"
    "found = u.find_spec('inlay')\n"
    "print(os.path.dirname(found.origin) if found else '')\n"
    "print(config('Py_ENABLE_SHARED'))\n"
    "print(config('INSTSONAME'))\n"
    "print(config('LIBDIR'))\n"
    "print(sys.base_prefix + '/lib')\n"
    "print('%d.%d%s' % (*sys.version_info[:2], sys.abiflags))\n";

enum line { PACKAGE, SHARED, NAME, FOLDER, BASE, VERSION, LINES };

struct python {
    struct inlay_arena arena;
    const char *executable;
    const char *lines[LINES];
    python_main main;
};

/* --- Which Python ------------------------------------------------------------- */

/* Where this library lies; "" when that is not known. */
static const char *own_path(char path[PATH_MAX])
{
    Dl_info info;

    path[0] = '\0';
    if (!dladdr((void *)(uintptr_t)inlay_app_serve_python, &info) ||
        !info.dli_fname || !realpath(info.dli_fname, path))
        path[0] = '\0';
    return path;
}

static const char *format(struct python *python,
                          const char *folder,
                          const char *name)
{
    struct inlay_str text =
        inlay_arena_format(&python->arena, "%s/%s", folder, name);

    return text.ptr ? text.ptr : "";
}

/* VIRTUAL_ENV/bin/python, or that of PREFIX/lib/python3.x/site-packages/inlay. */
static struct inlay_error *find_executable(struct python *python)
{
    const char *environment = getenv("VIRTUAL_ENV");
    char path[PATH_MAX];

    if (environment && *environment) {
        python->executable = format(python, environment, "bin/python");
        if (access(python->executable, X_OK) == 0)
            return NULL;
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "VIRTUAL_ENV is %s, but there is no "
                                  "bin/python in it",
                                  environment);
    }
    own_path(path);
    for (int i = 0; i < 5; i++) {
        char *slash = strrchr(path, '/');

        if (slash)
            *slash = '\0';
    }
    python->executable = format(python, path, "bin/python");
    if (*path && access(python->executable, X_OK) == 0)
        return NULL;
    return inlay_error_create(
        INLAY_ERROR_VALUE,
        "which Python is the application's? Activate its virtual environment, "
        "or set VIRTUAL_ENV");
}

/* --- Asking it ------------------------------------------------------------------ */

static int spawn(const char *executable, int out, pid_t *ret)
{
    char *argv[] = {(char *)(uintptr_t)executable, (char *)(uintptr_t) "-c",
                    (char *)(uintptr_t)question, NULL};
    posix_spawn_file_actions_t actions;
    int status = posix_spawn_file_actions_init(&actions);

    if (status)
        return status;
    status = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (!status)
        status = posix_spawn(ret, executable, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return status;
}

static void read_all(int fd, struct inlay_buf *buf)
{
    ssize_t count = 1;

    while (count > 0 || (count < 0 && errno == EINTR)) {
        if (inlay_buf_reserve(buf, 4096) < 0)
            return;
        count = read(fd, inlay_buf_tail(buf), 4096);
        if (count > 0)
            inlay_buf_added(buf, (size_t)count);
    }
}

/* The lines of its answer, each with a NUL at its end. */
static bool split(struct python *python, struct inlay_str text)
{
    struct inlay_str copy = inlay_arena_copy(&python->arena, text);
    char *at = (char *)(uintptr_t)copy.ptr;

    for (int i = 0; i < LINES; i++) {
        char *end = at ? strchr(at, '\n') : NULL;

        if (!end)
            return false;
        *end = '\0';
        python->lines[i] = at;
        at = end + 1;
    }
    return true;
}

static struct inlay_error *ask(struct python *python)
{
    struct inlay_buf buf;
    int ends[2], ended = 0;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return inlay_error_system(errno, "no pipe");
    int status = spawn(python->executable, ends[1], &pid);
    close(ends[1]);
    inlay_buf_init(&buf, ANSWER_MOST);
    if (!status) {
        read_all(ends[0], &buf);
        while (waitpid(pid, &ended, 0) < 0 && errno == EINTR)
            continue;
    }
    close(ends[0]);
    bool answered =
        !status && ended == 0 && split(python, inlay_buf_view(&buf));
    inlay_buf_deinit(&buf);
    if (answered)
        return NULL;
    return inlay_error_create(INLAY_ERROR_VALUE, "%s can't be run%s%s",
                              python->executable, status ? ": " : "",
                              status ? strerror(status) : "");
}

/* --- Its library -------------------------------------------------------------------- */

/* Inlay is there, and it is this one: two libraries can't share requests. */
static struct inlay_error *check_package(struct python *python)
{
    const char *package = python->lines[PACKAGE];
    struct stat ours, theirs;
    char path[PATH_MAX];

    if (!*package)
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "inlay is not installed for %s",
                                  python->executable);
    const char *library = format(python, package, "libinlay.so");
    if (stat(own_path(path), &ours) == 0 && stat(library, &theirs) == 0 &&
        ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
        return NULL;
    return inlay_error_create(
        INLAY_ERROR_VALUE,
        "this program runs with %s, but the Inlay of %s is another one, in %s: "
        "link the program with that (pkg-config inlay, with PKG_CONFIG_PATH at "
        "that environment's lib/pkgconfig)",
        path, python->executable, package);
}

static void *open_library(struct python *python)
{
    struct inlay_str usual = inlay_arena_format(
        &python->arena, "libpython%s.so.1.0", python->lines[VERSION]);
    bool is_shared = strcmp(python->lines[SHARED], "1") == 0;
    const char *name =
        is_shared || !usual.ptr ? python->lines[NAME] : usual.ptr;
    const char *paths[] = {format(python, python->lines[FOLDER], name),
                           format(python, python->lines[BASE], name), name};
    void *handle = NULL;

    /* One that the linker finds somewhere is another Python's, unless this one
     * is shared itself. RTLD_GLOBAL: extension modules expect its symbols. */
    for (size_t i = 0; !handle && i < 2u + is_shared; i++)
        handle = dlopen(paths[i], RTLD_NOW | RTLD_GLOBAL);
    return handle;
}

static struct inlay_error *load(struct python *python)
{
    void *symbol = dlsym(RTLD_DEFAULT, "Py_BytesMain"), *handle;

    if (!symbol) { /* the program is not linked with one */
        handle = open_library(python);
        if (!handle && strcmp(python->lines[SHARED], "1") != 0)
            return inlay_error_create(
                INLAY_ERROR_VALUE,
                "%s has no libpython as a shared library, which a C program "
                "needs: take a Python that was built with --enable-shared "
                "(pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install "
                "%s)",
                python->executable, python->lines[VERSION]);
        if (!handle)
            return inlay_error_create(
                INLAY_ERROR_VALUE,
                "%s is not there (%s): install it (Debian, Ubuntu: apt install "
                "libpython%s; Fedora: dnf install python%s-libs)",
                python->lines[NAME], dlerror(), python->lines[VERSION],
                python->lines[VERSION]);
        symbol = dlsym(handle, "Py_BytesMain");
    }
    if (!symbol)
        return inlay_error_create(INLAY_ERROR_VALUE, "%s has no Py_BytesMain",
                                  python->lines[NAME]);
    memcpy(&python->main, &symbol, sizeof(symbol));
    return NULL;
}

/* --- What program.py is told ------------------------------------------------------------ */

static int put(struct inlay_buf *out, const char *text)
{
    return inlay_buf_append_str(out, inlay_str_from(text));
}

static int put_options(struct inlay_buf *out, const struct inlay_app *app)
{
    size_t count;
    const struct inlay_app_option *options = inlay_app_options(app, &count);

    for (size_t i = 0; i < count; i++) {
        if (put(out, i ? ",[" : "[") < 0 ||
            inlay_json_write_string(options[i].name, out) < 0 ||
            put(out, ",") < 0 ||
            inlay_json_write_string(options[i].value, out) < 0 ||
            put(out, "]") < 0)
            return -1;
    }
    return 0;
}

/* {"path":…,"target":…,"options":[[NAME,VALUE]…],"wake":FD,"fds":[FD…]} */
static int put_given(struct inlay_buf *out, const struct inlay_app *app)
{
    char number[24];
    size_t count;
    const int *fds = inlay_app_fds(app, &count);

    if (put(out, "{\"path\":") < 0 ||
        inlay_json_write_string(app->path, out) < 0 ||
        put(out, ",\"target\":") < 0 ||
        inlay_json_write_string(app->target, out) < 0 ||
        put(out, ",\"options\":[") < 0 || put_options(out, app) < 0)
        return -1;
    snprintf(number, sizeof(number), "%d", app->wake);
    if (put(out, "],\"wake\":") < 0 || put(out, number) < 0 ||
        put(out, ",\"fds\":[") < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        snprintf(number, sizeof(number), "%s%d", i ? "," : "", fds[i]);
        if (put(out, number) < 0)
            return -1;
    }
    return inlay_buf_append(out, "]}", sizeof("]}")); /* and the NUL */
}

static int run(struct python *python, const char *given)
{
    char *argv[] = {
        (char *)(uintptr_t)python->executable,
        (char *)(uintptr_t) "-c",
        (char *)(uintptr_t) "from inlay.program import main; main()",
        (char *)(uintptr_t)given,
        NULL,
    };
    struct sigaction pipe;

    sigaction(SIGPIPE, NULL, &pipe); /* Python ignores it */
    int status = python->main(4, argv);
    sigaction(SIGPIPE, &pipe, NULL);
    return status;
}

struct inlay_error *inlay_app_serve_python(struct inlay_app *app, int *ret)
{
    struct python python = {0};
    struct inlay_error *error;
    struct inlay_buf given;

    inlay_arena_init(&python.arena, GIVEN_MOST);
    inlay_buf_init(&given, GIVEN_MOST);
    (void)((error = find_executable(&python)) || (error = ask(&python)) ||
           (error = check_package(&python)) || (error = load(&python)));
    if (!error && put_given(&given, app) < 0)
        error = inlay_error_create(INLAY_ERROR_VALUE,
                                   "options, paths and targets are UTF-8");
    if (!error)
        *ret = run(&python, inlay_buf_view(&given).ptr);
    inlay_buf_deinit(&given);
    inlay_arena_deinit(&python.arena);
    return error;
}
