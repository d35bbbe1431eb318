/*
 * Routes and no Python application: `inlay run routes.c`, then
 *
 *     curl --json '{"title": "Buy milk"}' localhost:8000/notes
 *     curl localhost:8000/notes/0
 *
 * and http://localhost:8000/docs in a browser.
 */
#include <inlay.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NOTES_MOST 1000
#define TITLE_MOST 200

struct note {
    int64_t id;
    inlay_str title;
    bool done;
};
INLAY_SLICE(notes, struct note);

struct new_note {
    inlay_str title;
};
INLAY_LENGTH(struct new_note, title, 1, TITLE_MOST);

/* I/O threads share it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char *title;
    bool done;
} store[NOTES_MOST];
static int64_t count;

/* Of the store, with a title that stays when that changes. */
static struct note copy_note(int64_t id)
{
    inlay_str title = {store[id].title, strlen(store[id].title)};

    return (struct note){id, inlay_copy(title), store[id].done};
}

/// All notes, the oldest first.
notes list_notes(int64_t limit)
{
    notes all = {NULL, 0};

    pthread_mutex_lock(&lock);
    all.len = (size_t)(limit < count ? limit : count);
    all.ptr = inlay_alloc(all.len * sizeof(struct note));
    if (!all.ptr)
        all.len = 0;
    for (size_t i = 0; i < all.len; i++)
        all.ptr[i] = copy_note((int64_t)i);
    pthread_mutex_unlock(&lock);
    return all;
}
INLAY_DEFAULT(list_notes, limit, 20);
INLAY_RANGE(list_notes, limit, 1, NOTES_MOST);
INLAY_GET("/notes", list_notes);

/// One note.
struct note get_note(int64_t id)
{
    struct note found = {0};

    pthread_mutex_lock(&lock);
    if (id >= 0 && id < count)
        found = copy_note(id);
    else
        inlay_fail(INLAY_NOT_FOUND, "no note %d", (int)id);
    pthread_mutex_unlock(&lock);
    return found;
}
INLAY_GET("/notes/{id}", get_note);
INLAY_ANSWERS(get_note, 404, "There is no such note");

/// A new note.
struct note add_note(struct new_note note)
{
    struct note added = {0};
    char *title = strndup(note.title.ptr, note.title.len);

    pthread_mutex_lock(&lock);
    if (!title || count == NOTES_MOST) {
        inlay_fail(INLAY_UNAVAILABLE, "there is no room for more notes");
        free(title);
    } else {
        store[count].title = title;
        added = copy_note(count++);
    }
    pthread_mutex_unlock(&lock);
    if (!inlay_failed())
        inlay_header_set("location", "/notes/%d", (int)added.id);
    return added;
}
INLAY_POST("/notes", add_note);
INLAY_STATUS(add_note, 201);

/// It is done.
struct note finish_note(int64_t id)
{
    struct note found = get_note(id);

    if (inlay_failed())
        return found;
    pthread_mutex_lock(&lock);
    store[id].done = found.done = true;
    pthread_mutex_unlock(&lock);
    return found;
}
INLAY_PUT("/notes/{id}/done", finish_note);
