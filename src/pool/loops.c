/*
 * loops.c - fork and join. Who joins offers the second piece in his deque
 * and does the first; then he takes the second back, or, when a thief has
 * it, helps with smaller pieces of the same work until it is done.
 */
#include "pool/loops.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/thread.h"
#include "pool/cores.h"
#include "pool/deque.h"

#include "base/banned.h"

#define SLOTS_MOST 1024
#define THREADS_MOST 512u
/*
 * Looks at all deques before a thread sleeps, some 15 us in all. None of them
 * gives the core away: on a busy machine it would come back milliseconds
 * later, who is woken comes first.
 */
#define SPINS 24
#define SPIN_PAUSES 32

enum piece_state { PIECE_OPEN, PIECE_AWAITED, PIECE_DONE };

struct slot;

/* The second half of a join: on the stack of who joins. */
struct inlay_piece {
    void (*run)(void *arg);
    void *arg;
    struct slot *owner;
    const void *root; /* the outermost join that it is a part of */
    unsigned depth;   /* joins around it */
    _Atomic int state;
};

/*
 * A thread that joins or steals. malloc's own, not inlay_malloc's, because of
 * its alignment. Freed after a fork only: thieves may always look.
 */
struct slot {
    struct inlay_deque deque;
    struct slot *next_free;
    unsigned index;
    uint32_t random; /* whom to look at first */
    /* What it works for; its own. */
    const void *root;
    unsigned depth;
    /* Under the lock, while it sleeps; NULL root: takes anything. */
    struct slot *next_asleep;
    const void *wants_root;
    unsigned wants_depth;
    bool asleep;
    sem_t wake; /* posted by who has set asleep to false */
};

/*
 * One per process: cores are the process's, and loops of several users would
 * fight for them. The lock is for what happens seldom: threads that come to
 * join, fall asleep and are woken.
 */
static struct {
    pthread_mutex_t lock;
    unsigned wanted;  /* configured; 0: not */
    unsigned threads; /* that run */
    bool started, watches_fork;
    atomic_int expected;   /* threads, for who asks; -1: not known yet */
    struct slot *free;     /* of callers that have gone */
    struct slot *sleepers; /* newest first */
    _Atomic(struct slot *) slots[SLOTS_MOST];
    atomic_uint nslots;
    atomic_uint nsleepers;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .expected = -1};

/* NULL: no join is running on this thread, and it is none of the pool. */
static __thread struct slot *my_slot __attribute__((tls_model("initial-exec")));

/* --- Sleeping ------------------------------------------------------------- */

static void sleepers_remove(struct slot *slot)
{
    struct slot **at = &pool.sleepers;

    while (*at != slot)
        at = &(*at)->next_asleep;
    *at = slot->next_asleep;
    slot->asleep = false;
    atomic_fetch_sub(&pool.nsleepers, 1);
}

/* Is there a piece that this thread may take? */
static bool can_steal(struct slot *self, const void *root, unsigned depth)
{
    unsigned count = atomic_load(&pool.nslots);
    struct inlay_deque_look look;

    for (unsigned i = 0; i < count; i++) {
        struct slot *victim = atomic_load(&pool.slots[i]);

        if (victim && victim != self &&
            inlay_deque_look(&victim->deque, root, depth, &look))
            return true;
    }
    return false;
}

/*
 * Sleeps until there is a piece to take or `awaited` (or NULL) is done. May
 * return early.
 */
static void fall_asleep(struct slot *self, struct inlay_piece *awaited)
{
    int open = PIECE_OPEN;

    if (awaited &&
        !atomic_compare_exchange_strong(&awaited->state, &open,
                                        PIECE_AWAITED) &&
        open == PIECE_DONE)
        return;
    pthread_mutex_lock(&pool.lock);
    self->wants_root = awaited ? awaited->root : NULL;
    self->wants_depth = awaited ? awaited->depth : 0;
    self->asleep = true;
    self->next_asleep = pool.sleepers;
    pool.sleepers = self;
    atomic_fetch_add(&pool.nsleepers, 1);
    pthread_mutex_unlock(&pool.lock);
    /* What came between the last look and the list nobody wakes us for. */
    if ((awaited && atomic_load(&awaited->state) == PIECE_DONE) ||
        can_steal(self, self->wants_root, self->wants_depth)) {
        pthread_mutex_lock(&pool.lock);
        bool woken = !self->asleep;
        if (!woken)
            sleepers_remove(self);
        pthread_mutex_unlock(&pool.lock);
        if (!woken)
            return;
    }
    while (sem_wait(&self->wake) && errno == EINTR)
        continue;
}

