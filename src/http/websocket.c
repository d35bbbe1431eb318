#include "http/websocket.h"

#include "http/websocket_deflate.h"

#include "base/banned.h"

#define HEAD_FIRST 2
#define AHEAD_MOST ((size_t)256 << 10) /* memory for bytes only announced */

#define OP_CONTINUATION 0u
#define OP_CONTROL 8u /* the bit that control frames have */

void inlay_websocket_init(struct inlay_websocket *ws,
                          size_t limit,
                          const struct inlay_websocket_events *events,
                          void *arg)
{
    *ws = (struct inlay_websocket){
        .events = events,
        .arg = arg,
        .limit = inlay_min(limit, SIZE_MAX / 4),
    };
    /* One more shows that decompressed bytes pass the limit. */
    inlay_buf_init(&ws->message, ws->limit + 1);
}

void inlay_websocket_deinit(struct inlay_websocket *ws)
{
    inlay_buf_deinit(&ws->message);
}

bool inlay_websocket_in_message(const struct inlay_websocket *ws)
{
    return ws->kind || ws->in_frame || ws->head_len;
}

static void fail(struct inlay_websocket *ws, unsigned code, const char *reason)
{
    ws->status = INLAY_WEBSOCKET_ERROR;
    ws->code = (uint16_t)code;
    ws->reason = reason;
    inlay_buf_deinit(&ws->message);
}

static void fail_protocol(struct inlay_websocket *ws, const char *reason)
{
    fail(ws, INLAY_WEBSOCKET_PROTOCOL_ERROR, reason);
}

static void fail_size(struct inlay_websocket *ws)
{
    fail(ws, INLAY_WEBSOCKET_TOO_BIG, "the message is too big");
}

/* --- Unmasking ----------------------------------------------------------- */

/*
 * `to` may be `from`. The mask is turned so that it begins with the byte that
 * is due next. Blocks of 32 bytes become vector instructions.
 */
static void unmask(char *to, const char *from, size_t len, uint8_t mask[4])
{
    uint64_t key, words[4];
    size_t i = 0;

    memcpy(&key, mask, 4);
    memcpy((char *)&key + 4, mask, 4);
    for (; len - i >= sizeof(words); i += sizeof(words)) {
        memcpy(words, from + i, sizeof(words));
        for (size_t j = 0; j < inlay_array_size(words); j++)
            words[j] ^= key;
        memcpy(to + i, words, sizeof(words));
    }
    for (; len - i >= sizeof(key); i += sizeof(key)) {
        memcpy(words, from + i, sizeof(key));
        words[0] ^= key;
        memcpy(to + i, words, sizeof(key));
    }
    for (size_t j = 0; i < len; i++, j++)
        to[i] = (char)((uint8_t)from[i] ^ mask[j & 3]);

    uint8_t turned[4];
    for (size_t j = 0; j < 4; j++)
        turned[j] = mask[(len + j) & 3];
    memcpy(mask, turned, 4);
}

/* --- Heads --------------------------------------------------------------- */

/* Bytes of a head of which `have` are there; never more than 14. */
static size_t head_size(const uint8_t *head, size_t have)
{
    if (have < HEAD_FIRST)
        return HEAD_FIRST;
    size_t size = HEAD_FIRST;
    uint8_t length = head[1] & 0x7f;
    if (length == 126)
        size += 2;
    else if (length == 127)
        size += 8;
    return head[1] & 0x80 ? size + 4 : size;
}

/* RFC 6455 5.2: the shortest form only, and never the highest bit. -1: not. */
static int read_length(const uint8_t *head, uint64_t *length_ret)
{
    uint8_t first = head[1] & 0x7f;
    size_t count = first == 126 ? 2 : first == 127 ? 8 : 0;
    uint64_t length = count ? 0 : first;

    for (size_t i = 0; i < count; i++)
        length = length << 8 | head[HEAD_FIRST + i];
    *length_ret = length;
    if (count == 2 && length < 126)
        return -1;
    if (count == 8 && (length <= UINT16_MAX || length >> 63))
        return -1;
    return 0;
}

