"""Which databases a process has: --db, DATABASE_URL, [tool.inlay].

Of each name the first wins that says something: --db, INLAY_DB, DATABASE_URL
(of the default one) or DATABASE_URL_NAME, `db` of [tool.inlay].
"""

from __future__ import annotations

import difflib
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _core, recipe
from .logs import log

if TYPE_CHECKING:
    from .config import Config

FALLBACK = "sqlite:///inlay.db"
# What is no name is refused as one, when it can't be the beginning of a URL.
_NAMED = re.compile(r"([^=:/?@]*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"DATABASE_URL(?:_([A-Z0-9_]+))?")
# Variables are others', too: a database that Inlay does not have is not for it.
_OURS = re.compile(r"(?:postgres(?:ql)?|sqlite)(?:\+\w+)?://", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,31})://")

_READERS = 4  # of SQLite: INLAY_SQLITE_READERS

_lock = threading.RLock()
_ready = False  # the environment and pyproject.toml have been read
_falls_back = False  # `inlay dev`, or a C file as TARGET
_speaks = True  # of several workers one says what all of them do
_told: set[str] = set()  # the variables of which something was said
_pretends = False  # only what is bound is asked for: nothing will be opened


def split(text: str) -> tuple[str, str]:
    """ "reports=URL" -> its name and URL; a URL alone is of the default one."""
    found = _NAMED.match(text)
    if not found:
        return "", text
    name = found[1]
    return "" if name == "default" else name, found[2]


def checked(text: str) -> tuple[str, str]:
    """The same of what somebody has written; ValueError, without the URL."""
    name, url = split(text)
    if text.startswith("="):
        raise ValueError('there is no name before the "=": write NAME=URL, or a URL')
    if url != url.strip():
        raise ValueError("the URL begins or ends with a blank, or a line's end")
    return name, url


def of_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names and URLs of the variables. DATABASE_URL_REPORTS is `reports`, or
    whatever other spelling somebody asks for by these letters."""
    for key, url in sorted(environ.items()):
        found = _VARIABLE.fullmatch(key)
        if found and _OURS.match(url):
            yield (found[1] or "").lower(), url


def passed_over(name: str, environ: Mapping[str, str]) -> str:
    """Why the variable of that database is not used, without its URL; "": there
    is none, or it is fine."""
    url = environ.get(variable(name))
    if not url or _OURS.match(url):
        return ""
    scheme = _SCHEME.match(url)
    return (
        f"{variable(name)} is set, but begins with neither postgresql:// nor sqlite://"
        + (f", but with {scheme[1]}://" if scheme else "")
    )


def misspelt(name: str, environ: Mapping[str, str]) -> bool:
    """Is that variable meant for Inlay, and no other database's? (postgre://)"""
    if not passed_over(name, environ):
        return False
    word = re.match(r"\w*", environ[variable(name)].lower())
    begins = word[0] if word else ""
    return begins.startswith(("pg", "psql")) or bool(
        difflib.get_close_matches(begins, ("postgresql", "postgres", "sqlite"))
    )


