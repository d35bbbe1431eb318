/* relay.c - the bridge, and the Python thread's side of a relay. */
#include "py/relay.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "py/relay_io.h"

#include "base/banned.h"

#define INLINE_BODY 16384     /* a body up to this goes beside its head */
#define NOTES 1000            /* messages kept for a Python that is busy */
#define NOTE_BYTES (4u << 20) /* of them, about */

/* --- The bridge ---------------------------------------------------------- */

static void lanes_init(struct inlay_bridge *bridge)
{
    for (unsigned i = 0; i < bridge->nlanes; i++) {
        struct inlay_relay_lane *lane = &bridge->lanes[i];

        lane->bridge = bridge;
        lane->last = &lane->first;
        inlay_buf_init(&lane->records, SIZE_MAX / 2);
        inlay_list_init(&lane->flush.node);
        lane->flush.run = inlay_relay_lane_flush;
    }
}

struct inlay_error *inlay_bridge_create(const struct inlay_limits *limits,
                                        unsigned io_threads,
                                        struct inlay_bridge **ret)
{
    struct inlay_bridge *bridge = inlay_calloc(1, sizeof(*bridge));

    if (!bridge)
        return inlay_error_no_memory();
    bridge->handler.ops = &inlay_bridge_ops;
    atomic_init(&bridge->refs, 2);
    bridge->body_window = limits->body_window;
    bridge->write_window = limits->write_window;
    bridge->message_bytes = limits->ws_message_bytes;
    bridge->message_queue = limits->ws_queue;
    bridge->last = &bridge->first;
    bridge->notes_last = &bridge->notes;
    bridge->out_last = &bridge->out;
    bridge->nlanes = io_threads;
    bridge->lanes = inlay_calloc(io_threads, sizeof(*bridge->lanes));
    bridge->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!bridge->lanes || bridge->wake < 0) {
        struct inlay_error *error = bridge->lanes
                                        ? inlay_error_system(errno, "eventfd")
                                        : inlay_error_no_memory();

        if (bridge->wake >= 0)
            close(bridge->wake);
        inlay_free(bridge->lanes);
        inlay_free(bridge);
        return error;
    }
    pthread_mutex_init(&bridge->lock, NULL);
    atomic_init(&bridge->idle, true);
    lanes_init(bridge);
    *ret = bridge;
    return NULL;
}

void inlay_bridge_unref(struct inlay_bridge *bridge)
{
    if (atomic_fetch_sub(&bridge->refs, 1) != 1)
        return;
    for (struct inlay_relay *relay; (relay = bridge->batch);) {
        bridge->batch = relay->next;
        inlay_relay_unref(relay);
    }
    for (struct inlay_relay *relay; (relay = bridge->first);) {
        bridge->first = relay->next;
        inlay_relay_unref(relay);
    }
    for (struct inlay_bridge_note *note; (note = bridge->notes);) {
        bridge->notes = note->next;
        inlay_free(note);
    }
    close(bridge->wake);
    pthread_mutex_destroy(&bridge->lock);
    inlay_free(bridge->lanes);
    inlay_free(bridge);
}

void inlay_bridge_ring(struct inlay_bridge *bridge)
{
    uint64_t one = 1;

    if (!atomic_load(&bridge->idle) || !atomic_exchange(&bridge->idle, false))
        return;
    if (inlay_unlikely(bridge->rung != NULL))
        atomic_store_explicit(bridge->rung, inlay_clock_ns(),
                              memory_order_relaxed);
    (void)!write(bridge->wake, &one, sizeof(one));
}

/* false: there are too many already. */
static bool post_note(struct inlay_bridge *bridge,
                      enum inlay_log_level level,
                      bool access,
                      struct inlay_str text)
{
    struct inlay_bridge_note *note = inlay_malloc(sizeof(*note) + text.len);

    if (!note)
        return false;
    note->next = NULL;
    note->level = level;
    note->access = access;
    note->len = text.len;
    memcpy(note->text, text.ptr, text.len);
    pthread_mutex_lock(&bridge->lock);
    bool full = bridge->nnotes >= NOTES || bridge->note_bytes >= NOTE_BYTES;
    if (!full) {
        *bridge->notes_last = note;
        bridge->notes_last = &note->next;
        bridge->nnotes++;
        bridge->note_bytes += text.len;
    }
    pthread_mutex_unlock(&bridge->lock);
    if (full)
        inlay_free(note);
    else
        inlay_bridge_ring(bridge);
    return !full;
}

void inlay_bridge_log(void *arg,
                      enum inlay_log_level level,
                      struct inlay_str text)
{
    post_note(arg, level, false, text);
}

