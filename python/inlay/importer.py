"""`import fast` for fast.c, fast.cpp or fast.rs: finders and loaders.

They look in folders of the application, and of packages that ask for it:
never in the standard library, nor elsewhere in site-packages.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING

from inlay import _core, built, cache
from inlay.errors import CompileError
from inlay.recipe import LANGUAGES

if TYPE_CHECKING:
    from inlay.built import Built
    from inlay.cache import Build

_PACKAGES = {"site-packages", "dist-packages"}
_HEAD_COMMENT = re.compile(r"\s*(?:/\*(.*?)\*/|((?:[ \t]*//[^\n]*\n)+))", re.S)


class Folders:
    """Which folders may have C files; remembered, as finders ask all the time."""

    def __init__(self) -> None:
        self._library = os.path.realpath(os.path.dirname(os.__file__))
        self._known: dict[str, bool] = {}
        self._allowed: list[str] = []  # of packages, with a slash at the end

    def allow(self, path: str) -> None:
        self._allowed.append(os.path.join(os.path.realpath(path), ""))
        self._known.clear()

    def among(self, path: Iterable[object]) -> Iterator[str]:
        for entry in path:
            if not isinstance(entry, str):
                continue
            known = self._known.get(entry)
            if known is None:
                known = self._is_application(entry)
                if os.path.isabs(entry):
                    self._known[entry] = known
            if known:
                yield entry or "."

    def _is_application(self, entry: str) -> bool:
        try:
            real = os.path.join(os.path.realpath(entry), "")
        except OSError:
            return False  # relative to a working directory that is gone
        if real.startswith(tuple(self._allowed)):
            return True
        if not _PACKAGES.isdisjoint(real.split(os.sep)):
            return False
        return not real.startswith(os.path.join(self._library, ""))


_folders = Folders()


def allow(path: Iterable[str]) -> None:
    """Lets an installed package have C files; for its __init__.py:

    inlay.allow(__path__)
    """
    for folder in path:
        _folders.allow(folder)


class Finder:
    """Finds NAME.c and its like: the last one on the meta path."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        name = fullname.rpartition(".")[2]
        if os.sep in name or "\0" in name:
            return None
        for folder in _folders.among(sys.path if path is None else path):
            spec = find_in(folder, fullname, name)
            if spec:
                return spec
        return None


class NamespaceFinder:
    """Stands before the finder of Python files: a folder db/ without an
    __init__.py is a module to that one, and db.c beside it would never be found.
    """

    def __init__(self) -> None:
        self._listed: dict[str, tuple[int, set[str]]] = {}
        self._warned: set[str] = set()

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        name = fullname.rpartition(".")[2]
        if path is None and name in sys.stdlib_module_names:
            return None  # asked for by the hundred, and never a namespace
        for folder in _folders.among(sys.path if path is None else path):
            if name in self._stems(folder):
                break
        else:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec and spec.loader is None:
            return find_in(folder, fullname, name)
        if spec and spec.origin == os.path.join(os.path.abspath(folder), f"{name}.py"):
            self._warn(spec.origin, folder, name)
        return spec

    def invalidate_caches(self) -> None:
        self._listed.clear()

    def _stems(self, folder: str) -> set[str]:
        """Names of sources in a folder, listed anew when it has changed."""
        try:
            changed = os.stat(folder).st_mtime_ns
            known = self._listed.get(folder)
            if known is None or known[0] != changed:
                pairs = map(os.path.splitext, os.listdir(folder))
                known = (changed, {stem for stem, end in pairs if end in LANGUAGES})
                self._listed[folder] = known
        except OSError:
            return set()
        return known[1]

    def _warn(self, python: str, folder: str, name: str) -> None:
        beside = [each for each in _sources(folder, name) if not built.is_shim(python)]
        if not beside or python in self._warned:
            return
        self._warned.add(python)
        import warnings

        warnings.warn(
            f"{python} is imported, not {os.path.basename(beside[0])} beside it: "
            "rename one of them",
            RuntimeWarning,
            stacklevel=2,
        )


def _sources(folder: str, name: str) -> list[str]:
    path = os.path.join(os.path.abspath(folder), name)
    return [path + end for end in LANGUAGES if os.path.isfile(path + end)]


