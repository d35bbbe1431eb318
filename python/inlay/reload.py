"""Which changed files restart the workers: uvicorn's --reload options."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .config import Config
from .logs import log

_INCLUDES = ("*.py",)
_EXCLUDES = (".*", ".py[cod]", ".sw.*", "~*")


class Patterns:
    """Folders to watch, and which files in them count.

    A file counts when its path matches a pattern to include (as pathlib's
    match) and none to exclude; a path that *ends* with one to include counts
    in any case. Patterns that name folders stand for what is in them.
    """

    def __init__(self, config: Config) -> None:
        includes, excludes = config.reload_includes, config.reload_excludes
        self.includes = [p for p in _INCLUDES if p not in excludes]
        self.includes += [p for p in includes if not os.path.isdir(p)]
        self.excludes = [p for p in _EXCLUDES if p not in includes]
        self.excludes += [p for p in excludes if not os.path.isdir(p)]
        self.excluded = [_resolve(p) for p in excludes if os.path.isdir(p)]
        folders = [*config.reload_dirs, *(p for p in includes if os.path.isdir(p))]
        valid = [folder for folder in folders if os.path.isdir(folder)]
        if folders and not valid:
            log.warning(
                "--reload-dir: there is no folder %s; watching %s",
                ", ".join(folders),
                os.path.abspath(config.app_dir or "."),
            )
        self.folders = _outermost(map(_resolve, valid or [config.app_dir or "."]))

    def match(self, path: str) -> bool:
        found = Path(path)
        for pattern in self.includes:
            if found.match(pattern):
                return path.endswith(pattern) or not self._excluded(found)
        return False

    def _excluded(self, path: Path) -> bool:
        return any(path.match(pattern) for pattern in self.excludes) or any(
            str(path).startswith(folder + os.sep) for folder in self.excluded
        )


def _resolve(path: str) -> str:
    return os.path.realpath(path)


def _outermost(folders: Iterable[str]) -> list[str]:
    """Without those that are in another one."""
    kept: list[str] = []
    for folder in sorted(set(folders)):
        if not any(folder.startswith(other.rstrip(os.sep) + os.sep) for other in kept):
            kept.append(folder)
    return kept
