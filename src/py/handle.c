/* handle.c - instances of C's object idiom: made, lent to calls, freed. */
#include "py/handle.h"

#include "base/mem.h"
#include "py/callable.h"
#include "py/errors.h"

#include "base/banned.h"

#define BUCKETS_LEAST 16

/* --- Instances by pointer ------------------------------------------------ */

static struct inlay_py_instance **bucket_of(const struct inlay_py_class *class,
                                            const void *ptr)
{
    uint64_t hash = (uint64_t)(uintptr_t)ptr * 0x9E3779B97F4A7C15u;

    return &class->buckets[(hash >> 32) & (class->nbuckets - 1)];
}

/* NULL: nobody owns it. */
static struct inlay_py_instance *find(const struct inlay_py_class *class,
                                      const void *ptr)
{
    struct inlay_py_instance *at =
        class->nbuckets ? *bucket_of(class, ptr) : NULL;

    while (at && at->ptr != ptr)
        at = at->next;
    return at;
}

/* -1 with MemoryError; a table that can't grow any further just stays. */
static int grow(struct inlay_py_class *class)
{
    struct inlay_py_class grown = *class;

    if (class->nbuckets && class->count < 2 * class->nbuckets)
        return 0;
    grown.nbuckets = class->nbuckets ? 4 * class->nbuckets : BUCKETS_LEAST;
    grown.buckets = inlay_calloc(grown.nbuckets, sizeof(*grown.buckets));
    if (!grown.buckets) {
        if (class->nbuckets)
            return 0;
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < class->nbuckets; i++)
        for (struct inlay_py_instance *at = class->buckets[i], *next; at;
             at = next) {
            struct inlay_py_instance **bucket = bucket_of(&grown, at->ptr);

            next = at->next;
            at->next = *bucket;
            *bucket = at;
        }
    inlay_free(class->buckets);
    *class = grown;
    return 0;
}

/* There is room: see grow. */
static void enter(struct inlay_py_instance *self,
                  const struct inlay_py_object *object,
                  void *ptr)
{
    struct inlay_py_instance **bucket = bucket_of(self->class, ptr);

    self->object = object;
    self->ptr = ptr;
    self->next = *bucket;
    *bucket = self;
    self->class->count++;
}

/* Its pointer, which is nobody's from now on; NULL when it has none. */
static void *leave(struct inlay_py_instance *self)
{
    struct inlay_py_instance **at;
    void *ptr = self->ptr;

    if (!ptr)
        return NULL;
    for (at = bucket_of(self->class, ptr); *at != self; at = &(*at)->next)
        ;
    *at = self->next;
    self->class->count--;
    self->next = NULL;
    self->ptr = NULL;
    return ptr;
}

/* --- The finalizer ------------------------------------------------------- */

/* counter_free(ptr). -1 with the exception of its inlay_fail. */
static int destroy(const struct inlay_py_object *object, void *ptr)
{
    const struct inlay_callable *callable = object->destroy;
    struct inlay_py_state *state = object->module->state;
    struct inlay_py_frame frame;
    void *args[] = {&ptr};
    uint64_t result[2];
    int status = 0;

    if (inlay_py_frame_begin(&frame, state) < 0)
        return -1;
    PyThreadState *given = callable->func->nogil || callable->func->is_async
                               ? PyEval_SaveThread()
                               : NULL;
    inlay_call_invoke(callable->plan, callable->func->entry, args, result);
    if (given)
        PyEval_RestoreThread(given);
    if (frame.context->error)
        status = inlay_py_raise_failed(state, frame.context);
    inlay_py_frame_end(&frame);
    return status;
}

static int release(struct inlay_py_instance *self)
{
    bool borrowed = self->borrowed;
    void *ptr = leave(self);

    return ptr && !borrowed ? destroy(self->object, ptr) : 0;
}

static int close_instance(PyObject *object)
{
    struct inlay_py_instance *self = (struct inlay_py_instance *)object;

    if (self->pins) {
        PyErr_Format(PyExc_RuntimeError,
                     "%U can't be closed: a call that runs is using it",
                     self->class->leaf);
        return -1;
    }
    return release(self);
}

