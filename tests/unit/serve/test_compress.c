/* Compressed answers above a protocol that notes what it is told; what comes
 * out is undone by the libraries' own decoders. */
#include <brotli/decode.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "serve/compress.h"
#include "serve/response.h"
#include "serve/server.h"

#include "base/banned.h"

#define ROOM ((size_t)8 << 20)

static struct inlay_server server;
static struct inlay_io_thread thread;
static struct inlay_request request;
static struct inlay_header asked[1];
static struct inlay_compression *compression;
static struct inlay_arena arena;
static char heads[2048], *body, *plain;
static size_t heads_len, body_len;
static int64_t told; /* content-length, -1: chunked */
static int started, ended, aborted;
static bool refuses; /* what is written: no memory */

/* --- The protocol -------------------------------------------------------- */

static int note_start(struct inlay_request *of,
                      const struct inlay_header *headers,
                      size_t nheaders)
{
    started++;
    told = of->length;
    assert_true(of->chunked == (of->length < 0 && of->http_minor == 1) ||
                of->head_only);
    for (size_t i = 0; i < nheaders; i++)
        heads_len += (size_t)snprintf(
            heads + heads_len, sizeof(heads) - heads_len, "%.*s=%.*s;",
            inlay_str_arg(headers[i].name), inlay_str_arg(headers[i].value));
    return 0;
}

static int note_write(struct inlay_request *of inlay_unused,
                      struct inlay_str bytes)
{
    assert_int_equal(started, 1);
    if (refuses)
        return -1;
    assert_true(bytes.len > 0 && bytes.len < ROOM - body_len);
    memcpy(body + body_len, bytes.ptr, bytes.len);
    body_len += bytes.len;
    return 0;
}

static int note_write_chunk(struct inlay_request *of, struct inlay_chunk *chunk)
{
    int status = chunk->fd >= 0
                     ? 0
                     : note_write(of, inlay_str_make(chunk->data, chunk->len));

    inlay_chunk_destroy(chunk);
    return status;
}

static int note_trailers(struct inlay_request *of inlay_unused,
                         const struct inlay_header *headers inlay_unused,
                         size_t nheaders inlay_unused)
{
    return 0;
}

static void note_end(struct inlay_request *of inlay_unused)
{
    ended++;
}

static void note_abort(struct inlay_request *of inlay_unused)
{
    aborted++;
}

static const struct inlay_stream_ops note_ops = {
    .start = note_start,
    .write = note_write,
    .write_chunk = note_write_chunk,
    .trailers = note_trailers,
    .end = note_end,
    .abort = note_abort,
};

/* --- Undoing ------------------------------------------------------------- */

static size_t undo_gzip(void)
{
    z_stream stream = {.next_in = (Bytef *)body,
                       .avail_in = (uInt)body_len,
                       .next_out = (Bytef *)plain,
                       .avail_out = (uInt)ROOM};

    assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
    int status = inflate(&stream, Z_SYNC_FLUSH);
    assert_true(status == Z_STREAM_END || status == Z_OK);
    assert_true(!ended || status == Z_STREAM_END);
    inflateEnd(&stream);
    return ROOM - stream.avail_out;
}

static size_t undo_br(void)
{
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    const uint8_t *in = (const uint8_t *)body;
    uint8_t *out = (uint8_t *)plain;
    size_t left = body_len, room = ROOM;
    BrotliDecoderResult result =
        BrotliDecoderDecompressStream(state, &left, &in, &room, &out, NULL);

    assert_int_equal(result, ended ? BROTLI_DECODER_RESULT_SUCCESS
                                   : BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT);
    BrotliDecoderDestroyInstance(state);
    return ROOM - room;
}

static size_t undo_zstd(void)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer in = {body, body_len, 0};
    ZSTD_outBuffer out = {plain, ROOM, 0};
    size_t status = 1;

    while (in.pos < in.size) {
        status = ZSTD_decompressStream(context, &out, &in);
        assert_false(ZSTD_isError(status));
    }
    assert_true(!ended || status == 0);
    ZSTD_freeDCtx(context);
    return out.pos;
}

static const struct {
    const char *name;
    size_t (*undo)(void);
} codings[] = {
    {"gzip", undo_gzip},
    {"br", undo_br},
    {"zstd", undo_zstd},
};

/* --- Requests ------------------------------------------------------------ */

