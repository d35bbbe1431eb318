"""A folder of this process's own, gone when it ends."""

from __future__ import annotations

import atexit
import os
import shutil

_made: dict[int, str] = {}  # by process: a fork has none of its parent's


def folder() -> str:
    """The folder, made when first asked for; nobody else may look into it."""
    me = os.getpid()
    if me not in _made:
        import tempfile

        _made[me] = tempfile.mkdtemp(prefix="inlay-")
        atexit.register(remove)
    return _made[me]


def remove() -> None:
    """Remove it now: of a process that ends without its exit handlers."""
    path = _made.pop(os.getpid(), None)
    if path is not None:
        shutil.rmtree(path, ignore_errors=True)
