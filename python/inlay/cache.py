"""Compiled modules: one file per content, made once, however many ask.

In the folder, for a source called fast.c (P: hash of its path, K: of what it
was made from): fast.P-K.so; fast.P-K.o, the objects of the last build when
there are several sources; fast.P.json, what the last build read; fast.P.lock,
held while building; fast.P.build-*, where that happens.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from inlay import recipe, toolchain
from inlay.errors import CacheError

if TYPE_CHECKING:
    from inlay.compiling import Made, Unit

ABI = 1  # of inlay.h; part of every key
KEEP = 3  # builds per source


class Build(NamedTuple):
    """A module that can be loaded."""

    path: str  # of the shared object
    root: str  # folder of the module's own files
    files: list[str]  # what it was made from, the source first; not the system's
    warnings: str = ""
    fresh: bool = False  # compiled just now, not found


def build(source: str) -> Build:
    """The module of a source, compiled if need be.

    CompileError: the compiler's lines; other ImportErrors: no compiler, no
    cache. Safe to call in many processes at once.
    """
    return Entry(source).build()


def folder() -> str:
    """The cache's folder, made when missing, and checked."""
    if os.environ.get("INLAY_NO_CACHE", "0") not in ("", "0"):
        from inlay import private

        return private.folder()
    chosen = os.environ.get("INLAY_CACHE_DIR")
    if chosen:
        path = os.path.abspath(chosen)
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(base):
            base = os.path.expanduser("~/.cache")
        if not os.path.isabs(base):
            raise CacheError(
                f"there is no home folder for the cache; {_ANOTHER}",
            )
        path = os.path.join(base, "inlay")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, mode=0o700)
        # A link that somebody else owns could point elsewhere later.
        path = os.path.realpath(path)
        info = os.stat(path)
    except OSError as error:
        raise CacheError(
            f"cannot make the cache folder {path}: {error.strerror}; {_ANOTHER}"
        ) from error
    _check(path, info)
    return path


_ANOTHER = "INLAY_CACHE_DIR names another one, INLAY_NO_CACHE=1 does without"


def _check(path: str, info: os.stat_result) -> None:
    """Code is loaded from here: nobody else may write to it, except root."""
    if info.st_uid not in (os.geteuid(), 0):
        problem = f"belongs to user {info.st_uid}, not to {os.geteuid()}"
    elif stat.S_IMODE(info.st_mode) & 0o022:
        mode = stat.S_IMODE(info.st_mode)
        problem = f"can be written by others (mode {mode:04o}; chmod go-w it)"
    else:
        return
    raise CacheError(
        f"refusing to load code from the cache, {path}: it {problem}; "
        "INLAY_CACHE_DIR names another folder"
    )


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _stamp(path: str) -> list[object]:
    """What tells that a file of the system is another one."""
    info = os.stat(path)
    return [path, info.st_mtime_ns, info.st_size]


def _hash(parts: object, files: Sequence[str]) -> str:
    """Of values and of files' contents; OSError: a file is gone."""
    state = hashlib.sha256(json.dumps(parts).encode())
    for path in files:
        content = _read(path)
        state.update(b"\n%d " % len(content) + os.fsencode(path) + b"\n")
        state.update(content)
    return state.hexdigest()[:32]


