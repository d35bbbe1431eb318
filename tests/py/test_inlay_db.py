"""inlay.db: the pool for Python handlers."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import gc
import signal
import threading
import time
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import inlay
import pydantic
import pytest

from .databases.here import KINDS, name_of

CREATE = """create table db_users (id bigint primary key, name text not null,
    score double precision, balance {numeric}, data json, born date,
    seen timestamptz, active boolean)"""


@dataclasses.dataclass
class User:
    id: int
    name: str


class Model(pydantic.BaseModel):
    id: int
    name: str
    score: float | None = None


class Pair(NamedTuple):
    id: int
    name: str = "nobody"


@dataclasses.dataclass
class Full:
    id: int
    name: str
    score: float | None
    balance: Decimal | None
    data: dict[str, Any] | None
    born: date | None
    seen: datetime | None
    active: bool | None
    extra: int = 7


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def tables(kind, request, tmp_path_factory):
    db = inlay.db[name_of(kind, request, tmp_path_factory)]
    db.sync.exec("drop table if exists db_users")
    # SQLite's own "numeric" is a double.
    numeric = "text" if kind == "sqlite" else "numeric(20, 4)"
    db.sync.exec(CREATE.format(numeric=numeric))
    return db


@pytest.fixture
def db(tables):
    tables.sync.exec("delete from db_users")
    tables.sync.batch(
        "insert into db_users (id, name) values ($1, $2)", [(1, "one"), (2, "two")]
    )
    return tables


# --- Rows ---------------------------------------------------------------------

ONE = "select id, name from db_users where id = $1"
ALL = "select id, name from db_users order by id"


def test_a_row_becomes_what_is_asked_for(db):
    async def main():
        assert await db.one(User, ONE, 1) == User(1, "one")
        assert await db.one(Model, ONE, 1) == Model(id=1, name="one")
        assert await db.one(dict, ONE, 1) == {"id": 1, "name": "one"}
        assert await db.one(dict[str, Any], ONE, 2) == {"id": 2, "name": "two"}
        assert await db.one(tuple, ONE, 2) == (2, "two")
        assert await db.one(Pair, "select 5 as id") == Pair(5, "nobody")
        assert await db.one(int, "select count(*) from db_users") == 2
        assert await db.one(str, "select name from db_users where id = $1", 1) == "one"
        assert await db.one(int | None, "select null") is None
        assert await db.all(User, ALL) == [User(1, "one"), User(2, "two")]
        assert await db.all(int, "select id from db_users order by id") == [1, 2]
        assert await db.all(User, f"{ALL} limit 0") == []

    asyncio.run(main())


def test_none_is_for_maybe_and_not_found_for_one(db):
    async def main():
        assert await db.maybe(User, ONE, 3) is None
        assert await db.maybe(User, ONE, 1) == User(1, "one")
        with pytest.raises(inlay.NotFound):
            await db.one(User, ONE, 3)
        with pytest.raises(LookupError):
            await db.one(int, "select id from db_users where id = 3")

    asyncio.run(main())


def test_the_same_without_await(db):
    sync = db.sync
    assert sync.one(User, ONE, 1) == User(1, "one")
    assert sync.maybe(User, ONE, 3) is None
    assert sync.all(int, "select id from db_users order by id") == [1, 2]
    assert sync.exec("update db_users set name = $1", "x") == 2
    assert (
        sync.batch(
            "insert into db_users (id, name) values ($1, $2)", [(3, "c"), (4, "d")]
        )
        == 2
    )
    assert [user.id for user in sync.each(User, ALL)] == [1, 2, 3, 4]
    with sync.transaction() as tx:
        tx.exec("delete from db_users")
    assert sync.one(int, "select count(*) from db_users") == 0


def test_structs_of_c_are_targets_and_parameters(db, module):
    native = module(
        """
        INLAY_OPTIONAL(maybe_real, double);
        struct user { int64_t id; inlay_str name; maybe_real score; };
        INLAY_SLICE(users, struct user);
        int64_t sum(users rows)
        {
            int64_t sum = 0;
            for (size_t i = 0; i < rows.len; i++)
                sum += rows.ptr[i].id;
            return sum;
        }
        """
    )
    users = db.sync.all(native.user, ALL)
    assert users == [
        native.user(id=1, name="one"),
        native.user(id=2, name="two", score=None),
    ]
    assert native.sum(users) == 3
    rows = [native.user(id=8, name="eight", score=0.5)]
    assert (
        db.sync.batch(
            "insert into db_users (id, name, score) values ($1, $2, $3)", rows
        )
        == 1
    )
    assert db.sync.one(float, "select score from db_users where id = 8") == 0.5


def test_values_of_every_kind_come_back(db):
    moment = datetime(2024, 2, 29, 12, 34, 56, 123456, timezone.utc)
    document = {"a": [1, 2.5, None], "b": "ü"}
    row = Full(
        9, "nine", 0.1, Decimal("12345678901234.5678"), document,
        date(2024, 2, 29), moment, True,
    )  # fmt: skip
    values = dataclasses.astuple(row)[:-1]
    assert (
        db.sync.exec(
            "insert into db_users values ($1, $2, $3, $4, $5, $6, $7, $8)", *values
        )
        == 1
    )
    assert db.sync.one(Full, "select * from db_users where id = 9") == row
    found = db.sync.one(dict, "select data, active from db_users where id = 9")
    assert found["data"] == document
    nulls = db.sync.one(Full, "select * from db_users where id = 1")
    assert nulls == Full(1, "one", None, None, None, None, None, None)


@pytest.mark.parametrize(
    ("value", "cast", "kind_of_value"),
    [
        (True, "boolean", bool),
        (-(2**63), "bigint", int),
        (2**63 - 1, "bigint", int),
        (1.5, "double precision", float),
        ("Robert'); drop table db_users; --", "text", str),
        ("", "text", str),
        ("ü€😀", "text", str),
        (UUID("12345678-1234-5678-1234-567812345678"), "uuid", UUID),
        (Decimal("0.1000"), "numeric", Decimal),
        (date(1, 1, 1), "date", date),
        (date(9999, 12, 31), "date", date),
        (datetime(2024, 1, 2, 3, 4, 5, 6), "timestamp", datetime),
    ],
)
def test_parameters_come_back_as_they_were(db, kind, value, cast, kind_of_value):
    if kind == "sqlite" and cast in ("date", "timestamp", "uuid", "numeric"):
        cast = "text"
    sql = f"select cast($1 as {cast})"
    assert db.sync.one(kind_of_value, sql, value) == value
    assert db.sync.maybe(kind_of_value | None, sql, None) is None


def test_bytes_like_parameters(db, kind):
    cast = "blob" if kind == "sqlite" else "bytea"
    for value in (b"", b"\x00\xff'", bytearray(b"abc"), memoryview(b"abcdef")[::1]):
        assert db.sync.one(bytes, f"select cast($1 as {cast})", value) == bytes(value)


def test_enums_records_and_models_are_parameters(db, kind):
    class Colour(str, enum.Enum):
        RED = "red"

    class Number(enum.IntEnum):
        FOUR = 4

    cast = "text" if kind == "sqlite" else "jsonb"
    assert db.sync.one(str, "select cast($1 as text)", Colour.RED) == "red"
    assert db.sync.one(Colour, "select cast($1 as text)", Colour.RED) is Colour.RED
    assert db.sync.one(Number, "select cast($1 as bigint)", Number.FOUR) == 4
    sql = f"select cast($1 as {cast})"
    assert db.sync.one(User, "select 1 as id, 'x' as name") == User(1, "x")
    for value in (User(1, "a"), Model(id=1, name="a", score=None)):
        found = db.sync.one(dict[str, Any] | None, f"{sql} as document", value)
        assert found is not None


def test_documents_are_json(db, kind):
    cast = "text" if kind == "sqlite" else "jsonb"

    @dataclasses.dataclass
    class Order:
        user: User
        lines: list[User]

    order = {"user": User(1, "a"), "lines": [User(2, "b")]}
    sql = f'select cast($1 as {cast}) as "user", cast($2 as {cast}) as lines'
    found = db.sync.one(Order, sql, order["user"], order["lines"])
    assert found == Order(User(1, "a"), [User(2, "b")])


def test_models_have_documents_as_dataclasses_do(db, kind):
    cast = "text" if kind == "sqlite" else "jsonb"

    class Order(pydantic.BaseModel):
        user: User
        tags: list[str] | None
        lines: Annotated[list[Model], pydantic.Field(min_length=1)]
        more: dict[str, int] = pydantic.Field(alias="rest")
        pair: tuple[int, str]
        raw: pydantic.Json[list[int]]
        note: str | list[int]

    sql = (
        f'select cast($1 as {cast}) as "user", cast($2 as {cast}) as tags, '
        f"cast($3 as {cast}) as lines, cast($4 as {cast}) as rest, "
        f"cast($5 as {cast}) as pair, cast($6 as {cast}) as raw, '[1]' as note"
    )
    first = ('{"id": 1, "name": "a"}', '["x", "y"]', '[{"id": 2, "name": "b"}]')
    found = db.sync.one(Order, sql, *first, '{"k": 3}', '[4, "z"]', "[5]")
    assert (found.user, found.tags) == (User(1, "a"), ["x", "y"])
    assert (found.lines, found.note) == ([Model(id=2, name="b")], "[1]")
    assert (found.more, found.pair, found.raw) == ({"k": 3}, (4, "z"), [5])

    class Tagged(pydantic.BaseModel):
        tags: list[str] | None

    assert db.sync.one(Tagged, "select null as tags").tags is None
    with pytest.raises(pydantic.ValidationError, match="tags"):
        db.sync.one(Tagged, "select 'no json' as tags")


def test_lists_are_arrays(db, kind):
    if kind == "sqlite":
        pytest.skip("SQLite has no arrays")
    assert db.sync.one(list[int], "select $1::bigint[]", [1, 2, 3]) == [1, 2, 3]
    assert db.sync.one(list, "select $1::text[]", ("a", None, 'b"')) == [
        "a",
        None,
        'b"',
    ]
    assert db.sync.all(int, "select id from db_users where id = any($1)", [2, 5]) == [2]
    with pytest.raises(inlay.Internal, match="null"):
        db.sync.one(list[int], "select $1::bigint[]", [1, None])


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2**63, OverflowError, "64 bits"),
        ("a\0b", ValueError, "NUL"),
        ("\ud800", UnicodeEncodeError, "surrogates"),
        (object(), TypeError, "object is no value"),
        (timedelta(1), TypeError, "timedelta is no value"),
        ({"a": object()}, TypeError, "JSON"),
        ({"a": float("nan")}, ValueError, "JSON"),
        ([object()], TypeError, "no value"),
    ],
)
def test_parameters_that_no_database_has_are_refused(db, value, error, text):
    with pytest.raises(error, match=text):
        db.sync.one(str, "select $1", value)


def test_a_parameter_that_is_refused_is_named(db):
    with pytest.raises(TypeError, match=r'^\$2 of "select \$1, \$2": object is no'):
        db.sync.exec("select $1, $2", 1, object())
    long = "select " + "1, " * 100 + "$1"
    with pytest.raises(OverflowError, match=r'^\$1 of "select 1, 1, [1, ]*": an int'):
        db.sync.exec(long, 2**64)
    with pytest.raises(ValueError, match=r'^row 1, \$2 of "insert .*": text of a'):
        db.sync.batch(
            "insert into db_users (id, name) values ($1, $2)", [(8, "a"), (9, "\0")]
        )
    with pytest.raises(TypeError, match=r'^row 0, \$1 of "db_users \(id\)": '):
        db.sync.copy_in("db_users (id)", [(object(),)])


def test_what_does_not_fit_says_where(db):
    @dataclasses.dataclass
    class Scored:
        id: int
        score: float

    with pytest.raises(inlay.Internal, match=r"column score is null, but Scored.score"):
        db.sync.one(Scored, "select id, score from db_users where id = 1")
    with pytest.raises(inlay.Internal, match=r"no column score for Scored.score"):
        db.sync.one(Scored, "select id from db_users")
    with pytest.raises(inlay.Internal, match=r"of str, .* Scored.id is int"):
        db.sync.one(Scored, "select name as id, 1.5 as score from db_users")
    with pytest.raises(
        inlay.Internal, match="^column name has a value of str, .*: int was asked for$"
    ):
        db.sync.one(int, "select name from db_users")
    with pytest.raises(inlay.Internal, match=r"^column x is null, but int was asked"):
        db.sync.one(int, "select null as x")
    with pytest.raises(inlay.Internal, match="no rows: ask with exec"):
        db.sync.one(int, "delete from db_users where id = 1")
    with pytest.raises(pydantic.ValidationError):
        db.sync.one(Model, "select 'x' as id, 'y' as name")


# --- Errors -------------------------------------------------------------------


def test_errors_have_their_kind_and_sqlstate(db, kind):
    with pytest.raises(inlay.Conflict) as caught:
        db.sync.exec("insert into db_users (id, name) values (1, 'again')")
    assert caught.value.status == 409
    if kind == "postgresql":
        assert caught.value.sqlstate == "23505"
    assert caught.value.may_retry is False
    assert "unique" in str(caught.value).lower()
    assert caught.value.detail == "it conflicts with what is stored"
    with pytest.raises(inlay.Invalid):
        db.sync.exec("insert into db_users (id, name) values (5, null)")
    with pytest.raises(inlay.Internal):
        db.sync.exec("selec 1")
    assert inlay.NotFound.sqlstate == "" and inlay.NotFound.detail is None


def test_a_failed_statement_fails_no_other_one(db):
    async def fail():
        with pytest.raises(inlay.Internal):
            await db.one(int, "select nothing_like_that")

    async def work():
        assert await db.one(User, ONE, 1) == User(1, "one")

    async def main():
        await asyncio.gather(*(each() for _ in range(50) for each in (work, fail)))

    asyncio.run(main())


def test_a_database_without_a_configuration(db):
    with pytest.raises((RuntimeError, ValueError), match="nowhere"):
        inlay.db["nowhere"].sync.one(int, "select 1")


# --- Many ---------------------------------------------------------------------


def test_batch_is_all_or_none(db):
    rows = [(10, "a"), (11, "b"), (1, "conflict")]
    sql = "insert into db_users (id, name) values ($1, $2)"
    with pytest.raises(inlay.Conflict):
        db.sync.batch(sql, rows)
    assert db.sync.one(int, "select count(*) from db_users") == 2
    assert db.sync.batch(sql, (User(i, "u") for i in range(100, 1100))) == 1000
    assert db.sync.batch(sql, []) == 0
    with pytest.raises(ValueError, match="row 1 has 1 values"):
        db.sync.batch(sql, [(1, "a"), (2,)])
    with pytest.raises(TypeError, match="a row is"):
        db.sync.batch(sql, ["ab"])


def test_copy_in(db):
    async def main():
        rows = [(i, f"tab\t{i}\n\\") for i in range(10, 2010)]
        assert await db.copy_in("db_users (id, name)", rows) == 2000
        name = await db.one(str, "select name from db_users where id = 10")
        assert name == "tab\t10\n\\"

    asyncio.run(main())


def test_each_goes_through_many_rows(db):
    async def main():
        await db.batch(
            "insert into db_users (id, name) values ($1, $2)",
            [(i, "x" * 100) for i in range(10, 5010)],
        )
        seen = [user.id async for user in db.each(User, ALL)]
        assert seen == [1, 2, *range(10, 5010)]
        async for user in db.each(User, ALL):
            if user.id == 20:
                break
        rows = db.each(User, ALL)
        assert await anext(rows) == User(1, "one")
        await rows.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(rows)
        with pytest.raises(inlay.Internal):
            async for _ in db.each(User, "select nothing_like_that"):
                pass
        assert await db.one(int, "select count(*) from db_users") == 5002

    asyncio.run(main())


def test_cursors_that_are_let_go_give_their_connection_back(db):
    async def main():
        for _ in range(60):  # more than there are connections
            rows = db.each(User, ALL)
            await anext(rows)
            del rows

    asyncio.run(main())


def test_a_cursor_whose_row_fails_gives_its_connection_back(db):
    class Picky(pydantic.BaseModel):
        id: int = pydantic.Field(gt=1)

    kept = []

    async def main():
        for _ in range(40):  # more than there are connections
            rows = db.each(Picky, ALL)
            with pytest.raises(pydantic.ValidationError) as caught:
                await anext(rows)
            assert [row async for row in rows] == []
            kept.append((rows, caught.value))

    asyncio.run(main())
    for _ in range(40):
        rows = db.sync.each(Picky, ALL)
        with pytest.raises(pydantic.ValidationError) as caught:
            next(rows)
        kept.append((rows, caught.value))
    assert db.sync.one(int, "select count(*) from db_users") == 2


# --- Transactions -------------------------------------------------------------

INSERT = "insert into db_users (id, name) values ($1, $2)"
COUNT = "select count(*) from db_users"


def test_a_transaction_commits_or_rolls_back(db):
    async def main():
        async with db.transaction() as tx:
            await tx.exec(INSERT, 3, "three")
            assert await tx.one(int, COUNT) == 3
        assert await db.one(int, COUNT) == 3
        with pytest.raises(ZeroDivisionError):
            async with db.transaction() as tx:
                await tx.exec(INSERT, 4, "four")
                raise ZeroDivisionError
        assert await db.one(int, COUNT) == 3

    asyncio.run(main())


def test_within_a_transaction_there_are_savepoints(db):
    async def main():
        async with db.transaction() as tx:
            await tx.exec(INSERT, 3, "three")
            with pytest.raises(inlay.Conflict):
                async with tx.transaction() as inner:
                    await inner.exec(INSERT, 4, "four")
                    await inner.exec(INSERT, 1, "again")
            async with tx.transaction() as inner:
                await inner.exec(INSERT, 5, "five")
                async with inner.transaction() as innermost:
                    await innermost.exec(INSERT, 6, "six")
        found = await db.all(int, "select id from db_users order by id")
        assert found == [1, 2, 3, 5, 6]

    asyncio.run(main())
    with db.sync.transaction() as tx, pytest.raises(inlay.Conflict):
        with tx.transaction() as inner:
            inner.exec(INSERT, 7, "seven")
            inner.exec(INSERT, 1, "again")
    assert db.sync.one(int, "select count(*) from db_users where id = 7") == 0


def test_a_cursor_lives_in_its_transaction(db):
    async def main():
        async with db.transaction() as tx:
            await tx.exec(INSERT, 3, "three")
            assert [user.id async for user in tx.each(User, ALL)] == [1, 2, 3]
            assert await tx.one(int, COUNT) == 3

    asyncio.run(main())


def test_a_transaction_is_for_one_statement_at_a_time(db):
    async def main():
        async with db.transaction() as tx:
            first = asyncio.ensure_future(tx.one(int, SLOW))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="under way"):
                await tx.one(int, COUNT)
            assert await first == 3000000
            assert await tx.one(int, COUNT) == 2
        with pytest.raises(RuntimeError, match="not open"):
            await tx.one(int, COUNT)

    asyncio.run(main())


def test_a_transaction_nobody_ends_is_rolled_back(db):
    async def main():
        tx = db.transaction()
        await tx.__aenter__()
        await tx.exec(INSERT, 3, "three")
        del tx
        gc.collect()
        # The lock on it is free again.
        assert await db.exec(INSERT, 3, "other") == 1

    asyncio.run(main())


def test_a_transaction_has_ended_while_its_error_is_handled(db):
    """The error's traceback knows of frames that know of the statement."""

    async def main():
        with pytest.raises(inlay.NotFound) as caught:
            async with db.transaction() as tx:
                await tx.exec("update db_users set name = 'uno' where id = 1")
                await tx.one(User, ONE, 77)
        begin = time.monotonic()
        assert await db.exec("update db_users set name = 'eins' where id = 1") == 1
        assert time.monotonic() - begin < 2
        return caught

    assert asyncio.run(main()).tb
    with pytest.raises(inlay.NotFound) as caught:
        with db.sync.transaction() as tx:
            tx.exec("update db_users set name = 'uno' where id = 1")
            tx.one(User, ONE, 77)
    assert db.sync.one(str, "select name from db_users where id = 1") == "eins"
    assert caught.tb


