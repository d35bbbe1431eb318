/*
 * json.h - JSON text <-> C values, by type. Reading follows pydantic's lax
 * mode ("36" and 3.0 for an int, 1.5 not; true for 1…), takes the last of
 * duplicate keys, ignores unknown ones, refuses NaN and infinity.
 */
#ifndef INLAY_TYPE_JSON_H
#define INLAY_TYPE_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "type/type.h"
#include "type/violation.h"

enum inlay_json_status {
    INLAY_JSON_OK = 0,
    INLAY_JSON_INVALID = -1,   /* violations say what */
    INLAY_JSON_NO_MEMORY = -2, /* the arena is full: 413 or 503 */
};

/* A parsed document; lives in the arena it was parsed into. */
struct inlay_json_doc {
    struct yyjson_doc *doc;
    struct inlay_str text; /* what was parsed */
};

/*
 * Parse `text`. INVALID adds one JSON_INVALID violation whose place is
 * `place` with the position as its last index (FastAPI: ["body", 9]; it counts
 * characters). Text may begin with a byte order mark. Documents of any depth
 * are parsed, reading one goes 128 deep.
 */
enum inlay_json_status inlay_json_parse(struct inlay_str text,
                                        struct inlay_arena *arena,
                                        const struct inlay_place *place,
                                        struct inlay_violations *violations,
                                        struct inlay_json_doc *ret);

/* Is it {…}, so that it has members? */
bool inlay_json_is_object(const struct inlay_json_doc *doc);

/*
 * The whole document as a value of `type`, written to `ret` (type->size
 * bytes, aligned). Text and slices point into the arena or the document.
 * On INVALID every violation has been added, and `ret` is not to be used.
 */
enum inlay_json_status inlay_json_read(const struct inlay_json_doc *doc,
                                       const struct inlay_type *type,
                                       struct inlay_arena *arena,
                                       const struct inlay_place *place,
                                       struct inlay_violations *violations,
                                       void *ret);

/* The same within constraints, NULL: none. */
enum inlay_json_status inlay_json_read_within(
    const struct inlay_json_doc *doc,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    struct inlay_arena *arena,
    const struct inlay_place *place,
    struct inlay_violations *violations,
    void *ret);

/*
 * One member of a document that must be an object (two struct parameters are
 * embedded by name); `place` is the document's, the name is added to it. An
 * absent member is MISSING unless `fallback` is given, which is then copied,
 * or it is optional. As with FastAPI, a document that is no object has no
 * members.
 */
enum inlay_json_status inlay_json_read_member(
    const struct inlay_json_doc *doc,
    struct inlay_str name,
    const struct inlay_type *type,
    const struct inlay_constraints *constraints,
    const void *fallback,
    struct inlay_arena *arena,
    const struct inlay_place *place,
    struct inlay_violations *violations,
    void *ret);

/*
 * A value of `type` as JSON, appended. NaN and infinity become null, text
 * that is not UTF-8 and dates that are none are errors. 0, or -1 past the
 * buffer's limit, without memory or for such a value (the buffer then holds a
 * part: drop it).
 */
int inlay_json_write(const struct inlay_type *type,
                     const void *value,
                     struct inlay_buf *out);

/* The same without quotes, to stand within a string. */
int inlay_json_write_inside(struct inlay_str text, struct inlay_buf *out);

/* Text as a JSON string with quotes; the text must be UTF-8. 0 or -1. */
int inlay_json_write_string(struct inlay_str text, struct inlay_buf *out);

/*
 * The text, or a copy in the arena with U+FFFD for what is not UTF-8, as
 * Python decodes it. ptr is NULL without memory.
 */
struct inlay_str inlay_json_readable(struct inlay_str text,
                                     struct inlay_arena *arena);

#endif
