"""Compiled modules: one file per content, made once, however many ask.

In the folder, for a source called fast.c (P: hash of its path, K: of what it
was made from): fast.P-K.so; fast.P.json, the headers that the last build
read; fast.P.lock, held while building; fast.P.build-*, where that happens.
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
from collections.abc import Iterator

from inlay import toolchain
from inlay.errors import CacheError

ABI = 1  # of inlay.h; part of every key
KEEP = 3  # builds per source


def folder() -> str:
    """The cache's folder, made when missing, and checked."""
    chosen = os.environ.get("INLAY_CACHE_DIR")
    if chosen:
        path = os.path.abspath(chosen)
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(base):
            base = os.path.expanduser("~/.cache")
        if not os.path.isabs(base):
            raise CacheError(
                "there is no home folder for the cache; INLAY_CACHE_DIR names another"
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
            f"cannot make the cache folder {path}: {error.strerror}; "
            "INLAY_CACHE_DIR names another one"
        ) from error
    _check(path, info)
    return path


def _check(path: str, info: os.stat_result) -> None:
    """Code is loaded from here: nobody else may write to it."""
    if info.st_uid != os.geteuid():
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


class Entry:
    """The place of one source file in the cache."""

    def __init__(self, source: str) -> None:
        self.source = os.path.abspath(source)
        self.folder = folder()
        place = hashlib.sha256(os.fsencode(self.source)).hexdigest()[:12]
        self.stem = os.path.basename(source).rpartition(".")[0] + "." + place
        self.index = os.path.join(self.folder, f"{self.stem}.json")
        self.lock = os.path.join(self.folder, f"{self.stem}.lock")

    def build(self) -> str:
        """The path of the shared object, compiled if need be."""
        compiler = toolchain.find_compiler()
        found = self.find(compiler)
        if found:
            return found
        if compiler is None:
            raise ImportError(toolchain.no_compiler(), path=self.source)
        with self._locked():
            # Another process may have built it while this one waited.
            found = self.find(compiler)
            if found:
                return found
            try:
                return self._compile(compiler)
            except OSError as error:
                if error.filename == self.source:
                    raise
                raise self._not_writable(error) from error

    def find(self, compiler: toolchain.Compiler | None) -> str | None:
        """A build of what is there now; without a compiler, by any one."""
        try:
            known = json.loads(_read(self.index))
            deps = [str(path) for path in known["deps"]]
            identity = compiler.identity if compiler else str(known["compiler"])
            path = self._path(self._key(deps, identity))
            info = os.stat(path)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        _check(path, info)
        return path

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, f"{self.stem}-{key}.so")

    def _key(self, deps: list[str], compiler: str) -> str:
        """Of everything that the build depends on; OSError: a file is gone."""
        state = hashlib.sha256()
        parts = [str(ABI), self.source, compiler, *toolchain.all_flags()]
        state.update(json.dumps(parts).encode())
        for path in deps:
            content = _read(path)
            state.update(b"\n%d " % len(content) + os.fsencode(path) + b"\n")
            state.update(content)
        return state.hexdigest()[:32]

    def _compile(self, compiler: toolchain.Compiler) -> str:
        for _ in range(3):
            path = self._try_compile(compiler)
            if path:
                self._prune(path)
                return path
        raise ImportError(
            f"{self.source} keeps changing while it is compiled", path=self.source
        )

    def _try_compile(self, compiler: toolchain.Compiler) -> str | None:
        """None when a file changed meanwhile: what was compiled is unclear."""
        import tempfile

        prefix = f"{self.stem}.build-"
        self._sweep(prefix)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=self.folder) as place:
            output = os.path.join(place, "module.so")
            rule = os.path.join(place, "module.d")
            index = os.path.join(place, "index.json")
            start, before = time.time_ns(), _read(self.source)
            warnings = toolchain.compile_module(compiler, self.source, output, rule)
            deps = toolchain.read_deps(rule)
            path = self._path(self._key(deps, compiler.identity))
            # A time to come is another clock's: it says nothing.
            end = time.time_ns()
            if _read(self.source) != before or any(
                start < os.stat(header).st_mtime_ns <= end for header in deps[1:]
            ):
                return None
            with open(index, "w", encoding="utf-8") as file:
                json.dump({"deps": deps, "compiler": compiler.identity}, file)
            os.chmod(output, 0o700)
            # The module first: an index without it is a miss, no more.
            os.replace(output, path)
            os.replace(index, self.index)
        if warnings.strip():
            sys.stderr.write(warnings)
        return path

    def _sweep(self, prefix: str) -> None:
        """What killed builds left behind: this one holds the lock."""
        import shutil

        for name in os.listdir(self.folder):
            if name.startswith(prefix):
                shutil.rmtree(os.path.join(self.folder, name), ignore_errors=True)

    def _prune(self, newest: str) -> None:
        """Only the last builds stay; running processes keep theirs mapped."""
        builds = []
        for name in os.listdir(self.folder):
            if name.startswith(f"{self.stem}-") and name.endswith(".so"):
                path = os.path.join(self.folder, name)
                with contextlib.suppress(OSError):
                    builds.append((os.stat(path).st_mtime_ns, path))
        for _, path in sorted(builds, reverse=True)[KEEP:]:
            if path != newest:
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def _not_writable(self, error: OSError) -> CacheError:
        return CacheError(
            f"cannot write to the cache folder {self.folder}: "
            f"{error.strerror}; INLAY_CACHE_DIR names another one"
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
            os.close(fd)