def test_a_cursor_that_was_read_needs_no_connection(db):
    async def main():
        read = []
        for _ in range(30):
            rows = db.each(int, "select id from db_users order by id")
            assert [each async for each in rows] == [1, 2]
            read.append(rows)
        assert await db.one(int, COUNT) == 2

    begin = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - begin < 5


# --- Cancelling ---------------------------------------------------------------

SLOW = """with recursive n(i) as (select 1 union all select i + 1 from n
    where i < 3000000) select count(*) from n"""


def test_a_cancelled_statement_is_thrown_away(db):
    async def main():
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(db.one(int, SLOW), 0.01)
        assert await db.one(User, ONE, 1) == User(1, "one")

    asyncio.run(main())


def test_a_cancelled_transaction_is_rolled_back(db):
    async def work():
        async with db.transaction() as tx:
            await tx.exec(INSERT, 3, "three")
            await tx.one(int, SLOW)

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(work(), 0.05)
        assert await db.exec(INSERT, 3, "other") == 1

    asyncio.run(main())


def test_a_transaction_goes_not_on_after_a_statement_was_cancelled(db):
    async def main():
        with pytest.raises(RuntimeError, match="cancelled"):
            async with db.transaction() as tx:
                await tx.exec(INSERT, 3, "three")
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(tx.one(int, SLOW), 0.01)
                await tx.one(int, COUNT)
        assert await db.one(int, COUNT) == 2

    asyncio.run(main())