static void handle_dealloc(PyObject *object)
{
    struct inlay_py_instance *self = (struct inlay_py_instance *)object;
    PyTypeObject *type = Py_TYPE(object);
    bool borrowed = self->borrowed;

    PyObject_GC_UnTrack(object);
    /* Before any other code runs: nobody may find an object that dies. */
    void *ptr = self->class ? leave(self) : NULL;
    if (self->weakrefs)
        PyObject_ClearWeakRefs(object);
    Py_CLEAR(self->lender);
    if (ptr && !borrowed) {
        PyObject *exception = inlay_py_exception_take();
        if (destroy(self->object, ptr) < 0)
            PyErr_WriteUnraisable((PyObject *)type);
        inlay_py_exception_restore(exception);
    }
    type->tp_free(object);
    Py_DECREF(type);
}

/* --- Into C, and back ---------------------------------------------------- */

/* Has the code of `object` the same idea of what `self` points to? */
static bool same_layout(const struct inlay_py_instance *self,
                        const struct inlay_py_object *object)
{
    return self->object == object ||
           (object->c->layout && self->object->c->layout == object->c->layout);
}

/* Nobody closes it until the frame ends. */
static int pin(struct inlay_py_frame *frame, struct inlay_py_instance *self)
{
    struct inlay_py_pin *made = &frame->first_pin;

    if (frame->pins) {
        made = inlay_py_frame_alloc(frame, sizeof(*made));
        if (!made)
            return -1;
    }
    made->object = Py_NewRef((PyObject *)self);
    made->next = frame->pins;
    frame->pins = made;
    self->pins++;
    return 0;
}

void inlay_py_frame_unpin(struct inlay_py_frame *frame)
{
    for (struct inlay_py_pin *at = frame->pins, *next; at; at = next) {
        next = at->next;
        ((struct inlay_py_instance *)at->object)->pins--;
        Py_DECREF(at->object);
    }
    frame->pins = NULL;
}

/* Is there nothing before it that was closed? */
static bool is_lent(const struct inlay_py_instance *self)
{
    for (const struct inlay_py_instance *at = self->lender; at; at = at->lender)
        if (!at->ptr)
            return false;
    return true;
}

int inlay_py_handle_in(const struct inlay_py_conversion *conversion,
                       const struct inlay_py_type *type,
                       PyObject *value,
                       void *at,
                       const struct inlay_py_place *place)
{
    const struct inlay_py_object *object = type->object;
    struct inlay_py_class *class = object->class;
    struct inlay_py_instance *self = (struct inlay_py_instance *)value;

    if (value == Py_None && !type->required) {
        *(void **)at = NULL;
        return 0;
    }
    /* A Python class may derive from several; it has the first one's pointer. */
    if (inlay_unlikely(!PyObject_TypeCheck(value, class->type) ||
                       self->class != class))
        return inlay_py_fail(
            conversion, place, PyExc_TypeError, "expected %U%s, got %.100s",
            class->leaf, type->required ? "" : " | None",
            value == Py_None ? "None" : Py_TYPE(value)->tp_name);
    if (inlay_unlikely(!self->ptr))
        return inlay_py_fail(conversion, place, PyExc_ValueError,
                             self->object
                                 ? "%U is closed"
                                 : "%U is not made: its __init__ has not run",
                             class->leaf);
    if (inlay_unlikely(!is_lent(self)))
        return inlay_py_fail(conversion, place, PyExc_ValueError,
                             "%U is gone: the %U that lent it is closed",
                             class->leaf, self->lender->class->leaf);
    if (inlay_unlikely(!same_layout(self, object)))
        return inlay_py_fail(conversion, place, PyExc_TypeError,
                             "%U was made by the code before the reload, "
                             "where its struct was another one",
                             class->leaf);
    if (inlay_unlikely(self->borrowed && !type->c->object_const))
        return inlay_py_fail(conversion, place, PyExc_TypeError,
                             "%U is a const struct %U in C: this function may "
                             "change it",
                             class->leaf, class->leaf);
    *(void **)at = self->ptr;
    return pin(conversion->frame, self);
}

/* `lender` (NULL: nobody) counts if C says const. */
static PyObject *adopt(const struct inlay_py_object *object,
                       void *ptr,
                       bool borrowed,
                       PyObject *lender)
{
    struct inlay_py_class *class = object->class;
    PyObject *made =
        grow(class) < 0 ? NULL : class->type->tp_alloc(class->type, 0);
    struct inlay_py_instance *self = (struct inlay_py_instance *)made;

    if (!made) {
        PyObject *exception = inlay_py_exception_take();
        if (!borrowed && destroy(object, ptr) < 0)
            PyErr_Clear();
        inlay_py_exception_restore(exception);
        return NULL;
    }
    self->class = class;
    self->borrowed = borrowed;
    if (borrowed)
        self->lender = (struct inlay_py_instance *)Py_XNewRef(lender);
    enter(self, object, ptr);
    return made;
}

