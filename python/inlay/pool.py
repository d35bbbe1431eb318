"""The pool of threads for INLAY_ASYNC functions and `run_in_pool`."""

from __future__ import annotations

import os
from typing import NamedTuple

from inlay import _core

_MOST_THREADS = 10_000
_MOST_QUEUE = 100_000_000


class PoolStats(NamedTuple):
    """The pool at this moment."""

    threads: int  #: that there are
    running: int  #: of them: those with a call
    waiting: int  #: calls without a thread
    max_threads: int
    max_waiting: int


def pool_stats() -> PoolStats:
    return PoolStats(*_core.pool_stats())


def _check(what: str, value: int | None, most: int) -> int:
    if value is None:
        return 0
    if not 1 <= value <= most:
        raise ValueError(f"{what} must be from 1 to {most}, not {value}")
    return value


def configure_pool(*, threads: int | None = None, queue: int | None = None) -> None:
    """Sets how many threads there may be, and how many calls may wait for one."""
    _core.pool_limits(
        _check("threads", threads, _MOST_THREADS), _check("queue", queue, _MOST_QUEUE)
    )


def _from_environment(name: str, most: int) -> int | None:
    text = os.environ.get(name)
    if not text:
        return None
    if not text.isdecimal():
        raise ValueError(f"{name} must be a whole number, not {text!r}")
    return _check(name, int(text), most)


configure_pool(
    threads=_from_environment("INLAY_POOL_THREADS", _MOST_THREADS),
    queue=_from_environment("INLAY_POOL_QUEUE", _MOST_QUEUE),
)
