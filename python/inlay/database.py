"""Which databases a process has: --db, DATABASE_URL, [tool.inlay].

Of each name the first wins that says something: --db, INLAY_DB, DATABASE_URL
(of the default one) or DATABASE_URL_NAME, `db` of [tool.inlay].
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _core, recipe
from .logs import log

if TYPE_CHECKING:
    from .config import Config

FALLBACK = "sqlite:///inlay.db"
_NAMED = re.compile(r"([A-Za-z0-9_-]*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"DATABASE_URL(?:_([A-Z0-9_]+))?")
# Variables are others', too: a database that Inlay does not have is not for it.
_OURS = re.compile(r"(?:postgres(?:ql)?|sqlite)(?:\+\w+)?://", re.IGNORECASE)

_lock = threading.RLock()
_ready = False  # the environment and pyproject.toml have been read
_falls_back = False  # `inlay dev`, or a C file as TARGET
_speaks = True  # of several workers one says what all of them do
_pretends = False  # only what is bound is asked for: nothing will be opened


def split(text: str) -> tuple[str, str]:
    """ "reports=URL" -> its name and URL; a URL alone is of the default one."""
    found = _NAMED.match(text)
    if not found or "://" in text[: found.end(1)]:
        return "", text
    name = found[1]
    return "" if name == "default" else name, found[2]


def names(texts: Iterable[str]) -> set[str]:
    return {split(text)[0] for text in texts}


def of_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names and URLs of the variables. DATABASE_URL_REPORTS is `reports`, or
    whatever other spelling somebody asks for by these letters."""
    for variable, url in sorted(environ.items()):
        found = _VARIABLE.fullmatch(variable)
        if found and _OURS.match(url):
            yield (found[1] or "").lower(), url


def without(texts: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """What a file says of those that the environment has nothing to say of."""
    known = {name for name, _ in of_environment(environ)}
    return tuple(
        text for text in texts if split(text)[0].lower().replace("-", "_") not in known
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
        name, url = split(text)
        if name in seen:
            raise ValueError(f'--db: there are two of the name "{name or "default"}"')
        seen.add(name)
        try:
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
        for text in config.db:
            name, url = split(text)
            if not _core.database_configured(name):
                _core.configure_database(name, url, **numbers(config))


def _read_environment(told: dict[str, Any]) -> None:
    for name, url in of_environment(os.environ):
        if _core.database_configured(name):
            continue
        try:
            _core.configure_database(name, url, **told)
        except ValueError as error:
            # Maybe nobody here needs it.
            log.warning("%s is not used: %s", _variable(name), error)


def _variable(name: str) -> str:
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
        if not name and _falls_back:
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
        elif os.environ.get(_variable(name)):
            log.warning(
                "%s is set, but begins with neither postgresql:// nor sqlite://",
                _variable(name),
            )


def lines() -> list[str]:
    """Those that are in use or were asked for, for the banner."""
    environment = {name or "default" for name, _ in of_environment(os.environ)}
    return [
        f"{'Database' if name == 'default' else f'Database {name}'}: "
        f"{shown} ({most} connection{'' if most == 1 else 's'})"
        for name, shown, most, is_open in _core.databases()
        if is_open or name not in environment
    ]
