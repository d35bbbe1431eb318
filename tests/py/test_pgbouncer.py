"""A pooler in transaction mode, which gives each transaction another connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from .postgres import PgBouncer, Postgres, pgbouncer_installed
from .server import UnixServer

asyncpg = pytest.importorskip("asyncpg")
pytestmark = pytest.mark.skipif(
    pgbouncer_installed() is None, reason="pgbouncer is not installed"
)

SOURCE = """
#include <inlay.h>
int64_t one(inlay_db *db, int64_t n)
{
    return inlay_one(db, int64_t, "select $1::bigint + 100", n);
}
INLAY_GET("/one", one);
int64_t two(inlay_db *db, int64_t n)
{
    return inlay_one(db, int64_t, "select $1::bigint + 200", n);
}
INLAY_GET("/two", two);
"""


@pytest.fixture
def bouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    with PgBouncer(postgres) as made:
        yield made


@pytest.fixture
def servers(bouncer: PgBouncer, tmp_path: Path) -> Iterator[list[UnixServer]]:
    """Two, each with one connection, as two workers would be."""
    path = tmp_path / "two.c"
    path.write_text(SOURCE)
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    options = ("--db", bouncer.url(), "--db-max-size", "1")
    with UnixServer(folders[0], path, *options) as a:
        with UnixServer(folders[1], path, *options) as b:
            yield [a, b]


def test_a_statement_that_another_process_has_prepared_is_never_run(servers, bouncer):
    """Both prepare their first statement, each on another connection of the
    server; then a gets the one of b, where the same name is another statement."""
    a, b = servers

    async def hold() -> asyncpg.Connection:
        """Takes the connection that was used last."""
        made = await asyncpg.connect(bouncer.url(), statement_cache_size=0)
        await made.execute("begin; select 1")
        return made

    async def free(held: asyncpg.Connection) -> None:
        await held.execute("commit")
        await held.close()

    async def main() -> list[str]:
        found = [a.client.get("/one?n=1").text]
        held = await hold()
        found.append(b.client.get("/two?n=1").text)
        await free(held)
        for _ in range(4):
            found.append(a.client.get("/one?n=1").text)
            held = await hold()
            found += [a.client.get("/one?n=1").text, b.client.get("/two?n=1").text]
            await free(held)
        return found

    assert asyncio.run(main()) == ["101", "201", *(["101", "101", "201"] * 4)]


def test_statements_are_no_longer_prepared_once_one_is_unknown(servers, bouncer):
    """Whoever is served by another connection is answered all the same."""
    (a, _) = servers

    async def main() -> None:
        held = []
        for _ in range(4):
            assert a.client.get("/one?n=1").text == "101"
            each = await asyncpg.connect(bouncer.url(), statement_cache_size=0)
            await each.execute("begin; select 1")
            held.append(each)
        for each in held:
            await each.close()

    asyncio.run(main())
    a.wait_logged("statement_cache=0 in the URL says so from the start")
