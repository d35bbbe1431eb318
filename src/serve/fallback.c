/* The last of every chain: nobody knows this path, or not this method. */
#include "base/mem.h"
#include "serve/response.h"
#include "serve/session.h"

#include "base/banned.h"

static enum inlay_outcome on_request(struct inlay_handler *handler,
                                     struct inlay_request *request)
{
    (void)handler;
    if (request->native_allow.len)
        inlay_response_error(request, 405, INLAY_STR("Method Not Allowed"));
    else
        inlay_response_error(request, 404, INLAY_STR("Not Found"));
    return INLAY_HANDLED;
}

static void destroy(struct inlay_handler *handler)
{
    inlay_free(handler);
}

static const struct inlay_handler_ops fallback_ops = {
    .on_request = on_request,
    .destroy = destroy,
};

struct inlay_error *inlay_fallback_create(struct inlay_handler **ret)
{
    struct inlay_handler *handler = inlay_malloc(sizeof(*handler));

    if (!handler)
        return inlay_error_no_memory();
    handler->ops = &fallback_ops;
    *ret = handler;
    return NULL;
}
