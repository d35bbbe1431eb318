/* pg_rows.c - rows as libpq has them, in its own memory; and too many. */
#include <limits.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "db/pg.h"
#include "db/pg_types.h"

#include "base/banned.h"

#define LARGE ((size_t)16 << 20) /* bytes of a result */

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
    PGresult *result = inlay_container_of(rows, struct rows, base)->result;
    bool is_large = PQresultMemorySize(result) >= LARGE;

    PQclear(result);
    if (inlay_unlikely(is_large))
        inlay_mem_trim();
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
    size_t i = 0;

    while (i < inlay_array_size(tags) &&
           (tag[0] != tags[i][0] || strncmp(tag, tags[i], strlen(tags[i]))))
        i++;
    if (i == inlay_array_size(tags))
        return 0;
    for (count = strrchr(tag, ' ') + 1; *count >= '0' && *count <= '9'; count++)
        changed = changed * 10 + (*count - '0');
    return changed;
}

/* --- Too many ------------------------------------------------------------- */

#define PIECES 8 /* nearly all results come in fewer: they cost nothing */
#define BEYOND ((size_t)64 << 20) /* bytes that may come after a cancel */

/*
 * libpq keeps rows to itself until the last one has come, and does not say how
 * many bytes it has read; the kernel does. `begins`: it is the first time.
 */
static uint64_t bytes_come(const struct inlay_pg_connection *connection,
                           bool begins)
{
    struct tcp_info info = {.tcpi_bytes_received = 0};
    socklen_t size = sizeof(info);
    int fd = PQsocket(connection->pg), left = INT_MAX;

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
        return info.tcpi_bytes_received;
    /* A Unix socket: what is read is taken off the place where a peek would
     * begin. Nobody peeks. */
    size = sizeof(left);
    if (begins)
        setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &left, sizeof(left));
    if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &left, &size) < 0 || left < 0)
        return 0;
    return (uint64_t)(INT_MAX - left);
}

static void fail_size(struct inlay_pg_connection *connection,
                      struct inlay_pg_unit *unit,
                      size_t most)
{
    connection->is_too_much = true;
    if (unit->order)
        inlay_failure_set(&unit->order->failure, INLAY_INTERNAL,
                          "the rows are more than %zu MiB: ask for less at "
                          "once, or read them with inlay_each",
                          most >> 20);
    /* Its error frees what libpq has. */
    inlay_pg_cancel(connection);
}

void inlay_pg_rows_more(struct inlay_pg_connection *connection)
{
    struct inlay_pg_unit *unit = &connection->units[connection->first];
    size_t most = connection->lane->database->rows_most;
    uint64_t bytes;

    if (++connection->pieces < PIECES || unit->kind != INLAY_PG_ORDER ||
        (unit->asked != INLAY_ORDER_QUERY && unit->asked != INLAY_ORDER_FETCH))
        return;
    bytes = bytes_come(connection, connection->pieces == PIECES);
    if (connection->pieces == PIECES) {
        connection->bytes_before = bytes;
    } else if (bytes - connection->bytes_before <= most) {
        return;
    } else if (!connection->is_too_much) {
        fail_size(connection, unit, most);
    } else if (bytes - connection->bytes_before > most + BEYOND) {
        inlay_pg_connection_lose(connection, "its rows are too many, and a "
                                             "request to cancel is of no use");
    }
}

void inlay_pg_rows_end(struct inlay_pg_connection *connection)
{
    connection->pieces = 0;
    if (inlay_likely(!connection->is_too_much))
        return;
    connection->is_too_much = false;
    inlay_mem_trim();
}