def find_in(folder: str, fullname: str, name: str) -> ModuleSpec | None:
    """The module `name` of a folder: from source, or built ahead."""
    found = _sources(folder, name)
    ahead = os.path.join(os.path.abspath(folder), name + built.SUFFIX)
    loader: SourceLoader | BuiltLoader
    if len(found) > 1:
        names = " and ".join(map(os.path.basename, found))
        raise ImportError(
            f"{names} in {os.path.dirname(ahead)} would both be {fullname}: "
            "rename one of them",
            name=fullname,
            path=found[0],
        )
    if found and not name.isidentifier():
        raise ImportError(
            f"{found[0]} can't be a module: {name!r} is no Python name; rename it",
            name=fullname,
            path=found[0],
        )
    if found:
        loader = SourceLoader(fullname, found[0])
    elif os.path.isfile(ahead):
        loader = BuiltLoader(fullname, ahead)
    else:
        _refuse_archive(folder, fullname, name)
        return None
    # importlib asks for no more than create and exec.
    spec = ModuleSpec(fullname, loader, origin=loader.path)  # type: ignore[arg-type]
    spec.has_location = True
    return spec


def _refuse_archive(folder: str, fullname: str, name: str) -> None:
    """Of a zip file on sys.path: the compiler and the loader need files."""
    archive = sys.path_importer_cache.get(folder)
    read = getattr(archive, "get_data", None)
    if read is None or not hasattr(archive, "archive"):
        return
    for end in (*LANGUAGES, built.SUFFIX):
        path = os.path.join(folder, name + end)
        try:
            read(path)
        except OSError:
            continue
        raise ImportError(
            f"{path} is inside a zip file, where neither a compiler nor the system's "
            "loader can read it: unpack the archive",
            name=fullname,
            path=path,
        )


# Name of a module that has guards and could not be loaded -> why. A program may
# go on without it; a server must not, as nobody would ask the guards.
unguarded: dict[str, str] = {}
# Servers that were made and not stopped: what is imported now is too late for
# them.
servers: list[object] = []
# Modules that are reloaded by `inlay dev`, which may then refuse their routes.
swapping: set[str] = set()
_GUARD = re.compile(rb"\bINLAY_BEFORE\b|inlay_guard\0")


_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.M)


def _has_guards(path: str) -> bool:
    """Does a source, or what it includes, have guards; or a shared object the
    section of them?"""
    seen: set[str] = set()
    waiting = [path]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            continue
        if _GUARD.search(text):
            return True
        folder = os.path.dirname(path)
        waiting += [
            os.path.normpath(os.path.join(folder, os.fsdecode(name)))
            for name in _INCLUDE.findall(text)
        ]
    return False


def tell_of_reset(path: str) -> None:
    import logging

    file = os.path.basename(path)
    logging.getLogger("inlay").info("static state of %s was reset", file)


class _Loader:
    """Fills a module. Executed again, by importlib.reload, it swaps the new
    code into the functions that are there; if that fails, nothing changes.
    """

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path

    def find(self) -> Build | Built:
        """What is to be loaded."""
        raise NotImplementedError

    def doc(self, made: Build | Built) -> str | None:
        raise NotImplementedError

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        previous = module.__dict__.get("__inlay__")
        try:
            made = self.find()
            native = _load(self.name, made, previous)
        except BaseException as error:
            if isinstance(error, ImportError):
                error.name = error.name or self.name
                error.path = error.path or self.path
            if previous is None and _has_guards(self.path):
                unguarded[self.name] = str(error) or type(error).__name__
            raise
        unguarded.pop(self.name, None)
        if previous is None and servers:
            self._too_late(native)
        if native is previous:
            return
        _publish(module, native, self.doc(made))
        self.after(native, made)
        if previous is not None and self.name not in swapping:
            tell_of_reset(self.path)

    def _too_late(self, native: _core.NativeModule) -> None:
        """Nobody would ask its guards, nobody will find its routes."""
        import logging

        for pattern, _, _, _, where in native.guards:
            raise ImportError(
                f"{where}: {pattern} is guarded here, and the server was made "
                f"without it: import {self.name} when the application starts",
                name=self.name,
                path=self.path,
            )
        if native.routes:
            logging.getLogger("inlay").warning(
                "the routes of %s are not served: the server was made before it "
                "was imported; import it when the application starts",
                os.path.basename(self.path),
            )

    def after(self, native: _core.NativeModule, made: Build | Built) -> None:
        """The module is there."""

    def get_filename(self, fullname: str) -> str:
        return self.path

    def is_package(self, fullname: str) -> bool:
        return False


