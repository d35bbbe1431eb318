/* pg_rows.c - rows as libpq has them, in its own memory. */
#include "db/pg.h"
#include "db/pg_types.h"

#include "base/banned.h"

/* Within the result's memory (PQresultAlloc): it goes with it. */
struct rows {
    struct inlay_rowset base;
    PGresult *result;
};

static struct inlay_str name(const struct inlay_rowset *rows, size_t column)
{
    const struct rows *self = inlay_container_of(rows, struct rows, base);

    return inlay_str_from(PQfname(self->result, (int)column));
}

static const char *cell(const struct inlay_rowset *rows,
                        size_t row,
                        size_t column,
                        struct inlay_arena *arena,
                        struct inlay_cell *ret)
{
    const struct rows *self = inlay_container_of(rows, struct rows, base);
    const PGresult *result = self->result;
    int r = (int)row, c = (int)column;

    if (row >= rows->nrows || column >= rows->ncolumns)
        return "there is no such value";
    size_t length = (size_t)PQgetlength(result, r, c); /* 0 of a NULL */
    if (!length && PQgetisnull(result, r, c)) {
        *ret = (struct inlay_cell){.kind = INLAY_CELL_NULL};
        return NULL;
    }
    return inlay_pg_cell(PQftype(result, c),
                         inlay_str_make(PQgetvalue(result, r, c), length),
                         arena, ret);
}

static void destroy(struct inlay_rowset *rows)
{
    PQclear(inlay_container_of(rows, struct rows, base)->result);
}

static const struct inlay_rowset_ops ops = {
    .name = name,
    .cell = cell,
    .destroy = destroy,
};

struct inlay_rowset *inlay_pg_rowset(PGresult *result)
{
    struct rows *rows = PQresultAlloc(result, sizeof(*rows));

    if (!rows) {
        PQclear(result);
        return NULL;
    }
    rows->base.ncolumns = (size_t)PQnfields(result);
    rows->base.nrows = (size_t)PQntuples(result);
    rows->base.ops = &ops;
    rows->result = result;
    return &rows->base;
}

bool inlay_pg_reads(PGresult *result)
{
    return strncmp(PQcmdStatus(result), "SELECT ", 7) == 0;
}

/* "INSERT 0 5", "UPDATE 3": of what changes rows; "SELECT 7" is none. */
int64_t inlay_pg_changed(PGresult *result)
{
    static const char *const tags[] = {"INSERT ", "UPDATE ", "DELETE ",
                                       "MERGE ", "COPY "};
    const char *tag = PQcmdStatus(result), *count;
    int64_t changed = 0;

    if (inlay_pg_reads(result))
        return 0;
    for (size_t i = 0; i < inlay_array_size(tags); i++) {
        if (strncmp(tag, tags[i], strlen(tags[i])) != 0)
            continue;
        count = PQcmdTuples(result);
        for (; *count >= '0' && *count <= '9'; count++)
            changed = changed * 10 + (*count - '0');
        return changed;
    }
    return 0;
}
