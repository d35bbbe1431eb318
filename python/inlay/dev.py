"""`inlay dev`: a server that follows its sources.

C changed: this process compiles it and the worker swaps the code in; no
connection is dropped. Python changed: the worker is replaced behind the same
sockets, which hold requests until the new one is there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from watchfiles import DefaultFilter, watch

from . import banner, cache, control, recipe, toolchain
from .config import Config
from .logs import log
from .supervisor import Supervisor, Worker, describe_exit

_STEP = 10  # ms without a change that end a batch of changes
_DEBOUNCE = 200  # ms that a batch takes at most
_CLOCK = 10_000_000  # ns by which the time of a file may be late
_ANEW = 500  # ms until a look at what changed before watching began


class Sources(threading.Thread):
    """Watches the application's folder and what its C modules are made of.

    `on_change` gets each batch of changed paths, on this thread.
    """

    def __init__(self, root: str, on_change: Callable[[set[str]], None]) -> None:
        super().__init__(name="inlay-watch", daemon=True)
        self.root = os.path.realpath(root)
        self.files: set[str] = set()  # of modules, wherever they are
        self.folders: set[str] = set()  # of those that are not below the root
        self.on_change = on_change
        self.more = threading.Event()  # folders were added

    def also(self, files: Iterable[str]) -> None:
        """Watch these too."""
        self.files |= set(files)
        elsewhere = (self.root + os.sep, "/usr/", toolchain.include_dir() + os.sep)
        folders = {os.path.dirname(f) for f in files if not f.startswith(elsewhere)}
        if not folders <= self.folders:
            self.folders |= folders
            self.more.set()

    def run(self) -> None:
        seen = time.time_ns() - _CLOCK
        problem = ""
        while True:
            self.more.clear()
            try:
                self._follow(seen)
            except (OSError, RuntimeError) as error:
                if str(error) != problem:
                    problem = str(error)
                    log.error("Changes can't be seen: %s", problem)
                time.sleep(1)
                continue
            seen = time.time_ns() - _CLOCK

    def _follow(self, seen: int) -> None:
        """Until there are more folders to watch."""
        batches = watch(
            self.root,
            *filter(os.path.isdir, list(self.folders)),
            watch_filter=DefaultFilter(),
            debounce=_DEBOUNCE,
            step=_STEP,
            stop_event=self.more,
            rust_timeout=_ANEW,
            yield_on_timeout=True,
            raise_interrupt=False,
        )
        anew = True
        for batch in batches:
            changed = {path for _, path in batch}
            # What changed before the system was told to watch.
            if anew:
                changed |= set(self._changed_since(seen))
                anew = False
            if changed:
                self.on_change(changed)

    def _changed_since(self, moment: int) -> Iterator[str]:
        ignored = DefaultFilter.ignore_dirs
        paths = set(self.files)
        for folder, names, files in os.walk(self.root):
            names[:] = [name for name in names if name not in ignored]
            paths |= {os.path.join(folder, f) for f in files if f.endswith(".py")}
        for path in paths:
            with contextlib.suppress(OSError):
                if os.stat(path).st_mtime_ns > moment:
                    yield path


class DevSupervisor(Supervisor):
    """One worker, whose code is kept as it is in the files."""

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.posted: deque[Callable[[], None]] = deque()
        # Module -> its source and everything else it is made of.
        self.modules: dict[str, tuple[str, set[str]]] = {}
        self.broken = False  # nothing but a restart can help
        self.explaining: Worker | None = None  # says what is broken
        self.missed: set[str] = set()  # changed while a worker was starting
        self.sources = Sources(config.app_dir or ".", self._on_change)

    def run(self) -> int:
        self.sources.start()
        return super().run()

    def _alive(self) -> bool:
        return not self.stopping or super()._alive()

    # --- On the thread that watches ------------------------------------------

    def _on_change(self, paths: set[str]) -> None:
        python = sorted(path for path in paths if path.endswith(".py"))
        if python:
            self._post(lambda: self._restart(python[0]))
            return
        if self.broken and any(_is_source(path) for path in paths):
            self._post(lambda: self._restart(sorted(paths)[0]))
            return
        self._post(lambda: self._note(paths))
        for name, (source, files) in list(self.modules.items()):
            if not paths.isdisjoint(files):
                self._build(name, source, files)

    def _build(self, name: str, source: str, files: set[str]) -> None:
        started = time.perf_counter()
        try:
            if recipe.language(source):  # or it was built ahead
                cache.build(source)
        except (ImportError, OSError) as error:
            if self.stopping:
                return  # Ctrl-C ended the compiler too
            # What it includes anew may be what has to be mended.
            read = {os.path.realpath(path) for path in getattr(error, "files", ())}
            self.sources.also(read)
            files.update(read)
            log.error("%s\nThe code from before goes on.", error)
            return
        spent = (time.perf_counter() - started) * 1000
        log.debug("Compiled %s in %.0f ms", source, spent)
        self._post(lambda: self._swap(name))

    def _post(self, action: Callable[[], None]) -> None:
        """Have the main thread do it."""
        self.posted.append(action)
        self.wake()

    # --- On the main thread --------------------------------------------------

    def _tick(self, wake_read: int) -> None:
        super()._tick(wake_read)
        while self.posted:
            self.posted.popleft()()

    def _current(self) -> Worker | None:
        return next((w for w in self.workers if not w.stopping), None)

    def _swap(self, name: str) -> None:
        worker = self._current()
        if worker is not None and worker.ready:
            control.send(worker.control, "swap", module=name)

    def _note(self, paths: set[str]) -> None:
        worker = self._current()
        if worker is None or not worker.ready:
            self.missed |= paths

    def _catch_up(self) -> None:
        """A worker has started; some files may be newer than what it read."""
        missed, self.missed = self.missed, set()
        if self.broken and any(map(_is_source, missed)):
            self._restart(min(missed))
            return
        for name, (_, files) in self.modules.items():
            if not missed.isdisjoint(files):
                self._swap(name)

    def _roll(self) -> None:
        """SIGHUP: the terminal is gone, and whoever looked at the server."""
        if not self.stopping:
            self._stop()

    def _restart(self, path: str) -> None:
        if self.stopping:
            return
        log.info("%s changed: starting anew", os.path.relpath(path))
        for worker in list(self.workers):
            if not worker.stopping:
                self._retire(worker)
        self.due.clear()
        self.missed.clear()
        self._spawn()

    def _on_message(self, worker: Worker, message: control.Message) -> None:
        super()._on_message(worker, message)
        if worker.stopping:
            return
        if message["type"] == "ready":
            self.broken = message["broken"]
            self._learn(message["modules"])
            self._catch_up()
        elif message["type"] == "swapped":
            self._on_swapped(message)

    def _on_swapped(self, message: control.Message) -> None:
        name = message["module"]
        if message["error"]:
            log.error("%s\nThe code from before goes on.", message["error"])
            return
        log.info("%s: new code is in place (%.0f ms)", name, message["ms"])
        banner.show_native(message["native"])
        self._learn(message["modules"])
        if message["restart"]:
            source, _ = self.modules[name]
            self._restart(source)

    def _learn(self, modules: list[dict[str, Any]]) -> None:
        found = {}
        for module in modules:
            source = module["source"]
            files = {os.path.realpath(path) for path in module["files"]}
            found[module["name"]] = (source, files)
            self.sources.also(files)
        self.modules = found

    def _fail(self, worker: Worker, code: int) -> None:
        """It never got ready: another one says so to those who ask."""
        self.broken = True
        problem = f"The worker {describe_exit(code)} while it started."
        log.error("%s Waiting for a change", problem)
        if worker is not self.explaining:
            usual = self.config
            self.config = dataclasses.replace(usual, problem=problem)
            self._spawn()
            self.config = usual
            self.explaining = self.workers[-1]
        self._catch_up()

    def _replace(self, worker: Worker, code: int) -> None:
        if worker.ready:
            super()._replace(worker, code)
        else:
            self._fail(worker, code)


def _is_source(path: str) -> bool:
    return path.endswith((".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".rs"))
