/*
 * call_listen.c - inlay_listen and inlay_notified: notifications wait here for
 * a coroutine to ask; all of it is on its lane's thread.
 */
#include "base/cleanup.h"
#include "base/mem.h"
#include "db/call.h"
#include "db/notes.h"
#include "net/coroutine.h"

#include "base/banned.h"

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
    struct inlay_note_queue notes;
    struct inlay_note *out; /* what inlay_notified has given */
};

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
        channel->of->notes.lost++;
    if (!payload.ptr)
        return;
    inlay_note_queue_push(&channel->of->notes, listener->channel, payload);
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
            inlay_note_queue_init(&db->listening->notes);
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
    if (db->lane && db->context->http && inlay_coroutine_current())
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
    if (!inlay_channel_valid(name)) {
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
    struct inlay_note *note;
    while (!(note = inlay_note_queue_take(&listening->notes)))
        if (!db->waits->sleep(db))
            return false;
    inlay_free(listening->out);
    listening->out = note;
    *ret = (struct inlay_notification){
        .channel = note->channel,
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
    inlay_note_queue_deinit(&listening->notes);
    inlay_free(listening->out);
    inlay_free(listening);
}
