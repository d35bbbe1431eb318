/* db_call.c - calls of functions that have an inlay_db *. */
#include "base/cleanup.h"
#include "db/call.h"
#include "py/callable.h"

#include "base/banned.h"

/* One in the room of a call; C gets `pointer`. */
struct inlay_py_db {
    inlay_db *pointer;
    struct inlay_db db;
};

size_t inlay_py_db_room(void)
{
    return sizeof(struct inlay_py_db);
}

static struct inlay_py_db *db_at(const struct inlay_py_running *running,
                                 size_t index)
{
    size_t offset = running->plan->dbs[index].offset;

    return (struct inlay_py_db *)(void *)(running->room + offset);
}

/* False: the call has failed, for there is no such database. */
static bool begin(const struct inlay_py_running *running, size_t index)
{
    const struct inlay_py_plan *plan = running->plan;
    const struct inlay_py_db_param *param = &plan->dbs[index];
    struct inlay_context *context = running->frame->context;
    struct inlay_py_db *made = db_at(running, index);
    void **values = (void **)(void *)running->room + plan->nparams;
    struct inlay_database *database;

    _cleanup_error_ struct inlay_error *error =
        inlay_database_find(param->name, &database);
    if (error) {
        inlay_context_fail(context, INLAY_INTERNAL,
                           inlay_str_from(error->message));
        return false;
    }
    inlay_db_begin(&made->db, database, context, NULL, NULL, NULL);
    made->pointer = &made->db;
    values[param->slot] = &made->pointer;
    return true;
}

void inlay_py_db_invoke(const struct inlay_py_running *running)
{
    size_t ndbs = running->plan->ndbs, begun = 0;

    /* Rows lie in the arena. */
    running->frame->context->dirty = true;
    while (begun < ndbs && begin(running, begun))
        begun++;
    if (begun == ndbs)
        inlay_py_running_invoke(running);
    else
        memset(running->room + running->plan->result_offset, 0,
               running->plan->result->c->size);
    while (begun > 0)
        inlay_db_end(&db_at(running, --begun)->db);
}

static void invoke_unlocked(const struct inlay_py_running *running)
{
    PyThreadState *thread = PyEval_SaveThread();

    inlay_py_db_invoke(running);
    PyEval_RestoreThread(thread);
}

PyObject *inlay_py_db_call(PyObject *callable,
                           PyObject *const *args,
                           size_t nargsf,
                           PyObject *kwnames)
{
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)callable)->plan;

    /* Swapped since it was looked up. */
    if (inlay_unlikely(plan->vectorcall != inlay_py_db_call))
        return plan->vectorcall(callable, args, nargsf, kwnames);
    return inlay_py_running_call(plan, args, (size_t)PyVectorcall_NARGS(nargsf),
                                 kwnames, inlay_py_db_invoke);
}

PyObject *inlay_py_db_call_unlocked(PyObject *callable,
                                    PyObject *const *args,
                                    size_t nargsf,
                                    PyObject *kwnames)
{
    const struct inlay_py_plan *plan =
        ((struct inlay_py_function *)callable)->plan;

    if (inlay_unlikely(plan->vectorcall != inlay_py_db_call_unlocked))
        return plan->vectorcall(callable, args, nargsf, kwnames);
    return inlay_py_running_call(plan, args, (size_t)PyVectorcall_NARGS(nargsf),
                                 kwnames, invoke_unlocked);
}
