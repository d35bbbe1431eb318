/* notes.c - notifications that wait for whoever listens. */
#include "db/notes.h"

#include "base/mem.h"

#include "base/banned.h"

#define WAITING_MOST 1000

void inlay_note_queue_init(struct inlay_note_queue *notes)
{
    *notes = (struct inlay_note_queue){.last = &notes->first};
}

void inlay_note_queue_deinit(struct inlay_note_queue *notes)
{
    struct inlay_note *note;

    while ((note = inlay_note_queue_take(notes)))
        inlay_free(note);
}

struct inlay_note *inlay_note_queue_take(struct inlay_note_queue *notes)
{
    struct inlay_note *note = notes->first;

    if (!note)
        return NULL;
    notes->first = note->next;
    if (!notes->first)
        notes->last = &notes->first;
    notes->count--;
    return note;
}

/* The next one tells of it. */
static void drop_oldest(struct inlay_note_queue *notes)
{
    struct inlay_note *note = inlay_note_queue_take(notes);
    uint32_t *lost = notes->first ? &notes->first->lost : &notes->lost;

    *lost += note->lost + 1;
    inlay_free(note);
}

void inlay_note_queue_push(struct inlay_note_queue *notes,
                           struct inlay_str channel,
                           struct inlay_str payload)
{
    struct inlay_note *note = inlay_malloc(sizeof(*note) + payload.len + 1);

    if (!note) {
        notes->lost++;
        return;
    }
    if (notes->count >= WAITING_MOST)
        drop_oldest(notes);
    *note = (struct inlay_note){
        .channel = channel,
        .lost = notes->lost,
        .len = payload.len,
    };
    if (payload.len)
        memcpy(note->payload, payload.ptr, payload.len);
    note->payload[payload.len] = '\0';
    notes->lost = 0;
    *notes->last = note;
    notes->last = &note->next;
    notes->count++;
}
