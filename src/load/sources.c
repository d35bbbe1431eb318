/* sources.c - INLAY_HEADER, INLAY_COOKIE, INLAY_FORM, …: where a parameter
 * comes from. Whether its function can have it from there shows when that is
 * bound (serve/bind.c). */
#include "load/records.h"

#include "base/banned.h"

static const char *const macros[] = {
    [INLAY_SOURCE_HEADER] = "INLAY_HEADER",
    [INLAY_SOURCE_COOKIE] = "INLAY_COOKIE",
    [INLAY_SOURCE_FORM] = "INLAY_FORM",
    [INLAY_SOURCE_QUERY] = "INLAY_QUERY",
    [INLAY_SOURCE_BODY] = "INLAY_BODY",
    [INLAY_SOURCE_DB] = "INLAY_DB",
};

#define DATABASE_NAME_MOST 31 /* db/database.h */

/* Of which kind a source can be: the server's databases, or the client's. */
static struct inlay_error *check_param(const struct inlay_func *func,
                                       const struct inlay_param *param,
                                       uint32_t kind)
{
    bool injected = param->type->kind == INLAY_KIND_INJECTED;

    if (kind == INLAY_SOURCE_DB)
        return injected && param->type->injected == INLAY_INJECTED_DB
                   ? NULL
                   : inlay_records_wrong(
                         "parameter '%.*s' of %.*s has type %.*s: a database "
                         "is an inlay_db *",
                         inlay_str_arg(param->name), inlay_str_arg(func->name),
                         inlay_str_arg(param->type->name));
    if (!injected)
        return NULL;
    return inlay_records_wrong("parameter '%.*s' of %.*s is given by the "
                               "server, not by the client",
                               inlay_str_arg(param->name),
                               inlay_str_arg(func->name));
}

static struct inlay_error *find_param(const struct inlay_func *func,
                                      const char *name,
                                      uint32_t kind,
                                      size_t *ret)
{
    struct inlay_str wanted = inlay_str_from(name);

    for (*ret = 0; *ret < func->nparams; *ret += 1)
        if (inlay_str_equal(func->params[*ret].name, wanted))
            break;
    if (!wanted.len || *ret == func->nparams)
        return inlay_records_wrong("%.*s has no parameter '%.*s'",
                                   inlay_str_arg(func->name),
                                   inlay_str_arg(wanted));
    return check_param(func, &func->params[*ret], kind);
}

static bool database_name_valid(struct inlay_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char lower = inlay_ascii_lower(name.ptr[i]);

        if (!(lower >= 'a' && lower <= 'z') &&
            !(lower >= '0' && lower <= '9') && lower != '_' && lower != '-')
            return false;
    }
    return name.len > 0 && name.len <= DATABASE_NAME_MOST;
}

/* A header's name is a token; others are any text. */
static bool name_valid(uint32_t kind, struct inlay_str name)
{
    if (kind == INLAY_SOURCE_DB)
        return database_name_valid(name);
    if (!inlay_utf8_valid(name))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i], lower = inlay_ascii_lower(c);

        if (c >= 0 && (c < ' ' || c == 127))
            return false;
        if (kind == INLAY_SOURCE_COOKIE && (c == ';' || c == '=' || c == ' '))
            return false;
        if (kind == INLAY_SOURCE_HEADER &&
            (c <= ' ' ||
             (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') &&
              !strchr("!#$%&'*+-.^_`|~", c))))
            return false;
    }
    return name.len > 0;
}

static struct inlay_error *set_source(struct inlay_module *module,
                                      const struct inlay_func *func,
                                      const struct inlay_source_record *record,
                                      struct inlay_param_source *ret)
{
    struct inlay_str name = inlay_str_from(record->name);

    if (ret->given)
        return inlay_records_wrong(
            "parameter '%s' of %.*s has %s already, in line %u", record->param,
            inlay_str_arg(func->name), macros[ret->kind], ret->decl.line);
    if ((record->name || record->kind == INLAY_SOURCE_DB) &&
        !name_valid(record->kind, name))
        return inlay_records_wrong(
            "\"%.*s\" can't be the name of a %s", inlay_str_arg(name),
            record->kind == INLAY_SOURCE_HEADER   ? "header"
            : record->kind == INLAY_SOURCE_COOKIE ? "cookie"
            : record->kind == INLAY_SOURCE_DB
                ? "database: it has up to 31 letters, digits, _ and -"
                : "query parameter");
    *ret = (struct inlay_param_source){
        .given = true,
        .kind = record->kind,
        .name = inlay_arena_copy(&module->arena, name),
        .decl = {inlay_str_from(record->file ? record->file : ""),
                 record->line},
    };
    return ret->name.ptr ? NULL : inlay_error_no_memory();
}

/* For all names of the function. */
static struct inlay_error *apply(struct inlay_module *module,
                                 const struct inlay_source_record *record)
{
    struct inlay_callable *callable;
    struct inlay_error *error;
    size_t index;

    if (record->kind >= inlay_array_size(macros))
        return inlay_records_wrong("it is of a newer inlay.h");
    error = inlay_records_function(module, record->func, &callable);
    if (!error)
        error = find_param(callable->func, record->param, record->kind, &index);
    if (error)
        return error;
    const struct inlay_func *func = callable->func;
    struct inlay_param_source *sources =
        callable->sources
            ? (struct inlay_param_source *)callable->sources
            : inlay_arena_zalloc_array(&module->arena, func->nparams,
                                       sizeof(*sources));
    if (!sources)
        return inlay_error_no_memory();
    for (size_t i = 0; i < module->ncallables; i++)
        if (module->callables[i].func->entry == func->entry)
            module->callables[i].sources = sources;
    return set_source(module, func, record, &sources[index]);
}

struct inlay_error *inlay_sources_apply(struct inlay_module *module,
                                        const struct inlay_debug *debug)
{
    struct inlay_records records;
    struct inlay_error *error =
        inlay_records_find(module, &debug->sections[INLAY_SECTION_source],
                           sizeof(struct inlay_source_record), &records);

    for (size_t i = 0; !error && i < records.count; i++) {
        const struct inlay_source_record *record =
            (const struct inlay_source_record *)records.items + i;

        error = apply(module, record);
        if (error)
            error = inlay_records_error(error, record->file, record->line,
                                        record->kind < inlay_array_size(macros)
                                            ? macros[record->kind]
                                            : "source");
    }
    return error;
}
