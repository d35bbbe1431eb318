/*
 * pg_listen.c - LISTEN: one connection of a lane for all who listen on it. What
 * there is to do for its channels is looked for at the end of a tick, so that
 * subscribers may come and go at any time.
 */
#include <stdio.h>

#include "base/mem.h"
#include "db/pg.h"
#include "net/loop.h"

#include "base/banned.h"

struct inlay_pg_channel {
    struct inlay_list node;
    struct inlay_list fresh;       /* not told yet that they listen */
    struct inlay_list subscribers; /* told */
    bool is_asked;                 /* LISTEN was sent on this connection */
    bool is_on;                    /* and confirmed */
    bool is_refused;
    unsigned units; /* of it, under way */
    struct inlay_failure failure;
    size_t len;
    char name[]; /* and a NUL */
};

static struct inlay_pg_channel *channel_of(struct inlay_list *node)
{
    return inlay_list_entry(node, struct inlay_pg_channel, node);
}

static bool is_wanted(const struct inlay_pg_channel *channel)
{
    return !inlay_list_empty(&channel->fresh) ||
           !inlay_list_empty(&channel->subscribers);
}

static void work_later(struct inlay_pg_lane *lane)
{
    if (!lane->is_ending)
        inlay_loop_later(lane->base.loop, &lane->listening.work);
}

bool inlay_pg_listens(const struct inlay_pg_lane *lane)
{
    return !inlay_list_empty(&lane->listening.channels);
}

static struct inlay_pg_channel *find(const struct inlay_pg_lane *lane,
                                     struct inlay_str name)
{
    inlay_list_for_each (node, &lane->listening.channels) {
        struct inlay_pg_channel *channel = channel_of(node);

        if (inlay_str_equal(inlay_str_make(channel->name, channel->len), name))
            return channel;
    }
    return NULL;
}

static struct inlay_pg_channel *create(struct inlay_pg_lane *lane,
                                       struct inlay_str name)
{
    struct inlay_pg_channel *channel =
        inlay_calloc(1, sizeof(*channel) + name.len + 1);

    if (!channel)
        return NULL;
    channel->len = name.len;
    memcpy(channel->name, name.ptr, name.len);
    inlay_list_init(&channel->fresh);
    inlay_list_init(&channel->subscribers);
    inlay_list_init(&channel->node);
    inlay_list_append(&lane->listening.channels, &channel->node);
    return channel;
}

/* --- Telling -------------------------------------------------------------- */

/* All of `from` into `into`, which is a head that was not used before. */
static void move_all(struct inlay_list *from, struct inlay_list *into)
{
    inlay_list_init(into);
    if (inlay_list_empty(from))
        return;
    *into = *from;
    into->next->prev = into->prev->next = into;
    inlay_list_init(from);
}

static struct inlay_subscriber *take_first(struct inlay_list *list)
{
    struct inlay_subscriber *subscriber =
        inlay_list_entry(list->next, struct inlay_subscriber, node);

    inlay_list_remove(&subscriber->node);
    return subscriber;
}

static void tell_ready(struct inlay_pg_channel *channel)
{
    struct inlay_list fresh;

    move_all(&channel->fresh, &fresh);
    while (!inlay_list_empty(&fresh)) {
        struct inlay_subscriber *subscriber = take_first(&fresh);

        inlay_list_append(&channel->subscribers, &subscriber->node);
        subscriber->on_ready(subscriber, NULL);
    }
}

static void tell_failed(struct inlay_pg_channel *channel,
                        const struct inlay_failure *failure)
{
    struct inlay_list fresh;

    move_all(&channel->fresh, &fresh);
    while (!inlay_list_empty(&fresh)) {
        struct inlay_subscriber *subscriber = take_first(&fresh);

        subscriber->driver = NULL;
        subscriber->on_ready(subscriber, failure);
    }
}

static void tell(struct inlay_pg_channel *channel,
                 struct inlay_str payload,
                 bool gap)
{
    struct inlay_list all;

    move_all(&channel->subscribers, &all);
    while (!inlay_list_empty(&all)) {
        struct inlay_subscriber *subscriber = take_first(&all);

        inlay_list_append(&channel->subscribers, &subscriber->node);
        subscriber->on_notification(subscriber, payload, gap);
    }
}