static void reset(void)
{
    inlay_arena_deinit(&request.arena);
    request = (struct inlay_request){
        .thread = &thread,
        .method_id = INLAY_METHOD_GET,
        .http_major = 1,
        .http_minor = 1,
        .headers = asked,
        .nheaders = 1,
        .length = -1,
        .stream = &note_ops,
    };
    inlay_arena_init(&request.arena, 64u << 20);
    asked[0] = (struct inlay_header){INLAY_STR("accept-encoding"),
                                     INLAY_STR("gzip, br, zstd")};
    heads_len = body_len = 0;
    heads[0] = '\0';
    started = ended = aborted = 0;
    refuses = false;
    told = -2;
}

static void ask(const char *text)
{
    asked[0].value = inlay_str_from(text);
}

static struct inlay_header header(const char *name, const char *value)
{
    return (struct inlay_header){inlay_str_from(name), inlay_str_from(value)};
}

/* Text that can be compressed, of any length. */
static char *prose(size_t len)
{
    static const char words[] = "the quick brown fox jumps over a lazy dog, ";
    char *text = malloc(len + 1);

    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] =
            i % 97 == 0 ? (char)('a' + i % 23) : words[i % (sizeof(words) - 1)];
    return text;
}

/* A whole answer of a header or two and `len` bytes. */
static void send_whole(const struct inlay_header *headers,
                       size_t nheaders,
                       size_t len)
{
    char *text = prose(len);

    inlay_response_send_with(&request, 200, headers, nheaders,
                             inlay_str_make(text, len));
    free(text);
    assert_int_equal(started, 1);
    assert_int_equal(ended, 1);
    assert_int_equal(aborted, 0);
}

static bool coded(void)
{
    return strstr(heads, "content-encoding=") != NULL;
}

static bool varies(void)
{
    return strstr(heads, "vary=") != NULL;
}

/* --- Tests --------------------------------------------------------------- */

static void whole_answers(void **state)
{
    static const size_t sizes[] = {100, 1000, 16384, 100000, 1u << 20};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < inlay_array_size(sizes); j++) {
            struct inlay_header type =
                header("Content-Type", "Text/HTML; charset=utf-8");
            char *text = prose(sizes[j]), line[64];

            reset();
            ask(codings[i].name);
            send_whole(&type, 1, sizes[j]);
            snprintf(line, sizeof(line), "content-encoding=%s;",
                     codings[i].name);
            assert_non_null(strstr(heads, line));
            assert_non_null(strstr(heads, "vary=Accept-Encoding;"));
            assert_int_equal(told, body_len);
            assert_true(body_len < sizes[j]);
            assert_int_equal(inlay_compress_sent(&request), body_len);
            assert_int_equal(codings[i].undo(), sizes[j]);
            assert_memory_equal(plain, text, sizes[j]);
            free(text);
        }
    }
    /* One of each was enough: they are used again. */
    for (size_t i = INLAY_CODING_GZIP; i < INLAY_CODING_COUNT; i++)
        assert_int_equal(thread.encoders.nspare[i], 1);
    assert_int_equal(thread.encoders.used, 0);
}

/* What has been written can be read before more comes. */
static void streams(void **state)
{
    struct inlay_header type = header("content-type", "text/event-stream");

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        reset();
        ask(codings[i].name);
        assert_int_equal(inlay_response_start(&request, 200, &type, 1, -1), 0);
        assert_int_equal(started, 1);
        assert_int_equal(told, -1);
        assert_int_equal(thread.encoders.used, 1);
        for (size_t j = 1; j <= 20; j++) {
            assert_int_equal(
                inlay_response_write(&request, INLAY_STR("data: 1\n\n")), 0);
            assert_int_equal(codings[i].undo(), 9 * j);
        }
        struct inlay_chunk *chunk = inlay_chunk_create(200000);
        memset(chunk->data, 'x', 200000);
        assert_int_equal(inlay_response_write_chunk(&request, chunk), 0);
        assert_int_equal(codings[i].undo(), 180 + 200000);
        inlay_response_end(&request);
        assert_int_equal(ended, 1);
        assert_int_equal(codings[i].undo(), 180 + 200000);
        inlay_arena_reset(&request.arena);
        assert_int_equal(thread.encoders.used, 0);
    }
}

