/* What config.compress and compress_types say. */
#include "serve/compress.h"
#include "serve/server.h"

#include "base/banned.h"

static const struct {
    struct inlay_str name;
    enum inlay_coding coding;
} codings[] = {
    {INLAY_STR("gzip"), INLAY_CODING_GZIP},
    {INLAY_STR("br"), INLAY_CODING_BR},
    {INLAY_STR("zstd"), INLAY_CODING_ZSTD},
};

static struct inlay_error *read_coding(struct inlay_compression *compression,
                                       struct inlay_str name)
{
    enum inlay_coding coding = INLAY_CODING_IDENTITY;

    for (size_t i = 0; i < inlay_array_size(codings); i++) {
        if (inlay_str_equal(codings[i].name, name))
            coding = codings[i].coding;
    }
    if (coding == INLAY_CODING_IDENTITY)
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "compress: \"%.*s\" is not known; there are gzip, br and zstd",
            inlay_str_arg(name));
    for (size_t i = 0; i < compression->ncodings; i++) {
        if (compression->codings[i] == coding)
            return inlay_error_create(INLAY_ERROR_VALUE,
                                      "compress: %.*s is there twice",
                                      inlay_str_arg(name));
    }
    compression->codings[compression->ncodings++] = coding;
    return NULL;
}

static struct inlay_error *read_type(struct inlay_str text,
                                     struct inlay_type_pattern *ret)
{
    const char *star = text.len ? memchr(text.ptr, '*', text.len) : NULL;
    size_t before = star ? (size_t)(star - text.ptr) : text.len;
    struct inlay_str after = INLAY_STR("");

    if (star)
        after = inlay_str_make(star + 1, text.len - before - 1);
    if (!text.len || (after.len && memchr(after.ptr, '*', after.len)) ||
        (text.len > 1 && !memchr(text.ptr, '/', text.len)) ||
        memchr(text.ptr, ';', text.len))
        return inlay_error_create(
            INLAY_ERROR_VALUE,
            "compress_types: \"%.*s\" is no media type with one star at most, "
            "as text/* or application/*+json",
            inlay_str_arg(text));
    *ret = (struct inlay_type_pattern){
        .before = inlay_str_make(text.ptr, before),
        .after = after,
        .exact = !star,
    };
    return NULL;
}

struct inlay_error *inlay_compression_create(
    const struct inlay_server_config *config,
    struct inlay_arena *arena,
    struct inlay_compression **ret)
{
    const struct inlay_strs *types = &config->compress_types;
    struct inlay_compression *compression;
    struct inlay_error *error = NULL;

    *ret = NULL;
    if (config->compress.count == 0)
        return NULL;
    compression = inlay_arena_new(arena, struct inlay_compression);
    if (!compression)
        return inlay_error_no_memory();
    compression->min_size = config->compress_min_size;
    compression->types = inlay_arena_zalloc_array(arena, types->count + 1,
                                                  sizeof(*compression->types));
    if (!compression->types)
        return inlay_error_no_memory();
    for (size_t i = 0; !error && i < config->compress.count; i++)
        error = read_coding(compression, config->compress.items[i]);
    for (size_t i = 0; !error && i < types->count; i++)
        error = read_type(inlay_str_trim(types->items[i]),
                          &compression->types[compression->ntypes++]);
    if (error)
        return error;
    *ret = compression;
    return NULL;
}
