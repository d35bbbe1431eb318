/*
 * api_auth.c - who says that he is who: what an Authorization header says,
 * and text that only the holder of a key can have signed. They need a running
 * call for its memory alone: routes, Python calls, bodies of loops.
 */
#include <time.h>

#include "base/buf.h"
#include "http/hmac.h"
#include "load/api.h"
#include "type/base64.h"

#include "base/banned.h"

#define KEY_LEAST 16 /* bytes: a shorter one can be guessed */
#define SKEW 60      /* seconds that a clock of another machine may be ahead */
#define SIGNATURE 43 /* base64 of 32 bytes, not padded */

/* --- Authorization (RFC 9110 11.6.2) ------------------------------------- */

/* What is behind the scheme, whose case does not count; ptr NULL: not it. */
static struct inlay_str after_scheme(struct inlay_str text,
                                     struct inlay_str scheme)
{
    const struct inlay_str none = {NULL, 0};

    if (!text.ptr)
        return none;
    text = inlay_str_trim(text);
    if (text.len <= scheme.len || text.ptr[scheme.len] != ' ' ||
        !inlay_str_equal_nocase(inlay_str_make(text.ptr, scheme.len), scheme))
        return none;
    text.ptr += scheme.len;
    text.len -= scheme.len;
    while (text.len && *text.ptr == ' ') {
        text.ptr++;
        text.len--;
    }
    return text.len ? text : none;
}

