#include "net/alarm.h"

#include <stddef.h>

#include "base/clock.h"
#include "net/loop.h"

#include "base/banned.h"

/* Two heaps become one; each may be NULL. */
static struct inlay_alarm *meld(struct inlay_alarm *one,
                                struct inlay_alarm *other)
{
    if (!one || !other)
        return one ? one : other;
    if (other->due < one->due) {
        struct inlay_alarm *later = one;

        one = other;
        other = later;
    }
    other->prev = one;
    other->next = one->child;
    if (one->child)
        one->child->prev = other;
    one->child = other;
    return one;
}

/* Siblings become one heap: in pairs from the left, then all from the right. */
static struct inlay_alarm *meld_siblings(struct inlay_alarm *first)
{
    struct inlay_alarm *pairs = NULL, *heap = NULL;

    while (first) {
        struct inlay_alarm *one = first, *other = first->next;

        first = other ? other->next : NULL;
        one->next = one->prev = NULL;
        if (other)
            other->next = other->prev = NULL;
        one = meld(one, other);
        one->next = pairs;
        pairs = one;
    }
    while (pairs) {
        struct inlay_alarm *one = pairs;

        pairs = one->next;
        one->next = NULL;
        heap = meld(heap, one);
    }
    return heap;
}

/* Out of its parent's children. */
static void cut(struct inlay_alarm *alarm)
{
    if (alarm->prev->child == alarm)
        alarm->prev->child = alarm->next;
    else
        alarm->prev->next = alarm->next;
    if (alarm->next)
        alarm->next->prev = alarm->prev;
}

void inlay_alarm_stop(struct inlay_loop *loop, struct inlay_alarm *alarm)
{
    if (!alarm->is_set)
        return;
    struct inlay_alarm *rest = meld_siblings(alarm->child);
    if (loop->alarms == alarm) {
        loop->alarms = rest;
    } else {
        cut(alarm);
        loop->alarms = meld(loop->alarms, rest);
    }
    alarm->child = alarm->next = alarm->prev = NULL;
    alarm->is_set = false;
}

void inlay_alarm_set(struct inlay_loop *loop,
                     struct inlay_alarm *alarm,
                     uint64_t ms)
{
    uint64_t now = inlay_clock_ms();

    inlay_alarm_stop(loop, alarm);
    /* The clock's milliseconds are cut off: one more, or it rings early. */
    alarm->due = ms < UINT64_MAX - now ? now + ms + 1 : UINT64_MAX;
    alarm->is_set = true;
    loop->alarms = meld(loop->alarms, alarm);
}

void inlay_alarms_ring(struct inlay_loop *loop)
{
    while (loop->alarms && loop->alarms->due <= loop->now) {
        struct inlay_alarm *alarm = loop->alarms;

        inlay_alarm_stop(loop, alarm);
        alarm->on_ring(alarm);
    }
}
