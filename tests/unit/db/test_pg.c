/*
 * The PostgreSQL driver against a server of its own (with_postgres.sh): what is
 * asked of a lane comes back right, and never with a neighbour's error.
 * INLAY_TEST_ONLY names the tests to run (with * and ?).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pg_bench.h"

#include "base/banned.h"

int main(void)
{
    if (!getenv("INLAY_TEST_PG"))
        return 77;
    cmocka_set_test_filter(getenv("INLAY_TEST_ONLY"));
    return test_pg_statements() + test_pg_transactions() + test_pg_rows() +
           test_pg_failures() + test_pg_listen() + test_pg_pool() +
           test_pg_sharing() + test_pg_session();
}
