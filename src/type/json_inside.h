/* json_inside.h - what the JSON files of this folder share. */
#ifndef INLAY_TYPE_JSON_INSIDE_H
#define INLAY_TYPE_JSON_INSIDE_H

#include "base/arena.h"
#include "base/str.h"

struct yyjson_val;

/*
 * A parsed value as Python's json.dumps writes it (compact, not ASCII only),
 * for the "input" of a violation. Not recursive: a client chooses the depth.
 * On failure (the arena is full) ptr is NULL.
 */
struct inlay_str inlay_json_echo(struct yyjson_val *val,
                                 struct inlay_arena *arena);

/* Text as a JSON string, what is not UTF-8 replaced by U+FFFD. */
struct inlay_str inlay_json_echo_text(struct inlay_str text,
                                      struct inlay_arena *arena);

struct inlay_json_error {
    const char *message; /* as CPython's json has it: "Expecting value" */
    size_t at;           /* bytes */
};

/*
 * Why Python's json would refuse this text, and where. False: it would not
 * (NaN, lone surrogates), or there is no memory to find out.
 */
bool inlay_json_diagnose(struct inlay_str text,
                         struct inlay_arena *arena,
                         struct inlay_json_error *ret);

#endif
