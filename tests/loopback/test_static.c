/* Files of folders as answers: what is found, and what of it is sent. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "serve/static.h"
#include "serve/static_files.h"

#include "base/banned.h"

#define BIG ((size_t)3000000)

struct files {
    struct fixture fixture;
    char folder[32], secret[64];
    int fd; /* kept alive between requests */
};

static void put(const struct files *files, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", files->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void put_folder(const struct files *files, const char *name)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", files->folder, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void put_link(const struct files *files,
                     const char *name,
                     const char *target)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", files->folder, name);
    assert_int_equal(symlink(target, path), 0);
}

/* Its bytes count, so that a wrong part shows. */
static void put_big(const struct files *files)
{
    char path[256], block[251 * 16];

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)('\x01' + i % 251);
    snprintf(path, sizeof(path), "%s/web/big.bin", files->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t at = 0; at < BIG; at += sizeof(block))
        fwrite(block, 1, inlay_min(sizeof(block), BIG - at), file);
    fclose(file);
}

static void make_tree(struct files *files)
{
    snprintf(files->folder, sizeof(files->folder), "/tmp/inlay-static-XXXXXX");
    assert_non_null(mkdtemp(files->folder));
    put_folder(files, "web");
    put_folder(files, "web/docs");
    put_folder(files, "web/empty");
    put_folder(files, "web/.git");
    put_folder(files, "web/.well-known");
    put_folder(files, "other");
    put(files, "secret", "SECRET");
    put(files, "web/a.txt", "0123456789");
    put(files, "web/b c.txt", "blank");
    put(files, "web/nothing.css", "");
    put(files, "web/index.html", "<top>");
    put(files, "web/docs/index.html", "<docs>");
    put(files, "web/.env", "SECRET");
    put(files, "web/.git/config", "SECRET");
    put(files, "web/.well-known/x", "known");
    put(files, "web/app.js", "plain");
    put(files, "web/app.js.gz", "gzipped");
    put(files, "web/app.js.br", "brotlied");
    put(files, "web/pic.png", "png");
    put(files, "web/pic.png.gz", "gzipped");
    put(files, "web/unreadable", "SECRET");
    put(files, "other/a.txt", "other");
    put_link(files, "web/inside", "docs/index.html");
    put_link(files, "web/inside-folder", "docs");
    put_link(files, "web/up", "docs/../a.txt");
    put_link(files, "web/outside", "../secret");
    put_link(files, "web/outside-folder", "..");
    put_link(files, "web/absolute", "/etc/passwd");
    put_link(files, "web/loop", "loop");
    put_link(files, "web/magic", "/proc/self/root/etc/passwd");
    put_big(files);
}

static int setup_with(void **state, bool walk)
{
    struct files *files = calloc(1, sizeof(*files));
    static struct inlay_str mounts[3];
    static char texts[3][64];

    assert_non_null(files);
    make_tree(files);
    snprintf(texts[0], sizeof(texts[0]), "/s=%s/web", files->folder);
    snprintf(texts[1], sizeof(texts[1]), "/s/other/=%s/other", files->folder);
    snprintf(texts[2], sizeof(texts[2]), "/=%s/other/", files->folder);
    for (int i = 0; i < 3; i++)
        mounts[i] = inlay_str_from(texts[i]);
    struct fixture *fixture = &files->fixture;
    prepare(fixture);
    fixture->config.static_mounts = (struct inlay_strs){mounts, 3};
    fixture->config.static_max_age = 60;
    fixture->config.root_path = INLAY_STR("/outer");
    assert_null(inlay_static_create(&fixture->config, &fixture->more));
    ((struct inlay_static *)fixture->more)->walk |= walk;
    start_server(fixture);
    files->fd = open_client(fixture);
    *state = files;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_walking(void **state)
{
    return setup_with(state, true);
}

static int drop(const char *path,
                const struct stat *stat inlay_unused,
                int type inlay_unused,
                struct FTW *ftw inlay_unused)
{
    return remove(path);
}

static int teardown(void **state)
{
    struct files *files = *state;

    exchange(-1, NULL, NULL);
    close(files->fd);
    stop_server(&files->fixture);
    nftw(files->folder, drop, 16, FTW_DEPTH | FTW_PHYS);
    free(files);
    return 0;
}

/* Of a short file: head and body, which ends as `until` says. */
static const char *ask(struct files *files,
                       const char *method,
                       const char *path,
                       const char *headers,
                       const char *until)
{
    char request[2048];

    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\n" HOST "%s\r\n",
             method, path, headers);
    return exchange(files->fd, request, until);
}

