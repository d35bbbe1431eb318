#include "serve/scratch.h"

#include "http/http1.h"
#include "net/conn.h"
#include "serve/response.h"
#include "serve/server.h"

#include "base/banned.h"

#define KEPT ((size_t)64 << 10)       /* between requests */
#define CHUNK_FROM ((size_t)64 << 10) /* larger answers go as a chunk */

struct inlay_buf *inlay_scratch_begin(struct inlay_request *request)
{
    struct inlay_buf *scratch = &request->thread->scratch;

    if (!scratch->limit)
        inlay_buf_init(scratch,
                       request->thread->server->config.limits.request_memory);
    inlay_buf_clear(scratch);
    return scratch;
}

void inlay_scratch_drop(struct inlay_request *request)
{
    inlay_buf_shrink(&request->thread->scratch, KEPT);
}

void inlay_scratch_send(struct inlay_request *request, int status)
{
    const struct inlay_str json = INLAY_STR("application/json");
    struct inlay_str body = inlay_buf_view(&request->thread->scratch);
    struct inlay_header header = {INLAY_STR("content-type"), json};
    struct inlay_chunk *chunk = NULL;

    if (inlay_likely(body.len < CHUNK_FROM)) {
        inlay_response_send(request, status, json, body);
        return;
    }
    chunk = inlay_chunk_create(body.len);
    if (chunk)
        memcpy(chunk->data, body.ptr, body.len);
    inlay_scratch_drop(request);
    if (!chunk) {
        inlay_response_error(request, 503, inlay_http_reason(503));
    } else if (inlay_response_start(request, status, &header, 1,
                                    (int64_t)chunk->len) < 0) {
        inlay_chunk_destroy(chunk);
        inlay_response_abort(request);
    } else if (inlay_response_write_chunk(request, chunk) < 0) {
        inlay_response_abort(request);
    } else {
        inlay_response_end(request);
    }
}