class SourceLoader(_Loader):
    """Of NAME.c and its like: compiled once per content."""

    def find(self) -> Build | Built:
        """A module that was built ahead, if it is up to date, else a new one."""
        ahead = os.path.splitext(self.path)[0] + built.SUFFIX
        if not os.path.isfile(ahead):
            return cache.build(self.path)
        made = built.find(ahead, self.name)
        if built.is_current(made):
            return made
        try:
            return cache.build(self.path)
        except CompileError:
            raise
        except ImportError as error:
            raise ImportError(f"{error} ({ahead} is not up to date)") from None

    def doc(self, made: Build | Built) -> str | None:
        return head_comment(self.path)

    def after(self, native: _core.NativeModule, made: Build | Built) -> None:
        """Writes the stub, once per build, beside the shared object."""
        stub = f"{os.path.splitext(made.path)[0]}.pyi"
        if made.path.endswith(built.SUFFIX) or os.path.exists(stub):
            return
        from inlay import stubs

        # The cache may be somebody's who lets others only read it.
        with contextlib.suppress(OSError):
            stubs.write(native, stub, os.path.basename(self.path), self.doc(made))


class BuiltLoader(_Loader):
    """Of NAME.inlay.so: needs neither source nor compiler."""

    def find(self) -> Built:
        return built.find(self.path, self.name)

    def doc(self, made: Build | Built) -> str | None:
        return getattr(made, "doc", None)


def load_built(name: str, file: str) -> None:
    """Makes the running module the one that was built ahead, beside `file`.

    All that a wheel needs in fast.py, so that Python itself finds fast:
    __import__("inlay").load_built(__name__, __file__)
    """
    path = os.path.splitext(os.path.abspath(file))[0] + built.SUFFIX
    if not os.path.isfile(path):
        raise ImportError(f"there is no {path}: build it again", name=name, path=path)
    BuiltLoader(name, path).exec_module(sys.modules[name])


# Path of what was loaded -> the file that it was. dlopen gives a path the same
# code and state for ever, so one that comes back is loaded from a copy.
_generations: dict[str, tuple[str, int, int]] = {}
_copies = itertools.count()


def _load(
    name: str, made: Build | Built, previous: _core.NativeModule | None
) -> _core.NativeModule:
    """The module, or `previous` when it is that one."""
    info = os.stat(made.path)
    file = (made.path, info.st_ino, info.st_mtime_ns)
    path = made.path
    if previous is None:
        native = _core.load(name, path, made.root)
    elif _generations.get(previous.path) == file:
        return previous
    else:
        if path in _generations:
            path = _copy(path)
        native = _core.load(name, path, made.root, previous)
    _generations[path] = file
    return native


def _copy(path: str) -> str:
    import shutil

    from inlay import private

    name = f"{next(_copies)}-{os.path.basename(path)}"
    return shutil.copyfile(path, os.path.join(private.folder(), name))


def _publish(module: ModuleType, native: _core.NativeModule, doc: str | None) -> None:
    """Fills the module; names that the previous generation put there go."""
    names = module.__dict__
    previous = names.get("__inlay__")
    for name, value in previous.namespace.items() if previous else ():
        if name not in native.namespace and names.get(name) is value:
            del names[name]
    names.update(native.namespace)
    # Without one, help() would show the first lines of the source.
    names["__doc__"] = doc or f"Native functions of {native.name}."
    names["__inlay__"] = native
    names["__getattr__"] = _explain(module.__name__, native)


def _explain(name: str, native: _core.NativeModule) -> Callable[[str], object]:
    """A function that is in the file but can't be called says why."""

    def __getattr__(attribute: str) -> object:
        reason = native.reasons.get(attribute)
        if reason:
            raise AttributeError(f"{name}.{attribute} can't be called: {reason}")
        raise AttributeError(f"module {name!r} has no attribute {attribute!r}")

    return __getattr__


def head_comment(path: str) -> str | None:
    """The comment that a source begins with, markers stripped: its __doc__."""
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
    rows = [row.rstrip() for row in rows if not row.lstrip().startswith("inlay:")]
    return "\n".join(rows).strip() or None


def install() -> None:
    """Turn the import hook on; a second time changes nothing."""
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    if PathFinder in sys.meta_path:
        sys.meta_path.insert(sys.meta_path.index(PathFinder), NamespaceFinder())
    sys.meta_path.append(Finder())
