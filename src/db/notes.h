/*
 * notes.h - notifications that wait for whoever listens: a bounded queue, whose
 * oldest go when it is full. One thread at a time.
 */
#ifndef INLAY_DB_NOTES_H
#define INLAY_DB_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* The longest name of a channel (PostgreSQL, 4.1.1: NAMEDATALEN - 1). */
#define INLAY_CHANNEL_MOST 63

static inline bool inlay_channel_valid(struct inlay_str channel)
{
    return channel.len && channel.len <= INLAY_CHANNEL_MOST &&
           !memchr(channel.ptr, '\0', channel.len);
}

struct inlay_note {
    struct inlay_note *next;
    struct inlay_str channel; /* a view of the listener's own */
    uint32_t lost;            /* before it */
    size_t len;
    char payload[]; /* and a NUL */
};

struct inlay_note_queue {
    struct inlay_note *first, **last; /* oldest first */
    size_t count;
    uint32_t lost; /* since the newest of them */
};

void inlay_note_queue_init(struct inlay_note_queue *notes);
void inlay_note_queue_deinit(struct inlay_note_queue *notes);

/* `payload` is copied; what there is no memory for is lost. `channel` outlives
 * the note. */
void inlay_note_queue_push(struct inlay_note_queue *notes,
                           struct inlay_str channel,
                           struct inlay_str payload);

/* The oldest, the caller's to inlay_free; NULL: there is none. */
struct inlay_note *inlay_note_queue_take(struct inlay_note_queue *notes);

#endif
