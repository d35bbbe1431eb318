#include "serve/request_id.h"

#include <sys/random.h>

#include "base/clock.h"
#include "serve/request.h"
#include "serve/server.h"

#include "base/banned.h"

/* --- Random numbers ------------------------------------------------------ */

void inlay_random_init(struct inlay_random *random)
{
    uint64_t seed[2];

    /* Early in a boot there may be none: then the clock has to do. */
    if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed)) {
        seed[0] = inlay_clock_ns();
        seed[1] = (uint64_t)(uintptr_t)random;
    }
    random->state[0] = seed[0];
    random->state[1] = seed[1] | 1; /* all zeros would stay so */
}

/* xoroshiro128+ (Blackman, Vigna). */
uint64_t inlay_random_next(struct inlay_random *random)
{
    uint64_t a = random->state[0], b = random->state[1];
    uint64_t result = a + b;

    b ^= a;
    random->state[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    random->state[1] = b << 37 | b >> 27;
    return result;
}

/* --- x-request-id -------------------------------------------------------- */

/* What goes into logs, headers and URLs as it is. */
static bool id_char(char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
        (c >= 'A' && c <= 'Z'))
        return true;
    return c == '-' || c == '_' || c == '.' || c == ':' || c == '/' ||
           c == '+' || c == '=' || c == '@' || c == '~' || c == '|';
}

static bool usable(struct inlay_str id)
{
    if (id.len == 0 || id.len > INLAY_REQUEST_ID_MOST)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        if (!id_char(id.ptr[i]))
            return false;
    }
    return true;
}

static void put_hex(char *at, uint64_t value)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 15; i >= 0; i--, value >>= 4)
        at[i] = digits[value & 15];
}

static struct inlay_str make_id(struct inlay_request *request)
{
    struct inlay_random *random = &request->thread->random;
    char *text = inlay_arena_alloc(&request->arena, 32);

    if (!text)
        return INLAY_STR("");
    put_hex(text, inlay_random_next(random));
    put_hex(text + 16, inlay_random_next(random));
    return inlay_str_make(text, 32);
}

int inlay_request_id_assign(struct inlay_request *request)
{
    const struct inlay_str name = INLAY_STR("x-request-id");
    size_t count = request->nheaders, at = 0;

    while (at < count && !inlay_str_equal(request->headers[at].name, name))
        at++;
    bool given = at < count && usable(request->headers[at].value);
    /* A copy, as the head may yet move (inlay_request_retain). */
    struct inlay_str id =
        given ? inlay_arena_copy(&request->arena, request->headers[at].value)
              : make_id(request);
    if (!id.len)
        return -1;
    /* Whichever of several a reader takes. */
    for (size_t i = at; i < count; i++) {
        if (inlay_str_equal(request->headers[i].name, name))
            request->headers[i].value = id;
    }
    if (at == count) {
        struct inlay_header *headers =
            inlay_arena_alloc(&request->arena, (count + 1) * sizeof(*headers));

        if (!headers)
            return -1;
        if (count)
            memcpy(headers, request->headers, count * sizeof(*headers));
        headers[at] = (struct inlay_header){name, id};
        request->headers = headers;
        request->nheaders++;
    }
    request->id = id;
    return 0;
}

/* --- traceparent --------------------------------------------------------- */

static bool all_hex(const char *at, size_t len, bool *zero_ret)
{
    *zero_ret = true;
    for (size_t i = 0; i < len; i++) {
        char c = at[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        if (c != '0')
            *zero_ret = false;
    }
    return true;
}

/* "00-", 32 digits, "-", 16 digits, "-", 2 digits; later versions may have
 * more behind it. */
struct inlay_str inlay_request_trace_id(const struct inlay_request *request)
{
    const struct inlay_str none = INLAY_STR("");
    struct inlay_str text =
        inlay_request_header(request, INLAY_STR("traceparent"));
    bool zero, no_parent, unused;

    if (text.len < 55 || text.ptr[2] != '-' || text.ptr[35] != '-' ||
        text.ptr[52] != '-')
        return none;
    if (!all_hex(text.ptr, 2, &unused) || !all_hex(text.ptr + 3, 32, &zero) ||
        !all_hex(text.ptr + 36, 16, &no_parent) ||
        !all_hex(text.ptr + 53, 2, &unused) || zero || no_parent)
        return none;
    bool first = text.ptr[0] == '0' && text.ptr[1] == '0';
    if ((text.ptr[0] == 'f' && text.ptr[1] == 'f') ||
        (text.len > 55 && (first || text.ptr[55] != '-')))
        return none;
    return inlay_str_make(text.ptr + 3, 32);
}
