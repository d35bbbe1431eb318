#include "serve/collect.h"

#include "base/banned.h"

#define FIRST ((size_t)64 << 10) /* first room for a body */

/*
 * Room for `more` bytes of body. An announced length is room to grow to, not
 * to begin with: memory follows what has really arrived.
 */
static int make_room(struct inlay_request *request,
                     struct inlay_collected *body,
                     size_t more)
{
    size_t need = body->len + more;
    size_t size = inlay_max(body->size * 2, inlay_max(need, FIRST));

    if (need <= body->size)
        return 0;
    if (request->content_length >= 0)
        size =
            inlay_max(need, inlay_min(size, (size_t)request->content_length));
    char *grown = inlay_arena_alloc(&request->arena, size);
    if (!grown)
        return -1;
    if (body->len)
        memcpy(grown, body->data, body->len);
    body->data = grown;
    body->size = size;
    return 0;
}

int inlay_collect(struct inlay_request *request,
                  struct inlay_collected *body,
                  struct inlay_str chunk)
{
    if (!chunk.len)
        return 0;
    if (make_room(request, body, chunk.len) < 0)
        return -1;
    memcpy(body->data + body->len, chunk.ptr, chunk.len);
    body->len += chunk.len;
    return 0;
}
