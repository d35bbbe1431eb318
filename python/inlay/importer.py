"""`import fast` for fast.c: a finder, last on the meta path.

It looks in folders of the application only: never in the standard library
nor in site-packages.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType

from inlay import _core
from inlay.cache import Entry

_PACKAGES = {"site-packages", "dist-packages"}
_HEAD_COMMENT = re.compile(r"\s*(?:/\*(.*?)\*/|((?:[ \t]*//[^\n]*\n)+))", re.S)


class Finder:
    """Finds NAME.c in the folders of the application."""

    def __init__(self) -> None:
        self._library = os.path.realpath(os.path.dirname(os.__file__))

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        name = fullname.rpartition(".")[2]
        if not name.isidentifier():
            return None
        for folder in self._folders(sys.path if path is None else path):
            source = os.path.join(folder, f"{name}.c")
            if os.path.isfile(source):
                loader = SourceLoader(fullname, source)
                # importlib asks for no more than create and exec.
                return spec_from_file_location(
                    fullname,
                    source,
                    loader=loader,  # type: ignore[arg-type]
                )
        return None

    def _folders(self, path: Iterable[str]) -> Iterable[str]:
        for entry in path:
            if isinstance(entry, str) and self._is_application(entry):
                yield os.path.abspath(entry)

    def _is_application(self, entry: str) -> bool:
        try:
            real = os.path.realpath(entry)
        except OSError:
            return False  # relative to a working directory that is gone
        if not _PACKAGES.isdisjoint(real.split(os.sep)):
            return False
        return not (real + os.sep).startswith(self._library + os.sep)


class SourceLoader:
    """Compiles a C file (once per content) and fills the module."""

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        try:
            shared_object = Entry(self.path).build()
            # Debug information knows the file itself, not a link to it.
            root = os.path.dirname(os.path.realpath(self.path))
            native = _core.load(self.name, shared_object, root)
        except ImportError as error:
            error.name = error.name or self.name
            error.path = error.path or self.path
            raise
        module.__doc__ = _head_comment(self.path)
        module.__dict__.update(native.namespace)
        module.__dict__["__inlay__"] = native
        module.__dict__["__getattr__"] = _explain(module.__name__, native)

    def get_filename(self, fullname: str) -> str:
        return self.path

    def is_package(self, fullname: str) -> bool:
        return False


def _explain(name: str, native: _core.NativeModule) -> Callable[[str], object]:
    """A function that is in the file but can't be called says why."""

    def __getattr__(attribute: str) -> object:
        reason = native.reasons.get(attribute)
        if reason:
            raise AttributeError(f"{name}.{attribute} can't be called: {reason}")
        raise AttributeError(f"module {name!r} has no attribute {attribute!r}")

    return __getattr__


def _head_comment(path: str) -> str | None:
    """The comment that a C file begins with, markers stripped."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(16384)
    except OSError:
        return None
    match = _HEAD_COMMENT.match(text)
    if not match:
        return None
    block, lines = match.groups()
    if lines is not None:
        # Right above a declaration it is the documentation of that one.
        if text[match.end() :].strip() and not text[match.end() :].startswith("\n"):
            return None
        rows = [re.sub(r"^\s*//[/!]?\s?", "", row) for row in lines.splitlines()]
    else:
        if not re.match(r"[ \t]*\n\s*(?:\n|#)", text[match.end() :]):
            return None
        rows = [re.sub(r"^\s*\*?\s?", "", row) for row in block.splitlines()]
    return "\n".join(row.rstrip() for row in rows).strip() or None


def install() -> None:
    """Turn the import hook on; a second time changes nothing."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.append(Finder())
