/* layers.c - INLAY_LAYER: built-in layers of paths, as texts. What they mean
 * is serve/layers.c's to know. */
#include <stdlib.h>

#include "load/records.h"

#include "base/banned.h"

/* Compilers may turn the order of records around. */
static int compare(const void *left, const void *right)
{
    const struct inlay_layer_decl *a = left, *b = right;
    size_t len = inlay_min(a->decl.file.len, b->decl.file.len);
    int order = len ? memcmp(a->decl.file.ptr, b->decl.file.ptr, len) : 0;

    if (order)
        return order;
    if (a->decl.file.len != b->decl.file.len)
        return a->decl.file.len < b->decl.file.len ? -1 : 1;
    if (a->decl.line != b->decl.line)
        return a->decl.line < b->decl.line ? -1 : 1;
    order = strcmp(a->name.ptr, b->name.ptr);
    if (!order)
        order = strcmp(a->pattern.ptr, b->pattern.ptr);
    return order ? order : strcmp(a->value.ptr, b->value.ptr);
}

struct inlay_error *inlay_layers_apply(struct inlay_module *module,
                                       const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error =
        inlay_records_find(module, &debug->sections[INLAY_SECTION_layer],
                           sizeof(struct inlay_layer_record), &records);

    if (error || !records.count)
        return error;
    module->layers = inlay_arena_zalloc_array(&module->arena, records.count,
                                              sizeof(*module->layers));
    if (!module->layers)
        return inlay_error_no_memory();
    for (size_t i = 0; i < records.count; i++) {
        const struct inlay_layer_record *record =
            (const struct inlay_layer_record *)records.items + i;

        if (!record->name || !record->pattern || !record->value)
            return inlay_records_error(
                inlay_records_wrong("name, pattern and value must be given"),
                record->file, record->line, "INLAY_LAYER");
        module->layers[module->nlayers++] = (struct inlay_layer_decl){
            .name = inlay_str_from(record->name),
            .pattern = inlay_str_from(record->pattern),
            .value = inlay_str_from(record->value),
            .decl = {inlay_str_from(record->file ? record->file : ""),
                     record->line},
        };
    }
    qsort(module->layers, module->nlayers, sizeof(*module->layers), compare);
    return NULL;
}