PyObject *inlay_py_handle_out(const struct inlay_py_conversion *conversion,
                              const struct inlay_py_type *type,
                              const void *at,
                              const struct inlay_py_place *place)
{
    const struct inlay_py_object *object = type->object;
    const struct inlay_py_frame *frame = conversion->frame;
    void *ptr = *(void *const *)at;

    if (!ptr)
        Py_RETURN_NONE;
    struct inlay_py_instance *known = find(object->class, ptr);
    if (!known)
        return adopt(object, ptr, type->c->object_const,
                     frame && frame->pins ? frame->first_pin.object : NULL);
    /* What its __del__ or the end of its __dict__ calls can't have it. */
    if (Py_REFCNT(known) == 0) {
        inlay_py_fail(conversion, place, PyExc_ReferenceError,
                      "%U is being freed", object->class->leaf);
        return NULL;
    }
    /* The memory of one that is gone may be that of another one. */
    if (known->borrowed && !is_lent(known) && frame && frame->pins)
        Py_XSETREF(known->lender, (struct inlay_py_instance *)Py_NewRef(
                                      frame->first_pin.object));
    /* C lent it before and gives it away now. */
    if (known->borrowed && !type->c->object_const) {
        known->borrowed = false;
        known->object = object;
        Py_CLEAR(known->lender);
    }
    return Py_NewRef((PyObject *)known);
}

void inlay_py_handle_drop(const struct inlay_py_type *type, const void *at)
{
    void *ptr = type->c->kind == INLAY_KIND_HANDLE ? *(void *const *)at : NULL;

    if (ptr && !type->c->object_const && !find(type->object->class, ptr) &&
        destroy(type->object, ptr) < 0)
        PyErr_WriteUnraisable((PyObject *)type->object->class->type);
}

/* --- The constructor ----------------------------------------------------- */

/*
 * The class of C that `type` is or derives from: along tp_base, as a Python
 * class has its own dealloc. NULL with TypeError.
 */
static struct inlay_py_class *class_of(PyTypeObject *type)
{
    PyTypeObject *base = type;

    while (base && base->tp_dealloc != handle_dealloc)
        base = base->tp_base;
    struct inlay_py_state *state = base ? PyType_GetModuleState(base) : NULL;
    for (struct inlay_py_class *at = state ? state->classes : NULL; at;
         at = at->next)
        if (at->type == base)
            return at;
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_TypeError,
                     "cannot create '%s' instances: "
                     "the classes of C objects derive from it",
                     type->tp_name);
    return NULL;
}

static PyObject *handle_new(PyTypeObject *type,
                            PyObject *args,
                            PyObject *kwargs)
{
    struct inlay_py_class *class = class_of(type);
    PyObject *object = class ? type->tp_alloc(type, 0) : NULL;

    (void)args;
    (void)kwargs;
    if (object)
        ((struct inlay_py_instance *)object)->class = class;
    return object;
}

/* The function that makes it (borrowed). */
static PyObject *creator(const struct inlay_py_class *class)
{
    if (!class->create)
        PyErr_Format(PyExc_TypeError, "%U can't be made: %U", class->name,
                     class->no_create);
    return class->create;
}

/* What counter_new gave (stolen), if it is an object. */
static PyObject *check_made(const struct inlay_py_class *class, PyObject *made)
{
    if (made == Py_None) {
        PyErr_Format(PyExc_MemoryError, "%U_new returned NULL", class->leaf);
        Py_CLEAR(made);
    } else if (made && !PyObject_TypeCheck(made, class->type)) {
        PyErr_Format(PyExc_TypeError, "%U_new gave a %.100s", class->leaf,
                     Py_TYPE(made)->tp_name);
        Py_CLEAR(made);
    }
    return made;
}

static int handle_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    struct inlay_py_instance *self = (struct inlay_py_instance *)object;
    struct inlay_py_class *class = self->class;
    PyObject *create = creator(class);

    if (!create)
        return -1;
    _cleanup_decref_ PyObject *held = Py_NewRef(create);
    _cleanup_decref_ PyObject *made =
        check_made(class, PyObject_Call(held, args, kwargs));
    if (!made)
        return -1;
    struct inlay_py_instance *other = (struct inlay_py_instance *)made;
    if (self->object || Py_REFCNT(made) != 1 || !other->ptr) {
        PyErr_Format(PyExc_RuntimeError,
                     self->object ? "%U is made already"
                                  : "%U_new returned an object that another "
                                    "instance owns",
                     class->leaf);
        return -1;
    }
    self->borrowed = other->borrowed;
    enter(self, other->object, leave(other));
    return 0;
}

