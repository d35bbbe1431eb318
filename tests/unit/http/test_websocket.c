/* The frame grammar of RFC 6455, in any chunking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "frames.h"
#include "http/websocket.h"

#include "base/banned.h"

#define LIMIT 1000
#define SHOWN 24 /* bytes of a message in the record */

/* What the engine said: "T:text;", "B:…", "I:ping;", "O:pong;", "C:code:…;"
 * and in the end "E:code" or "" */
struct record {
    char text[4096];
    size_t len;
    bool pauses;
};

static void note(struct record *record, const char *kind, struct inlay_str text)
{
    bool cut = text.len > SHOWN;
    int len =
        snprintf(record->text + record->len, sizeof(record->text) - record->len,
                 "%s:%.*s", kind, (int)inlay_min(text.len, (size_t)SHOWN),
                 text.len ? text.ptr : "");

    record->len += (size_t)len;
    record->len += (size_t)snprintf(record->text + record->len,
                                    sizeof(record->text) - record->len,
                                    cut ? "(%zu);" : ";", text.len);
    assert_true(record->len < sizeof(record->text));
}

static bool on_message(void *arg,
                       enum inlay_websocket_kind kind,
                       struct inlay_str bytes)
{
    struct record *record = arg;

    note(record, kind == INLAY_WEBSOCKET_TEXT ? "T" : "B", bytes);
    return !record->pauses;
}

static bool on_ping(void *arg, struct inlay_str bytes)
{
    struct record *record = arg;

    note(record, "I", bytes);
    return !record->pauses;
}

static bool on_pong(void *arg, struct inlay_str bytes)
{
    struct record *record = arg;

    note(record, "O", bytes);
    return !record->pauses;
}

static void on_close(void *arg, uint16_t code, struct inlay_str reason)
{
    char kind[16];

    snprintf(kind, sizeof(kind), "C%u", code);
    note(arg, kind, reason);
}

static const struct inlay_websocket_events events = {
    .on_message = on_message,
    .on_ping = on_ping,
    .on_pong = on_pong,
    .on_close = on_close,
};

static enum inlay_websocket_status feed_piece(struct inlay_websocket *ws,
                                              struct record *record,
                                              const char *data,
                                              size_t len)
{
    enum inlay_websocket_status status;
    size_t done = 0, taken;

    do {
        /* A copy of its exact size: what is past it must not be touched. */
        char *copy = malloc(len - done + 1);

        assert_non_null(copy);
        memcpy(copy, data + done, len - done);
        char *exact = realloc(copy, inlay_max(len - done, (size_t)1));
        assert_non_null(exact);
        status = inlay_websocket_feed(ws, exact, len - done, &taken);
        /* What was not taken is as it came. */
        assert_memory_equal(exact + taken, data + done + taken,
                            len - done - taken);
        free(exact);
        done += taken;
        if (status == INLAY_WEBSOCKET_PAUSED)
            assert_true(record->pauses);
        else
            assert_int_equal(done, len);
    } while (done < len);
    return status;
}

/* `step`: bytes at a time; 0: all at once. */
static void run(struct record *record,
                struct inlay_str input,
                size_t step,
                bool pauses)
{
    enum inlay_websocket_status status = INLAY_WEBSOCKET_MORE;
    struct inlay_websocket ws;

    *record = (struct record){.pauses = pauses};
    inlay_websocket_init(&ws, LIMIT, &events, record);
    for (size_t i = 0, len; i < input.len; i += len) {
        len = step ? inlay_min(step, input.len - i) : input.len;
        status = feed_piece(&ws, record, input.ptr + i, len);
    }
    if (status == INLAY_WEBSOCKET_ERROR) {
        assert_non_null(ws.reason);
        record->len += (size_t)snprintf(record->text + record->len,
                                        sizeof(record->text) - record->len,
                                        "E%u", ws.code);
        assert_null(ws.message.data);
    } else if (status != INLAY_WEBSOCKET_ENDED &&
               inlay_websocket_in_message(&ws)) {
        record->text[record->len++] = '~';
        record->text[record->len] = '\0';
    } else {
        assert_null(ws.message.data); /* idle: no memory */
    }
    inlay_websocket_deinit(&ws);
}

