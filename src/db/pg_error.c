/*
 * pg_error.c - what PostgreSQL says when something fails, as a failure:
 * SQLSTATE (PostgreSQL 15, Appendix A) -> kinds.
 */
#include <stdlib.h>

#include "db/pg.h"

#include "base/banned.h"

struct kind_of {
    const char *prefix; /* of the SQLSTATE; the first that fits */
    int kind;
    bool may_retry;
};

static const struct kind_of kinds[] = {
    {"23505", INLAY_CONFLICT, false}, /* unique_violation */
    {"23P01", INLAY_CONFLICT, false}, /* exclusion_violation */
    {"23503", INLAY_CONFLICT, false}, /* foreign_key_violation */
    {"23502", INLAY_INVALID, false},  /* not_null_violation */
    {"23514", INLAY_INVALID, false},  /* check_violation */
    {"22P04", INLAY_INTERNAL, false}, /* bad_copy_file_format: COPY's columns */
    {"22", INLAY_INVALID, false},     /* data exceptions */
    {"40001", INLAY_CONFLICT, true},  /* serialization_failure */
    {"40P01", INLAY_CONFLICT, true},  /* deadlock_detected */
    {"57014", INLAY_TIMEOUT, false},  /* query_canceled */
    {"57P01", INLAY_UNAVAILABLE, false}, /* admin_shutdown */
    {"57P02", INLAY_UNAVAILABLE, false}, /* crash_shutdown */
    {"57P03", INLAY_UNAVAILABLE, false}, /* cannot_connect_now */
    {"53", INLAY_UNAVAILABLE, false},    /* insufficient resources */
    {"08P01", INLAY_INTERNAL, false}, /* protocol_violation: too few values */
    {"08", INLAY_UNAVAILABLE, false}, /* connection exceptions */
    {"", INLAY_INTERNAL, false},
};

static const struct kind_of *kind_of(const char *sqlstate)
{
    const struct kind_of *kind = kinds;

    while (strncmp(sqlstate, kind->prefix, strlen(kind->prefix)) != 0)
        kind++;
    return kind;
}

/* Without a character that was cut off at the end. */
static void trim(char *text)
{
    size_t len = strlen(text);

    while (len && !inlay_utf8_valid(inlay_str_make(text, len)) &&
           ((unsigned char)text[len - 1] & 0x80))
        text[--len] = '\0';
}

/* Where libpq says, in three lines with guesses, that the server has closed the
 * connection; in English, as nobody sets LC_MESSAGES. NULL: nowhere. */
static const char *find_closed(const char *text)
{
    return strstr(text, "server closed the connection unexpectedly");
}

void inlay_pg_one_line(const char *text, char *out, size_t size)
{
    const char *closed = find_closed(text);

    if (closed == text)
        text = "the server has closed it, or its process has died";
    bool valid = inlay_utf8_valid(inlay_str_from(text));
    size_t len = 0;

    /* What is said before there is a client encoding may be in any. */
    for (; *text && text != closed && len + 1 < size; text++) {
        char c = *text;

        /* libpq's hints are indented: "failed: …\n\tIs the server running?" */
        if (c == '\n' && text[1] == '\t' && len && out[len - 1] != '.')
            c = '.';
        else if (c == '\n' || c == '\r' || c == '\t')
            c = ' ';
        if (c == ' ' && (!len || out[len - 1] == ' '))
            continue;
        out[len++] = (c & 0x80) && !valid ? '?' : c;
    }
    while (len && out[len - 1] == ' ')
        len--;
    out[len] = '\0';
    trim(out);
}

/* Characters before the error in what was sent, from 1; 0: it says none. */
static unsigned long position_of(const PGresult *result)
{
    const char *text = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);

    return text ? strtoul(text, NULL, 10) : 0;
}

void inlay_pg_failure(const PGresult *result,
                      unsigned offset,
                      struct inlay_failure *ret)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *all = PQresultErrorMessage(result);
    unsigned long position = position_of(result);
    char line[400];

    inlay_pg_one_line(text ? text : all, line, sizeof(line));
    if (!state || strlen(state) != 5) {
        inlay_failure_set(ret, INLAY_UNAVAILABLE,
                          find_closed(all)
                              ? "lost the connection: %s; whether "
                                "the statement was done is not known"
                              : "%s",
                          line);
        return;
    }
    const struct kind_of *kind = kind_of(state);
    memcpy(ret->sqlstate, state, sizeof(ret->sqlstate));
    ret->may_retry = kind->may_retry;
    ret->is_private = true;
    if (kind->kind != INLAY_INTERNAL)
        inlay_failure_set(ret, kind->kind, "%s", line);
    else if (position > offset)
        inlay_failure_set(ret, INLAY_INTERNAL,
                          "%s (SQLSTATE %s, at character %lu)", line, state,
                          position - offset);
    else
        inlay_failure_set(ret, INLAY_INTERNAL, "%s (SQLSTATE %s)", line, state);
}

size_t inlay_pg_error_line(const PGresult *result,
                           unsigned offset,
                           struct inlay_str text)
{
    unsigned long position = position_of(result);
    size_t line = 1;

    if (position <= offset)
        return 0;
    position -= offset;
    for (size_t i = 0; i < text.len; i++) {
        /* Bytes that begin a character. */
        if (((unsigned char)text.ptr[i] & 0xC0) != 0x80 && --position == 0)
            break;
        line += text.ptr[i] == '\n';
    }
    return line;
}

void inlay_pg_failure_unavailable(struct inlay_failure *ret,
                                  const struct inlay_pg_lane *lane,
                                  const char *what,
                                  const char *why)
{
    char line[300];

    inlay_pg_one_line(why, line, sizeof(line));
    inlay_failure_set(
        ret, INLAY_UNAVAILABLE, "%s %.*s: %s", what,
        (int)inlay_min(lane->base.database->shown.len, (size_t)120),
        lane->base.database->shown.ptr, line);
    trim(ret->text);
}

bool inlay_pg_error_unknown(const char *sqlstate)
{
    return strcmp(sqlstate, "26000") == 0 || strcmp(sqlstate, "42P05") == 0;
}

/* "cached plan must not change result type"; in any language of the server. */
bool inlay_pg_error_stale(const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *where = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);

    return state && where && strcmp(state, "0A000") == 0 &&
           strcmp(where, "RevalidateCachedQuery") == 0;
}
