/*
 * asgi_lend.c - long bodies go out from where the application's bytes objects
 * are, and come in to where they will be, without a copy. The reference that
 * keeps one alive can only be dropped with the GIL, which the I/O thread that
 * has sent it never takes: it is put on a stack, and the Python thread drops
 * it on its next round.
 */
#include "py/py.h"

#include <stddef.h>

#include "base/mem.h"
#include "py/asgi_request.h"
#include "py/relay_io.h"

#include "base/banned.h"

/* What may wait for the next round; more than that asks for one. */
#define RETURNED_MOST (1u << 20)

struct lent {
    struct inlay_chunk chunk; /* first */
    struct inlay_bridge *bridge;
    PyObject *bytes;
};

/* Any thread. */
static void give_back(struct inlay_chunk *chunk)
{
    struct inlay_bridge *bridge = ((struct lent *)chunk)->bridge;
    size_t len = chunk->len;
    size_t waiting = atomic_fetch_add(&bridge->returned_bytes, len);

    chunk->next = atomic_load(&bridge->returned);
    while (
        !atomic_compare_exchange_weak(&bridge->returned, &chunk->next, chunk))
        ;
    if (waiting < RETURNED_MOST && waiting + len >= RETURNED_MOST)
        inlay_bridge_ring(bridge);
}

PyObject *inlay_asgi_landed(struct inlay_chunk *chunk)
{
    struct lent *lent = (struct lent *)chunk;
    PyObject *bytes = lent->bytes;

    /* On failure it is NULL, with an exception. */
    if (chunk->sent < chunk->len)
        _PyBytes_Resize(&bytes, (Py_ssize_t)chunk->sent);
    inlay_free(lent);
    return bytes;
}

struct inlay_chunk *inlay_asgi_room(struct inlay_bridge *bridge, size_t len)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);

    if (!bytes)
        return NULL;
    struct inlay_chunk *chunk = inlay_asgi_lend(bridge, bytes);
    Py_DECREF(bytes);
    if (!chunk)
        PyErr_NoMemory();
    return chunk;
}

struct inlay_chunk *inlay_asgi_lend(struct inlay_bridge *bridge,
                                    PyObject *bytes)
{
    struct lent *lent = inlay_malloc(sizeof(*lent));

    if (!lent)
        return NULL;
    inlay_chunk_lend(&lent->chunk,
                     inlay_str_make(PyBytes_AS_STRING(bytes),
                                    (size_t)PyBytes_GET_SIZE(bytes)),
                     give_back);
    lent->bridge = bridge;
    lent->bytes = Py_NewRef(bytes);
    return &lent->chunk;
}

void inlay_asgi_take_back(struct inlay_bridge *bridge)
{
    if (inlay_likely(!atomic_load(&bridge->returned)))
        return;
    atomic_store(&bridge->returned_bytes, 0);
    struct inlay_chunk *chunk = atomic_exchange(&bridge->returned, NULL);

    while (chunk) {
        struct lent *lent = (struct lent *)chunk;

        chunk = chunk->next;
        Py_DECREF(lent->bytes);
        inlay_free(lent);
    }
}