def test_cancelled_statements_hold_up_no_other_one(db, kind):
    # A minute, if nobody stops them; PostgreSQL does that in transactions.
    forever = SLOW.replace("3000000", "30000000000")

    async def inside():
        async with db.transaction() as tx:
            await tx.one(int, forever)

    async def main():
        begin = time.monotonic()
        ask = (lambda: db.one(int, forever)) if kind == "sqlite" else inside
        tasks = [asyncio.ensure_future(ask()) for _ in range(12)]
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in tasks)
        for task in tasks:
            task.cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(each) for each in found} == {asyncio.CancelledError}
        assert await db.one(User, ONE, 1) == User(1, "one")
        async with db.transaction() as tx:
            assert await tx.one(int, COUNT) == 2
        assert time.monotonic() - begin < 5

    asyncio.run(main())


def test_a_thread_that_is_interrupted_stops_its_statement(db):
    class Interrupted(Exception):
        pass

    def interrupt(*_):
        raise Interrupted

    forever = SLOW.replace("3000000", "30000000000")
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(40):
            sql = forever if number % 8 == 0 else COUNT
            with pytest.raises(Interrupted):
                signal.setitimer(signal.ITIMER_REAL, 0.001 + number % 10 / 2500)
                with db.sync.transaction() as tx:
                    while True:
                        tx.one(int, sql)
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    begin = time.monotonic()
    with db.sync.transaction() as tx:
        assert tx.exec(INSERT, 3, "three") == 1
    assert time.monotonic() - begin < 2


