#include "serve/watchdog.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "serve/metrics.h"
#include "serve/server.h"
#include "type/type.h"

#include "base/banned.h"

#define LOOKS 4         /* per limits.watchdog */
#define PERIOD_MOST 250 /* ms between them */
#define QUIET_LOOKS 20  /* without a call; then it sleeps */
#define STILL 10        /* times the limit: said although it still runs */
#define SAID_MS 1000    /* between two messages */

/* What was seen of an I/O thread. */
struct seen {
    uint32_t turn;
    bool said;            /* this turn was told about */
    uint64_t since, last; /* ms: the first and the last time of this turn */
    struct inlay_str what;
    const struct inlay_func *func;
};

struct inlay_watchdog {
    struct inlay_server *server;
    uint64_t limit, period; /* ms */
    uint64_t said_at;       /* ms; 0: nothing was said yet */
    unsigned unsaid;        /* calls since then */
    pthread_t handle;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t cond;
    bool started, stop, woken;
    struct seen seen[]; /* by I/O thread */
};

/* --- Reports -------------------------------------------------------------- */

static void report(struct inlay_watchdog *watchdog,
                   unsigned index,
                   struct seen *seen,
                   bool still)
{
    const struct inlay_server *server = watchdog->server;
    struct inlay_str name = seen->func ? seen->func->name : INLAY_STR("?");
    struct inlay_source place = {.file = INLAY_STR("?")};
    char more[60] = "";

    seen->said = true;
    inlay_metrics_count(server->threads[index].metrics, INLAY_METRICS_HELD, 1);
    if (watchdog->said_at && seen->last - watchdog->said_at < SAID_MS) {
        watchdog->unsaid++;
        return;
    }
    if (seen->func)
        place = seen->func->decl;
    if (watchdog->unsaid)
        snprintf(more, sizeof(more), " (and %u other calls did so before)",
                 watchdog->unsaid);
    inlay_log_write(
        &server->config.log, INLAY_LOG_WARNING,
        "%.*s: %.*s() at %.*s:%u %s I/O thread %u for %llu ms%s; "
        "nobody else was served there. INLAY_ASYNC(%.*s) would "
        "run it on the pool%s",
        inlay_str_arg(seen->what), inlay_str_arg(name),
        inlay_str_arg(place.file), place.line, still ? "has held" : "held",
        index,
        (unsigned long long)(seen->last - seen->since + watchdog->period),
        still ? " and still does" : "", inlay_str_arg(name), more);
    watchdog->said_at = seen->last;
    watchdog->unsaid = 0;
}

/* The turn began up to one look before it was seen, and ended up to one after
 * it was seen last: on average, a period is missing. */
static bool was_long(const struct inlay_watchdog *watchdog,
                     const struct seen *seen)
{
    return seen->last - seen->since + watchdog->period >= watchdog->limit &&
           seen->last > seen->since;
}

/* --- Looking -------------------------------------------------------------- */

bool inlay_busy_get(struct inlay_busy *busy,
                    struct inlay_str *what_ret,
                    const struct inlay_func **func_ret)
{
    uint32_t turn = atomic_load(&busy->turn);

    what_ret->ptr = atomic_load(&busy->what);
    what_ret->len = atomic_load(&busy->what_len);
    *func_ret = atomic_load(&busy->func);
    return turn % 2 && atomic_load(&busy->turn) == turn;
}

static void begin_turn(struct seen *seen,
                       struct inlay_busy *busy,
                       uint32_t turn,
                       uint64_t now)
{
    *seen = (struct seen){.turn = turn, .since = now, .last = now};
    if (turn % 2 == 0)
        return;
    if (!inlay_busy_get(busy, &seen->what, &seen->func) ||
        atomic_load(&busy->turn) != turn)
        seen->turn = turn + 1; /* over; these may be the next one's */
}

/* False: nothing has run since the last look. */
static bool look(struct inlay_watchdog *watchdog, unsigned index, uint64_t now)
{
    struct inlay_busy *busy = &watchdog->server->threads[index].busy;
    struct seen *seen = &watchdog->seen[index];
    uint32_t turn = atomic_load(&busy->turn);

    if (turn != seen->turn) {
        if (seen->turn % 2 && !seen->said && was_long(watchdog, seen))
            report(watchdog, index, seen, false);
        begin_turn(seen, busy, turn, now);
        return true;
    }
    if (turn % 2 == 0)
        return false;
    seen->last = now;
    if (!seen->said && now - seen->since >= STILL * watchdog->limit)
        report(watchdog, index, seen, true);
    return true;
}