/* --- The server ----------------------------------------------------------- */

static void ask(struct inlay_pg_connection *connection,
                struct inlay_pg_channel *channel,
                const char *what)
{
    char *name =
        PQescapeIdentifier(connection->pg, channel->name, channel->len);
    char sql[300];

    if (!name) {
        channel->is_refused = true;
        inlay_failure_set(&channel->failure, INLAY_INVALID,
                          "a channel's name is not UTF-8");
        inlay_loop_later(connection->lane->base.loop,
                         &connection->lane->listening.work);
        return;
    }
    channel->units++;
    snprintf(sql, sizeof(sql), "%s %s", what, name);
    PQfreemem(name);
    inlay_pg_command(connection, INLAY_PG_LISTEN, channel, sql);
}

/* One step for a channel. */
static void update(struct inlay_pg_lane *lane, struct inlay_pg_channel *channel)
{
    struct inlay_pg_connection *connection = lane->listening.connection;
    const struct inlay_failure *why = &lane->listening.backoff.why;

    if (channel->is_on)
        tell_ready(channel);
    else if (channel->failure.kind)
        tell_failed(channel, &channel->failure);
    else if (!connection && !lane->listening.is_connecting && why->kind)
        tell_failed(channel, why);
    if (!channel->is_refused)
        channel->failure.kind = 0;
    if (channel->units)
        return;
    if (!connection || !inlay_pg_has_room(connection)) {
        if (!is_wanted(channel) && !channel->is_asked) {
            inlay_list_remove(&channel->node);
            inlay_free(channel);
        }
    } else if (is_wanted(channel)) {
        if (!channel->is_asked && !channel->is_refused) {
            channel->is_asked = true;
            ask(connection, channel, "listen");
        }
    } else if (channel->is_asked && !channel->is_refused) {
        channel->is_asked = channel->is_on = false;
        ask(connection, channel, "unlisten");
    } else {
        inlay_list_remove(&channel->node);
        inlay_free(channel);
    }
}

static void failed(struct inlay_pg_lane *lane, const char *why)
{
    struct inlay_pg_backoff *backoff = &lane->listening.backoff;

    inlay_pg_stat(lane, failed, 1);
    inlay_pg_failure_unavailable(&backoff->why, lane, "cannot connect to", why);
    if (!backoff->failures)
        inlay_database_warn(lane->base.database, "%s", backoff->why.text);
    inlay_pg_backoff_rest(lane->base.loop, backoff);
    work_later(lane);
}

static void connect_if_needed(struct inlay_pg_lane *lane)
{
    struct inlay_pg_listening *listening = &lane->listening;

    if (listening->connection || listening->is_connecting ||
        listening->backoff.is_resting || !inlay_pg_listens(lane))
        return;
    listening->is_connecting = inlay_pg_connect(lane, true);
    if (!listening->is_connecting)
        failed(lane, "no thread can be started for it");
}

/* Callbacks may add channels, at the end, and need to find all of them; none
 * frees one. */
static void on_work(struct inlay_later *later)
{
    struct inlay_pg_lane *lane =
        inlay_container_of(later, struct inlay_pg_lane, listening.work);
    struct inlay_list *channels = &lane->listening.channels;
    size_t count = 0;

    inlay_list_for_each (node, channels)
        count++;
    while (count--) {
        struct inlay_list *node = channels->next;

        inlay_list_remove(node);
        inlay_list_append(channels, node);
        update(lane, channel_of(node));
    }
    connect_if_needed(lane);
}

void inlay_pg_listen_answered(struct inlay_pg_lane *lane,
                              struct inlay_pg_channel *channel,
                              const struct inlay_failure *failure)
{
    channel->units--;
    if (!failure) {
        channel->is_on = channel->is_asked;
        /* After a loss: those who have listened before missed something. */
        if (channel->is_on)
            tell(channel, inlay_str_make(NULL, 0), true);
    } else {
        channel->is_asked = channel->is_on = false;
        channel->is_refused = failure->kind != INLAY_UNAVAILABLE;
        if (channel->is_refused)
            channel->failure = *failure;
    }
    work_later(lane);
}