def without(texts: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """What a file says of those that the environment has nothing to say of, and
    was not meant to."""
    known = {name for name, _ in of_environment(environ)}
    return tuple(
        text
        for text in texts
        if (name := split(text)[0]).lower().replace("-", "_") not in known
        and not misspelt(name, environ)
    )


# --- A process's own ----------------------------------------------------------


def numbers(config: Config) -> dict[str, Any]:
    """What all databases have, as `_core.configure_database` takes it."""
    from .settings import milliseconds

    return {
        "min_size": config.db_min_size,
        "max_size": config.db_max_size,
        "pool_timeout": milliseconds(config.db_pool_timeout) or 1,
        "statement_timeout": milliseconds(config.db_statement_timeout) or -1,
        "statement_cache": config.db_statement_cache or -1,
    }


def check(config: Config) -> None:
    """Have C read what it is to be told. ValueError, without passwords."""
    seen: set[str] = set()
    for text in config.db:
        try:
            name, url = checked(text)
            if name in seen:
                raise ValueError(f'there are two of the name "{name or "default"}"')
            seen.add(name)
            _core.configure_database(name, url, **numbers(config), check=True)
        except ValueError as error:
            raise ValueError(f"--db: {error}") from None


def prepare(config: Config) -> None:
    """The databases of this configuration and of the environment."""
    global _ready, _falls_back
    with _lock:
        told = numbers(config)
        for text in config.db:
            name, url = split(text)
            _core.configure_database(name, url, **told)
        _read_environment(told)
        _falls_back = config.dev or bool(recipe.language(config.target))
        _ready = True


def speak(first: bool) -> None:
    """Is this the worker to say what all of them have to say?"""
    global _speaks
    _speaks = first


def pretend() -> None:
    """Every database that is looked for and not there is an empty one: of a
    process that lists routes and serves none."""
    global _pretends
    _pretends = True


def ensure_configured() -> None:
    """Once in a program of its own, before its first use of a database: what
    the environment and pyproject.toml say. Raises OptionError, ValueError."""
    global _ready
    if _ready:
        return
    from . import project
    from .config import Config

    with _lock:
        if _ready:
            return
        _ready = True
        found = project.settings("", True)
        own = {key: value for key, value in found.items() if key.startswith("db")}
        config = Config("", **own)
        _read_environment(numbers(config))
        for text in without(config.db, os.environ):
            name, url = checked(text)
            if not _core.database_configured(name):
                _core.configure_database(name, url, **numbers(config))


def _read_environment(told: dict[str, Any]) -> None:
    for name, url in of_environment(os.environ):
        if _core.database_configured(name):
            continue
        try:
            _core.configure_database(name, checked(url)[1], **told)
        except ValueError as error:
            # Maybe nobody here needs it.
            log.warning("%s is not used: %s", variable(name), error)


def variable(name: str) -> str:
    """Which variable says where the database of that name is."""
    letters = name.upper().replace("-", "_")
    return f"DATABASE_URL_{letters}" if name else "DATABASE_URL"


def missing(name: str) -> None:
    """C looks for a database that nobody has configured so far."""
    try:
        ensure_configured()
    except ValueError as error:
        log.error("%s", error)
        return
    with _lock:
        if _core.database_configured(name):
            return
        why = "" if _pretends else passed_over(name, os.environ)
        if why and why not in _told and (_speaks or not _falls_back):
            _told.add(why)
            say = log.error if misspelt(name, os.environ) else log.warning
            say("%s", why)
        if not name and _falls_back and not (why and misspelt(name, os.environ)):
            if _speaks:
                log.info("no --db: using %s", FALLBACK)
            _core.configure_database("", FALLBACK)
            return
        # DATABASE_URL_RE_PORTS may mean "re-ports", or "Re_Ports".
        for known, url in of_environment(os.environ):
            if known and known == name.lower().replace("-", "_"):
                _core.configure_database(name, url)
                return
        if _pretends:
            _core.configure_database(name, "sqlite://")


def listed() -> list[dict[str, Any]]:
    """All that are configured, for the banner and `inlay ctl databases`."""
    environment = {name or "default" for name, _ in of_environment(os.environ)}
    return [
        {
            "name": name,
            "url": shown,
            "max": _most(shown, most),
            # Others' variables may be none of ours.
            "wanted": is_open or name not in environment,
        }
        for name, shown, most, is_open in _core.databases()
    ]


def _most(url: str, most: int) -> int:
    """How many connections a worker has at most; SQLite has its own rule."""
    if not url.startswith("sqlite:"):
        return most
    return 1 if _in_memory(url) else min(most, 1 + _READERS)


def _in_memory(url: str) -> bool:
    return url in ("sqlite://", "sqlite:///", "sqlite:///:memory:")


def line(database: dict[str, Any]) -> str:
    """Of the banner."""
    name, url, most = database["name"], database["url"], database["max"]
    title = "Database" if name == "default" else f"Database {name}"
    if not url.startswith("sqlite:"):
        said = f"up to {most} connection{'' if most == 1 else 's'} per worker"
    elif _in_memory(url):
        said = "in memory, of each worker its own"
    elif most == 1:
        said = "1 connection per worker"
    else:
        readers = f"up to {most - 1} that read" if most > 2 else "1 that reads"
        said = f"1 connection that writes, {readers}, per worker"
    return f"{title}: {url} ({said})"