static const char *get(struct files *files,
                       const char *path,
                       const char *headers,
                       const char *until)
{
    return ask(files, "GET", path, headers, until);
}

static void check_missing(struct files *files, const char *path)
{
    const char *text = get(files, path, "", "\"}");

    if (strncmp(text, "HTTP/1.1 404", 12) != 0)
        fail_msg("%s: %s", path, text);
    lacks(text, "SECRET");
    lacks(text, "root:");
}

static void found(void **state)
{
    struct files *files = *state;
    const char *text = get(files, "/s/a.txt", "", "0123456789");

    assert_memory_equal(text, "HTTP/1.1 200 OK\r\n", 17);
    has(text, "\r\ncontent-length: 10\r\n");
    has(text, "\r\ncontent-type: text/plain; charset=utf-8\r\n");
    has(text, "\r\naccept-ranges: bytes\r\n");
    has(text, "\r\nlast-modified: ");
    has(text, "\r\netag: \"");
    has(text, "\r\nvary: accept-encoding\r\n");
    has(text, "\r\ncache-control: public, max-age=60\r\n");
    has(get(files, "/s/b%20c.txt?v=1", "", "blank"), "200 OK");
    has(get(files, "/outer/s/a.txt", "", "0123456789"), "200 OK");
    /* The longest prefix wins; "/" is one as well. */
    has(get(files, "/s/other/a.txt", "", "other"), "200 OK");
    has(get(files, "/a.txt", "", "other"), "200 OK");
    text = get(files, "/s/nothing.css", "", "\r\n\r\n");
    has(text, "\r\ncontent-length: 0\r\n");
    has(text, "text/css");
    has(get(files, "/s/.well-known/x", "", "known"), "200 OK");
    text = ask(files, "HEAD", "/s/a.txt", "", "\r\n\r\n");
    has(text, "\r\ncontent-length: 10\r\n");
    lacks(text, "0123");
}

static void not_found(void **state)
{
    static const char *const paths[] = {
        "/s/missing",
        "/s/a.txt/",
        "/s/a.txt/x",
        "/sa.txt",
        "/s/empty",
        "/s/empty/",
        "/s/outside",
        "/s/outside-folder/secret",
        "/s/absolute",
        "/s/magic",
        "/s/loop",
        "/s/../secret",
        "/s/../../etc/passwd",
        "/s/%2e%2e/secret",
        "/s/docs/%2e%2e/a.txt",
        "/s/..%2fsecret",
        "/s/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/s//etc/passwd",
        "/s/%2fetc/passwd",
        "//etc/passwd",
        "/s/./a.txt",
        "/s//a.txt",
        "/s/docs//index.html",
        "/s/a.txt%00",
        "/s/a.txt%00.html",
        "/s/..%5csecret",
        "/s/docs%5c..%5ca.txt",
        "/s/.env",
        "/s/.git/config",
        "/s/%2eenv",
        "/s/%252e%252e/secret",
        "/s/..;/secret",
        "/s/.../secret",
        "/s/%c0%ae%c0%ae/secret",
    };
    char path[4200] = "/s/";

    for (size_t i = 0; i < inlay_array_size(paths); i++)
        check_missing(*state, paths[i]);
    memset(path + 3, 'a', 400);
    check_missing(*state, path);
}