void inlay_bridge_access(void *arg, struct inlay_str lines)
{
    struct inlay_bridge *bridge = arg;
    size_t count = 0;

    if (post_note(bridge, INLAY_LOG_INFO, true, lines))
        return;
    for (size_t i = 0; i < lines.len; i++)
        count += lines.ptr[i] == '\n';
    atomic_fetch_add(&bridge->lost_lines, count);
}

struct inlay_bridge_note *inlay_bridge_note(struct inlay_bridge *bridge)
{
    pthread_mutex_lock(&bridge->lock);
    struct inlay_bridge_note *note = bridge->notes;
    if (note) {
        bridge->notes = note->next;
        bridge->nnotes--;
        bridge->note_bytes -= note->len;
        if (!bridge->notes)
            bridge->notes_last = &bridge->notes;
    }
    pthread_mutex_unlock(&bridge->lock);
    return note;
}

/* `notes_ret`: are there notes to be written? */
static struct inlay_relay *take_queue(struct inlay_bridge *bridge,
                                      bool *notes_ret)
{
    pthread_mutex_lock(&bridge->lock);
    struct inlay_relay *all = bridge->first;
    *notes_ret = bridge->notes != NULL;
    bridge->first = NULL;
    bridge->last = &bridge->first;
    pthread_mutex_unlock(&bridge->lock);
    return all;
}

/*
 * The token `idle` says who writes to the eventfd. It is put back only when
 * the queue is empty, so that while something is left the descriptor stays
 * readable and the event loop calls again on its next turn.
 */
static struct inlay_relay *refill(struct inlay_bridge *bridge)
{
    bool notes;
    struct inlay_relay *all = take_queue(bridge, &notes);
    uint64_t count;

    if (all)
        return all;
    (void)!read(bridge->wake, &count, sizeof(count));
    if (inlay_unlikely(bridge->rung != NULL))
        atomic_store_explicit(bridge->rung, 0, memory_order_relaxed);
    atomic_store(&bridge->idle, true);
    all = take_queue(bridge, &notes);
    if (all || notes)
        inlay_bridge_ring(bridge);
    return all;
}

struct inlay_relay *inlay_bridge_next(struct inlay_bridge *bridge)
{
    if (!bridge->batch)
        bridge->batch = refill(bridge);
    struct inlay_relay *relay = bridge->batch;
    if (relay) {
        bridge->batch = relay->next;
        /* From here on the I/O thread may queue it again. */
        atomic_store(&relay->to_python, false);
    }
    return relay;
}

/* --- Letters to the I/O thread ------------------------------------------- */

static void flush_out(struct inlay_bridge *bridge)
{
    struct inlay_mail *mail = bridge->out;

    bridge->out = NULL;
    bridge->out_last = &bridge->out;
    while (mail) {
        struct inlay_mail *next = mail->next;
        struct inlay_relay *relay =
            inlay_container_of(mail, struct inlay_relay, mail);

        inlay_loop_post(&relay->thread->loop, mail);
        mail = next;
    }
}

void inlay_relay_post(struct inlay_relay *relay)
{
    struct inlay_bridge *bridge = relay->bridge;

    if (atomic_exchange(&relay->to_io, true))
        return;
    atomic_fetch_add(&relay->refs, 1);
    if (!bridge->batching) {
        inlay_loop_post(&relay->thread->loop, &relay->mail);
        return;
    }
    relay->mail.next = NULL;
    *bridge->out_last = &relay->mail;
    bridge->out_last = &relay->mail.next;
}

void inlay_bridge_batch_begin(struct inlay_bridge *bridge)
{
    bridge->batching = true;
}

void inlay_bridge_batch_end(struct inlay_bridge *bridge)
{
    bridge->batching = false;
    flush_out(bridge);
}

/* --- The Python side of a relay ------------------------------------------ */

void inlay_relay_unref(struct inlay_relay *relay)
{
    if (atomic_fetch_sub(&relay->refs, 1) == 1)
        inlay_relay_free(relay);
}

bool inlay_relay_gone(struct inlay_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    bool gone = relay->gone;
    pthread_mutex_unlock(&relay->lock);
    return gone;
}

bool inlay_relay_left(struct inlay_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    bool left = relay->gone || relay->eof;
    pthread_mutex_unlock(&relay->lock);
    return left;
}

void inlay_relay_want_body(struct inlay_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    bool post = !relay->gone;
    relay->want_body = true;
    pthread_mutex_unlock(&relay->lock);
    if (post)
        inlay_relay_post(relay);
}

