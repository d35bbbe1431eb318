/* sql.c - a scanner that knows where SQL is quoted, and no more. */
#include "load/sql.h"

#include <string.h>

#include "base/macros.h"

#include "base/banned.h"

#define NUMBER_MOST 1000000u

struct scanner {
    const char *at, *end;
    unsigned highest;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_name(char c)
{
    char lower = inlay_ascii_lower(c);

    return (lower >= 'a' && lower <= 'z') || c == '_' || (c & 0x80);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char next(const struct scanner *scanner, size_t ahead)
{
    return (size_t)(scanner->end - scanner->at) > ahead ? scanner->at[ahead]
                                                        : '\0';
}

/* At a quote: behind the one that ends it. Two of them are one within. */
static void skip_quoted(struct scanner *scanner, char quote, bool escapes)
{
    for (scanner->at++; scanner->at < scanner->end; scanner->at++) {
        if (escapes && *scanner->at == '\\') {
            if (scanner->end - scanner->at < 2)
                break;
            scanner->at++;
        } else if (*scanner->at == quote) {
            if (next(scanner, 1) != quote) {
                scanner->at++;
                return;
            }
            scanner->at++;
        }
    }
    scanner->at = scanner->end;
}

/* Strings with only blanks and a line's end between them are one string. */
static bool goes_on(struct scanner *scanner)
{
    bool line = false;
    const char *at = scanner->at;

    for (; at < scanner->end && is_blank(*at); at++)
        line |= *at == '\n' || *at == '\r';
    if (!line || at == scanner->end || *at != '\'')
        return false;
    scanner->at = at;
    return true;
}

/* E'…', in which a backslash takes the next character with it. */
static void skip_escaped(struct scanner *scanner)
{
    do {
        skip_quoted(scanner, '\'', true);
    } while (goes_on(scanner));
}

static void skip_name(struct scanner *scanner)
{
    const char *begin = scanner->at;

    while (scanner->at < scanner->end &&
           (begins_name(*scanner->at) || is_digit(*scanner->at) ||
            *scanner->at == '$'))
        scanner->at++;
    if (scanner->at - begin == 1 && inlay_ascii_lower(*begin) == 'e' &&
        next(scanner, 0) == '\'')
        skip_escaped(scanner);
}

static void skip_line(struct scanner *scanner)
{
    while (scanner->at < scanner->end && *scanner->at != '\n' &&
           *scanner->at != '\r')
        scanner->at++;
}

static void skip_comment(struct scanner *scanner)
{
    size_t depth = 0;

    do {
        if (next(scanner, 0) == '/' && next(scanner, 1) == '*') {
            depth++;
            scanner->at += 2;
        } else if (next(scanner, 0) == '*' && next(scanner, 1) == '/') {
            depth--;
            scanner->at += 2;
        } else {
            scanner->at++;
        }
    } while (depth && scanner->at < scanner->end);
}

static void read_number(struct scanner *scanner)
{
    unsigned number = 0;

    for (scanner->at++; is_digit(next(scanner, 0)); scanner->at++)
        number = inlay_min(number * 10 + (unsigned)(*scanner->at - '0'),
                           NUMBER_MOST);
    scanner->highest = inlay_max(scanner->highest, number);
}

/* $tag$…$tag$, $$…$$; a dollar alone is one. */
static void skip_dollars(struct scanner *scanner)
{
    const char *begin = scanner->at++;

    if (begins_name(next(scanner, 0)))
        while (begins_name(next(scanner, 0)) || is_digit(next(scanner, 0)))
            scanner->at++;
    if (next(scanner, 0) != '$') {
        scanner->at = begin + 1;
        return;
    }
    size_t len = (size_t)(++scanner->at - begin);
    const char *end =
        memmem(scanner->at, (size_t)(scanner->end - scanner->at), begin, len);
    scanner->at = end ? end + len : scanner->end;
}

static void scan_one(struct scanner *scanner)
{
    char c = *scanner->at;

    if (c == '\'' || c == '"')
        skip_quoted(scanner, c, false);
    else if (begins_name(c))
        skip_name(scanner);
    else if (c == '$' && is_digit(next(scanner, 1)))
        read_number(scanner);
    else if (c == '$')
        skip_dollars(scanner);
    else if (c == '-' && next(scanner, 1) == '-')
        skip_line(scanner);
    else if (c == '/' && next(scanner, 1) == '*')
        skip_comment(scanner);
    else
        scanner->at++;
}

unsigned inlay_sql_params(struct inlay_str sql)
{
    struct scanner scanner = {.at = sql.ptr, .end = sql.ptr + sql.len};

    while (scanner.at < scanner.end)
        scan_one(&scanner);
    return scanner.highest;
}

/* --- Tables --------------------------------------------------------------- */

static void skip_blanks(struct scanner *scanner)
{
    for (;;) {
        while (is_blank(next(scanner, 0)))
            scanner->at++;
        if (next(scanner, 0) == '-' && next(scanner, 1) == '-')
            skip_line(scanner);
        else if (next(scanner, 0) == '/' && next(scanner, 1) == '*')
            skip_comment(scanner);
        else
            return;
    }
}

/* With its quotes, those of SQLite too; and the blanks behind it. */
static bool take_name(struct scanner *scanner, struct inlay_str *ret)
{
    const char *begin = scanner->at;
    char c = next(scanner, 0);

    if (c == '"' || c == '`')
        skip_quoted(scanner, c, false);
    else if (begins_name(c))
        skip_name(scanner);
    else
        return false;
    *ret = inlay_str_make(begin, (size_t)(scanner->at - begin));
    skip_blanks(scanner);
    return true;
}

static bool take(struct scanner *scanner, char c)
{
    if (next(scanner, 0) != c)
        return false;
    scanner->at++;
    skip_blanks(scanner);
    return true;
}

/* Names with `between` between them. */
static bool take_names(struct scanner *scanner, char between)
{
    struct inlay_str name;

    do {
        if (!take_name(scanner, &name))
            return false;
    } while (take(scanner, between));
    return true;
}

bool inlay_sql_table(struct inlay_str sql, struct inlay_str *columns_ret)
{
    struct scanner scanner = {.at = sql.ptr, .end = sql.ptr + sql.len};

    *columns_ret = inlay_str_make(NULL, 0);
    skip_blanks(&scanner);
    if (!take_names(&scanner, '.'))
        return false;
    if (take(&scanner, '(')) {
        const char *begin = scanner.at;

        if (!take_names(&scanner, ','))
            return false;
        *columns_ret = inlay_str_make(begin, (size_t)(scanner.at - begin));
        if (!take(&scanner, ')'))
            return false;
    }
    return scanner.at == scanner.end;
}

bool inlay_sql_column(struct inlay_str *columns, struct inlay_str *ret)
{
    struct scanner scanner = {.at = columns->ptr,
                              .end = columns->ptr + columns->len};
    bool has = take_name(&scanner, ret);

    take(&scanner, ',');
    *columns = inlay_str_make(scanner.at, (size_t)(scanner.end - scanner.at));
    return has;
}