static void check_control(struct inlay_websocket *ws, unsigned rsv)
{
    if (ws->opcode > INLAY_WEBSOCKET_PONG)
        fail_protocol(ws, "an opcode that is not defined");
    else if (rsv)
        fail_protocol(ws, "a control frame with a reserved bit");
    else if (!ws->fin)
        fail_protocol(ws, "a control frame in fragments");
    else if (ws->left > INLAY_WEBSOCKET_CONTROL_MOST)
        fail_protocol(ws, "a control frame of more than 125 bytes");
    ws->control_len = 0;
}

static void begin_message(struct inlay_websocket *ws, unsigned rsv)
{
    if (ws->kind) {
        fail_protocol(ws, "a new message within another");
        return;
    }
    ws->kind = ws->opcode;
    ws->compressed = rsv != 0;
    ws->utf8 = (struct inlay_utf8){0};
}

static void check_data(struct inlay_websocket *ws, unsigned rsv)
{
    unsigned allowed =
        ws->deflate && ws->opcode ? INLAY_WEBSOCKET_COMPRESSED : 0;

    if (ws->opcode > INLAY_WEBSOCKET_BINARY) {
        fail_protocol(ws, "an opcode that is not defined");
        return;
    }
    if (rsv & ~allowed) {
        fail_protocol(ws, "a reserved bit without an extension");
        return;
    }
    if (ws->opcode != OP_CONTINUATION)
        begin_message(ws, rsv);
    else if (!ws->kind)
        fail_protocol(ws, "a continuation of no message");
    if (ws->status < 0 || ws->compressed)
        return;
    if (ws->left > ws->limit - inlay_buf_len(&ws->message))
        fail_size(ws);
}

/* A whole head. */
static void read_head(struct inlay_websocket *ws, const uint8_t *head)
{
    unsigned rsv = head[0] & 0x70;

    ws->opcode = head[0] & 0x0f;
    ws->fin = head[0] & 0x80;
    ws->in_frame = true;
    if (!(head[1] & 0x80)) {
        fail_protocol(ws, "a client's frame must be masked");
        return;
    }
    if (read_length(head, &ws->left) < 0) {
        fail_protocol(ws, "a length that is not in its shortest form");
        return;
    }
    memcpy(ws->mask, head + head_size(head, HEAD_FIRST) - 4, 4);
    if (ws->opcode & OP_CONTROL)
        check_control(ws, rsv);
    else
        check_data(ws, rsv);
}

/* How many bytes were taken; in_frame says whether the head is whole. */
static size_t take_head(struct inlay_websocket *ws,
                        const char *data,
                        size_t len)
{
    const uint8_t *bytes = (const uint8_t *)data;
    size_t taken = 0;

    if (inlay_likely(!ws->head_len && len >= head_size(bytes, len))) {
        read_head(ws, bytes);
        return head_size(bytes, len);
    }
    for (;;) {
        size_t size = head_size(ws->head, ws->head_len);
        size_t count = inlay_min(size - ws->head_len, len - taken);

        memcpy(ws->head + ws->head_len, bytes + taken, count);
        taken += count;
        ws->head_len = (uint8_t)(ws->head_len + count);
        if (ws->head_len == head_size(ws->head, ws->head_len))
            break;
        if (taken == len)
            return taken;
    }
    ws->head_len = 0;
    read_head(ws, ws->head);
    return taken;
}

/* --- Payload ------------------------------------------------------------- */

static void heed(struct inlay_websocket *ws, bool go_on)
{
    if (!go_on)
        ws->status = INLAY_WEBSOCKET_PAUSED;
}