/* There is a new piece: wakes one thread that may take it. */
static void wake_for(const struct inlay_piece *piece)
{
    struct slot *slot;

    if (!atomic_load(&pool.nsleepers))
        return;
    pthread_mutex_lock(&pool.lock);
    for (slot = pool.sleepers; slot; slot = slot->next_asleep) {
        if (!slot->wants_root || (slot->wants_root == piece->root &&
                                  slot->wants_depth <= piece->depth))
            break;
    }
    if (slot)
        sleepers_remove(slot);
    pthread_mutex_unlock(&pool.lock);
    if (slot)
        sem_post(&slot->wake);
}

/* A piece of this thread's is done. */
static void wake_owner(struct slot *slot)
{
    pthread_mutex_lock(&pool.lock);
    bool asleep = slot->asleep;
    if (asleep)
        sleepers_remove(slot);
    pthread_mutex_unlock(&pool.lock);
    if (asleep)
        sem_post(&slot->wake);
}

/* --- Stealing ------------------------------------------------------------- */

static struct inlay_piece *steal(struct slot *self,
                                 const void *root,
                                 unsigned depth)
{
    unsigned count = atomic_load(&pool.nslots);
    struct inlay_deque_look look;

    /* In a forked child nobody does what the parent's threads have taken. */
    if (my_slot != self)
        abort();
    self->random = self->random * 1664525u + 1013904223u;
    unsigned first = (self->random >> 8) % count;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = first + i;
        struct slot *victim =
            atomic_load(&pool.slots[at < count ? at : at - count]);

        if (victim && victim != self &&
            inlay_deque_look(&victim->deque, root, depth, &look) &&
            inlay_deque_steal(&victim->deque, &look))
            return look.piece;
    }
    return NULL;
}

/* Runs a piece of another thread. */
static void run_stolen(struct slot *self, struct inlay_piece *piece)
{
    const void *root = self->root;
    unsigned depth = self->depth;
    struct slot *owner = piece->owner;

    self->root = piece->root;
    self->depth = piece->depth;
    piece->run(piece->arg);
    self->root = root;
    self->depth = depth;
    /* With this the piece may be gone. */
    if (atomic_exchange(&piece->state, PIECE_DONE) == PIECE_AWAITED)
        wake_owner(owner);
}

static void rest(void)
{
    for (int i = 0; i < SPIN_PAUSES; i++)
        inlay_thread_relax();
}

/* Helps until the piece, which a thief has, is done. */
static void await(struct slot *self, struct inlay_piece *piece)
{
    int round = 0;

    while (atomic_load_explicit(&piece->state, memory_order_acquire) !=
           PIECE_DONE) {
        struct inlay_piece *other = steal(self, piece->root, piece->depth);

        if (other) {
            run_stolen(self, other);
            round = 0;
        } else if (round++ < SPINS) {
            rest();
        } else {
            fall_asleep(self, piece);
            round = 0;
        }
    }
}

static void *work(void *arg)
{
    struct slot *self = arg;
    char name[16];
    int round = 0;

    snprintf(name, sizeof(name), "inlay-loop/%u", self->index % 10000);
    pthread_setname_np(pthread_self(), name);
    my_slot = self;
    for (;;) {
        struct inlay_piece *piece = steal(self, NULL, 0);

        if (piece) {
            run_stolen(self, piece);
            round = 0;
        } else if (round++ < SPINS) {
            rest();
        } else {
            fall_asleep(self, NULL);
            round = 0;
        }
    }
    return NULL;
}

/* --- Threads -------------------------------------------------------------- */

/* With the lock: a slot for a thread, or NULL. */
static struct slot *slot_take(void)
{
    struct slot *slot = pool.free;
    unsigned count = atomic_load(&pool.nslots);

    if (slot) {
        pool.free = slot->next_free;
        return slot;
    }
    if (count == SLOTS_MOST)
        return NULL;
    void *memory;
    if (posix_memalign(&memory, 64, sizeof(*slot)))
        return NULL;
    slot = memory;
    *slot = (struct slot){.index = count, .random = count * 0x9e3779b9u};
    sem_init(&slot->wake, 0, 0);
    atomic_store(&pool.slots[count], slot);
    atomic_store(&pool.nslots, count + 1);
    return slot;
}

static void before_fork(void)
{
    pthread_mutex_lock(&pool.lock);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&pool.lock);
}

/*
 * Slots stay behind with their threads. A join that is under way in the only
 * thread ends on its own, but for what the parent's threads had taken of it:
 * who forks within a loop has to exec or exit, or is aborted.
 */
