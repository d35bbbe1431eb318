/* pg_text.c - cells -> the text that PostgreSQL's input functions read. */
#include <math.h>

#include "base/macros.h"
#include "db/pg_types.h"
#include "type/calendar.h"
#include "type/real.h"
#include "type/uuid.h"

#include "base/banned.h"

static int put_real(const struct inlay_cell *cell, struct inlay_buf *out)
{
    char text[INLAY_REAL_MOST];
    size_t len;

    if (isnan(cell->real))
        return inlay_buf_append_literal(out, "NaN");
    if (isinf(cell->real))
        return cell->real > 0 ? inlay_buf_append_literal(out, "Infinity")
                              : inlay_buf_append_literal(out, "-Infinity");
    len = cell->narrow ? inlay_real_format_float(text, (float)cell->real,
                                                 INLAY_REAL_ANSWER)
                       : inlay_real_format(text, cell->real, INLAY_REAL_ANSWER);
    /* As float8out: 1, not 1.0, which no integer column would take. */
    if (len > 2 && memcmp(text + len - 2, ".0", 2) == 0)
        len -= 2;
    return inlay_buf_append(out, text, len);
}

static int put_integer(const struct inlay_cell *cell, struct inlay_buf *out)
{
    return cell->too_wide ? inlay_buf_append_u64(out, (uint64_t)cell->integer)
                          : inlay_buf_append_i64(out, cell->integer);
}

/* DATE, DATETIME, UUID. */
static int put_time(enum inlay_kind kind,
                    const void *value,
                    struct inlay_buf *out)
{
    const struct inlay_type type = {.kind = kind};
    char text[INLAY_TIME_TEXT_MOST];
    int len = inlay_time_write(&type, value, text);

    return len < 0 ? -1 : inlay_buf_append(out, text, (size_t)len);
}

/* bytea's hex format: \x and two digits of each. */
static int put_bytes(struct inlay_str bytes, struct inlay_buf *out)
{
    static const char hex[] = "0123456789abcdef";
    char *at;

    if (bytes.len > SIZE_MAX / 2 - 2 ||
        inlay_buf_reserve(out, bytes.len * 2 + 2) < 0)
        return -1;
    at = inlay_buf_tail(out);
    *at++ = '\\';
    *at++ = 'x';
    for (size_t i = 0; i < bytes.len; i++) {
        *at++ = hex[(unsigned char)bytes.ptr[i] >> 4];
        *at++ = hex[(unsigned char)bytes.ptr[i] & 15];
    }
    inlay_buf_added(out, bytes.len * 2 + 2);
    return 0;
}

/*
 * A backslash before each character behind `start` bytes that `is_special`
 * gives another one for; from the end on, so that nothing is moved twice.
 */
static int escape(struct inlay_buf *out,
                  size_t start,
                  char (*is_special)(char c))
{
    size_t len = inlay_buf_len(out) - start, more = 0;
    char *text;

    if (len == 0) /* there may be no memory to point into yet */
        return 0;
    text = inlay_buf_tail(out) - len;
    for (size_t i = 0; i < len; i++)
        more += is_special(text[i]) != 0;
    if (more == 0)
        return 0;
    if (inlay_buf_reserve(out, more) < 0)
        return -1;
    text = inlay_buf_tail(out) - len; /* it may have moved */
    inlay_buf_added(out, more);
    for (size_t i = len, to = len + more; to > i;) {
        char special = is_special(text[--i]);

        text[--to] = special ? special : text[i];
        if (special)
            text[--to] = '\\';
    }
    return 0;
}

/* --- Arrays (PostgreSQL, 8.15.6: input and output syntax) ----------------- */

static char array_special(char c)
{
    return c == '"' || c == '\\' ? c : '\0';
}

static bool is_quoted(enum inlay_cell_kind kind)
{
    return kind == INLAY_CELL_TEXT || kind == INLAY_CELL_JSON ||
           kind == INLAY_CELL_BYTES;
}

static int put_element(const struct inlay_cell *cell, struct inlay_buf *out)
{
    size_t start;

    if (cell->kind == INLAY_CELL_NULL)
        return inlay_buf_append_literal(out, "NULL");
    if (cell->kind == INLAY_CELL_ARRAY)
        return -1; /* has none within */
    if (!is_quoted(cell->kind))
        return inlay_pg_text(cell, out);
    if (inlay_buf_append_char(out, '"') < 0)
        return -1;
    start = inlay_buf_len(out);
    if (inlay_pg_text(cell, out) < 0 || escape(out, start, array_special) < 0)
        return -1;
    return inlay_buf_append_char(out, '"');
}

static int put_array(const struct inlay_cell *cell, struct inlay_buf *out)
{
    if (inlay_buf_append_char(out, '{') < 0)
        return -1;
    for (size_t i = 0; i < cell->nelements; i++)
        if ((i && inlay_buf_append_char(out, ',') < 0) ||
            put_element(&cell->elements[i], out) < 0)
            return -1;
    return inlay_buf_append_char(out, '}');
}

int inlay_pg_text(const struct inlay_cell *cell, struct inlay_buf *out)
{
    switch (cell->kind) {
    case INLAY_CELL_NULL:
        return 0;
    case INLAY_CELL_BOOL:
        return inlay_buf_append_char(out, cell->boolean ? 't' : 'f');
    case INLAY_CELL_INT:
        return put_integer(cell, out);
    case INLAY_CELL_REAL:
        return put_real(cell, out);
    case INLAY_CELL_TEXT:
    case INLAY_CELL_JSON:
        return inlay_buf_append_str(out, cell->text);
    case INLAY_CELL_BYTES:
        return put_bytes(cell->text, out);
    case INLAY_CELL_DATE:
        return put_time(INLAY_KIND_DATE, &cell->date, out);
    case INLAY_CELL_DATETIME:
        return put_time(INLAY_KIND_DATETIME, &cell->datetime, out);
    case INLAY_CELL_UUID:
        return put_time(INLAY_KIND_UUID, &cell->uuid, out);
    case INLAY_CELL_ARRAY:
        return put_array(cell, out);
    }
    return -1;
}

/* --- COPY (its page, "Text Format") --------------------------------------- */

static char copy_special(char c)
{
    static const char letters[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',
        ['\v'] = 'v', ['\f'] = 'f', ['\r'] = 'r',
    };

    if (c == '\\')
        return c;
    return (unsigned char)c < sizeof(letters) ? letters[(unsigned char)c]
                                              : '\0';
}

int inlay_pg_copy_text(const struct inlay_cell *cell, struct inlay_buf *out)
{
    size_t start = inlay_buf_len(out);

    if (cell->kind == INLAY_CELL_NULL)
        return inlay_buf_append_literal(out, "\\N");
    if (inlay_pg_text(cell, out) < 0)
        return -1;
    return escape(out, start, copy_special);
}