/* Of a length, but in pieces, or too long to wait for. */
static void announced_streams(void **state)
{
    struct inlay_header headers[] = {header("content-type", "text/plain"),
                                     header("content-length", "2000")};
    struct inlay_header type = header("content-type", "text/plain");

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        reset();
        ask(codings[i].name);
        assert_int_equal(inlay_response_start(&request, 200, headers, 2, -1),
                         0);
        assert_int_equal(started, 0);
        char *text = prose(2000);
        assert_int_equal(
            inlay_response_write(&request, inlay_str_make(text, 500)), 0);
        assert_int_equal(told, -1);
        assert_int_equal(codings[i].undo(), 500);
        assert_int_equal(
            inlay_response_write(&request, inlay_str_make(text + 500, 1500)),
            0);
        inlay_response_end(&request);
        assert_int_equal(codings[i].undo(), 2000);
        assert_memory_equal(plain, text, 2000);
        free(text);
        reset();
        ask(codings[i].name);
        send_whole(&type, 1, (2u << 20) + 1);
        assert_int_equal(told, -1);
        assert_int_equal(codings[i].undo(), (2u << 20) + 1);
    }
}

/* Less than announced: the client must see it. */
static void cut_answers(void **state)
{
    struct inlay_header headers[] = {header("content-type", "text/plain"),
                                     header("content-length", "2000")};

    (void)state;
    reset();
    assert_int_equal(inlay_response_start(&request, 200, headers, 2, -1), 0);
    assert_int_equal(inlay_response_write(&request, INLAY_STR("short")), 0);
    inlay_response_end(&request);
    assert_int_equal(aborted, 1);
    assert_int_equal(ended, 0);
    reset();
    assert_int_equal(inlay_response_start(&request, 200, headers, 2, -1), 0);
    inlay_response_end(&request);
    assert_int_equal(aborted, 1);
    reset();
}

static void plain_answers(void **state)
{
    static const struct {
        const char *name, *value;
    } fixed[] = {
        {"Content-Encoding", "identity"},
        {"Content-Range", "bytes 0-1/2"},
        {"Cache-Control", "public, No-Transform"},
        {"Content-MD5", "x"},
        {"Digest", "x"},
        {"Repr-Digest", "x"},
        {"Content-Digest", "x"},
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(fixed); i++) {
        struct inlay_header headers[] = {header("content-type", "text/plain"),
                                         header(fixed[i].name, fixed[i].value)};

        reset();
        send_whole(headers, 2, 2000);
        assert_true(!varies() && body_len == 2000 && told == 2000);
        assert_null(request.compress);
    }
    struct inlay_header type = header("content-type", "text/plain");
    reset();
    request.as_is = true;
    send_whole(&type, 1, 2000);
    assert_true(!coded() && !varies() && body_len == 2000);
    reset();
    send_whole(&type, 1, 99); /* compress_min_size is 100 */
    assert_true(!coded() && !varies() && body_len == 99);
    reset();
    send_whole(NULL, 0, 2000);
    assert_true(!coded() && !varies());
    reset();
    ask("identity");
    send_whole(&type, 1, 2000);
    assert_true(!coded() && varies() && body_len == 2000 && told == 2000);
    reset();
    request.http_minor = 0;
    send_whole(&type, 1, 2000);
    assert_true(!coded() && varies() && body_len == 2000);
    reset();
    request.method_id = INLAY_METHOD_HEAD;
    send_whole(&type, 1, 2000);
    assert_true(!coded() && varies() && body_len == 0 && told == 2000);
}

static void statuses(void **state)
{
    static const int whole[] = {200, 201, 404, 500}, never[] = {204, 206, 304};
    struct inlay_header type = header("content-type", "text/plain");
    char *text = prose(2000);

    (void)state;
    for (size_t i = 0; i < inlay_array_size(whole); i++) {
        reset();
        inlay_response_send_with(&request, whole[i], &type, 1,
                                 inlay_str_make(text, 2000));
        assert_true(coded());
    }
    for (size_t i = 0; i < inlay_array_size(never); i++) {
        reset();
        inlay_response_send_with(&request, never[i], &type, 1,
                                 inlay_str_make(text, 2000));
        assert_true(!coded() && !varies());
    }
    free(text);
}

static void types(void **state)
{
    static const char *const yes[] = {"text/plain",
                                      "TEXT/x",
                                      "application/json",
                                      "application/json;a=b",
                                      "application/problem+json",
                                      "application/Vnd.A+JSON ; x"};
    static const char *const no[] = {"",
                                     "image/png",
                                     "application/jsonx",
                                     "application/problem+jsonx",
                                     "application/octet-stream",
                                     "tex",
                                     "application/",
                                     ";text/plain"};

    (void)state;
    for (size_t i = 0; i < inlay_array_size(yes); i++) {
        struct inlay_header type = header("content-type", yes[i]);

        reset();
        send_whole(&type, 1, 2000);
        assert_true(coded());
    }
    for (size_t i = 0; i < inlay_array_size(no); i++) {
        struct inlay_header type = header("content-type", no[i]);

        reset();
        send_whole(&type, 1, 2000);
        assert_false(coded());
    }
}

