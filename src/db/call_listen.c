/*
 * call_listen.c - inlay_listen and inlay_notified: notifications wait here for
 * a coroutine to ask; all of it is on its lane's thread.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "db/call.h"
#include "net/coroutine.h"

#include "base/banned.h"

#define WAITING_MOST 1000

struct note {
    struct note *next;
    struct channel *channel;
    uint32_t lost;
    size_t len;
    char payload[]; /* and a NUL */
};

struct channel {
    struct inlay_subscriber
        listener; /* its text is the channel's, NUL behind */
    struct inlay_db_listening *of;
    struct channel *next;
    bool is_ready;
    struct inlay_failure failure;
};

struct inlay_db_listening {
    struct inlay_db *db;
    struct channel *channels;
    struct note *first, **last; /* oldest first */
    size_t count;
    uint32_t lost;    /* since the newest of them */
    struct note *out; /* what inlay_notified has given */
};

static void drop_oldest(struct inlay_db_listening *listening)
{
    struct note *note = listening->first;
    uint32_t lost = note->lost + 1;

    listening->first = note->next;
    if (listening->first)
        listening->first->lost += lost;
    else {
        listening->last = &listening->first;
        listening->lost += lost;
    }
    listening->count--;
    inlay_free(note);
}

static void push(struct channel *channel, struct inlay_str payload)
{
    struct inlay_db_listening *listening = channel->of;
    struct note *note = inlay_malloc(sizeof(*note) + payload.len + 1);

    if (!note) {
        listening->lost++;
        return;
    }
    if (listening->count >= WAITING_MOST)
        drop_oldest(listening);
    *note = (struct note){
        .channel = channel,
        .lost = listening->lost,
        .len = payload.len,
    };
    if (payload.len)
        memcpy(note->payload, payload.ptr, payload.len);
    note->payload[payload.len] = '\0';
    listening->lost = 0;
    *listening->last = note;
    listening->last = &note->next;
    listening->count++;
}

static void wake(struct channel *channel)
{
    struct inlay_db *db = channel->of->db;

    db->waits->wake(db);
}

static void on_notification(struct inlay_subscriber *listener,
                            struct inlay_str payload,
                            bool gap)
{
    struct channel *channel =
        inlay_container_of(listener, struct channel, listener);

    if (gap)
        channel->of->lost++;
    if (!payload.ptr)
        return;
    push(channel, payload);
    wake(channel);
}

static void on_ready(struct inlay_subscriber *listener,
                     const struct inlay_failure *failure)
{
    struct channel *channel =
        inlay_container_of(listener, struct channel, listener);

    channel->is_ready = true;
    if (failure)
        channel->failure = *failure;
    wake(channel);
}

static struct inlay_db_listening *listening_of(struct inlay_db *db)
{
    if (!db->listening) {
        db->listening = inlay_calloc(1, sizeof(*db->listening));
        if (db->listening) {
            db->listening->db = db;
            db->listening->last = &db->listening->first;
        }
    }
    return db->listening;
}

static struct channel *channel_create(struct inlay_db_listening *listening,
                                      struct inlay_str name)
{
    struct channel *channel = inlay_calloc(1, sizeof(*channel) + name.len + 1);

    if (!channel)
        return NULL;
    char *text = (char *)(channel + 1);
    memcpy(text, name.ptr, name.len);
    channel->listener.channel = inlay_str_make(text, name.len);
    channel->listener.on_notification = on_notification;
    channel->listener.on_ready = on_ready;
    channel->of = listening;
    return channel;
}

static bool may_listen(struct inlay_db *db, const char *name)
{
    if (!inlay_db_usable(db))
        return false;
    if (db->lane && inlay_coroutine_current())
        return db->waits->may(db);
    inlay_db_misuse(db, name,
                    "only a route's function that waits on its I/O thread can "
                    "listen: not an INLAY_ASYNC one, nor a call from Python, "
                    "which has inlay.db.listen()");
    return false;
}

bool inlay_db_listen(struct inlay_db *db, struct inlay_str name)
{
    if (!may_listen(db, "inlay_listen"))
        return false;
    if (!name.len || name.len > 63 || memchr(name.ptr, '\0', name.len)) {
        inlay_db_misuse(db, "inlay_listen", "a channel has 1 to 63 bytes");
        return false;
    }
    struct inlay_db_listening *listening = listening_of(db);
    struct channel *channel =
        listening ? channel_create(listening, name) : NULL;
    if (!channel) {
        inlay_context_fail(db->context, INLAY_NO_MEMORY,
                           INLAY_STR("no memory to listen"));
        return false;
    }
    channel->next = listening->channels;
    listening->channels = channel;
    inlay_listen(db->lane, &channel->listener);
    while (!channel->is_ready)
        if (!db->waits->sleep(db))
            return false;
    if (channel->failure.kind)
        inlay_db_fail(db, NULL, &channel->failure);
    return !channel->failure.kind;
}

bool inlay_db_notified(struct inlay_db *db, struct inlay_notification *ret)
{
    struct inlay_db_listening *listening = db->listening;

    if (!may_listen(db, "inlay_notified"))
        return false;
    if (!listening) {
        inlay_db_misuse(db, "inlay_notified", "inlay_listen comes first");
        return false;
    }
    while (!listening->first)
        if (!db->waits->sleep(db))
            return false;
    inlay_free(listening->out);
    struct note *note = listening->out = listening->first;
    listening->first = note->next;
    if (!listening->first)
        listening->last = &listening->first;
    listening->count--;
    *ret = (struct inlay_notification){
        .channel = note->channel->listener.channel,
        .payload = {note->payload, note->len},
        .lost = note->lost,
    };
    return true;
}

void inlay_db_listening_end(struct inlay_db *db)
{
    struct inlay_db_listening *listening = inlay_take(db->listening);

    if (!listening)
        return;
    while (listening->channels) {
        struct channel *channel = listening->channels;

        listening->channels = channel->next;
        /* One that failed is not the driver's any more. */
        if (!channel->failure.kind)
            inlay_unlisten(db->lane, &channel->listener);
        inlay_free(channel);
    }
    while (listening->first) {
        struct note *note = listening->first;

        listening->first = note->next;
        inlay_free(note);
    }
    inlay_free(listening->out);
    inlay_free(listening);
}