/* Longer than any path of the kernel's. */
static void long_path(void **state)
{
    struct files *files = *state;
    static char request[12000];
    int len = snprintf(request, sizeof(request), "GET /s");

    while (len < 9000)
        len += snprintf(request + len, 12, "/abcdefghi");
    snprintf(request + len, 100, " HTTP/1.1\r\n" HOST "\r\n");
    has(exchange(files->fd, request, "\"}"), "404 Not Found");
}

static void links_inside(void **state)
{
    struct files *files = *state;

    has(get(files, "/s/inside", "", "<docs>"), "200 OK");
    has(get(files, "/s/inside-folder/index.html", "", "<docs>"), "200 OK");
    has(get(files, "/s/up", "", "0123456789"), "200 OK");
}

/* Without openat2 no link is followed at all. */
static void walking(void **state)
{
    struct files *files = *state;

    has(get(files, "/s/a.txt", "", "0123456789"), "200 OK");
    has(get(files, "/s/docs/index.html", "", "<docs>"), "200 OK");
    has(get(files, "/s/docs", "", "\r\n\r\n"), "307 ");
    check_missing(files, "/s/inside");
    check_missing(files, "/s/inside-folder/index.html");
    check_missing(files, "/s/outside-folder/web/a.txt");
    not_found(state);
}

static void folders(void **state)
{
    struct files *files = *state;
    const char *text = get(files, "/s/docs", "", "\r\n\r\n");

    assert_memory_equal(text, "HTTP/1.1 307 ", 13);
    has(text, "\r\nlocation: ./docs/\r\n");
    text = get(files, "/s/docs?a=b&c", "", "\r\n\r\n");
    has(text, "\r\nlocation: ./docs/?a=b&c\r\n");
    has(get(files, "/s", "", "\r\n\r\n"), "\r\nlocation: ./s/\r\n");
    has(get(files, "/outer/s%2fdocs", "", "\r\n\r\n"),
        "\r\nlocation: ./s%2fdocs/\r\n");
    has(get(files, "/s/docs/", "", "<docs>"), "text/html; charset=utf-8");
    has(get(files, "/s/", "", "<top>"), "200 OK");
    has(ask(files, "POST", "/s/docs", "", "\"}"), "405 ");
    check_missing(files, "/");
}

static void methods(void **state)
{
    struct files *files = *state;
    const char *text =
        ask(files, "POST", "/s/a.txt", "Content-Length: 3\r\n\r\nabc", "\"}");

    assert_memory_equal(text, "HTTP/1.1 405 ", 13);
    has(text, "\r\nallow: GET, HEAD\r\n");
    has(ask(files, "DELETE", "/s/a.txt", "", "\"}"), "405 ");
    has(ask(files, "OPTIONS", "/s/a.txt", "", "\"}"), "405 ");
    /* What is no file may be the application's. */
    has(ask(files, "POST", "/s/missing", "", "\"}"), "404 ");
}

static void twins(void **state)
{
    struct files *files = *state;
    const char *text =
        get(files, "/s/app.js", "Accept-Encoding: gzip, br\r\n", "brotlied");

    has(text, "\r\ncontent-encoding: br\r\n");
    has(text, "\r\ncontent-type: text/javascript; charset=utf-8\r\n");
    has(text, "-br\"\r\n");
    has(text, "\r\nvary: accept-encoding\r\n");
    text =
        get(files, "/s/app.js", "Accept-Encoding: gzip, zstd\r\n", "gzipped");
    has(text, "\r\ncontent-encoding: gzip\r\n");
    has(text, "-gzip\"\r\n");
    text =
        get(files, "/s/app.js", "Accept-Encoding: zstd, br;q=0\r\n", "plain");
    lacks(text, "content-encoding");
    has(text, "\r\nvary: accept-encoding\r\n");
    /* A picture is compressed as it is. */
    text = get(files, "/s/pic.png", "Accept-Encoding: gzip\r\n", "png");
    lacks(text, "content-encoding");
    lacks(text, "vary");
    text = get(files, "/s/app.js.gz", "Accept-Encoding: gzip\r\n", "gzipped");
    lacks(text, "content-encoding");
    has(text, "\r\ncontent-type: application/gzip\r\n");
}