class Entry:
    """The place of one source file in the cache."""

    def __init__(self, source: str) -> None:
        self.source = os.path.abspath(source)
        self.folder = folder()
        place = hashlib.sha256(os.fsencode(self.source)).hexdigest()[:12]
        self.stem = os.path.basename(source).rpartition(".")[0] + "." + place
        self.index = os.path.join(self.folder, f"{self.stem}.json")
        self.lock = os.path.join(self.folder, f"{self.stem}.lock")

    def build(self) -> Build:
        """The shared object, compiled if need be."""
        found = self.find()
        if found:
            return found
        # Without a compiler there is nothing to wait for.
        toolchain.find_all(recipe.Recipe(self.source).languages)
        with self._locked():
            # Another process may have built it while this one waited.
            found = self.find()
            if found:
                return found
            try:
                return self._compile()
            except OSError as error:
                if error.filename == self.source:
                    raise
                raise self._not_writable(error) from error

    def sources(self) -> list[str]:
        """What the module depends on, by the last build and by its lines now.

        For watching: a change of any of them may make another module. Never
        fails.
        """
        found = {self.source: None}
        with contextlib.suppress(OSError, ImportError):
            found.update(dict.fromkeys(recipe.Recipe(self.source).sources))
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found.update(dict.fromkeys(map(str, self.read_index()["files"])))
        return list(found)

    def read_index(self) -> dict[str, Any]:
        known = json.loads(_read(self.index))
        return known if isinstance(known, dict) else {}

    def find(self) -> Build | None:
        """A build of what is there now; without its compiler, by any one."""
        try:
            known = self.read_index()
            tools, complete = self._identities(known["tools"])
            for pattern, paths in known["patterns"].items():
                if recipe.expand(os.path.dirname(self.source), pattern) != paths:
                    return None
            # Who has no compiler needs no headers of the system either.
            if complete and not self._is_current(known["system"]):
                return None
            path = self._path(self._key(known, tools))
            info = os.stat(path)
            made = Build(path, str(known["root"]), [str(f) for f in known["files"]])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        _check(path, info)
        return made

    @staticmethod
    def _identities(stored: dict[str, str]) -> tuple[dict[str, str], bool]:
        """Of the compilers as they are now; one that is missing keeps its own."""
        found = {each: toolchain.find(each) for each in stored}
        now = {e: tool.identity if tool else stored[e] for e, tool in found.items()}
        return now, all(found.values())

    @staticmethod
    def _is_current(stamps: list[list[object]]) -> bool:
        return all(_stamp(str(stamp[0])) == stamp for stamp in stamps)

    def _path(self, key: str, suffix: str = "so") -> str:
        return os.path.join(self.folder, f"{self.stem}-{key}.{suffix}")

    def _key(self, known: dict[str, Any], tools: dict[str, str]) -> str:
        """Of everything that the build depends on; OSError: a file is gone."""
        parts = [self._basis(bool(known["python"])), tools, known["system"]]
        return _hash(parts, [str(path) for path in known["files"]])

    def _basis(self, python: bool) -> list[object]:
        values = {name: os.environ.get(name) for name in toolchain.VARIABLES}
        own = [toolchain.FLAGS, toolchain.LANGUAGE_FLAGS, toolchain.GCC_FLAGS]
        own += [toolchain.LINK_FLAGS, toolchain.RUST_FLAGS, toolchain.include_dir()]
        # Python.h has a layout of its own in each version.
        version = [sys.version, sys.prefix] if python else []
        return [ABI, self.source, values, own, version]

    def _compile(self) -> Build:
        for _ in range(3):
            made = self._try_compile()
            if made:
                return made
        raise ImportError(
            f"{self.source} keeps changing while it is compiled", path=self.source
        )

    def _try_compile(self) -> Build | None:
        """None when a file changed meanwhile: what was compiled is unclear."""
        import tempfile

        from inlay import compiling

        prefix = f"{self.stem}.build-"
        self._sweep(prefix)
        start = time.time_ns()
        wanted = recipe.Recipe(self.source)
        tools = toolchain.find_all(wanted.languages)
        flags = [wanted.cflags, wanted.includes, wanted.openmp, wanted.packages]
        basis = [self._basis(wanted.python), flags]
        objects = _Objects(self, basis, tools)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=self.folder) as place:
            output = os.path.join(place, "module.so")
            made = compiling.make(
                wanted, output, place, tools=tools, ready=objects.ready(wanted)
            )
            identities = {each: tool.identity for each, tool in tools.items()}
            known: dict[str, Any] = {
                "root": wanted.root,
                "patterns": wanted.patterns,
                "python": wanted.python,
                "tools": identities,
                "files": made.files,
                "system": [_stamp(path) for path in made.system],
            }
            path = self._path(self._key(known, identities))
            known["units"] = objects.describe(made)
            places = objects.places(made)
            if not _is_settled(wanted, made, start):
                return None
            for there, here in places.items():
                os.chmod(there, 0o600)
                os.replace(there, here)
            index = os.path.join(place, "index.json")
            with open(index, "w", encoding="utf-8") as file:
                json.dump(known, file)
            os.chmod(output, 0o700)
            # The module first: an index without it is a miss, no more.
            os.replace(output, path)
            os.replace(index, self.index)
        self._prune(path, objects.names)
        if made.warnings.strip():
            sys.stderr.write(made.warnings)
        return Build(path, wanted.root, made.files, made.warnings, True)

    def _sweep(self, prefix: str) -> None:
        """What killed builds left behind: this one holds the lock."""
        import shutil

        for name in os.listdir(self.folder):
            if name.startswith(prefix):
                shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)

    def _prune(self, newest: str, objects: Sequence[str]) -> None:
        """Only the last builds stay; running processes keep theirs mapped."""
        builds, gone = [], []
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            if not name.startswith(f"{self.stem}-"):
                continue
            if name.endswith(".so") and path != newest:
                with contextlib.suppress(OSError):
                    builds.append((os.stat(path).st_mtime_ns, path))
            elif name.endswith(".o") and name not in objects:
                gone.append(path)
        gone += [path for _, path in sorted(builds, reverse=True)[KEEP - 1 :]]
        for path in gone:
            for each in (path, f"{path.removesuffix('.so')}.pyi"):
                with contextlib.suppress(OSError):
                    os.unlink(each)

    def _not_writable(self, error: OSError) -> CacheError:
        return CacheError(
            f"cannot write to the cache folder {self.folder}: {error.strerror}; "
            f"{_ANOTHER}"
        )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One builder at a time; the lock goes with its process."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            fd = os.open(self.lock, flags, 0o600)
        except OSError as error:
            raise self._not_writable(error) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            # A child that another thread forked meanwhile has the file open too.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)