static void marks_headers(void **state)
{
    static const struct {
        const char *before, *after;
    } varies_as[] = {
        {"Origin", "vary=Origin, Accept-Encoding;"},
        {"accept-encoding, cookie", "vary=accept-encoding, cookie;"},
        {"*", "vary=*;"},
        {"", "vary=Accept-Encoding;"},
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(varies_as); i++) {
        struct inlay_header headers[] = {
            header("content-type", "text/plain"),
            header("Vary", varies_as[i].before),
            header("ETag", i ? "\"abc\"" : "W/\"abc\""),
            header("Accept-Ranges", "bytes"),
            header("X-A", "1"),
        };

        reset();
        send_whole(headers, 5, 2000);
        assert_non_null(strstr(heads, varies_as[i].after));
        assert_null(strstr(strstr(heads, "vary=") + 5, "ary="));
        assert_non_null(strstr(heads, "ETag=W/\"abc\";"));
        assert_null(strstr(heads, "Accept-Ranges"));
        assert_non_null(strstr(heads, "X-A=1;"));
    }
}

/* What does not become shorter goes as it is. */
static void noise(void **state)
{
    struct inlay_header type = header("content-type", "text/plain");
    char text[3000];
    uint64_t value = 88172645463325252u;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
        text[i] = (char)value;
    }
    for (size_t i = 0; i < 3; i++) {
        reset();
        ask(codings[i].name);
        inlay_response_send_with(&request, 200, &type, 1,
                                 inlay_str_make(text, sizeof(text)));
        assert_true(!coded() && varies() && body_len == sizeof(text));
        assert_int_equal(inlay_compress_sent(&request), sizeof(text));
    }
}

static void files(void **state)
{
    struct inlay_header headers[] = {header("content-type", "text/plain"),
                                     header("content-length", "2000")};

    (void)state;
    reset();
    inlay_response_start(&request, 200, headers, 2, -1);
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(
        inlay_response_write_file(&request, dup(fileno(file)), 0, 2000), 0);
    assert_true(!coded() && told == 2000);
    inlay_response_end(&request);
    assert_int_equal(ended, 1);
    reset();
    inlay_response_start(&request, 200, headers, 1, -1);
    assert_int_equal(
        inlay_response_write_file(&request, dup(fileno(file)), 0, 2000), -1);
    fclose(file);
    reset();
}

/* As many streams as a thread may have; the next one is not compressed. */
static void many_streams(void **state)
{
    struct inlay_header type = header("content-type", "text/plain");

    (void)state;
    reset();
    thread.encoders.used = INLAY_ENCODERS_USED;
    inlay_response_start(&request, 200, &type, 1, -1);
    inlay_response_write(&request, INLAY_STR("plain"));
    inlay_response_end(&request);
    assert_true(!coded() && varies() && body_len == 5 && told == -1);
    reset();
    send_whole(&type, 1, 2000);
    assert_true(!coded() && body_len == 2000);
    thread.encoders.used = 0;
}

static void trailers(void **state)
{
    struct inlay_header type = header("content-type", "text/plain");
    struct inlay_header sum = header("x-sum", "1");

    (void)state;
    reset();
    ask("gzip");
    inlay_response_start(&request, 200, &type, 1, -1);
    inlay_response_write(&request, INLAY_STR("hello"));
    assert_int_equal(inlay_response_trailers(&request, &sum, 1), 0);
    size_t len = body_len;
    inlay_response_end(&request);
    assert_int_equal(body_len, len); /* all of it came before them */
    assert_int_equal(undo_gzip(), 5);
    reset();
}

