/*
 * nativemodule.c - inlay._core.load: a shared object -> callables and classes.
 * The importer puts `namespace` into an ordinary Python module.
 *
 * A module that takes the place of another one (a hot swap) keeps its
 * functions and classes: whoever holds one of them has the new code. All that
 * can fail is done first, on the side.
 */
#include "py/py.h"

#include <stddef.h>

#include "base/mem.h"
#include "load/crash.h"
#include "py/async.h"
#include "py/binding.h"
#include "py/callable.h"
#include "py/errors.h"
#include "py/handle.h"
#include "py/structtype.h"
#include "serve/inject.h"

#include "base/banned.h"

struct native_module {
    PyObject_HEAD
    struct inlay_py_module *binding;
    PyObject *name, *path;
    PyObject *namespace; /* name -> Function or class */
    PyObject *reasons;   /* name of C -> why it is not there */
    PyObject *routes;    /* (methods, path, function, status, "file:line") */
    PyObject *replaces;  /* names of functions with INLAY_REPLACES */
    PyObject *provides;  /* (function, what it gives, is it a state?, colour,
                            "file:line") */
    PyObject *guards;    /* (pattern, function, after?, colour, "file:line") */
    PyObject *layers;    /* (pattern, name, value, "file:line") */
    PyObject *docs;      /* name of C -> the comment above it */
    PyObject *removed;   /* names that only the generation before had */
    unsigned long generation; /* 1, 2… */
    /*
     * Every Function and Method of all generations by its name; that of a
     * constructor is "counter()".
     */
    PyObject *known;
};

/* What a function of `known` is going to call. */
struct change {
    struct inlay_py_function *function;
    const struct inlay_py_plan *plan;
};

struct changes {
    struct change *items; /* the module's memory */
    size_t count;
    PyObject *present; /* set: the keys of `known` that C has now */
};

static int native_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct native_module *self = (struct native_module *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->namespace);
    Py_VISIT(self->reasons);
    Py_VISIT(self->routes);
    Py_VISIT(self->replaces);
    Py_VISIT(self->provides);
    Py_VISIT(self->guards);
    Py_VISIT(self->layers);
    Py_VISIT(self->docs);
    Py_VISIT(self->removed);
    Py_VISIT(self->known);
    return 0;
}

static int native_clear(PyObject *object)
{
    struct native_module *self = (struct native_module *)object;

    Py_CLEAR(self->namespace);
    Py_CLEAR(self->reasons);
    Py_CLEAR(self->routes);
    Py_CLEAR(self->replaces);
    Py_CLEAR(self->provides);
    Py_CLEAR(self->guards);
    Py_CLEAR(self->layers);
    Py_CLEAR(self->docs);
    Py_CLEAR(self->removed);
    Py_CLEAR(self->known);
    return 0;
}

