/* traits.c - INLAY_NOGIL, INLAY_ASYNC: how a function is run. */
#include "load/records.h"

#include "base/banned.h"

static struct inlay_error *refuse_object(const struct inlay_func *func,
                                         const struct inlay_type *type)
{
    if (type->kind != INLAY_KIND_OBJECT)
        return NULL;
    return inlay_records_wrong(
        "%.*s takes or gives a PyObject *, which needs Python's lock",
        inlay_str_arg(func->name));
}

static struct inlay_error *set_on(struct inlay_func *func, uint32_t trait)
{
    switch (trait) {
    case INLAY_TRAIT_NOGIL:
        func->nogil = true;
        return NULL;
    case INLAY_TRAIT_ASYNC:
        func->is_async = true;
        return NULL;
    default:
        return inlay_records_wrong("it is of a newer inlay.h");
    }
}

/* For all names of the function. */
static struct inlay_error *set_trait(struct inlay_module *module,
                                     const struct inlay_trait_record *record)
{
    struct inlay_callable *callable;
    struct inlay_error *error =
        inlay_records_function(module, record->func, &callable);

    if (error)
        return error;
    struct inlay_func *func = callable->func;
    error = refuse_object(func, func->result);
    for (size_t i = 0; !error && i < func->nparams; i++)
        error = refuse_object(func, func->params[i].type);
    for (size_t i = 0; !error && i < module->ncallables; i++) {
        if (module->callables[i].func->entry == func->entry)
            error = set_on(module->callables[i].func, record->trait);
    }
    return error;
}

struct inlay_error *inlay_traits_apply(struct inlay_module *module,
                                       const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error =
        inlay_records_find(module, &debug->sections[INLAY_SECTION_trait],
                           sizeof(struct inlay_trait_record), &records);

    for (size_t i = 0; !error && i < records.count; i++) {
        const struct inlay_trait_record *record =
            (const struct inlay_trait_record *)records.items + i;

        error = set_trait(module, record);
        if (error)
            error = inlay_records_error(error, record->file, record->line,
                                        record->trait == INLAY_TRAIT_ASYNC
                                            ? "INLAY_ASYNC"
                                            : "INLAY_NOGIL");
    }
    return error;
}