static bool look_at_all(struct inlay_watchdog *watchdog)
{
    uint64_t now = inlay_clock_ms();
    bool any = false;

    for (unsigned i = 0; i < watchdog->server->nthreads; i++)
        any |= look(watchdog, i, now);
    return any;
}

/* --- The thread ----------------------------------------------------------- */

static void set_asleep(struct inlay_watchdog *watchdog, bool asleep)
{
    for (unsigned i = 0; i < watchdog->server->nthreads; i++)
        atomic_store(&watchdog->server->threads[i].busy.asleep, asleep);
}

static void wait_period(struct inlay_watchdog *watchdog)
{
    uint64_t due = inlay_clock_ns() + watchdog->period * 1000000;
    struct timespec until = {
        .tv_sec = (time_t)(due / 1000000000),
        .tv_nsec = (long)(due % 1000000000),
    };

    while (!watchdog->stop &&
           pthread_cond_timedwait(&watchdog->cond, &watchdog->lock, &until) !=
               ETIMEDOUT)
        continue;
}

static void wait_for_calls(struct inlay_watchdog *watchdog)
{
    while (!watchdog->stop && !watchdog->woken)
        pthread_cond_wait(&watchdog->cond, &watchdog->lock);
}

/* Between asking to be woken and relying on it there is one more look: a
 * thread that had not seen the question yet has written its turn by then. */
static void *run(void *arg)
{
    struct inlay_watchdog *watchdog = arg;
    unsigned quiet = 0;

    pthread_setname_np(pthread_self(), "inlay-watchdog");
    pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->stop) {
        pthread_mutex_unlock(&watchdog->lock);
        bool any = look_at_all(watchdog);
        pthread_mutex_lock(&watchdog->lock);
        if (any && quiet >= QUIET_LOOKS)
            set_asleep(watchdog, false);
        quiet = any ? 0 : quiet + 1;
        if (quiet <= QUIET_LOOKS) {
            if (quiet == QUIET_LOOKS) {
                watchdog->woken = false;
                set_asleep(watchdog, true);
            }
            wait_period(watchdog);
        } else {
            wait_for_calls(watchdog);
            set_asleep(watchdog, false);
            quiet = 0;
        }
    }
    pthread_mutex_unlock(&watchdog->lock);
    return NULL;
}

void inlay_watchdog_wake(struct inlay_busy *busy)
{
    struct inlay_watchdog *watchdog = busy->watchdog;

    atomic_store(&busy->asleep, false);
    pthread_mutex_lock(&watchdog->lock);
    watchdog->woken = true;
    if (!watchdog->started)
        watchdog->started =
            inlay_thread_start(&watchdog->handle, run, watchdog) == 0;
    pthread_cond_signal(&watchdog->cond);
    pthread_mutex_unlock(&watchdog->lock);
}

struct inlay_error *inlay_watchdog_create(struct inlay_server *server)
{
    uint32_t limit = server->config.limits.watchdog;
    struct inlay_watchdog *watchdog;
    pthread_condattr_t monotonic;

    if (!limit)
        return NULL;
    watchdog = inlay_calloc(1, sizeof(*watchdog) +
                                   server->nthreads * sizeof(struct seen));
    if (!watchdog)
        return inlay_error_no_memory();
    watchdog->server = server;
    watchdog->limit = limit;
    watchdog->period =
        inlay_max(inlay_min(limit / LOOKS, (uint32_t)PERIOD_MOST), 1u);
    pthread_mutex_init(&watchdog->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&watchdog->cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (unsigned i = 0; i < server->nthreads; i++)
        server->threads[i].busy.watchdog = watchdog;
    set_asleep(watchdog, true); /* not even started */
    server->watchdog = watchdog;
    return NULL;
}

void inlay_watchdog_destroy(struct inlay_watchdog *watchdog)
{
    if (!watchdog)
        return;
    pthread_mutex_lock(&watchdog->lock);
    watchdog->stop = true;
    pthread_cond_signal(&watchdog->cond);
    pthread_mutex_unlock(&watchdog->lock);
    if (watchdog->started)
        pthread_join(watchdog->handle, NULL);
    pthread_cond_destroy(&watchdog->cond);
    pthread_mutex_destroy(&watchdog->lock);
    inlay_free(watchdog);
}