static void native_dealloc(PyObject *object)
{
    struct native_module *self = (struct native_module *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    native_clear(object);
    Py_CLEAR(self->name);
    Py_CLEAR(self->path);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *native_repr(PyObject *object)
{
    struct native_module *self = (struct native_module *)object;

    return PyUnicode_FromFormat("<inlay module %R from %R>", self->name,
                                self->path);
}

#define MEMBER(name)                                                           \
    {                                                                          \
#name, Py_T_OBJECT_EX,                                                 \
            (Py_ssize_t)offsetof(struct native_module, name), Py_READONLY,     \
            NULL                                                               \
    }

static PyMemberDef native_members[] = {
    MEMBER(name),
    MEMBER(path),
    MEMBER(namespace),
    MEMBER(reasons),
    MEMBER(routes),
    MEMBER(replaces),
    MEMBER(provides),
    MEMBER(guards),
    MEMBER(layers),
    MEMBER(docs),
    MEMBER(removed),
    {"generation", Py_T_ULONG,
     (Py_ssize_t)offsetof(struct native_module, generation), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static struct inlay_py_module *binding_create(struct inlay_py_state *state,
                                              struct inlay_module *native,
                                              PyObject *name,
                                              struct native_module *previous)
{
    struct inlay_py_module *binding = inlay_calloc(1, sizeof(*binding));

    if (!binding) {
        PyErr_NoMemory();
        return NULL;
    }
    inlay_arena_init(&binding->arena, (size_t)1 << 30);
    binding->state = state;
    binding->native = native;
    binding->name = Py_NewRef(name);
    binding->previous = previous ? previous->binding : NULL;
    return binding;
}

/* "it is the method add of counter" */
static PyObject *reason_of(const struct inlay_func *func)
{
    const struct inlay_object *object = func->object;

    if (func->reason.len || !object)
        return inlay_py_text(func->reason);
    _cleanup_decref_ PyObject *class = inlay_py_text(object->name);
    _cleanup_decref_ PyObject *name = inlay_py_text(func->name);
    if (!class || !name)
        return NULL;
    if (func == object->create || func == object->destroy)
        return PyUnicode_FromFormat(
            "it is the %s of %U",
            func == object->create ? "constructor" : "finalizer", class);
    _cleanup_decref_ PyObject *method = PyUnicode_Substring(
        name, PyUnicode_GET_LENGTH(class) + 1, PyUnicode_GET_LENGTH(name));
    return method ? PyUnicode_FromFormat("it is the method %U of %U", method,
                                         class)
                  : NULL;
}

static int add_reason(struct native_module *self, const struct inlay_func *func)
{
    _cleanup_decref_ PyObject *name = inlay_py_text(func->name);
    _cleanup_decref_ PyObject *reason = reason_of(func);

    return name && reason ? PyDict_SetItem(self->reasons, name, reason) : -1;
}

/* Its key in `known`. */
static PyObject *key_of(const struct inlay_py_plan *plan)
{
    if (plan->callable->func->object && !plan->method)
        return PyUnicode_FromFormat("%U()", plan->name);
    return Py_NewRef(plan->name);
}

/* The one function of that name there ever is; it has the plan yet to come. */
static PyObject *make_function(struct native_module *self,
                               const struct inlay_py_plan *plan,
                               struct changes *changes)
{
    _cleanup_decref_ PyObject *key = key_of(plan);
    PyObject *function = key ? inlay_py_dict_get(self->known, key) : NULL;

    if (function) {
        changes->items[changes->count++] =
            (struct change){(struct inlay_py_function *)function, plan};
        if (PySet_Add(changes->present, key) < 0)
            Py_CLEAR(function);
        return function;
    }
    function = PyErr_Occurred() ? NULL : inlay_py_function_create(plan);
    if (function && (PyDict_SetItem(self->known, key, function) < 0 ||
                     PySet_Add(changes->present, key) < 0))
        Py_CLEAR(function);
    return function;
}

static int add_function(struct native_module *self,
                        const struct inlay_callable *callable,
                        struct changes *changes)
{
    const struct inlay_func *func = callable->func;
    const struct inlay_py_plan *plan =
        inlay_py_plan_create(self->binding, callable);
    _cleanup_decref_ PyObject *function =
        plan ? make_function(self, plan, changes) : NULL;

    if (!function)
        return -1;
    if (!func->object)
        return PyDict_SetItem(self->namespace, plan->name, function);
    struct inlay_py_object *object =
        inlay_py_object_bind(self->binding, func->object);
    return object ? inlay_py_object_add(object, func, plan, function) : -1;
}

static int add_functions(struct native_module *self, struct changes *changes)
{
    const struct inlay_module *native = self->binding->native;

    for (size_t i = 0; i < native->ncallables; i++) {
        const struct inlay_callable *callable = &native->callables[i];
        const struct inlay_func *func = callable->func;
        bool callable_here =
            callable->plan && !(func->object && func == func->object->destroy);

        if (!func->exported)
            continue;
        if ((!callable->plan || func->object) && add_reason(self, func) < 0)
            return -1;
        if (callable_here && add_function(self, callable, changes) < 0)
            return -1;
    }
    return 0;
}

/* Members of classes that can't be called: whoever asks is told why. */
static int add_refusals(struct native_module *self)
{
    const struct inlay_module *native = self->binding->native;

    for (size_t i = 0; i < native->ncallables; i++) {
        const struct inlay_func *func = native->callables[i].func;

        if (!func->exported || !func->object || native->callables[i].plan)
            continue;
        struct inlay_py_object *object =
            inlay_py_object_bind(self->binding, func->object);
        _cleanup_decref_ PyObject *reason = inlay_py_text(func->reason);
        if (!object || !reason ||
            inlay_py_object_add(object, func, NULL, reason) < 0)
            return -1;
    }
    return 0;
}

/* Why a function that was there is not any more. */
static PyObject *explain(const struct native_module *self,
                         const struct inlay_py_plan *former)
{
    const struct inlay_func *func = former->callable->func;
    const struct inlay_callable *now =
        inlay_module_find(self->binding->native, func->name);

    if (now && now->func->exported) {
        _cleanup_decref_ PyObject *reason = reason_of(now->func);
        return reason ? PyUnicode_FromFormat("%U.%U can't be called: %U",
                                             self->name, former->name, reason)
                      : NULL;
    }
    _cleanup_decref_ PyObject *file = inlay_py_file_name(&func->decl);
    return file ? PyUnicode_FromFormat("%U.%U was removed from %U", self->name,
                                       former->name, file)
                : NULL;
}

/* What earlier generations had and this one has not says so when called. */
static int add_gone(struct native_module *self, struct changes *changes)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    while (PyDict_Next(self->known, &at, &key, &value)) {
        struct inlay_py_function *function = (struct inlay_py_function *)value;
        int present = PySet_Contains(changes->present, key);

        if (present < 0)
            return -1;
        if (present || function->plan->gone)
            continue;
        _cleanup_decref_ PyObject *why = explain(self, function->plan);
        const struct inlay_py_plan *plan =
            why ? inlay_py_plan_create_gone(function->plan, why) : NULL;
        if (!plan)
            return -1;
        changes->items[changes->count++] = (struct change){function, plan};
    }
    return 0;
}

/* The names that only `previous` has. */
static PyObject *removed_names(const struct native_module *self,
                               const struct native_module *previous)
{
    PyObject *names = PyList_New(0), *name, *value;
    Py_ssize_t at = 0;

    while (names && previous &&
           PyDict_Next(previous->namespace, &at, &name, &value)) {
        int there = PyDict_Contains(self->namespace, name);

        if (there < 0 || (!there && PyList_Append(names, name) < 0))
            Py_CLEAR(names);
    }
    return names;
}

static int add_doc(struct native_module *self,
                   const struct inlay_func *func,
                   struct inlay_str doc)
{
    _cleanup_decref_ PyObject *name = inlay_py_text(func->name);
    _cleanup_decref_ PyObject *text = inlay_py_text(doc);

    return name && text ? PyDict_SetItem(self->docs, name, text) : -1;
}

/* What a module that is built ahead carries; a class's is counter_new's. */
static int add_docs(struct native_module *self)
{
    const struct inlay_module *native = self->binding->native;

    for (size_t i = 0; i < native->ncallables; i++) {
        const struct inlay_func *func = native->callables[i].func;

        if (func->exported && func->doc.len && add_doc(self, func, func->doc))
            return -1;
    }
    for (const struct inlay_py_object *at = self->binding->objects; at;
         at = at->next)
        if (at->doc.len && add_doc(self, at->c->create, at->doc) < 0)
            return -1;
    return 0;
}

static int add_routes(struct native_module *self)
{
    const struct inlay_module *native = self->binding->native;

    for (size_t i = 0; i < native->nroutes; i++) {
        const struct inlay_route_decl *route = &native->routes[i];
        _cleanup_decref_ PyObject *methods = inlay_py_text(route->methods);
        _cleanup_decref_ PyObject *path = inlay_py_text(route->path);
        _cleanup_decref_ PyObject *function =
            inlay_py_text(route->callable->func->name);
        _cleanup_decref_ PyObject *file = inlay_py_text(route->decl.file);
        if (!methods || !path || !function || !file)
            return -1;
        _cleanup_decref_ PyObject *row = Py_BuildValue(
            "(OOOiN)", methods, path, function, route->status,
            PyUnicode_FromFormat("%U:%u", file, route->decl.line));
        if (!row || PyList_Append(self->routes, row) < 0)
            return -1;
        if (route->callable->notes && route->callable->notes->replaces &&
            PyList_Append(self->replaces, function) < 0)
            return -1;
    }
    return 0;
}

/* A row about a state, provider, guard or hook. */
static int add_row(struct native_module *self,
                   PyObject *list,
                   PyObject *first,
                   PyObject *second,
                   bool flag,
                   const struct inlay_func *func,
                   const struct inlay_source *decl)
{
    enum inlay_colour colour = inlay_inject_colour(self->binding->native, func);
    _cleanup_decref_ PyObject *file = inlay_py_text(decl->file);
    _cleanup_decref_ PyObject *where =
        file ? PyUnicode_FromFormat("%U:%u", file, decl->line) : NULL;
    _cleanup_decref_ PyObject *row = NULL;

    if (first && second && where)
        row = Py_BuildValue("(OONsO)", first, second, PyBool_FromLong(flag),
                            inlay_colour_text(colour), where);
    Py_XDECREF(first);
    Py_XDECREF(second);
    return row ? PyList_Append(list, row) : -1;
}

static int add_injected(struct native_module *self)
{
    const struct inlay_module *native = self->binding->native;

    for (size_t i = 0; i < native->nprovides; i++) {
        const struct inlay_provide_decl *at = &native->provides[i];
        const struct inlay_func *func = at->callable->func;

        if (add_row(self, self->provides, inlay_py_text(func->name),
                    inlay_py_text(at->type), at->once, func, &at->decl) < 0)
            return -1;
    }
    for (size_t i = 0; i < native->nguards; i++) {
        const struct inlay_guard_decl *at = &native->guards[i];
        const struct inlay_func *func = at->callable->func;

        if (add_row(self, self->guards, inlay_py_text(at->pattern),
                    inlay_py_text(func->name), at->after, func, &at->decl) < 0)
            return -1;
    }
    return 0;
}

static int add_layers(struct native_module *self)
{
    const struct inlay_module *native = self->binding->native;

    for (size_t i = 0; i < native->nlayers; i++) {
        const struct inlay_layer_decl *at = &native->layers[i];
        _cleanup_decref_ PyObject *pattern = inlay_py_text(at->pattern);
        _cleanup_decref_ PyObject *name = inlay_py_text(at->name);
        _cleanup_decref_ PyObject *value = inlay_py_text(at->value);
        _cleanup_decref_ PyObject *file = inlay_py_text(at->decl.file);
        if (!pattern || !name || !value || !file)
            return -1;
        _cleanup_decref_ PyObject *row =
            Py_BuildValue("(OOON)", pattern, name, value,
                          PyUnicode_FromFormat("%U:%u", file, at->decl.line));
        if (!row || PyList_Append(self->layers, row) < 0)
            return -1;
    }
    return 0;
}

/* Everything of the module, on the side: nobody sees any of it yet. */
static int fill(struct native_module *self,
                struct native_module *previous,
                struct changes *changes)
{
    size_t most = self->binding->native->ncallables +
                  (size_t)PyDict_GET_SIZE(self->known);

    changes->items =
        inlay_py_module_alloc(self->binding, most, sizeof(*changes->items));
    if (!changes->items || !changes->present ||
        add_functions(self, changes) < 0 || add_refusals(self) < 0 ||
        add_gone(self, changes) < 0 ||
        inlay_py_objects_publish(self->binding, self->namespace) < 0 ||
        inlay_py_classes_publish(self->binding, self->namespace,
                                 self->reasons) < 0 ||
        add_routes(self) < 0 || add_injected(self) < 0 ||
        add_layers(self) < 0 || add_docs(self) < 0)
        return -1;
    self->removed = removed_names(self, previous);
    return self->removed ? 0 : -1;
}

static PyObject *native_create(struct inlay_py_state *state,
                               struct inlay_module *module,
                               PyObject *name,
                               PyObject *path,
                               struct native_module *previous,
                               struct changes *changes)
{
    PyTypeObject *type = state->module_type;
    PyObject *object = type->tp_alloc(type, 0);
    struct native_module *self = (struct native_module *)object;

    if (!object)
        return NULL;
    self->name = Py_NewRef(name);
    self->path = Py_NewRef(path);
    self->namespace = PyDict_New();
    self->reasons = PyDict_New();
    self->routes = PyList_New(0);
    self->replaces = PyList_New(0);
    self->provides = PyList_New(0);
    self->guards = PyList_New(0);
    self->layers = PyList_New(0);
    self->docs = PyDict_New();
    self->known = previous ? PyDict_Copy(previous->known) : PyDict_New();
    self->generation = previous ? previous->generation + 1 : 1;
    self->binding = binding_create(state, module, name, previous);
    if (!self->namespace || !self->reasons || !self->routes ||
        !self->replaces || !self->provides || !self->guards || !self->layers ||
        !self->docs || !self->known || !self->binding ||
        fill(self, previous, changes) < 0)
        Py_CLEAR(object);
    return object;
}

/* A module that is imported again takes the place of the former one. */
static int register_module(struct inlay_py_state *state,
                           struct inlay_module *module,
                           PyObject *object)
{
    for (size_t i = 0; i < state->nmodules; i++)
        if (inlay_str_equal(state->modules[i]->name, module->name)) {
            state->modules[i] = module;
            return PyList_SetItem(state->module_list, (Py_ssize_t)i,
                                  Py_NewRef(object));
        }
    if (state->nmodules == state->modules_size) {
        size_t size = state->modules_size ? 2 * state->modules_size : 8;
        void *grown =
            inlay_realloc(state->modules, size * sizeof(*state->modules));
        if (!grown) {
            PyErr_NoMemory();
            return -1;
        }
        state->modules = grown;
        state->modules_size = size;
    }
    if (PyList_Append(state->module_list, object) < 0)
        return -1;
    state->modules[state->nmodules++] = module;
    return 0;
}

/* In the place of what was there: from here on nothing can fail for C. */
static int commit(struct inlay_py_state *state,
                  PyObject *object,
                  const struct changes *changes)
{
    struct inlay_py_module *binding = ((struct native_module *)object)->binding;

    if (inlay_py_objects_commit(binding) < 0 ||
        register_module(state, binding->native, object) < 0)
        return -1;
    for (size_t i = 0; i < changes->count; i++)
        inlay_py_function_swap(changes->items[i].function,
                               changes->items[i].plan);
    /* When all are swapped, as it may have to import. */
    for (size_t i = 0; i < changes->count; i++)
        if (inlay_py_async_mark(changes->items[i].function) < 0)
            PyErr_WriteUnraisable((PyObject *)changes->items[i].function);
    return 0;
}

static struct inlay_module *open_native(PyObject *name,
                                        PyObject *path,
                                        PyObject *root)
{
    struct inlay_module *module;
    Py_ssize_t length;
    const char *text = PyUnicode_AsUTF8AndSize(name, &length);

    if (!text)
        return NULL;
    struct inlay_error *error = inlay_module_open(
        inlay_str_make(text, (size_t)length), PyBytes_AS_STRING(path),
        inlay_str_make(PyBytes_AS_STRING(root), (size_t)PyBytes_GET_SIZE(root)),
        &module);
    if (!error)
        return module;
    inlay_py_raise(error);
    return NULL;
}

static struct native_module *check_previous(struct inlay_py_state *state,
                                            PyObject *previous,
                                            PyObject *name)
{
    if (!PyObject_TypeCheck(previous, state->module_type)) {
        PyErr_Format(PyExc_TypeError,
                     "previous: expected a NativeModule, got %.100s",
                     Py_TYPE(previous)->tp_name);
        return NULL;
    }
    struct native_module *module = (struct native_module *)previous;
    if (PyUnicode_Compare(module->name, name) == 0)
        return module;
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_ValueError, "previous is module %R, not %R",
                     module->name, name);
    return NULL;
}

static PyObject *core_load(PyObject *core, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"", "", "", "previous", NULL};
    struct inlay_py_state *state = inlay_py_state_of(core);
    PyObject *name, *path = NULL, *root = NULL, *given = Py_None;
    struct native_module *previous = NULL;

    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "UO&O&|O:load", (char **)(uintptr_t)names, &name,
            PyUnicode_FSConverter, &path, PyUnicode_FSConverter, &root, &given))
        return NULL;
    _cleanup_decref_ PyObject *path_owned = path;
    _cleanup_decref_ PyObject *root_owned = root;
    if (given != Py_None) {
        previous = check_previous(state, given, name);
        if (!previous)
            return NULL;
    }
    struct inlay_module *module = open_native(name, path, root);
    if (!module)
        return NULL;
    _cleanup_decref_ PyObject *text =
        PyUnicode_DecodeFSDefault(PyBytes_AS_STRING(path));
    _cleanup_decref_ PyObject *present = PySet_New(NULL);
    struct changes changes = {.present = present};
    _cleanup_decref_ PyObject *object =
        text && present
            ? native_create(state, module, name, text, previous, &changes)
            : NULL;
    if (!object || commit(state, object, &changes) < 0)
        return NULL;
    return Py_NewRef(object);
}

