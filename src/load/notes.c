/* notes.c - INLAY_TAG and its like: what documents say of a route. */
#include <stdlib.h>
#include <string.h>

#include "load/records.h"

#include "base/banned.h"

static const char *const macros[] = {
    [INLAY_NOTE_TAG] = "INLAY_TAG",
    [INLAY_NOTE_SUMMARY] = "INLAY_SUMMARY",
    [INLAY_NOTE_DEPRECATED] = "INLAY_DEPRECATED",
    [INLAY_NOTE_ANSWERS] = "INLAY_ANSWERS",
    [INLAY_NOTE_REPLACES] = "INLAY_REPLACES",
};

/* Records of one function, in the order of their file. */
static int compare(const void *a, const void *b)
{
    const struct inlay_note_record *left =
        *(const struct inlay_note_record *const *)a;
    const struct inlay_note_record *right =
        *(const struct inlay_note_record *const *)b;
    uintptr_t at = (uintptr_t)left->func, other = (uintptr_t)right->func;

    if (at != other)
        return at < other ? -1 : 1;
    return left->line < right->line ? -1 : left->line > right->line;
}

static struct inlay_error *copy_text(struct inlay_module *module,
                                     const struct inlay_note_record *record,
                                     struct inlay_str *ret)
{
    struct inlay_str text = inlay_str_from(record->text ? record->text : "");

    if (!text.len)
        return inlay_records_wrong("its text is empty");
    if (!inlay_utf8_valid(text))
        return inlay_records_wrong("its text is not UTF-8");
    *ret = inlay_arena_copy(&module->arena, text);
    return ret->ptr ? NULL : inlay_error_no_memory();
}

static struct inlay_error *add_answer(struct inlay_module *module,
                                      const struct inlay_note_record *record,
                                      struct inlay_notes *notes,
                                      struct inlay_answer_note *answers)
{
    for (size_t i = 0; i < notes->nanswers; i++)
        if (answers[i].status == record->status)
            return inlay_records_wrong("status %d is described twice",
                                       record->status);
    if (record->status < 100 || record->status > 599)
        return inlay_records_wrong("status %d is not in 100 to 599",
                                   record->status);
    struct inlay_answer_note *answer = &answers[notes->nanswers++];
    answer->status = record->status;
    return copy_text(module, record, &answer->text);
}

static struct inlay_error *add_note(struct inlay_module *module,
                                    const struct inlay_note_record *record,
                                    struct inlay_notes *notes,
                                    struct inlay_str *tags,
                                    struct inlay_answer_note *answers)
{
    switch (record->kind) {
    case INLAY_NOTE_TAG:
        return copy_text(module, record, &tags[notes->ntags++]);
    case INLAY_NOTE_SUMMARY:
        if (notes->summary.len)
            return inlay_records_wrong("the function has a summary already");
        return copy_text(module, record, &notes->summary);
    case INLAY_NOTE_DEPRECATED:
        notes->deprecated = true;
        return NULL;
    case INLAY_NOTE_ANSWERS:
        return add_answer(module, record, notes, answers);
    case INLAY_NOTE_REPLACES:
        notes->replaces = true;
        return NULL;
    default:
        return inlay_records_wrong("it is of a newer inlay.h");
    }
}

static struct inlay_error *note_error(struct inlay_error *error,
                                      const struct inlay_note_record *record)
{
    const char *what =
        record->kind < inlay_array_size(macros) ? macros[record->kind] : "note";

    return inlay_records_error(error, record->file, record->line, what);
}

/* `count` records of one function; for all of its names. */
static struct inlay_error *apply(struct inlay_module *module,
                                 const struct inlay_note_record *const *records,
                                 size_t count)
{
    struct inlay_notes *notes =
        inlay_arena_new(&module->arena, struct inlay_notes);
    struct inlay_str *tags =
        inlay_arena_zalloc_array(&module->arena, count, sizeof(*tags));
    struct inlay_answer_note *answers =
        inlay_arena_zalloc_array(&module->arena, count, sizeof(*answers));
    struct inlay_callable *callable;

    if (!notes || !tags || !answers)
        return inlay_error_no_memory();
    notes->tags = tags;
    notes->answers = answers;
    notes->summary = INLAY_STR("");
    struct inlay_error *error =
        inlay_records_function(module, records[0]->func, &callable);
    if (error)
        return note_error(error, records[0]);
    for (size_t i = 0; i < count; i++) {
        error = add_note(module, records[i], notes, tags, answers);
        if (error)
            return note_error(error, records[i]);
    }
    for (size_t i = 0; i < module->ncallables; i++)
        if (module->callables[i].func->entry == callable->func->entry)
            module->callables[i].notes = notes;
    return NULL;
}

struct inlay_error *inlay_notes_apply(struct inlay_module *module,
                                      const struct inlay_debug *debug)
{
    struct inlay_records found;
    struct inlay_error *error =
        inlay_records_find(module, &debug->sections[INLAY_SECTION_note],
                           sizeof(struct inlay_note_record), &found);

    if (error || !found.count)
        return error;
    const struct inlay_note_record **sorted = inlay_arena_zalloc_array(
        &module->arena, found.count, sizeof(struct inlay_note_record *));
    if (!sorted)
        return inlay_error_no_memory();
    for (size_t i = 0; i < found.count; i++)
        sorted[i] = (const struct inlay_note_record *)found.items + i;
    qsort(sorted, found.count, sizeof(*sorted), compare);
    for (size_t i = 0, end; !error && i < found.count; i = end) {
        for (end = i + 1;
             end < found.count && sorted[end]->func == sorted[i]->func; end++)
            continue;
        error = apply(module, sorted + i, end - i);
    }
    return error;
}