enum inlay_relay_status inlay_relay_body_begin(struct inlay_relay *relay,
                                               struct inlay_chunk **landed_ret,
                                               struct inlay_str *bytes_ret,
                                               bool *last_ret)
{
    *landed_ret = NULL;
    pthread_mutex_lock(&relay->lock);
    if (relay->gone) {
        pthread_mutex_unlock(&relay->lock);
        return INLAY_RELAY_GONE;
    }
    if (relay->landed) {
        *landed_ret = relay->landed;
        *last_ret = relay->body_last && inlay_buf_len(&relay->body) == 0;
        relay->landed = NULL;
        pthread_mutex_unlock(&relay->lock);
        return INLAY_RELAY_OK;
    }
    if (inlay_buf_len(&relay->body) > 0 || relay->body_last) {
        *bytes_ret = inlay_buf_view(&relay->body);
        *last_ret = relay->body_last;
        return INLAY_RELAY_OK;
    }
    relay->hungry = true;
    pthread_mutex_unlock(&relay->lock);
    return INLAY_RELAY_WAIT;
}

void inlay_relay_body_end(struct inlay_relay *relay)
{
    /* The I/O thread paused itself when the window was full. */
    bool resume = !relay->body_last &&
                  inlay_buf_len(&relay->body) >= relay->bridge->body_window;

    inlay_buf_clear(&relay->body);
    if (resume)
        relay->resume = true;
    pthread_mutex_unlock(&relay->lock);
    if (resume)
        inlay_relay_post(relay);
}

void inlay_relay_body_room(struct inlay_relay *relay, struct inlay_chunk *chunk)
{
    pthread_mutex_lock(&relay->lock);
    relay->room = chunk;
    pthread_mutex_unlock(&relay->lock);
}

void inlay_relay_start(struct inlay_relay *relay, int status)
{
    inlay_buf_clear(&relay->answer);
    relay->nheaders = 0;
    relay->inlined = 0;
    relay->status = status;
}

/* --- Records ------------------------------------------------------------- */

int inlay_record_pack(struct inlay_buf *out,
                      struct inlay_str name,
                      struct inlay_str value)
{
    uint32_t lens[2] = {(uint32_t)name.len, (uint32_t)value.len};

    if (name.len > INLAY_ANSWER_HEAD || value.len > INLAY_ANSWER_HEAD ||
        inlay_buf_reserve(out, sizeof(lens) + name.len + value.len) < 0)
        return -1;
    memcpy(inlay_buf_tail(out), lens, sizeof(lens));
    inlay_buf_added(out, sizeof(lens));
    if (inlay_buf_append_str(out, name) < 0)
        return -1;
    inlay_ascii_lower_all(inlay_buf_tail(out) - name.len, name.len);
    return inlay_buf_append_str(out, value);
}

int inlay_record_put(struct inlay_buf *out,
                     struct inlay_record record,
                     struct inlay_str bytes)
{
    if (inlay_buf_reserve(out, sizeof(record) + bytes.len) < 0)
        return -1;
    memcpy(inlay_buf_tail(out), &record, sizeof(record));
    inlay_buf_added(out, sizeof(record));
    return inlay_buf_append_str(out, bytes);
}

struct inlay_record inlay_record_take(struct inlay_buf *in,
                                      struct inlay_str *bytes_ret)
{
    struct inlay_record record = inlay_record_peek(in);

    *bytes_ret = inlay_str_make(in->data + in->start + sizeof(record),
                                record.in_chunk ? 0 : record.len);
    inlay_buf_consume(in, sizeof(record) + bytes_ret->len);
    return record;
}

/* --- The answer ---------------------------------------------------------- */

bool inlay_relay_hold(struct inlay_relay *relay, size_t len)
{
    /* One message may be of any size. */
    if (relay->held >
        inlay_max((size_t)INLAY_RELAY_UNSENT, relay->bridge->write_window))
        return false;
    relay->held += len;
    return true;
}

bool inlay_relay_full(const struct inlay_relay *relay)
{
    return relay->boxed + relay->writing > relay->bridge->write_window;
}

enum inlay_relay_status inlay_relay_header(struct inlay_relay *relay,
                                           struct inlay_str name,
                                           struct inlay_str value)
{
    if (inlay_record_pack(&relay->answer, name, value) < 0)
        return INLAY_RELAY_FULL;
    relay->nheaders++;
    return INLAY_RELAY_OK;
}

/*
 * Puts a whole small body beside the head, anything else in a chunk of its
 * own, which the connection then takes without another copy.
 */
static int box_bytes(struct inlay_relay *relay,
                     struct inlay_str bytes,
                     bool whole,
                     struct inlay_chunk **ret)
{
    *ret = NULL;
    if (bytes.len == 0)
        return 0;
    if (whole && bytes.len <= INLINE_BODY &&
        inlay_buf_append_str(&relay->answer, bytes) == 0) {
        relay->inlined = bytes.len;
        return 0;
    }
    struct inlay_chunk *chunk = inlay_chunk_create(bytes.len);
    if (!chunk)
        return -1;
    memcpy(chunk->data, bytes.ptr, bytes.len);
    *ret = chunk;
    return 0;
}