/* The value of `name` in `text`, malloc'ed. */
static char *value_of(const char *text, const char *name)
{
    const char *at = strstr(text, name);

    assert_non_null(at);
    at += strlen(name);
    return strndup(at, (size_t)(strstr(at, "\r\n") - at));
}

/* Of a request with `headers`, where a '$' stands for `value`. */
static int status_with(struct files *files,
                       const char *method,
                       const char *headers,
                       const char *value)
{
    char lines[512];
    size_t len = 0;

    for (const char *at = headers; *at; at++)
        len += (size_t)snprintf(lines + len, sizeof(lines) - len, "%.*s",
                                *at == '$' ? 100 : 1, *at == '$' ? value : at);
    const char *text = ask(files, method, "/s/a.txt", lines, "\r\n\r\n");
    int status = (int)strtol(text + 9, NULL, 10);
    /* Whether its body came with it is not known: the next one is another's. */
    close(files->fd);
    files->fd = open_client(&files->fixture);
    return status;
}

#define get_with(headers, value) status_with(files, "GET", headers, value)

static void conditions(void **state)
{
    struct files *files = *state;
    const char *text = get(files, "/s/a.txt", "", "0123456789");
    char *etag = value_of(text, "etag: "), *date = value_of(text, "ified: ");
    const char *old = "Sun, 06 Nov 1994 08:49:37 GMT";

    assert_int_equal(get_with("If-None-Match: $\r\n", etag), 304);
    assert_int_equal(get_with("If-None-Match: W/$\r\n", etag), 304);
    assert_int_equal(get_with("If-None-Match: \"x\", $\r\n", etag), 304);
    assert_int_equal(
        get_with("If-None-Match: \"x\"\r\nIf-None-Match: $\r\n", etag), 304);
    assert_int_equal(get_with("If-None-Match: *\r\n", ""), 304);
    assert_int_equal(get_with("If-None-Match: \"x\"\r\n", ""), 200);
    assert_int_equal(get_with("If-Modified-Since: $\r\n", date), 304);
    assert_int_equal(get_with("If-Modified-Since: $\r\n", old), 200);
    assert_int_equal(get_with("If-Modified-Since: soon\r\n", ""), 200);
    /* The tag counts when there are both. */
    assert_int_equal(
        get_with("If-None-Match: \"x\"\r\nIf-Modified-Since: $\r\n", date),
        200);
    assert_int_equal(get_with("If-Match: $\r\n", etag), 200);
    assert_int_equal(get_with("If-Match: *\r\n", ""), 200);
    assert_int_equal(get_with("If-Match: W/$\r\n", etag), 412);
    assert_int_equal(get_with("If-Match: \"x\"\r\n", ""), 412);
    assert_int_equal(get_with("If-Unmodified-Since: $\r\n", date), 200);
    assert_int_equal(get_with("If-Unmodified-Since: $\r\n", old), 412);
    assert_int_equal(get_with("If-Match: \"x\"\r\nIf-None-Match: $\r\n", etag),
                     412);
    assert_int_equal(status_with(files, "HEAD", "If-None-Match: $\r\n", etag),
                     304);
    assert_int_equal(get_with("Range: bytes=0-1\r\nIf-Range: $\r\n", etag),
                     206);
    assert_int_equal(get_with("Range: bytes=0-1\r\nIf-Range: $\r\n", date),
                     206);
    assert_int_equal(get_with("Range: bytes=0-1\r\nIf-Range: W/$\r\n", etag),
                     200);
    assert_int_equal(get_with("Range: bytes=0-1\r\nIf-Range: $\r\n", old), 200);
    assert_int_equal(get_with("Range: bytes=99-\r\nIf-Range: \"x\"\r\n", ""),
                     200);
    assert_int_equal(get_with("Range: bytes=0-1\r\nIf-None-Match: $\r\n", etag),
                     304);
    free(etag);
    free(date);
    text = get(files, "/s/a.txt", "If-None-Match: *\r\n", "\r\n\r\n");
    has(text, "\r\netag: \"");
    has(text, "\r\nlast-modified: ");
    has(text, "\r\ncache-control: ");
    has(text, "\r\nvary: ");
    lacks(text, "content-length");
    lacks(text, "content-type");
    /* Nothing came behind it. */
    has(get(files, "/s/a.txt", "", "0123456789"), "200 OK");
}

