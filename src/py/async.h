/*
 * async.h - calls that run on the pool of threads (pool/workers.h) and are
 * awaited: of INLAY_ASYNC functions, and inlay.run_in_pool. Hold the GIL.
 *
 * The arguments are converted when the function is called, and kept. The
 * coroutine's first step hands the call to the pool (job.h); a thread there
 * runs the C function in a context of its own and never takes the GIL; the
 * loop's thread makes the result.
 *
 * Cancelled before a thread has it, a call never runs. Later it runs to its
 * end, with its arguments kept, and its result is dropped.
 */
#ifndef INLAY_PY_ASYNC_H
#define INLAY_PY_ASYNC_H

#include "py/py.h"

#include "py/callable.h"

/* vectorcall of an INLAY_ASYNC function: a new inlay.Call. */
PyObject *inlay_py_async_call(PyObject *callable,
                              PyObject *const *args,
                              size_t nargsf,
                              PyObject *kwnames);

/*
 * Makes the function a coroutine function to inspect, asyncio and Starlette,
 * or no longer one, as its plan says. -1 with an exception.
 */
int inlay_py_async_mark(struct inlay_py_function *function);

#endif
