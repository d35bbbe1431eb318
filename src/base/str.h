/*
 * str.h - views of text: pointer and length, never NUL-terminated. The type
 * is the public header's, so that C files and the core mean the same thing.
 */
#ifndef INLAY_BASE_STR_H
#define INLAY_BASE_STR_H

#ifndef INLAY_CORE
#define INLAY_CORE 1
#endif
#include <inlay.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* For printf: ("%.*s", inlay_str_arg(s)). */
#define inlay_str_arg(s) (int)(s).len, (s).ptr

static inline struct inlay_str inlay_str_make(const char *ptr, size_t len)
{
    return (struct inlay_str){ptr, len};
}

/* A view of a NUL-terminated string; NULL is the empty view. */
static inline struct inlay_str inlay_str_from(const char *text)
{
    return (struct inlay_str){text, text ? strlen(text) : 0};
}

static inline bool inlay_str_equal(struct inlay_str a, struct inlay_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* a == a string literal. */
#define inlay_str_is(a, literal) inlay_str_equal((a), INLAY_STR(literal))
#define inlay_str_is_nocase(a, literal)                                        \
    inlay_str_equal_nocase((a), INLAY_STR(literal))

static inline bool inlay_str_starts(struct inlay_str s, struct inlay_str with)
{
    return s.len >= with.len &&
           (with.len == 0 || memcmp(s.ptr, with.ptr, with.len) == 0);
}

static inline char inlay_ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* ASCII letters of `text` in place. */
void inlay_ascii_lower_all(char *text, size_t len);

/* ASCII letters compare without case (RFC 9110 5.1: field names). */
bool inlay_str_equal_nocase(struct inlay_str a, struct inlay_str b);

/* Blanks (space, tab) off both ends. */
struct inlay_str inlay_str_trim(struct inlay_str s);

/*
 * For messages: "…" with other than printable ASCII, '"' and '\\' as \xNN; what
 * has no room is left out. NUL-terminated; `size` is 4 and more.
 */
void inlay_str_quote(struct inlay_str s, char *out, size_t size);

/* Is it well-formed UTF-8 (no surrogates, no overlong forms)? */
bool inlay_utf8_valid(struct inlay_str s);

/* Where text that comes in pieces is cut; zeros: before its first byte. */
struct inlay_utf8 {
    uint8_t left;      /* bytes of a begun character that are to come; at the
                          text's end there must be none */
    uint8_t low, high; /* bounds of the next of them */
};

/* The next piece; false at the first byte that well-formed UTF-8 can't have
 * there. */
bool inlay_utf8_feed(struct inlay_utf8 *utf8, struct inlay_str piece);

/* Code points in well-formed UTF-8. */
size_t inlay_utf8_length(struct inlay_str s);

/* Bytes of the character at the start of `s`; 0: there is none. */
size_t inlay_utf8_character(struct inlay_str s);

/*
 * Bytes at the start of `s`, where no character is, that become one U+FFFD: a
 * sequence that was begun well, or one byte (Unicode 15, 3.9).
 */
size_t inlay_utf8_bad(struct inlay_str s);

/* FNV-1a, for tables of names; not for keys that a client can choose. */
static inline uint32_t inlay_str_hash(struct inlay_str s)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * 16777619u;
    return hash;
}

/* Shortest decimal text of an integer; `buf` holds 20 bytes; the length. */
size_t inlay_format_u64(char *buf, uint64_t value);
size_t inlay_format_i64(char *buf, int64_t value);

#endif