def test_what_waits_for_a_connection_can_be_cancelled(db):
    """Of a shared connection the server runs it all the same: a key of its own."""

    async def main():
        async with db.transaction() as tx:
            await tx.exec(INSERT, 7777, "three")
            # Of SQLite it waits for the writer; of PostgreSQL for the lock.
            for _ in range(20):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(db.exec(INSERT, 7777, "other"), 0.01)
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(asyncio.sleep(1), 0.001)
        assert await db.one(str, "select name from db_users where id = 7777") == "three"
        assert await db.exec(INSERT, 4, "four") == 1

    asyncio.run(main())


def test_statements_are_cancelled_at_any_moment(db):
    """Just before they are done, just after, and before they begin."""

    async def work(number):
        async with db.transaction() as tx:
            await tx.exec(INSERT, 100 + number, "some")
            await tx.one(int, COUNT)
            async for _ in tx.each(User, ALL):
                pass

    async def main():
        for number in range(120):
            task = asyncio.ensure_future(
                work(number) if number % 2 else db.one(int, COUNT)
            )
            await asyncio.sleep(number % 24 / 4000)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert await db.exec(INSERT, 3, "three") == 1

    asyncio.run(main())


def test_the_loop_goes_on_while_a_statement_runs(db):
    async def main():
        ticks = 0
        task = asyncio.ensure_future(db.one(int, SLOW))
        begin = time.monotonic()
        while not task.done():
            ticks += 1
            await asyncio.sleep(0.001)
        assert ticks > (time.monotonic() - begin) * 100

    asyncio.run(main())


def test_loops_that_end_early_leave_nothing_behind(db):
    async def main():
        tasks = [asyncio.ensure_future(db.one(int, SLOW)) for _ in range(2)]
        await asyncio.sleep(0.01)
        del tasks

    for _ in range(2):
        asyncio.run(main())
    assert db.sync.one(int, COUNT) == 2


def test_hundreds_wait_at_once(db):
    async def main():
        asked = (db.one(int, "select cast($1 as bigint)", i) for i in range(500))
        assert await asyncio.gather(*asked) == list(range(500))

    asyncio.run(main())


def test_threads_and_loops_share_a_database(db):
    failures = []

    async def main():
        for _ in range(20):
            await asyncio.gather(*(db.one(User, ONE, 1) for _ in range(10)))

    def work(index):
        try:
            if index % 2:
                asyncio.run(main())
            else:
                for _ in range(100):
                    db.sync.one(User, ONE, 2)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_results_leave_no_references(db):
    def objects():
        gc.collect()
        return len(gc.get_objects())

    async def main():
        for _ in range(20):
            await db.all(User, ALL)
        before = objects()
        for _ in range(300):
            await db.all(User, ALL)
            await db.maybe(dict, ONE, 3)
        assert objects() - before < 50

    asyncio.run(main())