static void deliver(struct inlay_websocket *ws, struct inlay_str bytes)
{
    enum inlay_websocket_kind kind = ws->kind == INLAY_WEBSOCKET_TEXT
                                         ? INLAY_WEBSOCKET_TEXT
                                         : INLAY_WEBSOCKET_BINARY;

    ws->kind = 0;
    heed(ws, ws->events->on_message(ws->arg, kind, bytes));
    inlay_buf_deinit(&ws->message);
}

/* Text is refused at the first byte that shows it is none. */
static bool check_text(struct inlay_websocket *ws,
                       struct inlay_str bytes,
                       bool last)
{
    if (ws->kind != INLAY_WEBSOCKET_TEXT)
        return true;
    if (inlay_likely(inlay_utf8_feed(&ws->utf8, bytes) &&
                     !(last && ws->utf8.left)))
        return true;
    fail(ws, INLAY_WEBSOCKET_BAD_DATA, "the text is not UTF-8");
    return false;
}

/*
 * Unmasked bytes of a compressed message. What came out before a failure is
 * looked at first: so the same bytes fail for the same reason in any pieces.
 */
static void inflate_some(struct inlay_websocket *ws,
                         struct inlay_str bytes,
                         bool last)
{
    size_t before = inlay_buf_len(&ws->message);
    enum inlay_inflate_status status =
        inlay_websocket_inflate(ws->deflate, bytes, last, &ws->message);
    struct inlay_str all = inlay_buf_view(&ws->message), fresh = {NULL, 0};

    if (status == INLAY_INFLATE_OK && all.len > ws->limit)
        status = INLAY_INFLATE_TOO_BIG;
    if (all.len > before)
        fresh = inlay_str_make(all.ptr + before,
                               inlay_min(all.len, ws->limit) - before);
    if (!check_text(ws, fresh, last && status == INLAY_INFLATE_OK))
        return;
    switch (status) {
    case INLAY_INFLATE_OK:
        if (last)
            deliver(ws, all);
        break;
    case INLAY_INFLATE_BROKEN:
        fail(ws, INLAY_WEBSOCKET_BAD_DATA, "the compressed data is broken");
        break;
    case INLAY_INFLATE_TOO_BIG:
        fail_size(ws);
        break;
    case INLAY_INFLATE_NO_MEMORY:
        fail(ws, INLAY_WEBSOCKET_INTERNAL_ERROR, "out of memory");
        break;
    }
}

/* `count` bytes of the frame, the first that are not yet unmasked. */
static void take_data(struct inlay_websocket *ws, char *data, size_t count)
{
    struct inlay_buf *message = &ws->message;
    bool last = ws->fin && !ws->left;
    char *to = data;

    if (ws->compressed) {
        unmask(data, data, count, ws->mask);
        inflate_some(ws, inlay_str_make(data, count), last);
        return;
    }
    bool whole = last && inlay_buf_len(message) == 0;
    if (!whole && count) {
        size_t ahead = (size_t)inlay_min(ws->left, (uint64_t)AHEAD_MOST);

        if (inlay_buf_reserve(message, count + ahead) < 0) {
            fail(ws, INLAY_WEBSOCKET_INTERNAL_ERROR, "out of memory");
            return;
        }
        to = inlay_buf_tail(message);
    }
    if (count)
        unmask(to, data, count, ws->mask);
    if (!whole)
        inlay_buf_added(message, count);
    if (check_text(ws, inlay_str_make(to, count), last) && last)
        deliver(ws,
                whole ? inlay_str_make(to, count) : inlay_buf_view(message));
}

