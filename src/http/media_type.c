#include "http/media_type.h"

#include <stdlib.h>

#include "base/macros.h"

#include "base/banned.h"

#define EXTENSION_MOST 11

#define PLAIN(extension, type)                                                 \
    {                                                                          \
        extension, {type, sizeof(type) - 1}, true                              \
    }
#define PACKED(extension, type)                                                \
    {                                                                          \
        extension, {type, sizeof(type) - 1}, false                             \
    }

/* Sorted by extension. Text is UTF-8, as nearly all is by now; other types
 * that are text say their charset themselves. */
static const struct inlay_media_type types[] = {
    /* clang-format off */
    PACKED("7z", "application/x-7z-compressed"),
    PACKED("aac", "audio/aac"),
    PACKED("apng", "image/apng"),
    PLAIN("arrow", "application/vnd.apache.arrow.file"),
    PLAIN("atom", "application/atom+xml"),
    PACKED("avif", "image/avif"),
    PLAIN("bmp", "image/bmp"),
    PACKED("br", "application/x-brotli"),
    PACKED("bz2", "application/x-bzip2"),
    PLAIN("cjs", "text/javascript; charset=utf-8"),
    PLAIN("conf", "text/plain; charset=utf-8"),
    PLAIN("css", "text/css; charset=utf-8"),
    PLAIN("csv", "text/csv; charset=utf-8"),
    PLAIN("doc", "application/msword"),
    PACKED("docx",
           "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    PLAIN("eot", "application/vnd.ms-fontobject"),
    PACKED("epub", "application/epub+zip"),
    PACKED("flac", "audio/flac"),
    PLAIN("geojson", "application/geo+json"),
    PACKED("gif", "image/gif"),
    PLAIN("glb", "model/gltf-binary"),
    PLAIN("gltf", "model/gltf+json"),
    PACKED("gz", "application/gzip"),
    PLAIN("htm", "text/html; charset=utf-8"),
    PLAIN("html", "text/html; charset=utf-8"),
    PLAIN("ico", "image/x-icon"),
    PLAIN("ics", "text/calendar; charset=utf-8"),
    PLAIN("ini", "text/plain; charset=utf-8"),
    PACKED("jar", "application/zip"),
    PACKED("jpeg", "image/jpeg"),
    PACKED("jpg", "image/jpeg"),
    PLAIN("js", "text/javascript; charset=utf-8"),
    PLAIN("json", "application/json"),
    PLAIN("jsonl", "application/x-ndjson"),
    PLAIN("jsonld", "application/ld+json"),
    PACKED("jxl", "image/jxl"),
    PLAIN("log", "text/plain; charset=utf-8"),
    PLAIN("m3u8", "application/vnd.apple.mpegurl"),
    PACKED("m4a", "audio/mp4"),
    PACKED("m4v", "video/mp4"),
    PLAIN("map", "application/json"),
    PLAIN("markdown", "text/markdown; charset=utf-8"),
    PLAIN("md", "text/markdown; charset=utf-8"),
    PLAIN("mjs", "text/javascript; charset=utf-8"),
    PACKED("mkv", "video/matroska"),
    PACKED("mov", "video/quicktime"),
    PACKED("mp3", "audio/mpeg"),
    PACKED("mp4", "video/mp4"),
    PLAIN("mpd", "application/dash+xml"),
    PLAIN("ndjson", "application/x-ndjson"),
    PACKED("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    PACKED("odt", "application/vnd.oasis.opendocument.text"),
    PACKED("oga", "audio/ogg"),
    PACKED("ogg", "audio/ogg"),
    PACKED("ogv", "video/ogg"),
    PACKED("opus", "audio/ogg"),
    PLAIN("otf", "font/otf"),
    PACKED("parquet", "application/vnd.apache.parquet"),
    PACKED("pdf", "application/pdf"),
    PACKED("png", "image/png"),
    PLAIN("ppt", "application/vnd.ms-powerpoint"),
    PACKED("pptx",
           "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    PLAIN("rss", "application/rss+xml"),
    PLAIN("rtf", "application/rtf"),
    PLAIN("svg", "image/svg+xml"),
    PLAIN("tar", "application/x-tar"),
    PLAIN("text", "text/plain; charset=utf-8"),
    PACKED("tgz", "application/gzip"),
    PACKED("tif", "image/tiff"),
    PACKED("tiff", "image/tiff"),
    PLAIN("toml", "application/toml"),
    PACKED("ts", "video/mp2t"),
    PLAIN("tsv", "text/tab-separated-values; charset=utf-8"),
    PLAIN("ttf", "font/ttf"),
    PLAIN("txt", "text/plain; charset=utf-8"),
    PLAIN("vcf", "text/vcard; charset=utf-8"),
    PLAIN("vtt", "text/vtt; charset=utf-8"),
    PLAIN("wasm", "application/wasm"),
    PLAIN("wav", "audio/wav"),
    PACKED("weba", "audio/webm"),
    PACKED("webm", "video/webm"),
    PLAIN("webmanifest", "application/manifest+json"),
    PACKED("webp", "image/webp"),
    PACKED("whl", "application/zip"),
    PACKED("woff", "font/woff"),
    PACKED("woff2", "font/woff2"),
    PLAIN("xhtml", "application/xhtml+xml"),
    PLAIN("xls", "application/vnd.ms-excel"),
    PACKED("xlsx",
           "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    PLAIN("xml", "application/xml"),
    PLAIN("xsl", "application/xml"),
    PACKED("xz", "application/x-xz"),
    PLAIN("yaml", "application/yaml"),
    PLAIN("yml", "application/yaml"),
    PACKED("zip", "application/zip"),
    PACKED("zst", "application/zstd"),
    /* clang-format on */
};

static const struct inlay_media_type unknown =
    PACKED("", "application/octet-stream");

static int compare(const void *key, const void *element)
{
    return strcmp(key, ((const struct inlay_media_type *)element)->extension);
}

const struct inlay_media_type *inlay_media_type_find(struct inlay_str name)
{
    char extension[EXTENSION_MOST + 1];
    size_t len = 0;

    while (len < name.len && name.ptr[name.len - len - 1] != '.') {
        char c = name.ptr[name.len - ++len];

        if (len > EXTENSION_MOST || c == '/')
            return &unknown;
        extension[EXTENSION_MOST - len] = inlay_ascii_lower(c);
    }
    if (len == name.len)
        return &unknown;
    extension[EXTENSION_MOST] = '\0';
    const struct inlay_media_type *found =
        bsearch(extension + EXTENSION_MOST - len, types,
                inlay_array_size(types), sizeof(types[0]), compare);
    return found ? found : &unknown;
}

static bool ends_nocase(struct inlay_str text, struct inlay_str end)
{
    return text.len >= end.len &&
           inlay_str_equal_nocase(
               inlay_str_make(text.ptr + text.len - end.len, end.len), end);
}

bool inlay_media_type_is_json(struct inlay_str type)
{
    const char *end = type.len ? memchr(type.ptr, ';', type.len) : NULL;
    struct inlay_str before = INLAY_STR("application/");

    if (end)
        type.len = (size_t)(end - type.ptr);
    type = inlay_str_trim(type);
    if (type.len < before.len ||
        !inlay_str_equal_nocase(inlay_str_make(type.ptr, before.len), before))
        return false;
    type = inlay_str_make(type.ptr + before.len, type.len - before.len);
    return inlay_str_is_nocase(type, "json") ||
           ends_nocase(type, INLAY_STR("+json"));
}
