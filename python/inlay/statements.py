"""inlay.db: the databases of the process for Python handlers.

    from inlay import db

    user = await db.one(User, "select id, name from users where id = $1", 7)

C functions with an inlay_db * and Python share one pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, NamedTuple, TypeVar, overload

from . import _core
from .database_rows import Row, maker, wrong
from .database_values import row as _row

T = TypeVar("T")


async def _asked(order: _core.Order) -> _core.Order:
    future = order.start(asyncio.get_running_loop())
    try:
        await future
    except BaseException:
        order.drop()
        raise
    return order


def _waited(order: _core.Order) -> _core.Order:
    order.wait()
    return order


def _rows(target: Any, order: _core.Order) -> Iterator[Any]:
    names, documents, rows = order.rows()
    if not names:
        raise wrong("the statement gives no rows: ask with exec()")
    return map(maker(target, names, documents), rows)


def _one(target: Any, order: _core.Order) -> Any:
    for row in _rows(target, order):
        return row
    raise _core.NotFound("the query found no row")


def _maybe(target: Any, order: _core.Order) -> Any:
    for row in _rows(target, order):
        return row
    return None


class _Asker:
    """Makes orders; of a database, or of a transaction."""

    _name: str

    def _hold(self) -> _core.Hold | None:
        return None

    def _order(self, kind: str, sql: str, params: tuple[Any, ...] = ()) -> _core.Order:
        return _core.db_order(self._name, kind, sql, params, self._hold(), None)

    def _many(self, kind: str, sql: str, rows: Iterable[Any]) -> _core.Order | None:
        """None: there are no rows."""
        sets = tuple(map(_row, rows))
        return self._order(kind, sql, sets) if sets else None


class _Statements(_Asker):
    """What can be asked, with await. $1, $2, … are the arguments."""

    @overload
    async def one(self, target: type[T], sql: str, *args: Any) -> T: ...
    @overload
    async def one(self, target: Any, sql: str, *args: Any) -> Any: ...
    async def one(self, target: Any, sql: str, *args: Any) -> Any:
        """The first row. inlay.NotFound when there is none."""
        return _one(target, await _asked(self._order("query", sql, args)))

    @overload
    async def maybe(self, target: type[T], sql: str, *args: Any) -> T | None: ...
    @overload
    async def maybe(self, target: Any, sql: str, *args: Any) -> Any: ...
    async def maybe(self, target: Any, sql: str, *args: Any) -> Any:
        """The first row, or None."""
        return _maybe(target, await _asked(self._order("query", sql, args)))

    @overload
    async def all(self, target: type[T], sql: str, *args: Any) -> list[T]: ...
    @overload
    async def all(self, target: Any, sql: str, *args: Any) -> list[Any]: ...
    async def all(self, target: Any, sql: str, *args: Any) -> list[Any]:
        """All rows."""
        return [*_rows(target, await _asked(self._order("query", sql, args)))]

    async def exec(self, sql: str, *args: Any) -> int:
        """How many rows it changed."""
        return (await _asked(self._order("query", sql, args))).changed()

    async def batch(self, sql: str, rows: Iterable[Any]) -> int:
        """The statement once for each row, all or none; the rows it changed."""
        order = self._many("batch", sql, rows)
        return (await _asked(order)).changed() if order else 0

    async def copy_in(self, table: str, rows: Iterable[Any]) -> int:
        """Many rows into "users (id, name)", by COPY; all or none. How many."""
        order = self._many("copy", table, rows)
        return (await _asked(order)).changed() if order else 0

    def each(self, target: type[T], sql: str, *args: Any) -> Rows[T]:
        """All rows, not all of them in memory: async for user in db.each(…)."""
        return Rows(self._name, self._hold(), target, sql, args)


class _SyncStatements(_Asker):
    """The same, blocking."""

    @overload
    def one(self, target: type[T], sql: str, *args: Any) -> T: ...
    @overload
    def one(self, target: Any, sql: str, *args: Any) -> Any: ...
    def one(self, target: Any, sql: str, *args: Any) -> Any:
        """The first row. inlay.NotFound when there is none."""
        return _one(target, _waited(self._order("query", sql, args)))

    @overload
    def maybe(self, target: type[T], sql: str, *args: Any) -> T | None: ...
    @overload
    def maybe(self, target: Any, sql: str, *args: Any) -> Any: ...
    def maybe(self, target: Any, sql: str, *args: Any) -> Any:
        """The first row, or None."""
        return _maybe(target, _waited(self._order("query", sql, args)))

    @overload
    def all(self, target: type[T], sql: str, *args: Any) -> list[T]: ...
    @overload
    def all(self, target: Any, sql: str, *args: Any) -> list[Any]: ...
    def all(self, target: Any, sql: str, *args: Any) -> list[Any]:
        """All rows."""
        return [*_rows(target, _waited(self._order("query", sql, args)))]

    def exec(self, sql: str, *args: Any) -> int:
        """How many rows it changed."""
        return _waited(self._order("query", sql, args)).changed()

    def batch(self, sql: str, rows: Iterable[Any]) -> int:
        """The statement once for each row, all or none; the rows it changed."""
        order = self._many("batch", sql, rows)
        return _waited(order).changed() if order else 0

    def copy_in(self, table: str, rows: Iterable[Any]) -> int:
        """Many rows into "users (id, name)", by COPY; all or none. How many."""
        order = self._many("copy", table, rows)
        return _waited(order).changed() if order else 0

    def each(self, target: type[T], sql: str, *args: Any) -> SyncRows[T]:
        """All rows, not all of them in memory: for user in db.sync.each(…)."""
        return SyncRows(self._name, self._hold(), target, sql, args)


# --- Rows one after the other -------------------------------------------------


class _Cursor(Generic[T]):
    """A cursor, open from the first row to the last, or until it is let go."""

    def __init__(
        self,
        name: str,
        hold: _core.Hold | None,
        target: Any,
        sql: str,
        args: tuple[Any, ...],
    ) -> None:
        self._name = name
        self._target = target
        self._own = hold is None
        self._hold = hold or _core.Hold()
        self._open = _core.db_order(name, "open", sql, args, self._hold, None)
        self._is_open = self._more = False
        self._begun = self._over = False
        self._left: Iterator[Any] = iter(())

    def _next_order(self) -> _core.Order:
        return _core.db_order(self._name, "fetch", "", (), self._hold, self._open)

    def _close_order(self) -> _core.Order:
        return _core.db_order(self._name, "close", "", (), self._hold, self._open)

    def _take(self, order: _core.Order) -> None:
        names, documents, rows = order.rows()
        self._more = order.more() and bool(rows)
        if rows:
            self._left = map(maker(self._target, names, documents), rows)

    def _end(self) -> bool:
        """Is there a cursor to close, in a transaction that goes on?"""
        closes = self._is_open and not self._own and not self._hold.broken
        self._is_open = self._more = False
        self._over = True
        self._left = iter(())
        if self._own:
            self._hold.release()
        return closes


class Rows(_Cursor[T], AsyncIterator[T]):
    """async for row in rows; what is not read to its end: await aclose()."""

    def __aiter__(self) -> Rows[T]:
        return self

    async def __anext__(self) -> T:
        try:
            for row in self._left:
                return row  # type: ignore[no-any-return]
            if not self._begun:
                self._begun = True
                (await _asked(self._open)).more()
                self._is_open = self._more = True
            while self._more:
                self._take(await _asked(self._next_order()))
                for row in self._left:
                    return row  # type: ignore[no-any-return]
        except BaseException:
            self._end()
            raise
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Also happens by itself with the last row, or the transaction."""
        if self._end():
            (await _asked(self._close_order())).more()


