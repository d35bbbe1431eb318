/*
 * asgi.h - what the ASGI side keeps in the extension module's state: its
 * types, interned names and a few constants. Included by state.h, which
 * embeds struct inlay_asgi_state as `asgi`, names the part `server` in
 * INLAY_PY_PARTS (inlay_py_server_init, server.c) and calls the two functions
 * below from the module's traverse and clear.
 */
#ifndef INLAY_PY_ASGI_H
#define INLAY_PY_ASGI_H

#include "py/py.h"

/* Strong references of the module. */
#define INLAY_ASGI_REFS(X)                                                     \
    X(PyTypeObject, server_type)  /* inlay._core.Server */                     \
    X(PyTypeObject, request_type) /* the coroutine of a request's task */      \
    X(PyTypeObject, send_type)                                                 \
    X(PyTypeObject, receive_type)                                              \
    X(PyTypeObject, ready_type)      /* an awaitable that is finished */       \
    X(PyTypeObject, wait_type)       /* one that waits for the I/O thread */   \
    X(PyTypeObject, signal_type)     /* what a task waits on meanwhile */      \
    X(PyTypeObject, capture_type)    /* stands in for loop.call_soon */        \
    X(PyObject, task_class)          /* asyncio.Task */                        \
    X(PyObject, cancelled_error)     /* asyncio.CancelledError */              \
    X(PyObject, invalid_state_error) /* asyncio.InvalidStateError */           \
    X(PyObject, disconnected)        /* inlay._core.ClientDisconnected */      \
    X(PyObject, empty_bytes)         /* b"" */                                 \
    X(PyObject, request_message)     /* of a request without a body */         \
    X(PyObject, disconnect_message)  /* copied for each receive() */           \
    X(PyObject, connect_message)     /* of a WebSocket, as those below */      \
    X(PyObject, text_message)                                                  \
    X(PyObject, bytes_message)                                                 \
    X(PyObject, end_message)                                                   \
    X(PyObject, ready_none)    /* what send() returns when it may go on */     \
    X(PyObject, task_keywords) /* of the vectorcall of task_class */           \
    X(PyObject, logger)        /* logging.getLogger("inlay.error") */

/* Interned strings: name_<field>, text. */
#define INLAY_ASGI_NAMES(X)                                                    \
    X(add_reader, "add_reader")                                                \
    X(asgi, "asgi")                                                            \
    X(body, "body")                                                            \
    X(bytes, "bytes")                                                          \
    X(call_soon, "call_soon")                                                  \
    X(cancel, "cancel")                                                        \
    X(client, "client")                                                        \
    X(close, "close")                                                          \
    X(code, "code")                                                            \
    X(context, "context")                                                      \
    X(count, "count")                                                          \
    X(create_future, "create_future")                                          \
    X(create_task, "create_task")                                              \
    X(done, "done")                                                            \
    X(eager_start, "eager_start")                                              \
    X(early_hint, "http.response.early_hint")                                  \
    X(error, "error")                                                          \
    X(exc_info, "exc_info")                                                    \
    X(extensions, "extensions")                                                \
    X(file, "file")                                                            \
    X(get_task_factory, "get_task_factory")                                    \
    X(headers, "headers")                                                      \
    X(http, "http")                                                            \
    X(http_disconnect, "http.disconnect")                                      \
    X(http_request, "http.request")                                            \
    X(http_version, "http_version")                                            \
    X(https, "https")                                                          \
    X(info, "info")                                                            \
    X(links, "links")                                                          \
    X(log, "log")                                                              \
    X(loop, "loop")                                                            \
    X(method, "method")                                                        \
    X(more_body, "more_body")                                                  \
    X(more_trailers, "more_trailers")                                          \
    X(offset, "offset")                                                        \
    X(path, "path")                                                            \
    X(pathsend, "http.response.pathsend")                                      \
    X(query_string, "query_string")                                            \
    X(raw_path, "raw_path")                                                    \
    X(reason, "reason")                                                        \
    X(remove_reader, "remove_reader")                                          \
    X(response_body, "http.response.body")                                     \
    X(response_debug, "http.response.debug")                                   \
    X(response_start, "http.response.start")                                   \
    X(response_trailers, "http.response.trailers")                             \
    X(root_path, "root_path")                                                  \
    X(route, "route")                                                          \
    X(scheme, "scheme")                                                        \
    X(seek, "seek")                                                            \
    X(server, "server")                                                        \
    X(set_result, "set_result")                                                \
    X(state, "state")                                                          \
    X(status, "status")                                                        \
    X(subprotocol, "subprotocol")                                              \
    X(subprotocols, "subprotocols")                                            \
    X(tell, "tell")                                                            \
    X(text, "text")                                                            \
    X(throw_, "throw")                                                         \
    X(trailers, "trailers")                                                    \
    X(type, "type")                                                            \
    X(websocket, "websocket")                                                  \
    X(websocket_accept, "websocket.accept")                                    \
    X(websocket_body, "websocket.http.response.body")                          \
    X(websocket_close, "websocket.close")                                      \
    X(websocket_connect, "websocket.connect")                                  \
    X(websocket_disconnect, "websocket.disconnect")                            \
    X(websocket_receive, "websocket.receive")                                  \
    X(websocket_response, "websocket.http.response")                           \
    X(websocket_send, "websocket.send")                                        \
    X(websocket_start, "websocket.http.response.start")                        \
    X(ws, "ws")                                                                \
    X(wss, "wss")                                                              \
    X(zerocopysend, "http.response.zerocopysend")

struct inlay_asgi_state {
#define INLAY_ASGI_REF_(type, field) type *field;
    INLAY_ASGI_REFS(INLAY_ASGI_REF_)
#undef INLAY_ASGI_REF_
#define INLAY_ASGI_NAME_(field, text) PyObject *name_##field;
    INLAY_ASGI_NAMES(INLAY_ASGI_NAME_)
#undef INLAY_ASGI_NAME_
};

/*
 * What only a server needs, on the first one's creation: a script that just
 * imports C files would wait 40 ms for asyncio and logging. 0 or -1.
 */
int inlay_asgi_runtime_init(struct inlay_asgi_state *state);

int inlay_asgi_state_traverse(struct inlay_asgi_state *state,
                              visitproc visit,
                              void *arg);
void inlay_asgi_state_clear(struct inlay_asgi_state *state);

#endif