void inlay_pg_listen_notified(struct inlay_pg_lane *lane,
                              const PGnotify *notify)
{
    struct inlay_pg_channel *channel =
        find(lane, inlay_str_from(notify->relname));

    if (channel)
        tell(channel, inlay_str_from(notify->extra ? notify->extra : ""),
             false);
}

void inlay_pg_listen_connected(struct inlay_pg_lane *lane, PGconn *made)
{
    struct inlay_pg_listening *listening = &lane->listening;

    listening->is_connecting = false;
    if (made && PQstatus(made) == CONNECTION_OK) {
        listening->backoff.failures = 0;
        listening->backoff.why.kind = 0;
        inlay_pg_connection_create(lane, made, true);
    } else {
        failed(lane, made ? PQerrorMessage(made) : "out of memory");
        PQfinish(made);
    }
    work_later(lane);
}

void inlay_pg_listen_lost(struct inlay_pg_lane *lane)
{
    inlay_list_for_each (node, &lane->listening.channels) {
        struct inlay_pg_channel *channel = channel_of(node);

        channel->is_asked = channel->is_on = channel->is_refused = false;
        channel->failure.kind = 0;
    }
    work_later(lane);
}

static void on_rested(struct inlay_alarm *alarm)
{
    struct inlay_pg_lane *lane = inlay_container_of(alarm, struct inlay_pg_lane,
                                                    listening.backoff.alarm);

    lane->listening.backoff.is_resting = false;
    lane->listening.backoff.why.kind = 0;
    work_later(lane);
}

/* --- Subscribers ---------------------------------------------------------- */

void inlay_pg_listen(struct inlay_lane *base,
                     struct inlay_subscriber *subscriber)
{
    struct inlay_pg_lane *lane = inlay_pg_lane_of(base);
    struct inlay_pg_channel *channel = find(lane, subscriber->channel);
    struct inlay_failure failure = {.kind = 0};

    inlay_list_init(&subscriber->node);
    if (!channel && !lane->is_ending)
        channel = create(lane, subscriber->channel);
    if (!channel || lane->is_ending) {
        inlay_failure_set(&failure, INLAY_UNAVAILABLE, "%s",
                          lane->is_ending ? "the server is stopping"
                                          : "out of memory to listen");
        subscriber->on_ready(subscriber, &failure);
        return;
    }
    subscriber->driver = channel;
    inlay_list_append(&channel->fresh, &subscriber->node);
    work_later(lane);
}

void inlay_pg_unlisten(struct inlay_lane *base,
                       struct inlay_subscriber *subscriber)
{
    inlay_list_remove(&subscriber->node);
    work_later(inlay_pg_lane_of(base));
}

void inlay_pg_listening_init(struct inlay_pg_lane *lane)
{
    struct inlay_pg_listening *listening = &lane->listening;

    inlay_list_init(&listening->channels);
    inlay_list_init(&listening->work.node);
    listening->work.run = on_work;
    listening->backoff.alarm.on_ring = on_rested;
}

void inlay_pg_listening_end(struct inlay_pg_lane *lane)
{
    struct inlay_failure failure = {.kind = 0};

    inlay_list_remove(&lane->listening.work.node);
    inlay_alarm_stop(lane->base.loop, &lane->listening.backoff.alarm);
    if (lane->listening.connection)
        inlay_pg_connection_close(lane->listening.connection);
    inlay_failure_set(&failure, INLAY_UNAVAILABLE, "the server is stopping");
    while (inlay_pg_listens(lane)) {
        struct inlay_pg_channel *channel =
            channel_of(lane->listening.channels.next);

        tell_failed(channel, &failure);
        while (!inlay_list_empty(&channel->subscribers))
            take_first(&channel->subscribers)->driver = NULL;
        inlay_list_remove(&channel->node);
        inlay_free(channel);
    }
}