class SyncRows(_Cursor[T], Iterator[T]):
    """for row in rows; what is not read to its end: close()."""

    def __iter__(self) -> SyncRows[T]:
        return self

    def __next__(self) -> T:
        try:
            for row in self._left:
                return row  # type: ignore[no-any-return]
            if not self._begun:
                self._begun = True
                _waited(self._open).more()
                self._is_open = self._more = True
            while self._more:
                self._take(_waited(self._next_order()))
                for row in self._left:
                    return row  # type: ignore[no-any-return]
        except BaseException:
            self._end()
            raise
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Also happens by itself with the last row, or the transaction."""
        if self._end():
            _waited(self._close_order()).more()


# --- Transactions -------------------------------------------------------------


class _Open(_Asker):
    """A transaction, or (with an outer one) a savepoint in it."""

    def __init__(self, name: str, outer: _Open | None) -> None:
        self._name = name
        self._outer = outer
        self._depth: int = outer._depth + 1 if outer else 0
        self._held: _core.Hold | None = None

    def _hold(self) -> _core.Hold:
        if self._held is None:
            raise RuntimeError("the transaction is not open: use it within `with`")
        return self._held

    def _begin_order(self) -> _core.Order:
        if self._held is not None:
            raise RuntimeError("the transaction is open already")
        if self._outer is None:
            self._held = _core.Hold()
            return self._order("begin", "")
        self._held = self._outer._hold()
        return self._order("query", f"savepoint inlay_{self._depth}")

    def _orders_at_end(self, failed: bool) -> Iterator[_core.Order]:
        hold = self._hold()
        if self._outer is None:
            # What is open when the connection is given back is rolled back.
            if not failed:
                yield self._order("commit", "")
            return
        # Of one that was left while a statement ran nothing can be said: it is
        # rolled back as a whole.
        if failed and not hold.broken:
            yield self._order("query", f"rollback to savepoint inlay_{self._depth}")
        if not failed or not hold.broken:
            yield self._order("query", f"release savepoint inlay_{self._depth}")

    def _end(self) -> None:
        if self._outer is None and self._held is not None:
            self._held.release()
        self._held = None


class Transaction(_Statements, _Open):
    """async with db.transaction() as tx: what `tx` does is done together.

    Commits at the end of the block, rolls back if that raises. Within one
    tx.transaction() is a savepoint.
    """

    async def __aenter__(self) -> Transaction:
        try:
            (await _asked(self._begin_order())).more()
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for order in self._orders_at_end(kind is not None):
                (await _asked(order)).more()
        finally:
            self._end()

    def transaction(self) -> Transaction:
        """A savepoint."""
        return Transaction(self._name, self)


class SyncTransaction(_SyncStatements, _Open):
    """with db.sync.transaction() as tx: the same, blocking."""

    def __enter__(self) -> SyncTransaction:
        try:
            _waited(self._begin_order()).more()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for order in self._orders_at_end(kind is not None):
                _waited(order).more()
        finally:
            self._end()

    def transaction(self) -> SyncTransaction:
        """A savepoint."""
        return SyncTransaction(self._name, self)


# --- Notifications ------------------------------------------------------------


class Note(NamedTuple):
    """A notification of PostgreSQL."""

    channel: str
    payload: str
    lost: int  #: before this one: at least so many did not arrive


class _Listening:
    """What both kinds of listeners have."""

    def __init__(self, name: str, channel: str) -> None:
        self._name = name
        self._channel = channel
        self._listener: _core.Listener | None = None

    def _opened(self) -> _core.Listener:
        if self._listener is None:
            self._listener = _core.db_listen(self._name, self._channel)
        return self._listener

    def _taken(self) -> Note | None:
        found = self._opened().take()
        return None if found is None else Note(self._channel, *found)

    def close(self) -> None:
        """Listens no more."""
        if self._listener is not None:
            self._listener.close()
        self._listener = None


class Notes(_Listening, AsyncIterator[Note]):
    """async for note in db.listen("jobs"): note.channel, note.payload.

    Listens from the first step on; `async with db.listen("jobs") as notes:`
    from the beginning of the block.
    """

    async def _wait(self, for_ready: bool) -> None:
        listener = self._opened()
        future = listener.start(asyncio.get_running_loop(), for_ready)
        try:
            await future
        except BaseException:
            listener.cancel()
            raise

    async def __aenter__(self) -> Notes:
        try:
            await self._wait(True)
            self._opened().check()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Notes:
        return self

    async def __anext__(self) -> Note:
        while (note := self._taken()) is None:
            await self._wait(False)
        return note


class SyncNotes(_Listening, Iterator[Note]):
    """for note in db.sync.listen("jobs"): the same, blocking."""

    def __enter__(self) -> SyncNotes:
        try:
            self._opened().wait(True)
            self._opened().check()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> SyncNotes:
        return self

    def __next__(self) -> Note:
        while (note := self._taken()) is None:
            self._opened().wait(False)
        return note


# --- Databases ----------------------------------------------------------------


class SyncDatabase(_SyncStatements):
    """db.sync: for `def` handlers and scripts; waiting blocks the thread."""

    def __init__(self, name: str) -> None:
        self._name = name

    def transaction(self) -> SyncTransaction:
        """A transaction, as a context manager."""
        return SyncTransaction(self._name, None)

    def listen(self, channel: str) -> SyncNotes:
        """PostgreSQL's notifications: for note in db.sync.listen("jobs")."""
        return SyncNotes(self._name, channel)


class Database(_Statements):
    """A database of the process, by its name."""

    def __init__(self, name: str = "") -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"inlay.db[{self._name!r}]" if self._name else "inlay.db"

    def __getitem__(self, name: str) -> Database:
        """One that has a name: --db reports=postgresql://…"""
        return Database(name)

    @property
    def sync(self) -> SyncDatabase:
        """The same, blocking, for `def` handlers and scripts."""
        return SyncDatabase(self._name)

    def transaction(self) -> Transaction:
        """A transaction, as an asynchronous context manager."""
        return Transaction(self._name, None)

    def listen(self, channel: str) -> Notes:
        """PostgreSQL's notifications: async for note in db.listen("jobs")."""
        return Notes(self._name, channel)


db = Database()

__all__ = [
    "Database",
    "Note",
    "Notes",
    "Row",
    "Rows",
    "SyncDatabase",
    "SyncNotes",
    "SyncRows",
    "SyncTransaction",
    "Transaction",
    "db",
]