class _Objects:
    """Objects of a module with several sources: only what changed is compiled."""

    def __init__(
        self, entry: Entry, basis: object, tools: dict[str, toolchain.Tool]
    ) -> None:
        self.entry = entry
        self.basis = basis
        self.tools = tools
        self.names: list[str] = []  # those of the newest build

    def ready(self, wanted: recipe.Recipe) -> dict[str, Unit]:
        """Units of the last build whose files are what they were."""
        from inlay.compiling import Unit

        found: dict[str, Unit] = {}
        damaged = (OSError, ValueError, KeyError, TypeError, IndexError)
        with contextlib.suppress(*damaged):
            for source, files, system in self.entry.read_index()["units"]:
                if source not in wanted.sources:
                    continue
                with contextlib.suppress(*damaged):
                    unit = Unit(source, files, [stamp[0] for stamp in system], None)
                    unit.object = self._path(unit)
                    _check(unit.object, os.stat(unit.object))
                    if Entry._is_current(system):
                        found[source] = unit
        return found

    def describe(self, made: Made) -> list[object]:
        """For the index."""
        return [
            [unit.source, unit.files, [_stamp(path) for path in unit.system]]
            for unit in made.units
            if unit.object
        ]

    def places(self, made: Made) -> dict[str, str]:
        """Where fresh objects are to go, by where they are."""
        paths = {u.object: self._path(u) for u in made.units if u.object}
        self.names = [os.path.basename(path) for path in paths.values()]
        return {there: here for there, here in paths.items() if there != here}

    def _path(self, unit: Unit) -> str:
        each = recipe.language(unit.source) or "c"
        identity = self.tools[each].identity if each in self.tools else None
        stamps = [_stamp(path) for path in unit.system]
        parts = [self.basis, unit.source, identity, stamps]
        return self.entry._path(_hash(parts, unit.files), "o")


def _is_settled(wanted: recipe.Recipe, made: Made, start: int) -> bool:
    """Are all files what the compiler read? A time to come says nothing: it is
    another clock's."""
    end = time.time_ns()
    return wanted.is_unchanged() and not any(
        start < os.stat(path).st_mtime_ns <= end
        for path in made.files
        if path not in wanted.texts
    )