static void after_fork_child(void)
{
    pthread_mutex_init(&pool.lock, NULL);
    for (unsigned i = 0; i < atomic_load(&pool.nslots); i++) {
        if (pool.slots[i] != my_slot)
            free(pool.slots[i]);
        atomic_store(&pool.slots[i], NULL);
    }
    atomic_store(&pool.nslots, 0);
    atomic_store(&pool.nsleepers, 0);
    pool.free = pool.sleepers = NULL;
    pool.threads = 0;
    pool.started = false;
    atomic_store(&pool.expected, -1);
    my_slot = NULL;
}

/* With the lock. */
static unsigned threads_wanted(void)
{
    const char *text;

    if (pool.wanted)
        return pool.wanted;
    text = getenv("INLAY_LOOP_THREADS");
    if (text && *text) {
        char *end;
        unsigned long count = strtoul(text, &end, 10);

        if (!*end && !strchr(text, '-'))
            return (unsigned)inlay_min(count, (unsigned long)THREADS_MOST);
    }
    return inlay_min(inlay_cores() - 1, THREADS_MOST);
}

/* With the lock. Fewer threads than wanted, even none, are no error. */
static void start_threads(void)
{
    unsigned wanted = threads_wanted();

    pool.started = true;
    if (!pool.watches_fork)
        pool.watches_fork = pthread_atfork(before_fork, after_fork_parent,
                                           after_fork_child) == 0;
    while (pool.watches_fork && pool.threads < wanted) {
        struct slot *slot = slot_take();
        pthread_t thread;

        if (!slot)
            break;
        if (inlay_thread_start(&thread, work, slot)) {
            slot->next_free = pool.free;
            pool.free = slot;
            break;
        }
        pthread_detach(thread);
        pool.threads++;
    }
    atomic_store(&pool.expected, (int)pool.threads);
}

/* The outermost join of a thread that is none of ours; NULL: do it alone. */
static struct slot *enter(void)
{
    struct slot *slot = NULL;

    pthread_mutex_lock(&pool.lock);
    if (!pool.started)
        start_threads();
    if (pool.threads)
        slot = slot_take();
    pthread_mutex_unlock(&pool.lock);
    return slot;
}

static void leave(struct slot *slot)
{
    pthread_mutex_lock(&pool.lock);
    /* After a fork it is a slot of the parent's. */
    if (my_slot == slot) {
        slot->next_free = pool.free;
        pool.free = slot;
    }
    pthread_mutex_unlock(&pool.lock);
    my_slot = NULL;
}

/* --- Joining -------------------------------------------------------------- */

static void join(struct slot *self,
                 void (*a)(void *arg),
                 void *a_arg,
                 void (*b)(void *arg),
                 void *b_arg)
{
    struct inlay_piece piece = {
        .run = b,
        .arg = b_arg,
        .owner = self,
        .root = self->root,
        .depth = ++self->depth,
    };

    if (!inlay_deque_push(&self->deque, &piece, piece.root, piece.depth)) {
        a(a_arg);
        b(b_arg);
    } else {
        wake_for(&piece);
        a(a_arg);
        /* Thieves take the oldest: ours is the last one, or it is gone. */
        if (inlay_deque_take(&self->deque))
            b(b_arg);
        else
            await(self, &piece);
    }
    self->depth--;
}

void inlay_loops_join(void (*a)(void *arg),
                      void *a_arg,
                      void (*b)(void *arg),
                      void *b_arg)
{
    struct slot *self = my_slot;

    if (self) {
        join(self, a, a_arg, b, b_arg);
        return;
    }
    self = enter();
    if (!self) {
        a(a_arg);
        b(b_arg);
        return;
    }
    my_slot = self;
    self->root = &self;
    self->depth = 0;
    join(self, a, a_arg, b, b_arg);
    leave(self);
}

bool inlay_loops_hungry(void)
{
    return my_slot ? inlay_deque_is_empty(&my_slot->deque)
                   : inlay_loops_threads() > 0;
}

void inlay_loops_configure(unsigned threads)
{
    pthread_mutex_lock(&pool.lock);
    pool.wanted = inlay_min(threads, THREADS_MOST);
    if (!pool.started)
        atomic_store(&pool.expected, -1);
    pthread_mutex_unlock(&pool.lock);
}

unsigned inlay_loops_threads(void)
{
    int threads = atomic_load_explicit(&pool.expected, memory_order_relaxed);

    if (threads >= 0)
        return (unsigned)threads;
    pthread_mutex_lock(&pool.lock);
    if (atomic_load(&pool.expected) < 0)
        atomic_store(&pool.expected, (int)threads_wanted());
    threads = atomic_load(&pool.expected);
    pthread_mutex_unlock(&pool.lock);
    return (unsigned)threads;
}
