/*
 * fuzz_static.c - a static mount: a path (first line of the input) and header
 * fields (the others). Nothing outside the folder is ever sent, whatever is
 * sent has the length and the bytes that its head says, and walking segment by
 * segment finds nothing that openat2 does not.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/url.h"
#include "serve/response.h"
#include "serve/server.h"
#include "serve/static.h"
#include "serve/static_files.h"

#include "base/banned.h"

#define HEADERS_MOST 32
#define SECRET '!' /* of what is outside; what is inside has letters */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An answer, seen from the protocol's side. */
struct seen {
    struct inlay_request request; /* first */
    struct inlay_buf head;        /* of headers, comparable */
    uint64_t body, offset;        /* bytes; of the first one in its file */
    bool ended, aborted, parts, coded;
};

struct world {
    char folder[32];
    struct inlay_server server; /* its config only */
    struct inlay_io_thread thread;
    struct inlay_handler *files;
};

static void check(bool fine)
{
    if (!fine)
        abort();
}

/* --- The protocol ------------------------------------------------------ */

static struct seen *of(struct inlay_request *request)
{
    return (struct seen *)request;
}

static int on_start(struct inlay_request *request,
                    const struct inlay_header *headers,
                    size_t nheaders)
{
    struct seen *seen = of(request);

    inlay_buf_append_u64(&seen->head, (uint64_t)request->status);
    for (size_t i = 0; i < nheaders; i++) {
        struct inlay_str name = headers[i].name, value = headers[i].value;

        seen->coded |= inlay_str_is(name, "content-encoding");
        if (inlay_str_is(name, "content-range") && request->status == 206)
            seen->offset = strtoull(value.ptr + 6, NULL, 10);
        if (inlay_str_starts(value, INLAY_STR("multipart/")))
            seen->parts = true; /* the boundary is random */
        else
            inlay_buf_append_str(&seen->head, value);
        inlay_buf_append_char(&seen->head, ';');
    }
    check(request->as_is || request->status >= 304);
    check(request->length >= 0 || request->status == 304);
    return 0;
}

static void check_bytes(struct seen *seen, const char *bytes, size_t len)
{
    bool known = (seen->request.status == 200 || seen->request.status == 206) &&
                 !seen->parts && !seen->coded;

    for (size_t i = 0; i < len; i++) {
        check(bytes[i] != SECRET);
        check(!known ||
              bytes[i] == (char)('a' + (seen->offset + seen->body + i) % 26));
    }
    seen->body += len;
}

static int on_write(struct inlay_request *request, struct inlay_str bytes)
{
    check_bytes(of(request), bytes.ptr, bytes.len);
    return 0;
}

static int on_write_chunk(struct inlay_request *request,
                          struct inlay_chunk *chunk)
{
    static char bytes[65536];

    check(chunk->fd >= 0 && chunk->len <= sizeof(bytes));
    check(pread(chunk->fd, bytes, chunk->len, (off_t)chunk->offset) ==
          (ssize_t)chunk->len);
    check_bytes(of(request), bytes, chunk->len);
    inlay_chunk_destroy(chunk);
    return 0;
}

static void on_end(struct inlay_request *request)
{
    struct seen *seen = of(request);

    check(!seen->ended);
    seen->ended = true;
    check(request->head_only ? seen->body == 0
                             : seen->body == (uint64_t)request->length);
}

static void on_abort(struct inlay_request *request)
{
    of(request)->aborted = true;
}

static const struct inlay_stream_ops ops = {
    .start = on_start,
    .write = on_write,
    .write_chunk = on_write_chunk,
    .end = on_end,
    .abort = on_abort,
};

/* --- The folder -------------------------------------------------------- */

static struct world world;

static int drop(const char *path,
                const struct stat *stat inlay_unused,
                int type inlay_unused,
                struct FTW *ftw inlay_unused)
{
    return remove(path);
}

static void remove_world(void)
{
    nftw(world.folder, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *name, size_t len, bool secret)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", world.folder, name);
    FILE *file = fopen(path, "w");
    check(file != NULL);
    for (size_t i = 0; i < len; i++)
        fputc(secret ? SECRET : (int)('a' + i % 26), file);
    fclose(file);
}

static void put_folder(const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", world.folder, name);
    check(mkdir(path, 0755) == 0);
}

