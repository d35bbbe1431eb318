#include "serve/route_limits.h"

#include "base/mem.h"
#include "serve/layer_text.h"
#include "serve/response.h"
#include "serve/session.h"

#include "base/banned.h"

#define MS UINT64_C(1000000)
#define SLOTS_MOST 1000000000

/* --- At once -------------------------------------------------------------- */

void inlay_request_refuse_busy(struct inlay_request *request)
{
    static const struct inlay_header headers[] = {
        {INLAY_STR("content-type"), INLAY_STR("application/json")},
        {INLAY_STR("retry-after"), INLAY_STR("1")},
    };

    inlay_response_send_with(
        request, 503, headers, inlay_array_size(headers),
        INLAY_STR("{\"detail\":\"The server is busy, try again later\"}"));
}

static void release(void *arg)
{
    struct inlay_slots *slots = arg;

    if (atomic_fetch_sub(&slots->users, 1) == 1)
        inlay_free(slots);
}

void inlay_slots_destroy(struct inlay_slots *slots)
{
    if (slots)
        release(slots);
}

bool inlay_slots_admit(struct inlay_slots *slots, struct inlay_request *request)
{
    if (atomic_fetch_add(&slots->users, 1) <= slots->most &&
        inlay_arena_defer(&request->arena, release, slots) == 0)
        return true;
    release(slots);
    inlay_request_refuse_busy(request);
    return false;
}

struct inlay_error *inlay_slots_parse(struct inlay_str text,
                                      struct inlay_slots **ret)
{
    struct inlay_str word = INLAY_STR(""), more;
    struct inlay_slots *slots;
    uint64_t most;

    if (!inlay_layer_word(&text, &word) || inlay_layer_word(&text, &more) ||
        !inlay_layer_number(word, SLOTS_MOST, &most) || !most)
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "\"%.*s\" is no number of requests from 1 on: write 2",
            inlay_str_arg(word));
    slots = inlay_calloc(1, sizeof(*slots));
    if (!slots)
        return inlay_error_no_memory();
    slots->most = (size_t)most;
    atomic_init(&slots->users, 1);
    *ret = slots;
    return NULL;
}

/* --- For so long ----------------------------------------------------------- */

void inlay_patience_apply(struct inlay_patience *patience,
                          struct inlay_request *request)
{
    struct inlay_io_thread *thread = request->thread;
    struct inlay_exchange *exchange = inlay_exchange_of(request);
    struct inlay_timer_queue *queue = &patience->queues[thread->index];

    if (inlay_unlikely(!queue->on_expire))
        inlay_timer_queue_init(&thread->loop, queue, patience->ms,
                               inlay_exchange_expire);
    if (!exchange->patience->duration ||
        queue->duration < exchange->patience->duration)
        exchange->patience = queue;
}

struct inlay_error *inlay_patience_parse(struct inlay_str text,
                                         unsigned nthreads,
                                         struct inlay_arena *arena,
                                         struct inlay_patience *ret)
{
    struct inlay_str word = INLAY_STR(""), more;
    uint64_t ns;

    if (!inlay_layer_word(&text, &word) || inlay_layer_word(&text, &more) ||
        !inlay_layer_duration(word, false, &ns))
        return inlay_error_create(INLAY_ERROR_VALUE,
                                  "\"%.*s\" is no time: write 3s, 500ms, 2m",
                                  inlay_str_arg(word));
    ret->ms = ns / MS;
    ret->queues =
        inlay_arena_zalloc_array(arena, nthreads, sizeof(*ret->queues));
    return ret->queues ? NULL : inlay_error_no_memory();
}