PyObject *inlay_py_handle_create(PyObject *type,
                                 PyObject *const *args,
                                 size_t nargsf,
                                 PyObject *kwnames)
{
    PyTypeObject *self = (PyTypeObject *)type;
    struct inlay_py_class *class = class_of(self);

    if (!class)
        return NULL;
    /* Someone has set counter.__init__: from now on the usual way. */
    if (self->tp_init != handle_init || self->tp_new != handle_new) {
        self->tp_vectorcall = NULL;
        return PyObject_Vectorcall(type, args, nargsf, kwnames);
    }
    PyObject *create = creator(class);
    if (!create)
        return NULL;
    _cleanup_decref_ PyObject *held = Py_NewRef(create);
    return check_made(class, PyObject_Vectorcall(held, args, nargsf, kwnames));
}

/* --- The type ------------------------------------------------------------ */

static int handle_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((struct inlay_py_instance *)object)->lender);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static PyObject *handle_repr(PyObject *object)
{
    struct inlay_py_instance *self = (struct inlay_py_instance *)object;
    PyObject *type = (PyObject *)Py_TYPE(object);
    _cleanup_decref_ PyObject *module =
        PyObject_GetAttrString(type, "__module__");
    _cleanup_decref_ PyObject *name =
        PyObject_GetAttrString(type, "__qualname__");

    if (!module || !name)
        return NULL;
    if (!self->ptr)
        return PyUnicode_FromFormat("<%S.%S, %s>", module, name,
                                    self->object ? "closed" : "not made");
    return PyUnicode_FromFormat("<%S.%S at %p>", module, name, self->ptr);
}

static PyObject *handle_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    if (close_instance(object) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *handle_enter(PyObject *object, PyObject *unused)
{
    struct inlay_py_instance *self = (struct inlay_py_instance *)object;

    (void)unused;
    if (self->ptr)
        return Py_NewRef(object);
    PyErr_Format(PyExc_ValueError, "%U is closed", self->class->leaf);
    return NULL;
}

static PyObject *handle_exit(PyObject *object, PyObject *args)
{
    (void)args;
    if (close_instance(object) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *handle_reduce(PyObject *object, PyObject *unused)
{
    struct inlay_py_instance *self = (struct inlay_py_instance *)object;

    (void)unused;
    PyErr_Format(PyExc_TypeError,
                 "%U lives in C: it can't be pickled or copied",
                 self->class->name);
    return NULL;
}

static PyMethodDef handle_methods[] = {
    {"close", handle_close, METH_NOARGS,
     "close($self, /)\n--\n\nFree it now; a second time does nothing."},
    {"__enter__", handle_enter, METH_NOARGS, NULL},
    {"__exit__", handle_exit, METH_VARARGS, NULL},
    {"__reduce_ex__", handle_reduce, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef handle_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET,
     (Py_ssize_t)offsetof(struct inlay_py_instance, weakrefs), Py_READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject *inlay_py_handle_type(struct inlay_py_state *state,
                                   PyObject *module,
                                   const char *name,
                                   const char *doc)
{
    PyType_Slot slots[] = {
        /* Each class gets them: PyType_FromSpec would fill in its own. */
        {Py_tp_new, handle_new},
        {Py_tp_init, handle_init},
        {Py_tp_dealloc, handle_dealloc},
        {Py_tp_traverse, handle_traverse},
        {Py_tp_repr, handle_repr},
        {Py_tp_doc, (char *)(uintptr_t)doc},
        /* The base alone has these. */
        {state->object_type ? 0 : Py_tp_methods, handle_methods},
        {Py_tp_members, handle_members},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = name,
        .basicsize = sizeof(struct inlay_py_instance),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
        .slots = slots,
    };

    return (PyTypeObject *)PyType_FromModuleAndSpec(
        module, &spec, (PyObject *)state->object_type);
}

int inlay_py_objects_init(PyObject *module, struct inlay_py_state *state)
{
    state->object_type = inlay_py_handle_type(
        state, module, "inlay.Object", "Base of the classes of C objects.");
    return state->object_type ? PyModule_AddType(module, state->object_type)
                              : -1;
}