static void ranges(void **state)
{
    struct files *files = *state;
    const char *text =
        get(files, "/s/a.txt", "Range: bytes=2-4\r\n", "\r\n\r\n234");

    assert_memory_equal(text, "HTTP/1.1 206 Partial Content\r\n", 30);
    has(text, "\r\ncontent-length: 3\r\n");
    has(text, "\r\ncontent-range: bytes 2-4/10\r\n");
    has(text, "\r\netag: ");
    text = get(files, "/s/a.txt", "Range: bytes=-3\r\n", "\r\n\r\n789");
    has(text, "\r\ncontent-range: bytes 7-9/10\r\n");
    text = get(files, "/s/a.txt", "Range: bytes=10-\r\n", "\"}");
    assert_memory_equal(text, "HTTP/1.1 416 ", 13);
    has(text, "\r\ncontent-range: bytes */10\r\n");
    text = get(files, "/s/a.txt", "Range: lines=1-\r\n", "0123456789");
    has(text, "200 OK");
    text = get(files, "/s/a.txt", "Range: bytes=0-0\r\nRange: bytes=1-1\r\n",
               "0123456789");
    has(text, "200 OK");
    text = ask(files, "HEAD", "/s/a.txt", "Range: bytes=0-0\r\n", "\r\n\r\n");
    has(text, "200 OK");
    has(text, "\r\ncontent-length: 10\r\n");
}

static void several_ranges(void **state)
{
    struct files *files = *state;
    const char *text =
        get(files, "/s/a.txt", "Range: bytes=0-1,8-\r\n", "\r\n89\r\n--");

    assert_memory_equal(text, "HTTP/1.1 206 ", 13);
    char *boundary = value_of(text, "multipart/byteranges; boundary=");
    char *length = value_of(text, "content-length: ");
    char expected[512];
    snprintf(expected, sizeof(expected),
             "\r\n\r\n--%s\r\ncontent-type: text/plain; charset=utf-8\r\n"
             "content-range: bytes 0-1/10\r\n\r\n01\r\n"
             "--%s\r\ncontent-type: text/plain; charset=utf-8\r\n"
             "content-range: bytes 8-9/10\r\n\r\n89\r\n--%s--\r\n",
             boundary, boundary, boundary);
    assert_int_equal(strtol(length, NULL, 10), strlen(expected) - 4);
    close(files->fd);
    files->fd = open_client(&files->fixture);
    text = get(files, "/s/a.txt", "Range: bytes=0-1,8-\r\n", "--\r\n");
    /* Another boundary of the same length. */
    assert_null(strstr(text, boundary));
    assert_int_equal(strlen(strstr(text, "\r\n\r\n--")), strlen(expected));
    /* What touches is one. */
    text = get(files, "/s/a.txt", "Range: bytes=0-4,3-6\r\n", "0123456");
    has(text, "\r\ncontent-range: bytes 0-6/10\r\n");
    free(boundary);
    free(length);
}

/* Reads a whole answer of that size, slowly at first. */
static void check_big(int fd, size_t from, size_t len)
{
    size_t head = 0, got = 0;
    char block[65536];

    for (unsigned i = 0; got < len; i++) {
        ssize_t count = recv(fd, block, i < 20 ? 1000 : sizeof(block), 0);
        const char *at = block, *end = block + count;

        assert_true(count > 0);
        if (!head) {
            at = memmem(block, (size_t)count, "\r\n\r\n", 4);
            assert_non_null(at);
            at += 4;
            head = 1;
        }
        for (; at < end; at++, got++)
            if ((unsigned char)*at != 1 + (from + got) % 251)
                fail_msg("wrong byte at %zu", got);
        if (i < 20)
            sleep_ms(2);
    }
    assert_int_equal(got, len);
}