/* Under the lock: OK, GONE or OVER; the chunk is taken if it is OK. */
static enum inlay_relay_status box_chunk(struct inlay_relay *relay,
                                         struct inlay_chunk *chunk)
{
    if (relay->gone)
        return INLAY_RELAY_GONE;
    if (!chunk)
        return INLAY_RELAY_OK;
    if (!inlay_relay_hold(relay, chunk->fd < 0 ? chunk->len : 0))
        return INLAY_RELAY_OVER;
    chunk->next = NULL;
    *relay->chunks_last = chunk;
    relay->chunks_last = &chunk->next;
    relay->boxed += chunk->len;
    return INLAY_RELAY_OK;
}

enum inlay_relay_status inlay_relay_send_chunk(struct inlay_relay *relay,
                                               struct inlay_chunk *chunk,
                                               bool more)
{
    bool first = !relay->answered;

    if (first)
        relay->streamed = more;
    pthread_mutex_lock(&relay->lock);
    enum inlay_relay_status status = box_chunk(relay, chunk);
    if (status == INLAY_RELAY_OK) {
        if (first)
            relay->start = true;
        if (!more)
            relay->end = true;
        if (inlay_relay_full(relay))
            status = INLAY_RELAY_WAIT;
    }
    pthread_mutex_unlock(&relay->lock);
    if (status == INLAY_RELAY_GONE || status == INLAY_RELAY_OVER) {
        if (chunk)
            inlay_chunk_destroy(chunk);
        return status;
    }
    relay->answered = true;
    inlay_relay_post(relay);
    return status;
}

enum inlay_relay_status inlay_relay_send(struct inlay_relay *relay,
                                         struct inlay_str bytes,
                                         bool more)
{
    struct inlay_chunk *chunk;

    if (box_bytes(relay, bytes, !relay->answered && !more, &chunk) < 0)
        return INLAY_RELAY_FULL;
    return inlay_relay_send_chunk(relay, chunk, more);
}

enum inlay_relay_status inlay_relay_send_file(struct inlay_relay *relay,
                                              int fd,
                                              uint64_t offset,
                                              size_t len,
                                              bool more)
{
    struct inlay_chunk *chunk = NULL;

    if (len == 0) {
        close(fd);
    } else {
        chunk = inlay_chunk_of_file(fd, offset, len);
        if (!chunk)
            return INLAY_RELAY_FULL;
    }
    return inlay_relay_send_chunk(relay, chunk, more);
}

enum inlay_relay_status inlay_relay_writable(struct inlay_relay *relay)
{
    enum inlay_relay_status status = INLAY_RELAY_OK;

    pthread_mutex_lock(&relay->lock);
    if (relay->gone) {
        status = INLAY_RELAY_GONE;
    } else if (inlay_relay_full(relay)) {
        relay->blocked = true;
        status = INLAY_RELAY_WAIT;
    }
    pthread_mutex_unlock(&relay->lock);
    return status;
}

/* What stands before or after the body. */
static enum inlay_relay_status box_record(struct inlay_relay *relay,
                                          enum inlay_record_kind kind,
                                          struct inlay_str packed,
                                          size_t count)
{
    struct inlay_record record = {
        .len = packed.len, .number = (uint32_t)count, .kind = (uint16_t)kind};
    enum inlay_relay_status status = INLAY_RELAY_OK;

    pthread_mutex_lock(&relay->lock);
    if (relay->gone) {
        status = INLAY_RELAY_GONE;
    } else if (!inlay_relay_hold(relay, packed.len)) {
        status = INLAY_RELAY_OVER;
    } else if (inlay_record_put(&relay->records, record, packed) < 0) {
        status = INLAY_RELAY_FULL;
    } else {
        relay->boxed += packed.len;
        if (kind == INLAY_RECORD_TRAILERS)
            relay->end = true;
    }
    pthread_mutex_unlock(&relay->lock);
    if (status == INLAY_RELAY_OK)
        inlay_relay_post(relay);
    return status;
}

enum inlay_relay_status inlay_relay_inform(struct inlay_relay *relay,
                                           struct inlay_str packed,
                                           size_t count)
{
    if (relay->answered)
        return INLAY_RELAY_OK;
    return box_record(relay, INLAY_RECORD_INFORM, packed, count);
}

enum inlay_relay_status inlay_relay_trailers(struct inlay_relay *relay)
{
    return box_record(relay, INLAY_RECORD_TRAILERS,
                      inlay_buf_view(&relay->inbox), relay->ntrailers);
}

void inlay_relay_abort(struct inlay_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    bool post = !relay->gone && !relay->end;
    relay->abort = true;
    pthread_mutex_unlock(&relay->lock);
    relay->answered = true;
    if (post)
        inlay_relay_post(relay);
}