static void expect(struct inlay_str input, const char *expected)
{
    static const size_t steps[] = {0, 1, 2, 3, 5, 7, 13, 64, 127};
    struct record record;

    for (size_t i = 0; i < inlay_array_size(steps); i++) {
        for (int pauses = 0; pauses < 2; pauses++) {
            run(&record, input, steps[i], pauses);
            assert_string_equal(record.text, expected);
        }
    }
}

struct piece {
    unsigned first; /* RAW: bytes as they are */
    const char *data;
    size_t len;
};
#define RAW 0x1000u
#define F(first, literal)                                                      \
    {                                                                          \
        (first), (literal), sizeof(literal) - 1                                \
    }
#define PIECES_MOST 8

static void expect_pieces(const struct piece *pieces, const char *expected)
{
    struct inlay_buf input;

    inlay_buf_init(&input, SIZE_MAX / 2);
    for (size_t i = 0; i < PIECES_MOST && pieces[i].data; i++) {
        if (pieces[i].first == RAW)
            inlay_buf_append(&input, pieces[i].data, pieces[i].len);
        else
            put_frame(&input, pieces[i].first, pieces[i].data, pieces[i].len);
    }
    expect(inlay_buf_view(&input), expected);
    inlay_buf_deinit(&input);
}

static const struct sample {
    struct piece pieces[PIECES_MOST];
    const char *expected;
} samples[] = {
    /* Messages. */
    {{F(TEXT, "Hello")}, "T:Hello;"},
    {{F(TEXT, "")}, "T:;"},
    {{F(BINARY, "\xff\xfe")}, "B:\xff\xfe;"},
    {{F(TEXT, "a"), F(TEXT, "b"), F(BINARY, "c")}, "T:a;T:b;B:c;"},
    {{F(1, "one "), F(0, "two "), F(LAST, "three")}, "T:one two three;"},
    {{F(1, ""), F(0, ""), F(LAST, "")}, "T:;"},
    {{F(1, ""), F(0, "mid"), F(LAST, "")}, "T:mid;"},
    {{F(2, "a"), F(LAST, "b"), F(TEXT, "c")}, "B:ab;T:c;"},
    {{F(1, "begun")}, "~"},
    {{F(RAW, "\x81")}, "~"},
    {{F(RAW, "\x81\x85mask123")}, "~"},
    /* Control frames, also between fragments. */
    {{F(PING, "p"), F(PONG, "q"), F(PING, "")}, "I:p;O:q;I:;"},
    {{F(1, "a"), F(PING, "p"), F(0, "b"), F(PONG, "o"), F(LAST, "c")},
     "I:p;O:o;T:abc;"},
    {{F(9, "p")}, "E1002"},
    {{F(10, "p"), F(LAST, "q")}, "E1002"},
    /* Opcodes and reserved bits. */
    {{F(0x83, "")}, "E1002"},
    {{F(0x87, "x")}, "E1002"},
    {{F(0x8B, "")}, "E1002"},
    {{F(0x8F, "x")}, "E1002"},
    {{F(TEXT, "a"), F(TEXT | RSV1, "b")}, "T:a;E1002"},
    {{F(TEXT | 0x20, "b")}, "E1002"},
    {{F(BINARY | 0x10, "b")}, "E1002"},
    {{F(PING | RSV1, "b")}, "E1002"},
    {{F(1, "a"), F(LAST | RSV1, "b")}, "E1002"},
    /* Fragmentation. */
    {{F(LAST, "a")}, "E1002"},
    {{F(0, "a"), F(LAST, "b")}, "E1002"},
    {{F(1, "a"), F(TEXT, "b")}, "E1002"},
    {{F(1, "a"), F(2, "b")}, "E1002"},
    {{F(TEXT, "a"), F(LAST, "b")}, "T:a;E1002"},
    /* Masks and lengths. */
    {{F(RAW,
        "\x81\x01"
        "a")},
     "E1002"},
    {{F(RAW, "\x89\x00")}, "E1002"},
    {{F(RAW, "\x82\xfe\x00\x7d\0\0\0\0")}, "E1002"},
    {{F(RAW, "\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0")}, "E1002"},
    {{F(RAW, "\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0")}, "E1002"},
    {{F(RAW, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0")}, "E1009"},
    {{F(RAW, "\x82\xfe\x03\xe9\0\0\0\0")}, "E1009"},
    {{F(RAW, "\x02\xfe\x03\xe8\0\0\0\0")}, "~"},
    {{F(RAW, "\x89\xfe\x00\x7e\0\0\0\0")}, "E1002"},
    /* Closing. */
    {{F(CLOSE, "")}, "C1005:;"},
    {{F(CLOSE, "\x03\xe8")}, "C1000:;"},
    {{F(CLOSE, "\x03\xe9going"), F(TEXT, "late")}, "C1001:going;"},
    {{F(CLOSE, "\x13\x87"), F(RAW, "\xff\xff\xff")}, "C4999:;"},
    {{F(1, "a"), F(CLOSE, "\x03\xf6"), F(LAST, "b")}, "C1014:;"},
    {{F(CLOSE, "\x03")}, "E1002"},
    {{F(CLOSE, "\x03\xe7")}, "E1002"},
    {{F(CLOSE, "\x03\xec")}, "E1002"},
    {{F(CLOSE, "\x03\xed")}, "E1002"},
    {{F(CLOSE, "\x03\xee")}, "E1002"},
    {{F(CLOSE, "\x03\xf7")}, "E1002"},
    {{F(CLOSE, "\x0b\xb7")}, "E1002"},
    {{F(CLOSE, "\x13\x88")}, "E1002"},
    {{F(CLOSE, "\x03\xe8\xff")}, "E1007"},
    /* Text that is none, as early as its first wrong byte. */
    {{F(TEXT, "\xce\xba\xe1\xbd\xb9")}, "T:\xce\xba\xe1\xbd\xb9;"},
    {{F(1, "\xce"), F(0, "\xba\xe1"), F(LAST, "\xbd\xb9")},
     "T:\xce\xba\xe1\xbd\xb9;"},
    {{F(TEXT, "\xce")}, "E1007"},
    {{F(1, "\xce\xba\xf4\x90")}, "E1007"},
    {{F(1, "\xce\xba\xf4"), F(0, "\x90")}, "E1007"},
    {{F(RAW, "\x81\x94\0\0\0\0\xce\xba\xe1\xbd\xb9\xcf\x83\xf4\x90")}, "E1007"},
    {{F(TEXT, "\xed\xa0\x80")}, "E1007"},
    {{F(TEXT, "\xc0\xaf")}, "E1007"},
    {{F(1, "\xf0\x9f\x98"), F(LAST, "")}, "E1007"},
    {{F(2, "\xf0\x9f"), F(LAST, "")}, "B:\xf0\x9f;"},
};

static void grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < inlay_array_size(samples); i++)
        expect_pieces(samples[i].pieces, samples[i].expected);
}

static void lengths(void **state)
{
    static char bytes[LIMIT + 1];
    static const size_t sizes[] = {0,  1,  3,   7,   8,   9,   31,  32,
                                   33, 63, 125, 126, 127, 255, 999, 1000};

    (void)state;
    memset(bytes, '*', sizeof(bytes));
    for (size_t i = 0; i < inlay_array_size(sizes); i++) {
        struct record whole;
        struct inlay_buf input;

        inlay_buf_init(&input, SIZE_MAX / 2);
        put_frame(&input, TEXT, bytes, sizes[i]);
        put_frame(&input, 2, bytes, sizes[i] / 2);
        put_frame(&input, LAST, bytes, sizes[i] - sizes[i] / 2);
        run(&whole, inlay_buf_view(&input), 0, false);
        assert_non_null(strchr(whole.text, 'B'));
        assert_null(strchr(whole.text, 'E'));
        expect(inlay_buf_view(&input), whole.text);
        inlay_buf_deinit(&input);
    }
}

static void limit_of_fragments(void **state)
{
    static char bytes[LIMIT + 1];
    struct inlay_buf input;

    (void)state;
    memset(bytes, '*', sizeof(bytes));
    inlay_buf_init(&input, SIZE_MAX / 2);
    put_frame(&input, 1, bytes, 600);
    put_frame(&input, 0, bytes, 400);
    put_frame(&input, LAST, bytes, 0);
    expect(inlay_buf_view(&input), "T:************************(1000);");
    inlay_buf_clear(&input);
    put_frame(&input, 1, bytes, 600);
    put_frame(&input, 0, bytes, 401);
    expect(inlay_buf_view(&input), "E1009");
    inlay_buf_deinit(&input);
}

/* 65,535 and 65,536 bytes have different heads; memory grows as they come. */
static void long_message(void **state)
{
    static char bytes[70000];
    struct record record = {.pauses = false};
    struct inlay_websocket ws;
    struct inlay_buf input;
    size_t taken;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    for (size_t len = 65535; len <= 65536; len++) {
        inlay_buf_init(&input, SIZE_MAX / 2);
        put_frame(&input, TEXT, bytes, len);
        inlay_websocket_init(&ws, SIZE_MAX, &events, &record);
        for (size_t i = 0; i < input.end; i += 1000)
            assert_int_equal(
                inlay_websocket_feed(&ws, input.data + i,
                                     inlay_min((size_t)1000, input.end - i),
                                     &taken),
                INLAY_WEBSOCKET_MORE);
        assert_non_null(strstr(record.text, len == 65535 ? "65535" : "65536"));
        inlay_websocket_deinit(&ws);
        inlay_buf_deinit(&input);
    }
    /* What is only announced costs little. */
    char head[] = "\x82\xff\0\0\0\1\0\0\0\0\0\0\0\0";
    inlay_websocket_init(&ws, SIZE_MAX, &events, &record);
    inlay_websocket_feed(&ws, head, sizeof(head) - 1, &taken);
    inlay_websocket_feed(&ws, bytes, 1, &taken);
    assert_true(ws.message.size <= 1u << 20);
    inlay_websocket_deinit(&ws);
}

static void no_memory(void **state)
{
    struct record record = {.pauses = false};
    struct inlay_websocket ws;
    struct inlay_buf input;
    size_t taken;

    (void)state;
    inlay_buf_init(&input, SIZE_MAX / 2);
    put_frame(&input, 1, "a", 1);
    inlay_websocket_init(&ws, LIMIT, &events, &record);
    inlay_mem_fail_after(0);
    enum inlay_websocket_status status =
        inlay_websocket_feed(&ws, input.data, input.end, &taken);
    inlay_mem_fail_after(-1);
    assert_int_equal(status, INLAY_WEBSOCKET_ERROR);
    assert_int_equal(ws.code, 1011);
    inlay_websocket_deinit(&ws);
    inlay_buf_deinit(&input);
}

static void heads(void **state)
{
    static const uint64_t lengths[] = {0,     1,     125,        126,
                                       65535, 65536, 5000000000u};
    char head[INLAY_WEBSOCKET_ROOM];

    (void)state;
    for (size_t i = 0; i < inlay_array_size(lengths); i++) {
        uint64_t len = lengths[i], read = 0;
        size_t size = inlay_websocket_head(head, 2, len);
        size_t count = size - 2;

        assert_int_equal(count, len < 126 ? 0 : len < 65536 ? 2 : 8);
        assert_int_equal((uint8_t)head[0], 0x82);
        for (size_t j = 0; j < count; j++)
            read = read << 8 | (uint8_t)head[2 + j];
        if (count == 0)
            read = (uint8_t)head[1];
        assert_true(read == len);
    }
}

static void close_payloads(void **state)
{
    char buf[INLAY_WEBSOCKET_CONTROL_MOST], reason[200];

    (void)state;
    assert_int_equal(inlay_websocket_close_payload(buf, 1005, INLAY_STR("a")),
                     0);
    assert_int_equal(inlay_websocket_close_payload(buf, 1000, INLAY_STR("")),
                     2);
    assert_int_equal(inlay_websocket_close_payload(buf, 4000, INLAY_STR("bye")),
                     5);
    assert_memory_equal(buf,
                        "\x0f\xa0"
                        "bye",
                        5);
    assert_int_equal(
        inlay_websocket_close_payload(buf, 4000, INLAY_STR("\xff")), 2);
    /* Cut in front of the character that does not fit. */
    for (size_t i = 0; i < sizeof(reason); i += 2)
        memcpy(reason + i, "\xc3\xa4", 2);
    size_t len = inlay_websocket_close_payload(
        buf, 4000, inlay_str_make(reason, sizeof(reason)));
    assert_int_equal(len, 2 + 122);
    assert_true(inlay_utf8_valid(inlay_str_make(buf + 2, len - 2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar),
        cmocka_unit_test(lengths),
        cmocka_unit_test(limit_of_fragments),
        cmocka_unit_test(long_message),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(heads),
        cmocka_unit_test(close_payloads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