static PyObject *core_modules(PyObject *core, PyObject *unused)
{
    (void)unused;
    return PySequence_List(inlay_py_state_of(core)->module_list);
}

static PyObject *core_crash_report_to(PyObject *core, PyObject *object)
{
    long fd = PyLong_AsLong(object);

    (void)core;
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    inlay_crash_report_to((int)fd);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"load", (PyCFunction)(void (*)(void))core_load,
     METH_VARARGS | METH_KEYWORDS,
     "load($module, name, path, root, /, previous=None)\n--\n\n"
     "Load the shared object at path, made from sources in folder root.\n\n"
     "Functions and classes of `previous`, which it takes the place of, have\n"
     "the new code from then on. When it fails, nothing has changed."},
    {"crash_report_to", core_crash_report_to, METH_O,
     "crash_report_to($module, fd, /)\n--\n\n"
     "Write a line about each crash of native code to fd, too; see\n"
     "src/load/crash.h."},
    {"modules", core_modules, METH_NOARGS,
     "modules($module, /)\n--\n\n"
     "The modules that were loaded, one per name, in order."},
    {NULL, NULL, 0, NULL},
};

static int add_keywords(struct inlay_py_state *state)
{
    _cleanup_decref_ PyObject *keyword = PyImport_ImportModule("keyword");
    _cleanup_decref_ PyObject *list =
        keyword ? PyObject_GetAttrString(keyword, "kwlist") : NULL;

    state->keywords = list ? PyFrozenSet_New(list) : NULL;
    return state->keywords ? 0 : -1;
}

int inlay_py_modules_init(PyObject *module, struct inlay_py_state *state)
{
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, native_dealloc}, {Py_tp_traverse, native_traverse},
        {Py_tp_clear, native_clear},     {Py_tp_repr, native_repr},
        {Py_tp_members, native_members}, {0, NULL},
    };
    static PyType_Spec spec = {
        .name = "inlay.NativeModule",
        .basicsize = sizeof(struct native_module),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                 Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
        .slots = slots,
    };

    state->module_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    state->module_list = PyList_New(0);
    if (!state->module_type || !state->module_list || add_keywords(state) < 0 ||
        PyModule_AddType(module, state->module_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
