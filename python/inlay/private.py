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
        atexit.register(_remove, me)
    return _made[me]


def _remove(owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(_made[owner], ignore_errors=True)
