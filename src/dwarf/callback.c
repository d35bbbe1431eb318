/* callback.c - what a function pointer takes and gives. */
#include <dwarf.h>

#include "dwarf/reader.h"

#include "base/banned.h"

#define PARAMS_MOST 64

/*
 * A second void * could be anything: only one is what the caller hands on.
 * False: the reading must end.
 */
static bool read_params(struct inlay_reader *reader,
                        Dwarf_Die *function,
                        struct inlay_signature *signature)
{
    Dwarf_Die child, type;
    bool has_userdata = false;
    size_t count = 0;

    if (!signature->nparams || dwarf_child(function, &child))
        return !signature->nparams;
    do {
        if (dwarf_tag(&child) != DW_TAG_formal_parameter)
            continue;
        Dwarf_Die *die = inlay_die_type(&child, &type) ? &type : NULL;
        const struct inlay_type *param =
            inlay_types_resolve(reader, die, INLAY_AT_CALLBACK, 0);

        if (param && param->kind == INLAY_KIND_USERDATA) {
            if (has_userdata)
                param = inlay_types_refuse(
                    reader, die, "a callback takes one void * at most");
            has_userdata = true;
        }
        signature->params[count] = param;
        signature->names[count++] = inlay_die_name(reader, &child);
        if (!param || reader->error)
            return false;
    } while (count < signature->nparams &&
             dwarf_siblingof(&child, &child) == 0);
    signature->nparams = count;
    return true;
}

static struct inlay_signature *make_signature(struct inlay_reader *reader,
                                              Dwarf_Die *function,
                                              size_t nparams)
{
    struct inlay_signature *signature =
        inlay_arena_new(reader->arena, struct inlay_signature);
    Dwarf_Die type;

    if (signature) {
        signature->nparams = nparams;
        signature->params = inlay_arena_zalloc_array(
            reader->arena, nparams + 1, sizeof(*signature->params));
        signature->names = inlay_arena_zalloc_array(reader->arena, nparams + 1,
                                                    sizeof(*signature->names));
    }
    if (!signature || !signature->params || !signature->names) {
        inlay_reader_no_memory(reader);
        return NULL;
    }
    signature->result = inlay_types_resolve(
        reader, inlay_die_type(function, &type) ? &type : NULL,
        INLAY_AT_CALLBACK_RESULT, 0);
    if (!signature->result || !read_params(reader, function, signature))
        return NULL;
    return signature;
}

const struct inlay_type *inlay_callback_fill(struct inlay_reader *reader,
                                             struct inlay_type *type,
                                             Dwarf_Die *pointer,
                                             Dwarf_Die *function)
{
    struct inlay_shape shape = inlay_die_shape(reader, function);

    if (inlay_die_language(reader, function) == INLAY_LANGUAGE_C &&
        !inlay_die_flag(function, DW_AT_prototyped))
        return inlay_types_refuse(reader, pointer,
                                  "it has no prototype: write the types of "
                                  "its parameters, or (void)");
    if (shape.variadic)
        return inlay_types_refuse(
            reader, pointer, "it takes a variable number of arguments (...)");
    if (shape.nparams > PARAMS_MOST)
        return inlay_types_refuse(reader, pointer,
                                  "it has more than 64 parameters");
    type->signature = make_signature(reader, function, shape.nparams);
    if (!type->signature)
        return NULL;
    type->kind = INLAY_KIND_CALLBACK;
    return type;
}
