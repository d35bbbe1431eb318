"""`inlay db`: numbered .sql files, each applied once, in order."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _core
from .sql_file import SqlError, Statement, statements

TABLE = "inlay_migrations"
_NAME = re.compile(r"(\d+)_([^.]+)(?:\.(postgresql|sqlite))?\.sql", re.IGNORECASE)
_OUTSIDE = re.compile(r"--\s*inlay:\s*no transaction\s*", re.IGNORECASE)
_LINE = re.compile(r"line (\d+): (.*)", re.DOTALL)
# pg_advisory_lock's: "inlay" and "migr" in ASCII.
_LOCK = 0x696E6C61796D6967
# How long to try again while another process has SQLite's file.
_BUSY_SECONDS = 600
_LARGEST = 2**63 - 1
# Of a file that has no transaction.
_HALF = (
    "what comes before it in the file was done and stays, and the file does not "
    "count as applied: it will run from its beginning again, so mend it, take out "
    "what was done or have it bear being done twice (`if not exists`), and run "
    "`inlay db migrate` again"
)

_CREATE = {
    "postgresql": f"create table {TABLE} (number bigint primary key, "
    "name text not null, checksum text not null, "
    "applied_at timestamptz not null default now())",
    "sqlite": f"create table {TABLE} (number integer primary key, "
    "name text not null, checksum text not null, "
    "applied_at text not null default (current_timestamp || '+00'))",
}
_EXISTS = {
    "postgresql": f"select to_regclass('{TABLE}') is not null",
    "sqlite": "select count(*) from sqlite_master "
    f"where type = 'table' and name = '{TABLE}'",
}
_APPLIED = (
    f"select number, name, checksum, cast(applied_at as text) from {TABLE} "
    "order by number"
)


class MigrationError(Exception):
    """It can't go on; the message says what and where."""


@dataclass(frozen=True)
class Migration:
    """A file."""

    number: int
    name: str
    path: Path
    text: str
    checksum: str

    @property
    def outside(self) -> bool:
        """Does it run outside of a transaction?"""
        return bool(_OUTSIDE.fullmatch(self.text.partition("\n")[0]))


@dataclass(frozen=True)
class Applied:
    """A row of the table."""

    number: int
    name: str
    checksum: str
    applied_at: str


def kind_of(url: str) -> str:
    """ "postgresql" or "sqlite"; raises MigrationError."""
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme in ("postgresql", "postgres"):
        return "postgresql"
    if scheme == "sqlite":
        return "sqlite"
    # What has no scheme may begin with a password.
    found = f', this one with "{scheme}://"' if "://" in url else ""
    raise MigrationError(
        f"a database's URL begins with postgresql:// or sqlite://{found}; as "
        "postgresql://app@localhost/app or sqlite:///app.db"
    )


def missing_file(url: str) -> str:
    """SQLite's file, if nobody has made it yet; "": it is there, or none."""
    if kind_of(url) != "sqlite":
        return ""
    rest = url.partition("://")[2].partition("?")[0]
    path = rest[1:]
    if rest[:1] != "/" or path in ("", ":memory:") or os.path.exists(path):
        return ""
    return path


# --- Files --------------------------------------------------------------------


def read(folder: Path, kind: str) -> list[Migration]:
    """The files for that kind of database, by number."""
    if not folder.is_dir():
        raise MigrationError(f"there is no folder {folder}; --dir says where")
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if not match or int(match[1]) > _LARGEST:
            raise MigrationError(
                f"{path}: a migration is called NUMBER_NAME.sql, as 0001_users.sql"
            )
        if match[3] and match[3].lower() != kind:
            continue
        made = _read_file(path, int(match[1]), match[2])
        if made.number in found:
            raise MigrationError(
                f"{path} and {found[made.number].path.name} have the same number"
            )
        found[made.number] = made
    return [found[number] for number in sorted(found)]


def _read_file(path: Path, number: int, name: str) -> Migration:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MigrationError(f"{path}: {error}") from None
    # Line ends are git's to choose: read_text has made them \n.
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return Migration(number, name, path, text, checksum)


def pending(files: list[Migration], applied: list[Applied]) -> list[Migration]:
    """Those that were not applied; raises when the two don't go together."""
    by_number = {each.number: each for each in files}
    for each in applied:
        known = by_number.get(each.number)
        if known is None:
            raise MigrationError(
                f"migration {each.number} ({each.name}) was applied to the "
                "database, but its file is not here"
            )
        if known.checksum != each.checksum:
            raise MigrationError(
                f"{known.path} was applied and has changed since: put it back as "
                "it was, and write what is new into a file with a new number"
            )
    done = {each.number for each in applied}
    last = max(done, default=-1)
    left = [each for each in files if each.number not in done]
    for file in left:
        if file.number < last:
            raise MigrationError(
                f"{file.path} comes before migration {last}, which was applied "
                "already: give it a higher number"
            )
    return left


def _statements_of(migration: Migration, kind: str) -> list[Statement]:
    try:
        found = list(statements(migration.text, kind == "postgresql"))
    except SqlError as error:
        raise MigrationError(f"{migration.path}:{error.line}: {error}") from None
    for each in found:
        if not migration.outside and _is_control(each.words):
            raise MigrationError(
                f"{migration.path}:{each.line}: {each.words[0]}: the file is one "
                'transaction already ("-- inlay: no transaction" as its first '
                "line changes that)"
            )
    return found


