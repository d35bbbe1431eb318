"""inlay.db.listen: notifications for Python."""

from __future__ import annotations

import asyncio

import inlay
import pytest

from .databases.here import KINDS, name_of


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def db(kind, request, tmp_path_factory):
    return inlay.db[name_of(kind, request, tmp_path_factory)]


def test_notifications_come_in_order(db, kind):
    if kind == "sqlite":
        pytest.skip("SQLite has no notifications")

    async def main():
        seen = []
        async with db.listen("jobs") as notes:
            for i in range(5):
                await db.exec("select pg_notify('jobs', $1)", f"ü{i}")
            async for note in notes:
                seen.append(note)
                if len(seen) == 5:
                    break
            waiting = asyncio.ensure_future(anext(notes))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            await db.exec("select pg_notify('jobs', '')")
            assert await waiting == ("jobs", "", 0)
        assert [note.payload for note in seen] == [f"ü{i}" for i in range(5)]
        assert {note.channel for note in seen} == {"jobs"}

    asyncio.run(main())


def test_notifications_for_threads_and_for_those_who_leave(db, kind):
    if kind == "sqlite":
        pytest.skip("SQLite has no notifications")
    with db.sync.listen("Other jobs") as notes:
        db.sync.exec("select pg_notify('Other jobs', 'x')")
        assert next(notes).payload == "x"

    async def main():
        async with db.listen("jobs") as notes:
            for _ in range(3):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(notes), 0.01)
            task = asyncio.ensure_future(anext(notes))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="already"):
                await anext(notes)
            await db.exec("select pg_notify('jobs', 'y')")
            assert (await task).payload == "y"

    asyncio.run(main())


def test_a_listener_that_is_slow_loses_the_oldest(db, kind):
    if kind == "sqlite":
        pytest.skip("SQLite has no notifications")

    async def main():
        async with db.listen("many") as notes:
            await db.exec(
                "select pg_notify('many', i::text) from generate_series(1, 1500) i"
            )
            await asyncio.sleep(0.5)
            note = await anext(notes)
            assert (note.payload, note.lost) == ("501", 500)
            assert (await anext(notes)).lost == 0

    asyncio.run(main())


def test_a_database_without_notifications_says_so(db, kind):
    if kind == "postgresql":
        pytest.skip("PostgreSQL has them")

    async def main():
        with pytest.raises(NotImplementedError, match="SQLite"):
            async with db.listen("jobs"):
                pass
        with pytest.raises(NotImplementedError, match="SQLite"):
            async for _ in db.listen("jobs"):
                pass

    asyncio.run(main())
    with pytest.raises(ValueError, match="63"):
        next(db.sync.listen("x" * 64))