static void put_link(const char *name, const char *target)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", world.folder, name);
    check(symlink(target, path) == 0);
}

static void make_world(void)
{
    static struct inlay_str mounts[2];
    static char texts[2][64];

    snprintf(world.folder, sizeof(world.folder), "/tmp/inlay-fuzz-XXXXXX");
    check(mkdtemp(world.folder) != NULL);
    atexit(remove_world);
    put_folder("in");
    put_folder("in/d");
    put("secret", 100, true);
    put("in/.env", 100, true);
    put("in/a", 10, false);
    put("in/b.js", 40000, false);
    put("in/b.js.br", 70, false);
    put("in/b.js.gz", 30000, false);
    put("in/d/index.html", 300, false);
    put_link("in/l", "d/../a");
    put_link("in/o", "../secret");
    put_link("in/u", "..");
    put_link("in/r", "/");
    snprintf(texts[0], sizeof(texts[0]), "/s=%s/in", world.folder);
    snprintf(texts[1], sizeof(texts[1]), "/=%s/in/d", world.folder);
    for (int i = 0; i < 2; i++)
        mounts[i] = inlay_str_from(texts[i]);
    inlay_server_config_default(&world.server.config);
    world.server.config.io_threads = 1;
    world.server.config.static_mounts = (struct inlay_strs){mounts, 2};
    world.thread.server = &world.server;
    check(!inlay_static_create(&world.server.config, &world.files));
}

/* --- One request ------------------------------------------------------- */

static struct inlay_str take_line(struct inlay_str *rest)
{
    const char *end = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
    struct inlay_str line = inlay_str_make(rest->ptr, len);

    len += end ? 1 : 0;
    *rest = inlay_str_make(rest->ptr + len, rest->len - len);
    return line;
}

static size_t read_headers(struct inlay_str rest, struct inlay_header *ret)
{
    size_t count = 0;

    while (rest.len && count < HEADERS_MOST) {
        struct inlay_str line = take_line(&rest);
        const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;

        if (!colon)
            continue;
        size_t len = (size_t)(colon - line.ptr);
        ret[count++] = (struct inlay_header){
            inlay_str_make(line.ptr, len),
            inlay_str_trim(inlay_str_make(colon + 1, line.len - len - 1))};
    }
    return count;
}

/* Is it answered? */
static bool run(struct seen *seen, const uint8_t *data, size_t size, bool walk)
{
    struct inlay_header headers[HEADERS_MOST];
    struct inlay_str rest = inlay_str_make((const char *)data + 1, size - 1);
    struct inlay_str line = take_line(&rest);
    struct inlay_request *request = &seen->request;

    *seen = (struct seen){.request = {
                              .thread = &world.thread,
                              .method_id = data[0] & 1   ? INLAY_METHOD_GET
                                           : data[0] & 2 ? INLAY_METHOD_HEAD
                                                         : INLAY_METHOD_POST,
                              .http_major = 1,
                              .http_minor = 1,
                              .raw_path = line,
                              .native_allow = INLAY_STR(""),
                              .query = INLAY_STR(""),
                              .headers = headers,
                              .nheaders = read_headers(rest, headers),
                              .stream = &ops,
                              .length = -1,
                          }};
    inlay_arena_init(&request->arena, 1u << 20);
    inlay_buf_init(&seen->head, 1u << 20);
    request->path = inlay_url_decode(line, false, &request->arena);
    ((struct inlay_static *)world.files)->walk = walk;
    enum inlay_outcome outcome =
        world.files->ops->on_request(world.files, request);
    check(outcome != INLAY_PENDING);
    /* Nothing goes wrong here but what a hostile Location would do. */
    check(outcome == INLAY_DECLINED ||
          (seen->ended && !seen->aborted && seen->request.status != 503));
    return outcome == INLAY_HANDLED;
}

static void forget(struct seen *seen)
{
    inlay_arena_deinit(&seen->request.arena);
    inlay_buf_deinit(&seen->head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen, walked;

    if (size == 0)
        return 0;
    if (!world.files)
        make_world();
    bool found = run(&seen, data, size, false);
    if (run(&walked, data, size, true)) {
        check(found);
        check(inlay_str_equal(inlay_buf_view(&seen.head),
                              inlay_buf_view(&walked.head)));
    }
    forget(&seen);
    forget(&walked);
    return 0;
}
