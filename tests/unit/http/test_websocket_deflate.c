/* permessage-deflate: the offer, and messages in any chunking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "frames.h"
#include "http/websocket.h"
#include "http/websocket_deflate.h"

#include "base/banned.h"

#define LIMIT 100000

/* --- Offers -------------------------------------------------------------- */

static void offers(void **state)
{
    static const struct {
        const char *offers, *answer; /* NULL: none is acceptable */
    } samples[] = {
        {"permessage-deflate", "permessage-deflate"},
        {" permessage-deflate ; client_max_window_bits",
         "permessage-deflate; client_max_window_bits=12"},
        {"permessage-deflate; client_max_window_bits=10",
         "permessage-deflate; client_max_window_bits=10"},
        {"permessage-deflate; client_max_window_bits=8",
         "permessage-deflate; client_max_window_bits=8"},
        {"permessage-deflate;server_max_window_bits=\"15\"",
         "permessage-deflate; server_max_window_bits=12"},
        {"permessage-deflate; server_max_window_bits=9",
         "permessage-deflate; server_max_window_bits=9"},
        {"permessage-deflate; server_no_context_takeover; "
         "client_no_context_takeover",
         "permessage-deflate; server_no_context_takeover; "
         "client_no_context_takeover"},
        {"permessage-deflate; server_max_window_bits=8", NULL},
        {"permessage-deflate; server_max_window_bits=8, permessage-deflate",
         "permessage-deflate"},
        {"x-webkit-deflate-frame, permessage-deflate", "permessage-deflate"},
        {"foo; a=\"b\"; c, permessage-deflate; server_no_context_takeover",
         "permessage-deflate; server_no_context_takeover"},
        {"permessage-deflate; server_max_window_bits", NULL},
        {"permessage-deflate; server_max_window_bits=16", NULL},
        {"permessage-deflate; server_max_window_bits=09", NULL},
        {"permessage-deflate; client_max_window_bits=7", NULL},
        {"permessage-deflate; client_max_window_bits=", NULL},
        {"permessage-deflate; server_no_context_takeover=1", NULL},
        {"permessage-deflate; server_no_context_takeover; "
         "server_no_context_takeover",
         NULL},
        {"permessage-deflate; client_max_window_bits; "
         "client_max_window_bits=9",
         NULL},
        {"permessage-deflate; unknown", NULL},
        {"permessage-deflate; client_max_window_bits=\"9", NULL},
        {"permessage-deflate foo", NULL},
        {"permessage-deflate;", NULL},
        {"", NULL},
        {",", NULL},
        {"foo, bar", NULL},
        {"foo,, permessage-deflate", NULL},
    };

    (void)state;
    for (size_t i = 0; i < inlay_array_size(samples); i++) {
        struct inlay_deflate_terms terms;
        char answer[INLAY_DEFLATE_ANSWER_MOST + 1];
        bool found =
            inlay_deflate_negotiate(inlay_str_from(samples[i].offers), &terms);

        assert_int_equal(found, samples[i].answer != NULL);
        if (!found)
            continue;
        answer[inlay_deflate_answer(&terms, answer)] = '\0';
        assert_string_equal(answer, samples[i].answer);
    }
}

/* The longest answer fits. */
static void longest_answer(void **state)
{
    struct inlay_deflate_terms terms = {true, true, 12, 12};
    char answer[INLAY_DEFLATE_ANSWER_MOST];

    (void)state;
    assert_true(inlay_deflate_answer(&terms, answer) <= sizeof(answer));
}

/* --- There and back ------------------------------------------------------ */

static struct inlay_websocket_deflate *make(struct inlay_deflate_terms terms)
{
    struct inlay_websocket_deflate *deflate = inlay_deflate_create(&terms);

    assert_non_null(deflate);
    return deflate;
}

/* Text that compresses somewhat, other for each `seed`. */
static void fill(char *text, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525u + 1013904223u;
        text[i] = "{\"key\": 0123456789abc}"[(seed >> 24) % 22];
    }
}

static void deflate_to(struct inlay_websocket_deflate *deflate,
                       const char *text,
                       size_t len,
                       struct inlay_buf *out)
{
    inlay_buf_clear(out);
    assert_int_equal(
        inlay_websocket_deflate(deflate, inlay_str_make(text, len), out), 0);
}

/* `step`: bytes at a time. */
static void inflate_equals(struct inlay_websocket_deflate *deflate,
                           struct inlay_str packed,
                           size_t step,
                           const char *text,
                           size_t len)
{
    struct inlay_buf out;

    inlay_buf_init(&out, LIMIT);
    while (packed.len > step) {
        assert_int_equal(
            inlay_websocket_inflate(deflate, inlay_str_make(packed.ptr, step),
                                    false, &out),
            INLAY_INFLATE_OK);
        packed.ptr += step;
        packed.len -= step;
    }
    assert_int_equal(inlay_websocket_inflate(deflate, packed, true, &out),
                     INLAY_INFLATE_OK);
    assert_int_equal(inlay_buf_len(&out), len);
    assert_memory_equal(out.data, text, len);
    inlay_buf_deinit(&out);
}

