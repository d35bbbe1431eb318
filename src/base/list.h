/*
 * list.h - an intrusive doubly linked list. The head is a node; an entry that
 * is in no list points to itself.
 */
#ifndef INLAY_BASE_LIST_H
#define INLAY_BASE_LIST_H

#include <stdbool.h>

#include "base/macros.h"

struct inlay_list {
    struct inlay_list *next, *prev;
};

static inline void inlay_list_init(struct inlay_list *list)
{
    list->next = list->prev = list;
}

static inline bool inlay_list_empty(const struct inlay_list *list)
{
    return list->next == list;
}

static inline void inlay_list_append(struct inlay_list *list,
                                     struct inlay_list *entry)
{
    entry->prev = list->prev;
    entry->next = list;
    list->prev->next = entry;
    list->prev = entry;
}

/* Allowed on an entry that is in no list. */
static inline void inlay_list_remove(struct inlay_list *entry)
{
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    inlay_list_init(entry);
}

#define inlay_list_entry(node, type, member)                                   \
    inlay_container_of(node, type, member)

/* The entry at hand may be removed in the body. */
#define inlay_list_for_each(node, list)                                        \
    for (struct inlay_list *node = (list)->next, *node##_next = node->next;    \
         node != (list); node = node##_next, node##_next = node->next)

#endif