/* What was lost stays lost, whatever comes behind it. */
static void failed_writes(void **state)
{
    struct inlay_header type = header("content-type", "text/plain");
    struct inlay_header sum = header("x-sum", "1");
    struct inlay_str text = INLAY_STR("hello");

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        reset();
        ask(codings[i % 3].name);
        inlay_response_start(&request, 200, &type, 1, -1);
        assert_int_equal(inlay_response_write(&request, text), 0);
        refuses = true;
        if (i < 3)
            assert_int_equal(inlay_response_trailers(&request, &sum, 1), -1);
        else
            assert_int_equal(inlay_response_write(&request, text), -1);
        refuses = false;
        size_t len = body_len;
        assert_int_equal(inlay_response_write(&request, text), -1);
        struct inlay_chunk *chunk = inlay_chunk_create(5);
        memcpy(chunk->data, text.ptr, 5);
        assert_int_equal(inlay_response_write_chunk(&request, chunk), -1);
        assert_int_equal(
            inlay_response_write_file(
                &request, open("/dev/null", O_RDONLY | O_CLOEXEC), 0, 5),
            -1);
        assert_int_equal(inlay_response_trailers(&request, &sum, 1), -1);
        inlay_response_end(&request);
        assert_true(aborted == 1 && !ended && body_len == len);
    }
    reset();
}

static void out_of_memory(void **state)
{
    struct inlay_header headers[] = {header("content-type", "text/plain"),
                                     header("vary", "a"),
                                     header("etag", "\"a\"")};
    char *text = prose(2000);

    (void)state;
    for (long i = 0; i < 6; i++) {
        reset();
        inlay_encoders_free(&thread.encoders);
        inlay_mem_fail_after(i);
        inlay_response_send_with(&request, 200, headers, 3,
                                 inlay_str_make(text, 2000));
        inlay_mem_fail_after(-1);
        assert_int_equal(ended + aborted, 1);
    }
    free(text);
    reset();
}

static void refuses_config(void **state)
{
    static const struct {
        const char *coding, *type, *message;
    } bad[] = {
        {"deflate", "text/*", "\"deflate\" is not known"},
        {"GZIP", "text/*", "is not known"},
        {"gzip", "text", "no media type"},
        {"gzip", "", "no media type"},
        {"gzip", "*/*", "no media type"},
        {"gzip", "text/html;q=1", "no media type"},
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(bad); i++) {
        struct inlay_str coding = inlay_str_from(bad[i].coding),
                         type = inlay_str_from(bad[i].type);
        struct inlay_server_config config = {
            .compress = {&coding, 1},
            .compress_types = {&type, 1},
        };
        struct inlay_compression *made;
        struct inlay_error *error =
            inlay_compression_create(&config, &arena, &made);

        assert_non_null(error);
        assert_non_null(strstr(error->message, bad[i].message));
        inlay_error_destroy(error);
    }
    const struct inlay_str twice[] = {INLAY_STR("br"), INLAY_STR("br")};
    struct inlay_server_config config = {.compress = {twice, 2}};
    struct inlay_compression *made = compression;
    struct inlay_error *error =
        inlay_compression_create(&config, &arena, &made);
    assert_non_null(strstr(error->message, "twice"));
    inlay_error_destroy(error);
    config.compress.count = 0;
    assert_null(inlay_compression_create(&config, &arena, &made));
    assert_null(made);
}

static int init(void **state)
{
    static const struct inlay_str order[] = {INLAY_STR("zstd"), INLAY_STR("br"),
                                             INLAY_STR("gzip")};
    static const struct inlay_str all[] = {INLAY_STR("text/*"),
                                           INLAY_STR("application/json"),
                                           INLAY_STR("application/*+json")};
    struct inlay_server_config config = {
        .compress = {order, 3},
        .compress_types = {all, 3},
        .compress_min_size = 100,
    };

    (void)state;
    inlay_arena_init(&arena, 1u << 20);
    assert_null(inlay_compression_create(&config, &arena, &compression));
    server.compression = compression;
    server.dresses = true;
    thread.server = &server;
    body = malloc(ROOM);
    plain = malloc(ROOM);
    return body && plain ? 0 : -1;
}

static int deinit(void **state)
{
    (void)state;
    inlay_arena_deinit(&request.arena);
    inlay_encoders_free(&thread.encoders);
    inlay_arena_deinit(&arena);
    free(body);
    free(plain);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers),
        cmocka_unit_test(streams),
        cmocka_unit_test(announced_streams),
        cmocka_unit_test(cut_answers),
        cmocka_unit_test(plain_answers),
        cmocka_unit_test(statuses),
        cmocka_unit_test(types),
        cmocka_unit_test(marks_headers),
        cmocka_unit_test(noise),
        cmocka_unit_test(files),
        cmocka_unit_test(many_streams),
        cmocka_unit_test(trailers),
        cmocka_unit_test(failed_writes),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(refuses_config),
    };

    return cmocka_run_group_tests(tests, init, deinit);
}