static void big_files(void **state)
{
    struct files *files = *state;

    send_text(files->fd, "GET /s/big.bin HTTP/1.1\r\n" HOST "\r\n");
    check_big(files->fd, 0, BIG);
    send_text(files->fd, "GET /s/big.bin HTTP/1.1\r\n" HOST
                         "Range: bytes=1000001-2900000\r\n\r\n");
    check_big(files->fd, 1000001, 1900000);
    has(get(files, "/s/a.txt", "", "0123456789"), "200 OK");
}

/* Descriptors are given back however an answer ends. */
static size_t open_descriptors(void)
{
    size_t count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void gives_descriptors_back(void **state)
{
    struct files *files = *state;

    has(get(files, "/s/a.txt", "", "0123456789"), "200 OK");
    size_t before = open_descriptors();

    for (int i = 0; i < 20; i++) {
        int fd = open_client(&files->fixture);
        char part[100];

        send_text(fd, "GET /s/big.bin HTTP/1.1\r\n" HOST
                      "Range: bytes=0-999999,1500000-2500000\r\n\r\n");
        assert_true(recv(fd, part, sizeof(part), 0) > 0);
        close(fd); /* in the middle */
    }
    conditions(state);
    ranges(state);
    twins(state);
    folders(state);
    methods(state);
    has(get(files, "/s/a.txt", "", "0123456789"), "200 OK");
    assert_true(connections_become(&files->fixture, 1));
    assert_int_equal(open_descriptors(), before);
}

/* Who asks for many small parts and reads none holds no descriptor for
 * each. */
static void small_parts(void **state)
{
    struct files *files = *state;
    char request[1024], *at = request, *end = request + sizeof(request);

    has(get(files, "/s/a.txt", "", "0123456789"), "200 OK");
    at += snprintf(at, (size_t)(end - at),
                   "GET /s/big.bin HTTP/1.1\r\n" HOST "Range: bytes=0-0");
    for (int i = 1; i < 31; i++)
        at += snprintf(at, (size_t)(end - at), ",%d-%d", 2 * i, 2 * i);
    snprintf(at, (size_t)(end - at), "\r\n\r\n");
    int fd = open_client(&files->fixture), small = 4096;
    size_t before = open_descriptors(), len = strlen(request);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (int i = 0; i < 20000; i++) {
        if (send(fd, request, len, MSG_DONTWAIT) != (ssize_t)len)
            break;
    }
    for (int i = 0; i < 20; i++) {
        assert_true(open_descriptors() < before + 10);
        sleep_ms(5);
    }
    has(exchange(fd, "", "--\r\n"), "\r\n\r\n\x01\r\n--");
    close(fd);
}

/* A folder that was made anew is found. */
static void replaced_folder(void **state)
{
    struct files *files = *state;
    char from[64], to[64];

    has(get(files, "/s/a.txt", "", "0123456789"), "200 OK");
    snprintf(from, sizeof(from), "%s/web", files->folder);
    snprintf(to, sizeof(to), "%s/old", files->folder);
    assert_int_equal(rename(from, to), 0);
    put_folder(files, "web");
    put(files, "web/a.txt", "new");
    for (int i = 0; i < 100; i++) {
        const char *text = get(files, "/s/a.txt", "", "\r\n\r\n");
        bool new = strstr(text, "content-length: 3\r\n") != NULL;

        close(files->fd);
        files->fd = open_client(&files->fixture);
        if (new)
            return;
        sleep_ms(20);
    }
    fail_msg("the new folder was not found");
}

/* One that shrinks while it is sent shows as cut. */
static void shrinking_file(void **state)
{
    struct files *files = *state;
    char path[64], block[65536];
    ssize_t count;
    size_t got = 0;

    snprintf(path, sizeof(path), "%s/web/big.bin", files->folder);
    assert_int_equal(truncate(path, 200000000), 0);
    int fd = open_client(&files->fixture);
    send_text(fd, "GET /s/big.bin HTTP/1.1\r\n" HOST "\r\n");
    assert_true(recv(fd, block, 100, 0) > 0);
    assert_int_equal(truncate(path, 100), 0);
    while ((count = recv(fd, block, sizeof(block), 0)) > 0)
        got += (size_t)count;
    assert_true(got < 200000000);
    assert_true(count == 0 || errno == ECONNRESET);
    close(fd);
    has(get(files, "/s/a.txt", "", "0123456789"), "200 OK");
}

static void unreadable(void **state)
{
    struct files *files = *state;
    char path[64];

    snprintf(path, sizeof(path), "%s/web/unreadable", files->folder);
    assert_int_equal(chmod(path, 0), 0);
    /* Root may read everything. */
    bool root = geteuid() == 0 && chmod(files->folder, 0755) == 0 &&
                seteuid(65534) == 0;
    has(get(files, "/s/unreadable", "", "\"}"), "403 ");
    has(get(files, "/s/a.txt", "", "0123456789"), "200 OK");
    if (root)
        assert_int_equal(seteuid(0), 0);
}

/* --- Mounts ------------------------------------------------------------ */

static void check_refused(const char *mount, const char *reason)
{
    struct inlay_server_config config;
    struct inlay_str mounts[] = {INLAY_STR("/a=/tmp"), inlay_str_from(mount)};
    struct inlay_handler *handler;

    inlay_server_config_default(&config);
    config.io_threads = 2;
    config.static_mounts = (struct inlay_strs){mounts, 2};
    struct inlay_error *error = inlay_static_create(&config, &handler);
    assert_non_null(error);
    assert_null(handler);
    has(error->message, reason);
    inlay_error_destroy(error);
}

static void refused_mounts(void **state)
{
    (void)state;
    check_refused("/b", "\"/b\" is not of the form /path=folder");
    check_refused("", "is not of the form");
    check_refused("/b=", "is not of the form");
    check_refused("=/tmp", "is not of the form");
    check_refused("b=/tmp", "\"b\" is no path");
    check_refused("/b/../c=/tmp", "\"/b/../c\" is no path");
    check_refused("/b//c=/tmp", "is no path");
    check_refused("/a/=/tmp", "two folders for \"/a/\"");
    check_refused("/b=/nowhere/at/all", "\"/nowhere/at/all\": No such file");
    check_refused("/b=/etc/passwd", "\"/etc/passwd\": Not a directory");
}

static void refused_index(void **state)
{
    struct inlay_server_config config;
    struct inlay_str mount = INLAY_STR("/a=/tmp");
    struct inlay_handler *handler;

    (void)state;
    inlay_server_config_default(&config);
    assert_null(inlay_static_create(&config, &handler));
    assert_null(handler); /* no mounts */
    config.io_threads = 1;
    config.static_mounts = (struct inlay_strs){&mount, 1};
    config.static_index = INLAY_STR("../index.html");
    struct inlay_error *error = inlay_static_create(&config, &handler);
    assert_non_null(error);
    has(error->message, "static_index");
    inlay_error_destroy(error);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(found),
        test(not_found),
        test(long_path),
        test(links_inside),
        cmocka_unit_test_setup_teardown(walking, setup_walking, teardown),
        test(folders),
        test(methods),
        test(twins),
        test(conditions),
        test(ranges),
        test(several_ranges),
        test(big_files),
        test(gives_descriptors_back),
        test(small_parts),
        test(replaced_folder),
        test(shrinking_file),
        test(unreadable),
        cmocka_unit_test(refused_mounts),
        cmocka_unit_test(refused_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
