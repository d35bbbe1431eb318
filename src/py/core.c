/* core.c - the extension module `inlay._core`: its state and its parts. */
#include "py/py.h"

#include "base/mem.h"
#include "py/state.h"

#include "base/banned.h"

static int core_exec(PyObject *module)
{
    struct inlay_py_state *state = inlay_py_state_of(module);

#define PART(part)                                                             \
    if (inlay_py_##part##_init(module, state) < 0)                             \
        return -1;
    INLAY_PY_PARTS(PART)
#undef PART
    return 0;
}

static int core_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct inlay_py_state *state = inlay_py_state_of(module);

    if (!state)
        return 0;
#define REF(type, name) Py_VISIT(state->name);
    INLAY_PY_REFS(REF)
#undef REF
    for (size_t i = 0; i < INLAY_PY_ERROR_KINDS; i++)
        Py_VISIT(state->errors[i]);
    return inlay_asgi_state_traverse(&state->asgi, visit, arg);
}

static int core_clear(PyObject *module)
{
    struct inlay_py_state *state = inlay_py_state_of(module);

    if (!state)
        return 0;
#define REF(type, name) Py_CLEAR(state->name);
    INLAY_PY_REFS(REF)
#undef REF
    for (size_t i = 0; i < INLAY_PY_ERROR_KINDS; i++)
        Py_CLEAR(state->errors[i]);
    inlay_asgi_state_clear(&state->asgi);
    return 0;
}

static void core_free(void *module)
{
    struct inlay_py_state *state = inlay_py_state_of(module);

    core_clear(module);
    if (!state)
        return;
    /* Threads that still run keep their memory: nobody is left to free it. */
    if (state->has_thread_key)
        pthread_key_delete(state->thread_key);
    state->has_thread_key = false;
    inlay_free(state->modules);
    state->modules = NULL;
    state->nmodules = state->modules_size = 0;
}

static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, core_exec},
    INLAY_PY_SLOTS{0, NULL},
};

static struct PyModuleDef core_def = {
    PyModuleDef_HEAD_INIT,           .m_name = "inlay._core",
    .m_doc = "The C part of Inlay.", .m_size = sizeof(struct inlay_py_state),
    .m_slots = core_slots,           .m_traverse = core_traverse,
    .m_clear = core_clear,           .m_free = core_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&core_def);
}