static void take_close(struct inlay_websocket *ws, struct inlay_str bytes)
{
    unsigned code = INLAY_WEBSOCKET_NO_CODE;

    if (bytes.len) {
        if (bytes.len >= 2)
            code =
                (unsigned)((uint8_t)bytes.ptr[0] << 8 | (uint8_t)bytes.ptr[1]);
        if (!inlay_websocket_code_valid(code)) {
            fail_protocol(ws, "a close code that must not be sent");
            return;
        }
        bytes.ptr += 2;
        bytes.len -= 2;
    }
    if (!inlay_utf8_valid(bytes)) {
        fail(ws, INLAY_WEBSOCKET_BAD_DATA, "the close reason is not UTF-8");
        return;
    }
    ws->status = INLAY_WEBSOCKET_ENDED;
    inlay_buf_deinit(&ws->message);
    ws->events->on_close(ws->arg, (uint16_t)code, bytes);
}

static void finish_control(struct inlay_websocket *ws)
{
    struct inlay_str bytes = inlay_str_make(ws->control, ws->control_len);

    if (ws->opcode == INLAY_WEBSOCKET_CLOSE)
        take_close(ws, bytes);
    else if (ws->opcode == INLAY_WEBSOCKET_PING)
        heed(ws, ws->events->on_ping(ws->arg, bytes));
    else
        heed(ws, ws->events->on_pong(ws->arg, bytes));
}

static size_t take_payload(struct inlay_websocket *ws, char *data, size_t len)
{
    size_t count = (size_t)inlay_min((uint64_t)len, ws->left);

    ws->left -= count;
    ws->in_frame = ws->left > 0;
    if (!(ws->opcode & OP_CONTROL)) {
        take_data(ws, data, count);
        return count;
    }
    unmask(ws->control + ws->control_len, data, count, ws->mask);
    ws->control_len = (uint8_t)(ws->control_len + count);
    if (!ws->left)
        finish_control(ws);
    return count;
}

enum inlay_websocket_status inlay_websocket_feed(struct inlay_websocket *ws,
                                                 char *data,
                                                 size_t len,
                                                 size_t *consumed_ret)
{
    size_t taken = 0;

    if (ws->status == INLAY_WEBSOCKET_PAUSED)
        ws->status = INLAY_WEBSOCKET_MORE;
    while (taken < len && ws->status == INLAY_WEBSOCKET_MORE) {
        if (!ws->in_frame)
            taken += take_head(ws, data + taken, len - taken);
        /* A frame without payload ends with its head. */
        if (ws->in_frame && ws->status == INLAY_WEBSOCKET_MORE &&
            (taken < len || !ws->left))
            taken += take_payload(ws, data + taken, len - taken);
    }
    *consumed_ret = ws->status == INLAY_WEBSOCKET_PAUSED ? taken : len;
    return (enum inlay_websocket_status)ws->status;
}

/* --- Writing ------------------------------------------------------------- */

bool inlay_websocket_code_valid(unsigned code)
{
    if (code >= 3000)
        return code <= 4999;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
           code != 1006;
}

size_t inlay_websocket_head(char buf[INLAY_WEBSOCKET_ROOM],
                            unsigned opcode,
                            uint64_t len)
{
    size_t count = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;

    buf[0] = (char)(0x80u | opcode);
    buf[1] = (char)(count == 0 ? len : count == 2 ? 126u : 127u);
    for (size_t i = 0; i < count; i++)
        buf[HEAD_FIRST + i] = (char)(len >> 8 * (count - 1 - i));
    return HEAD_FIRST + count;
}

size_t inlay_websocket_close_payload(char buf[INLAY_WEBSOCKET_CONTROL_MOST],
                                     unsigned code,
                                     struct inlay_str reason)
{
    if (!inlay_websocket_code_valid(code))
        return 0;
    buf[0] = (char)(code >> 8);
    buf[1] = (char)code;
    if (reason.len > INLAY_WEBSOCKET_REASON_MOST) {
        reason.len = INLAY_WEBSOCKET_REASON_MOST;
        while (reason.len && ((uint8_t)reason.ptr[reason.len] & 0xC0) == 0x80)
            reason.len--;
    }
    if (!reason.len || !inlay_utf8_valid(reason))
        return 2;
    memcpy(buf + 2, reason.ptr, reason.len);
    return 2 + reason.len;
}
