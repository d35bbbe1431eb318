/* Functions that crash or take long while they serve; test_crash_routes.py. */
#include <inlay.h>
#include <stdlib.h>
#include <time.h>

static int *volatile nowhere;

__attribute__((noinline)) static int touch(int n)
{
    *nowhere = n; /* line: touch */
    return n;
}

int32_t well(void)
{
    return 1;
}
INLAY_GET("/well", well);

int32_t plain(int32_t n)
{
    return touch(n) + 1;
}
INLAY_GET("/plain/{n}", plain);

/* On its own stack, and it has waited. */
int32_t waits(inlay_request *request)
{
    (void)request;
    inlay_sleep(1);
    return touch(2) + 1;
}
INLAY_GET("/waits", waits);

int32_t pooled(void)
{
    return touch(3) + 1;
}
INLAY_ASYNC(pooled);
INLAY_GET("/pool", pooled);

void guard(void)
{
    touch(4);
}
INLAY_BEFORE("/guarded/*", guard);

struct thing {
    int32_t n;
};

struct thing *thing(void)
{
    struct thing *made = inlay_alloc(sizeof(*made));

    made->n = touch(5);
    return made;
}
INLAY_PROVIDE(thing);

int32_t provided(const struct thing *given)
{
    return given->n;
}
INLAY_GET("/provided", provided);

void gives_up(void)
{
    abort(); /* line: gives_up */
}
INLAY_GET("/gives-up", gives_up);

int32_t divides(int32_t by)
{
    return 100 / by; /* line: divides */
}
INLAY_GET("/divides", divides);

__attribute__((noinline)) static int32_t recurse(int32_t n)
{
    volatile char room[200];

    room[0] = (char)n;
    return n ? recurse(n - 1) + room[0] : 0;
}

int32_t deep(int32_t n)
{
    return recurse(n) + 1;
}
INLAY_GET("/deep", deep);

int32_t deep_waits(inlay_request *request, int32_t n)
{
    (void)request;
    inlay_sleep(1);
    return recurse(n) + 1;
}
INLAY_GET("/deep-waits", deep_waits);

void socket_waits(inlay_socket *socket)
{
    inlay_accept(socket, INLAY_STR(""));
    inlay_sleep(1);
    touch(6);
}
INLAY_WEBSOCKET("/socket", socket_waits);

static void part(void *ctx, size_t begin, size_t end)
{
    (void)ctx;
    (void)end;
    if (begin > 0)
        touch(7);
}

bool loops(void)
{
    return inlay_parallel_for(2, 1, part, NULL);
}
INLAY_GET("/loop", loops);

static void rest(int32_t ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};

    nanosleep(&time, NULL);
}

int32_t slow(int32_t ms) /* line: slow */
{
    rest(ms);
    return ms;
}
INLAY_GET("/slow", slow);

int32_t slow_waits(inlay_request *request, int32_t ms, int32_t waits)
{
    (void)request;
    inlay_sleep((uint32_t)waits);
    rest(ms);
    return ms;
}
INLAY_GET("/slow-waits", slow_waits);

/* Results that can't be read; they crash when nothing of this file runs. */
INLAY_SLICE(numbers, int64_t);

struct wild {
    numbers xs;
};

struct wild wild_slice(void)
{
    static int64_t x[2];

    return (struct wild){{x, (size_t)1 << 60}};
}
INLAY_GET("/wild-slice", wild_slice);

inlay_text wild_text(void)
{
    return (inlay_text){(char *)16, 5};
}
INLAY_GET("/wild-text", wild_text);

inlay_bytes wild_bytes(void)
{
    return (inlay_bytes){(uint8_t *)16, 5};
}
INLAY_GET("/wild-bytes", wild_bytes);

struct wild *wild_struct(void)
{
    return (struct wild *)16;
}
INLAY_GET("/wild-struct", wild_struct);

struct wild *wild_waits(inlay_request *request)
{
    (void)request;
    inlay_sleep(1);
    return (struct wild *)16;
}
INLAY_GET("/wild-waits", wild_waits);

struct wild *wild_pool(void)
{
    return (struct wild *)16;
}
INLAY_ASYNC(wild_pool);
INLAY_GET("/wild-pool", wild_pool);