def _is_control(words: tuple[str, ...]) -> bool:
    if words[:1] == ("ROLLBACK",):
        return "TO" not in words
    return words[:1] in (("BEGIN",), ("COMMIT",), ("END",), ("ABORT",), ("START",))


# --- The database -------------------------------------------------------------


class Session:
    """A connection of its own, in which transactions begin and end."""

    def __init__(self, kind: str, name: str = "") -> None:
        self.kind = kind
        self._name = name
        self._hold: _core.Hold | None = None

    def _do(self, order: str, sql: str = "", args: tuple[Any, ...] = ()) -> _core.Order:
        made = _core.db_order(self._name, order, sql, args, self._hold, None)
        made.wait()
        made.more()  # raises what went wrong
        return made

    def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return self._do("query", sql, args).rows()[2]

    def script(self, sql: str) -> None:
        self._do("script", sql)

    def begin(self) -> None:
        """PostgreSQL stays on its connection, which has the lock."""
        if self.kind == "postgresql" and self._hold is not None:
            self._do("query", "begin")
            return
        until = time.monotonic() + _BUSY_SECONDS
        while True:
            self.close()
            self._hold = _core.Hold()
            try:
                self._do("begin")
                return
            except _core.Error as error:
                self.close()
                if not error.may_retry or time.monotonic() > until:
                    raise
            time.sleep(0.1)

    def commit(self) -> None:
        self._do("commit")

    def close(self) -> None:
        """Rolls back what is open."""
        if self._hold is not None:
            self._hold.release()
        self._hold = None

    def give_up(self) -> None:
        """After a failure: the connection goes back into a pool, unlocked."""
        if self.kind == "postgresql" and self._hold is not None:
            with contextlib.suppress(_core.Error, RuntimeError, ValueError):
                self._do("query", "rollback")
            self.unlock()

    def lock(self) -> None:
        """Waits for others that migrate. (SQLite has one writer at a time.)"""
        if self.kind == "postgresql":
            self.begin()
            self.rows("select pg_advisory_lock($1::bigint)::text", _LOCK)
            self.commit()

    def unlock(self) -> None:
        if self.kind == "postgresql" and self._hold is not None:
            with contextlib.suppress(_core.Error, RuntimeError, ValueError):
                self.rows("select pg_advisory_unlock($1::bigint)::text", _LOCK)

    def applied(self) -> list[Applied] | None:
        """None: there is no table."""
        if not self.rows(_EXISTS[self.kind])[0][0]:
            return None
        return [Applied(*row) for row in self.rows(_APPLIED)]

    def note(self, migration: Migration) -> None:
        self.rows(
            f"insert into {TABLE} (number, name, checksum) values ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.checksum,
        )


@contextlib.contextmanager
def _session(url: str) -> Iterator[Session]:
    try:
        session = Session(kind_of(url))
    except (_core.Error, RuntimeError, ValueError) as error:
        raise MigrationError(str(error)) from None
    try:
        yield session
    except BaseException as error:
        session.give_up()
        if isinstance(error, (_core.Error, ValueError)):
            raise MigrationError(str(error)) from None
        raise
    finally:
        session.close()


def status(url: str, folder: Path) -> tuple[list[Applied], list[Migration]]:
    """What was applied, and what is to be; changes nothing."""
    if missing_file(url):
        return [], read(folder, "sqlite")  # to open it would make it
    with _session(url) as session:
        session.begin()
        applied = session.applied() or []
        return applied, pending(read(folder, session.kind), applied)


def migrate(url: str, folder: Path, tell: Callable[[Migration], None]) -> int:
    """Applies what is to be; how many files that were."""
    with _session(url) as session:
        files = read(folder, session.kind)
        for each in files:
            _statements_of(each, session.kind)
        session.lock()
        count = 0
        while (migration := _apply_next(session, files)) is not None:
            tell(migration)
            count += 1
        session.unlock()
        return count


def _apply_next(session: Session, files: list[Migration]) -> Migration | None:
    """In a transaction that sees what others did meanwhile."""
    session.begin()
    applied = session.applied()
    left = pending(files, applied or [])
    if applied is None and left:
        session.script(_CREATE[session.kind])
    if not left:
        session.commit()
        return None
    migration = left[0]
    if migration.outside:
        session.commit()
        _run(session, migration)
        session.begin()
    else:
        _run(session, migration)
    session.note(migration)
    session.commit()
    return migration


def _run(session: Session, migration: Migration) -> None:
    for each in _statements_of(migration, session.kind):
        try:
            session.script(each.text)
        except _core.Error as error:
            # A driver counts lines from the statement's first.
            said = _LINE.fullmatch(str(error))
            line = each.line + (int(said[1]) - 1 if said else 0)
            text = said[2] if said else str(error)
            if error.sqlstate and error.sqlstate not in text:
                text += f" (SQLSTATE {error.sqlstate})"
            raise MigrationError(
                f"{migration.path}:{line}: {text}; "
                + (_HALF if migration.outside else "nothing of the file was applied")
            ) from None