static bool is_alnum(char c)
{
    char lower = inlay_ascii_lower(c);

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 9110 11.2: token68, RFC 6750's b64token. */
static bool is_token68(struct inlay_str text)
{
    size_t len = text.len;

    while (len && text.ptr[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        char c = text.ptr[i];

        if (!is_alnum(c) && c != '-' && c != '.' && c != '_' && c != '~' &&
            c != '+' && c != '/')
            return false;
    }
    return len > 0;
}

bool inlay_api_bearer(struct inlay_str authorization,
                      struct inlay_str *token_ret)
{
    struct inlay_str token = after_scheme(authorization, INLAY_STR("bearer"));

    if (!token.ptr || !is_token68(token))
        return false;
    if (token_ret)
        *token_ret = token;
    return true;
}

static struct inlay_context *running(void)
{
    struct inlay_context *context = inlay_context_current;

    return context && !context->error ? context : NULL;
}

/* NULL, and the call has failed, without memory. */
static char *take_memory(struct inlay_context *context, size_t size)
{
    context->dirty = true;
    char *memory = inlay_arena_alloc(context->arena, size);
    if (!memory)
        inlay_context_fail(context, INLAY_NO_MEMORY,
                           INLAY_STR("out of memory for this call"));
    return memory;
}

/* In the call's memory; ptr NULL: it is no base64, or there is no memory. */
static struct inlay_str decode(struct inlay_context *context,
                               struct inlay_str text)
{
    char reason[INLAY_BASE64_REASON_SIZE];
    char *out = take_memory(context, inlay_base64_room(text.len));
    size_t len;

    if (!out || inlay_base64_read(text, (uint8_t *)out, &len, reason) < 0)
        return inlay_str_make(NULL, 0);
    return inlay_str_make(out, len);
}

/* RFC 7617 2: neither has controls; the first colon ends the name. */
bool inlay_api_basic(struct inlay_str authorization,
                     struct inlay_str *user_ret,
                     struct inlay_str *password_ret)
{
    struct inlay_context *context = running();
    struct inlay_str text = after_scheme(authorization, INLAY_STR("basic"));

    if (!context || !text.ptr || !is_token68(text))
        return false;
    struct inlay_str both = decode(context, text);
    const char *colon = both.len ? memchr(both.ptr, ':', both.len) : NULL;
    if (!colon || !inlay_utf8_valid(both))
        return false;
    for (size_t i = 0; i < both.len; i++) {
        unsigned char c = (unsigned char)both.ptr[i];

        if (c < 0x20 || c == 0x7f)
            return false;
    }
    size_t len = (size_t)(colon - both.ptr);
    if (user_ret)
        *user_ret = inlay_str_make(both.ptr, len);
    if (password_ret)
        *password_ret = inlay_str_make(colon + 1, both.len - len - 1);
    return true;
}

bool inlay_api_equal(struct inlay_str left, struct inlay_str right)
{
    if (!left.ptr)
        left.len = 0;
    if (!right.ptr)
        right.len = 0;
    return inlay_secret_equal(left, right);
}

/* --- Signed text ---------------------------------------------------------- */

/* As RFC 4648 5 has it, not padded. 0 or -1. */
static int put_base64(struct inlay_buf *out, struct inlay_str text)
{
    struct inlay_bytes bytes = {(const uint8_t *)text.ptr, text.len};
    size_t from = inlay_buf_len(out);

    if (!text.len)
        return 0;
    if (inlay_base64_write(bytes, out) < 0)
        return -1;
    char *begin = out->data + out->start + from;
    while (begin < inlay_buf_tail(out) && inlay_buf_tail(out)[-1] == '=')
        out->end--;
    for (char *at = begin; at < inlay_buf_tail(out); at++) {
        if (*at == '+')
            *at = '-';
        else if (*at == '/')
            *at = '_';
    }
    return 0;
}

/* ".signature" of what is in `out`. 0 or -1. */
static int put_signature(struct inlay_buf *out, struct inlay_str key)
{
    uint8_t digest[INLAY_HMAC_SIZE];

    if (inlay_hmac_sha256(key, inlay_buf_view(out), digest) < 0 ||
        inlay_buf_append_char(out, '.') < 0)
        return -1;
    return put_base64(out, inlay_str_make((char *)digest, sizeof(digest)));
}

static int64_t seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

/* The running call, which fails when its key can't be used. */
static struct inlay_context *running_with(struct inlay_str key,
                                          struct inlay_str what)
{
    struct inlay_context *context = running();

    if (!context || (key.ptr && key.len >= KEY_LEAST))
        return context;
    inlay_context_fail(context, INLAY_INTERNAL, what);
    return NULL;
}

struct inlay_str inlay_api_sign(struct inlay_str key, struct inlay_str text)
{
    struct inlay_context *context = running_with(
        key, INLAY_STR("inlay_sign: the key must have 16 bytes or more"));
    struct inlay_str made = {NULL, 0};
    struct inlay_buf out;

    if (!context)
        return made;
    if (!text.ptr)
        text = INLAY_STR("");
    context->dirty = true;
    inlay_buf_init(&out, context->arena->limit);
    if (put_base64(&out, text) == 0 && inlay_buf_append_char(&out, '.') == 0 &&
        inlay_buf_append_i64(&out, seconds_now()) == 0 &&
        put_signature(&out, key) == 0)
        made = inlay_arena_copy(context->arena, inlay_buf_view(&out));
    inlay_buf_deinit(&out);
    if (!made.ptr)
        inlay_context_fail(context, INLAY_NO_MEMORY,
                           INLAY_STR("out of memory for this call"));
    return made;
}

/* Decimal seconds, as inlay_api_sign has put them; -1: they are none. */
static int64_t read_time(struct inlay_str text)
{
    int64_t time = 0;

    if (!text.len || text.len > 15)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        time = time * 10 + (text.ptr[i] - '0');
    }
    return time;
}

/* Has the holder of the key signed what is before the last dot? 0, 1; -1
 * without memory. */
static int is_genuine(struct inlay_str key,
                      struct inlay_str text,
                      struct inlay_str signature)
{
    struct inlay_buf out;
    uint8_t digest[INLAY_HMAC_SIZE];
    int genuine = -1;

    inlay_buf_init(&out, 2 * SIGNATURE);
    if (inlay_hmac_sha256(key, text, digest) == 0 &&
        put_base64(&out, inlay_str_make((char *)digest, sizeof(digest))) == 0)
        genuine = inlay_secret_equal(signature, inlay_buf_view(&out));
    inlay_buf_deinit(&out);
    return genuine;
}

bool inlay_api_verify(struct inlay_str key,
                      struct inlay_str signed_text,
                      uint32_t max_age,
                      struct inlay_str *text_ret)
{
    struct inlay_context *context = running_with(
        key, INLAY_STR("inlay_verify: the key must have 16 bytes or more"));

    if (!context || !signed_text.ptr || signed_text.len < SIGNATURE + 3)
        return false;
    size_t len = signed_text.len - SIGNATURE - 1;
    struct inlay_str text = inlay_str_make(signed_text.ptr, len);
    if (signed_text.ptr[len] != '.')
        return false;
    int genuine = is_genuine(
        key, text, inlay_str_make(signed_text.ptr + len + 1, SIGNATURE));
    if (genuine < 0)
        inlay_context_fail(context, INLAY_NO_MEMORY,
                           INLAY_STR("out of memory for this call"));
    if (genuine <= 0)
        return false;
    const char *dot = memrchr(text.ptr, '.', text.len);
    if (!dot)
        return false;
    size_t head = (size_t)(dot - text.ptr);
    int64_t time = read_time(inlay_str_make(dot + 1, text.len - head - 1));
    int64_t age = seconds_now() - time;
    if (time < 0 || (max_age && (age > (int64_t)max_age || age < -SKEW)))
        return false;
    struct inlay_str plain = decode(context, inlay_str_make(text.ptr, head));
    if (!plain.ptr)
        return false;
    if (text_ret)
        *text_ret = plain;
    return true;
}
