"""`inlay dev` and `--reload`: a server that follows its sources.

C changed: this process compiles it and the worker swaps the code in; no
connection is dropped. Python changed: the worker is replaced behind the same
sockets, which hold requests until the new one is there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from watchfiles import DefaultFilter, watch

from . import banner, cache, control, recipe, toolchain
from .child import Child, describe_exit
from .config import Config
from .health import Worker
from .logs import log
from .quarantine import ALL
from .reload import Patterns
from .sockets import Listening
from .supervisor import Supervisor

_STEP = 10  # ms without a change that end a batch of changes
_DEBOUNCE = 200  # ms that a batch takes at most, or ten steps
_CLOCK = 10_000_000  # ns by which the time of a file may be late
_ANEW = 500  # ms until a look at what changed before watching began


class Sources(threading.Thread):
    """Watches the application's folders and what its C modules are made of.

    `on_change` gets each batch of changed paths, on this thread; a batch ends
    when nothing has changed for `step` ms.
    """

    def __init__(
        self,
        patterns: Patterns,
        step: int,
        on_change: Callable[[set[str]], None],
    ) -> None:
        super().__init__(name="inlay-watch", daemon=True)
        self.patterns = patterns
        self.step = step
        self.files: set[str] = set()  # of modules, wherever they are
        self.folders: set[str] = set()  # of those that are not below the root
        self.on_change = on_change
        self.more = threading.Event()  # folders were added, or it is over
        self.over = False

    def also(self, files: Iterable[str]) -> None:
        """Watch these too."""
        self.files |= set(files)
        watched = [root + os.sep for root in self.patterns.folders]
        seen = (*watched, "/usr/", toolchain.include_dir() + os.sep)
        folders = {os.path.dirname(f) for f in files if not f.startswith(seen)}
        if not folders <= self.folders:
            self.folders |= folders
            self.more.set()

    def end(self) -> None:
        """Look no longer."""
        self.over = True
        self.more.set()

    def run(self) -> None:
        seen = time.time_ns() - _CLOCK
        problem = ""
        while True:
            self.more.clear()
            if self.over:
                return
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
            *self.patterns.folders,
            *filter(os.path.isdir, list(self.folders)),
            watch_filter=DefaultFilter(),
            debounce=max(_DEBOUNCE, 10 * self.step),
            step=self.step,
            stop_event=self.more,
            rust_timeout=_ANEW,
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
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
        for root in self.patterns.folders:
            for folder, names, files in os.walk(root):
                names[:] = [name for name in names if name not in ignored]
                paths |= set(
                    filter(
                        self.patterns.match, (os.path.join(folder, f) for f in files)
                    )
                )
        for path in paths:
            with contextlib.suppress(OSError):
                if os.stat(path).st_mtime_ns > moment:
                    yield path


class DevSupervisor(Supervisor):
    """One worker, whose code is kept as it is in the files."""

    def __init__(self, config: Config, listening: Listening) -> None:
        if config.workers > 1:
            # A variable or a file may say so for production.
            log.warning("--reload has one worker: --workers is ignored")
        config = dataclasses.replace(config, dev=True, workers=1, spare=0)
        super().__init__(config, listening)
        self.posted: deque[Callable[[], None]] = deque()
        # Module -> its source and everything else it is made of.
        self.modules: dict[str, tuple[str, set[str]]] = {}
        self.broken = False  # nothing but a restart can help
        self.renewing = False  # the next worker has other code
        self.missed: set[str] = set()  # changed while a worker was starting
        step = round(config.reload_delay * 1000) if config.reload else _STEP
        self.sources = Sources(Patterns(config), max(step, 1), self._on_change)

    def run(self) -> int:
        self.sources.start()
        try:
            return super().run()
        finally:
            self.sources.end()

    # --- On the thread that watches ------------------------------------------

    def _on_change(self, paths: set[str]) -> None:
        python = sorted(filter(self.sources.patterns.match, paths))
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

    def _turn(self) -> float:
        while self.posted:
            self.posted.popleft()()
        return super()._turn()

    def _current(self) -> Worker | None:
        return next((w for w in self.roster.workers if not w.stopping), None)

    def _swap(self, name: str) -> None:
        worker = self._current()
        if worker is not None and worker.ready:
            worker.channel.send("swap", module=name)

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

    def reload(self) -> None:
        """SIGHUP: the terminal is gone, and whoever looked at the server."""
        self._stop()

    def _restart(self, path: str, why: str = "starting anew") -> None:
        if self.stopping:
            return
        log.info("%s changed: %s", os.path.relpath(path), why)
        self.renewing = True
        self.quarantine.lift(ALL)
        for worker in self.roster.workers:
            worker.stop(self.roster.patience)  # nobody is to see the old code
            worker.channel.end()
        self.roster.not_before = 0.0
        self.roster.config = self.config
        self.missed.clear()

    def _on_message(self, child: Child, message: control.Message) -> None:
        super()._on_message(child, message)
        if child.stopping:
            return
        if message["type"] == "ready":
            self.broken = message["broken"]
            self._learn(message["modules"])
            if self.announced and self.renewing and not self.broken:
                self.renewing = False
                banner.show_routes(message)
            self._catch_up()
        elif message["type"] == "swapped":
            self._on_swapped(message)

    def _on_swapped(self, message: control.Message) -> None:
        name = message["module"]
        if message["error"]:
            log.error("%s\nThe code from before goes on.", message["error"])
            return
        self._learn(message["modules"])
        if message["restart"]:
            source, _ = self.modules[name]
            self._restart(source, message["restart"])
            return
        log.info("%s: new code is in place (%.0f ms)", name, message["ms"])
        self.quarantine.lift(ALL)
        banner.show_native(message["native"])

    def _learn(self, modules: list[dict[str, Any]]) -> None:
        found = {}
        for module in modules:
            source = module["source"]
            files = {os.path.realpath(path) for path in module["files"]}
            found[module["name"]] = (source, files)
            self.sources.also(files)
        self.modules = found

    def _fail(self, child: Child, code: int) -> None:
        """It never got ready: another one says so to those who ask."""
        self.broken = True
        problem = f"The worker {describe_exit(code)} while it started."
        log.error("%s Waiting for a change", problem)
        if self.roster.config.problem:
            self.roster.not_before = math.inf  # not even that works
        self.roster.config = dataclasses.replace(self.config, problem=problem)
        self._catch_up()

    def _on_failed_start(self, worker: Worker, code: int) -> None:
        self._fail(worker, code)


def _is_source(path: str) -> bool:
    return path.endswith((".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".rs"))
