/* What a connection is, and very many statements. */
#include <inlay.h>

bool encrypted(inlay_db *db)
{
    return inlay_one(
        db, bool, "select ssl from pg_stat_ssl where pid = pg_backend_pid()");
}
INLAY_GET("/encrypted", encrypted);

struct row {
    int64_t id;
    inlay_str name;
};
INLAY_SLICE(rows, struct row);

/* In one call; their memory is the call's. */
int64_t ask(inlay_db *db, int64_t times)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < times; i++) {
        struct row row = inlay_one(
            db, struct row, "select $1 + 1 as id, $2 as name", i, "a name");
        sum += row.id - i;
    }
    return sum;
}
INLAY_GET("/ask", ask);