static void there_and_back(void **state)
{
    static const struct inlay_deflate_terms terms[] = {
        {false, false, 0, 0}, {true, false, 0, 0},   {false, true, 0, 0},
        {true, true, 9, 12},  {false, false, 9, 12},
    };
    static const size_t sizes[] = {1, 64, 1000, 4096, 20000, 90000};
    static char text[LIMIT];
    struct inlay_buf packed;

    (void)state;
    inlay_buf_init(&packed, LIMIT);
    for (size_t i = 0; i < inlay_array_size(terms); i++) {
        /* What the server sends is read by terms of its window. */
        struct inlay_deflate_terms peer = {
            .client_no_takeover = terms[i].server_no_takeover,
            .client_bits = terms[i].server_bits ? terms[i].server_bits : 12,
        };
        struct inlay_websocket_deflate *out = make(terms[i]), *in = make(peer);

        for (unsigned round = 0; round < 20; round++) {
            size_t len = sizes[round % inlay_array_size(sizes)];

            fill(text, len, round / 2);
            deflate_to(out, text, len, &packed);
            inflate_equals(in, inlay_buf_view(&packed), 1 + round * 37, text,
                           len);
            /* Forgetting is allowed at any time. */
            if (round % 5 == 4) {
                inlay_deflate_rest(out);
                inlay_deflate_rest(out);
            }
        }
        inlay_deflate_destroy(out);
        inlay_deflate_destroy(in);
    }
    inlay_buf_deinit(&packed);
}

/* The same message again costs little: the window lasts. */
static void takeover(void **state)
{
    struct inlay_websocket_deflate *deflate =
        make((struct inlay_deflate_terms){0});
    struct inlay_buf packed;
    char text[400];

    (void)state;
    fill(text, sizeof(text), 1);
    inlay_buf_init(&packed, LIMIT);
    deflate_to(deflate, text, sizeof(text), &packed);
    size_t first = inlay_buf_len(&packed);
    deflate_to(deflate, text, sizeof(text), &packed);
    assert_true(inlay_buf_len(&packed) < first / 4);
    inlay_buf_deinit(&packed);
    inlay_deflate_destroy(deflate);
}

/* A last block (BFINAL) in the middle of the conversation: RFC 7692 7.2.3.4,
 * and an empty message as 7.2.3.6 has it. */
static void final_block(void **state)
{
    static const char hello[] = "\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
    struct inlay_websocket_deflate *deflate =
        make((struct inlay_deflate_terms){0});

    (void)state;
    for (int i = 0; i < 3; i++) {
        inflate_equals(deflate, inlay_str_make(hello, 8), 1 + (size_t)i,
                       "Hello", 5);
        /* It refers to the text of the message before. */
        inflate_equals(deflate, inlay_str_make("\xf2\x00\x11\x00\x00", 5), 1,
                       "Hello", 5);
        inflate_equals(deflate, inlay_str_make("\0", 1), 1, "", 0);
    }
    inlay_deflate_destroy(deflate);
}

static void bomb(void **state)
{
    static char zeros[LIMIT];
    struct inlay_websocket_deflate *out = make((struct inlay_deflate_terms){0}),
                                   *in = make((struct inlay_deflate_terms){0});
    struct inlay_buf packed, plain;

    (void)state;
    inlay_buf_init(&packed, LIMIT);
    inlay_buf_init(&plain, LIMIT / 2);
    deflate_to(out, zeros, sizeof(zeros), &packed);
    assert_true(inlay_buf_len(&packed) < 1000);
    assert_int_equal(
        inlay_websocket_inflate(in, inlay_buf_view(&packed), true, &plain),
        INLAY_INFLATE_TOO_BIG);
    assert_true(plain.size <= LIMIT);
    inlay_buf_deinit(&plain);
    inlay_buf_deinit(&packed);
    inlay_deflate_destroy(out);
    inlay_deflate_destroy(in);
}

static void no_memory(void **state)
{
    struct inlay_deflate_terms terms = {0};
    char text[400];

    (void)state;
    fill(text, sizeof(text), 1);
    for (long i = 0; i < 12; i++) {
        struct inlay_websocket_deflate *deflate = make(terms),
                                       *in = make(terms);
        struct inlay_buf packed, plain;

        inlay_buf_init(&packed, LIMIT);
        inlay_buf_init(&plain, LIMIT);
        inlay_mem_fail_after(i);
        int status = inlay_websocket_deflate(
            deflate, inlay_str_make(text, sizeof(text)), &packed);
        inlay_mem_fail_after(-1);
        if (status < 0)
            assert_int_equal(inlay_buf_len(&packed), 0);
        deflate_to(deflate, text, sizeof(text), &packed);
        inlay_mem_fail_after(i);
        enum inlay_inflate_status inflated =
            inlay_websocket_inflate(in, inlay_buf_view(&packed), true, &plain);
        inlay_mem_fail_after(-1);
        assert_true(inflated == INLAY_INFLATE_OK ||
                    inflated == INLAY_INFLATE_NO_MEMORY ||
                    (status == 0 && inflated == INLAY_INFLATE_BROKEN));
        inlay_buf_deinit(&packed);
        inlay_buf_deinit(&plain);
        inlay_deflate_destroy(deflate);
        inlay_deflate_destroy(in);
    }
}

