/*
 * database_config.c - which databases there are, as inlay/database.py says.
 *
 *   def configure_database(name, url, min_size=0, max_size=0, pool_timeout=0,
 *                          statement_timeout=0, statement_cache=0, *,
 *                          check=False):
 *       """Replaces the one of that name, unless it is open; times are
 *       milliseconds, 0 stands for the default, -1 for none. With `check` it
 *       is only looked at. ValueError; no password is in its text."""
 *   def database_configured(name) -> bool
 *       """Is there one? Nobody is asked to configure it."""
 *   def databases() -> list[tuple[str, str, int, bool]]:
 *       """Name ("default"), URL without password, most connections, and
 *       whether it is open."""
 */
#include "py/py.h"

#include "db/database.h"
#include "py/errors.h"
#include "py/state.h"

#include "base/banned.h"

/* Of a keyword: -1 is none. ValueError. */
static int read_number(const char *name, long long given, uint32_t *ret)
{
    if (given < -1 || given >= UINT32_MAX) {
        PyErr_Format(PyExc_ValueError, "%s of a database is out of range",
                     name);
        return -1;
    }
    *ret = given == -1 ? UINT32_MAX : (uint32_t)given;
    return 0;
}

static PyObject *configure_database(PyObject *module inlay_unused,
                                    PyObject *args,
                                    PyObject *kwargs)
{
    static const char *const names[] = {"name",
                                        "url",
                                        "min_size",
                                        "max_size",
                                        "pool_timeout",
                                        "statement_timeout",
                                        "statement_cache",
                                        "check",
                                        NULL};
    struct inlay_database_config config = {.min = 0};
    const char *name, *url;
    Py_ssize_t name_len, url_len;
    long long min = 0, max = 0, pool = 0, statement = 0, cache = 0;
    int check = 0;

    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "s#s#|LLLLL$p:configure_database",
            (char **)(uintptr_t)names, &name, &name_len, &url, &url_len, &min,
            &max, &pool, &statement, &cache, &check))
        return NULL;
    if (read_number("min_size", min, &config.min) < 0 ||
        read_number("max_size", max, &config.max) < 0 ||
        read_number("pool_timeout", pool, &config.pool_timeout) < 0 ||
        read_number("statement_timeout", statement, &config.statement_timeout) <
            0 ||
        read_number("statement_cache", cache, &config.statements) < 0)
        return NULL;
    config.name = inlay_str_make(name, (size_t)name_len);
    config.url = inlay_str_make(url, (size_t)url_len);
    struct inlay_error *error = check ? inlay_databases_check(&config)
                                      : inlay_databases_configure(&config);
    if (error) {
        inlay_py_raise(error);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *list_databases(PyObject *module inlay_unused,
                                PyObject *unused inlay_unused)
{
    struct inlay_database *database;
    PyObject *list = PyList_New(0);

    for (size_t i = 0; list && (database = inlay_database_at(i)); i++) {
        const char *name = *database->name ? database->name : "default";
        PyObject *each = Py_BuildValue(
            "(ss#IN)", name, database->shown.ptr,
            (Py_ssize_t)database->shown.len, (unsigned)database->config.max,
            PyBool_FromLong(atomic_load(&database->is_open)));

        if (!each || PyList_Append(list, each) < 0)
            Py_CLEAR(list);
        Py_XDECREF(each);
    }
    return list;
}

static PyObject *database_configured(PyObject *module inlay_unused,
                                     PyObject *arg)
{
    struct inlay_database *database;
    const char *name = PyUnicode_AsUTF8(arg);

    if (!name)
        return NULL;
    if (strcmp(name, "default") == 0)
        name = "";
    for (size_t i = 0; (database = inlay_database_at(i)); i++)
        if (strcmp(database->name, name) == 0)
            Py_RETURN_TRUE;
    Py_RETURN_FALSE;
}

/* Nobody has configured it so far: inlay.database.missing may. */
static void ask_python(struct inlay_str name)
{
    if (!Py_IsInitialized())
        return;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *module = PyImport_ImportModule("inlay.database");
    PyObject *done = module ? PyObject_CallMethod(module, "missing", "s#",
                                                  name.len ? name.ptr : "",
                                                  (Py_ssize_t)name.len)
                            : NULL;

    if (!done)
        PyErr_WriteUnraisable(module);
    Py_XDECREF(done);
    Py_XDECREF(module);
    PyGILState_Release(gil);
}

static PyMethodDef functions[] = {
    {"configure_database", (PyCFunction)(void (*)(void))configure_database,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"databases", list_databases, METH_NOARGS, NULL},
    {"database_configured", database_configured, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

int inlay_py_databases_init(PyObject *module,
                            struct inlay_py_state *state inlay_unused)
{
    inlay_databases_missing(ask_python);
    return PyModule_AddFunctions(module, functions);
}