/* --- Within the engine --------------------------------------------------- */

struct record {
    char text[512];
};

static bool on_message(void *arg,
                       enum inlay_websocket_kind kind,
                       struct inlay_str bytes)
{
    struct record *record = arg;
    size_t len = strlen(record->text);

    snprintf(record->text + len, sizeof(record->text) - len, "%d:%.*s(%zu);",
             (int)kind, (int)inlay_min(bytes.len, (size_t)10),
             bytes.len ? bytes.ptr : "", bytes.len);
    return true;
}

static bool on_control(void *arg, struct inlay_str bytes)
{
    struct record *record = arg;

    (void)bytes;
    memcpy(record->text + strlen(record->text), "P;", 3);
    return true;
}

static void on_close(void *arg, uint16_t code, struct inlay_str reason)
{
    (void)arg, (void)code, (void)reason;
}

static const struct inlay_websocket_events events = {
    .on_message = on_message,
    .on_ping = on_control,
    .on_pong = on_control,
    .on_close = on_close,
};

/* Feeds `input` in pieces of `step` bytes: what the engine says, and the code
 * with which it fails; 0: it does not. */
static void run(struct inlay_str input,
                size_t step,
                size_t limit,
                const char *expected,
                unsigned code)
{
    struct record record = {.text = ""};
    struct inlay_websocket ws;
    struct inlay_buf copy;
    size_t taken;

    inlay_buf_init(&copy, SIZE_MAX / 2);
    inlay_buf_append_str(&copy, input);
    inlay_websocket_init(&ws, limit, &events, &record);
    ws.deflate = make((struct inlay_deflate_terms){0});
    for (size_t i = 0; i < input.len; i += step)
        inlay_websocket_feed(&ws, copy.data + i, inlay_min(step, input.len - i),
                             &taken);
    assert_string_equal(record.text, expected);
    assert_int_equal(ws.code, code);
    inlay_deflate_destroy(ws.deflate);
    inlay_websocket_deinit(&ws);
    inlay_buf_deinit(&copy);
}

static void expect(struct inlay_buf *input,
                   size_t limit,
                   const char *expected,
                   unsigned code)
{
    static const size_t steps[] = {1, 2, 3, 7, 100, SIZE_MAX};

    for (size_t i = 0; i < inlay_array_size(steps); i++)
        run(inlay_buf_view(input), steps[i], limit, expected, code);
    inlay_buf_clear(input);
}

static void compressed_messages(void **state)
{
    static const char hello[] = "\xf2\x48\xcd\xc9\xc9\x07\x00";
    struct inlay_buf input;

    (void)state;
    inlay_buf_init(&input, SIZE_MAX / 2);
    put_frame(&input, TEXT | RSV1, hello, 7);
    put_frame(&input, TEXT, "plain", 5);
    put_frame(&input, TEXT | RSV1, "\xf2\x00\x11\x00\x00", 5);
    expect(&input, 5, "1:Hello(5);1:plain(5);1:Hello(5);", 0);
    put_frame(&input, 1 | RSV1, hello, 3);
    put_frame(&input, PING, "p", 1);
    put_frame(&input, 0, hello + 3, 0);
    put_frame(&input, LAST, hello + 3, 4);
    expect(&input, 5, "P;1:Hello(5);", 0);
    put_frame(&input, 1 | RSV1, hello, 3);
    put_frame(&input, LAST | RSV1, hello + 3, 4);
    expect(&input, 5, "", 1002);
    put_frame(&input, PING | RSV1, "p", 1);
    expect(&input, 5, "", 1002);
    put_frame(&input, BINARY | RSV1, hello, 7);
    expect(&input, 4, "", 1009);
    put_frame(&input, BINARY | RSV1, "\xff\xff\xff\xff", 4);
    expect(&input, 5, "", 1007);
    put_frame(&input, TEXT | RSV1, "\0", 1);
    expect(&input, 5, "1:(0);", 0);
    inlay_buf_deinit(&input);
}

/* Not UTF-8 after decompression. */
static void compressed_text(void **state)
{
    struct inlay_websocket_deflate *deflate =
        make((struct inlay_deflate_terms){0});
    struct inlay_buf input, packed;
    char text[100];

    (void)state;
    memset(text, 'a', sizeof(text));
    text[99] = '\xc3';
    inlay_buf_init(&input, SIZE_MAX / 2);
    inlay_buf_init(&packed, LIMIT);
    deflate_to(deflate, text, sizeof(text), &packed);
    put_frame(&input, TEXT | RSV1, packed.data, inlay_buf_len(&packed));
    expect(&input, LIMIT, "", 1007);
    deflate_to(deflate, text, sizeof(text), &packed);
    inlay_deflate_destroy(deflate);
    inlay_buf_deinit(&input);
    inlay_buf_deinit(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers),
        cmocka_unit_test(longest_answer),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(takeover),
        cmocka_unit_test(final_block),
        cmocka_unit_test(bomb),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(compressed_messages),
        cmocka_unit_test(compressed_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
