"""Are the workers well? Loops that hang, memory that grows, starts that last."""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Callable, Sequence

from .child import PINGS, STACKS_SIGNAL, Child, readable
from .config import Config
from .logs import log

_MEMORY_EVERY = 1.0  # seconds between looks at a worker's memory
# Seconds that a worker gets which had more than it may when it was ready.
_PATIENCE_FIRST = 10.0
_PATIENCE_MOST = 600.0
_STACKS_WAIT = 1.0  # seconds for a process to write its stacks
_STACKS_QUIET = 0.1  # of silence: it has written them
_ABORT_WAIT = 2.0  # seconds for a crash report


class Worker(Child):
    """A worker, as its supervisor sees it.

    Without a `slot` it is a spare: it is started, or being started, and does
    not accept. `number` is its own among all that live.
    """

    slot: int | None = None
    number = 0
    generation = 0
    serving = False
    reason = "reload"  # why another one takes its place: see metrics.py
    ping_sent: float | None = None  # when; None: it has answered
    ping_next = 0.0
    weighed = False  # when it was ready
    may_grow_until = 0.0  # its memory is no reason to replace it before


class Stacks:
    """Where processes write their Python stacks when asked to."""

    def __init__(self) -> None:
        self._read, self.write = os.pipe()
        for fd in (self._read, self.write):
            os.set_blocking(fd, False)

    def of(self, child: Child) -> str:
        """The stacks of its threads, as text."""
        if not child.begun:
            return "(its interpreter has not begun to import the application)"
        self._drain(0)
        child.signal(STACKS_SIGNAL)
        text = self._drain(_STACKS_WAIT)
        return text.decode(errors="replace").rstrip() or "(it gives no stacks)"

    def _drain(self, seconds: float) -> bytes:
        found = b""
        while readable(self._read, seconds):
            found += os.read(self._read, 65536)
            seconds = min(seconds, _STACKS_QUIET)
        return found

    def close(self) -> None:
        os.close(self._read)
        os.close(self.write)


class Health:
    """Looks after children; `spent` is told of workers to be replaced."""

    def __init__(self, config: Config, spent: Callable[[Worker, str], None]) -> None:
        self.stacks = Stacks()
        # A debugger may hold the loop of a worker in development.
        self._timeout = 0.0 if config.dev else config.timeout_worker_healthcheck
        self._memory = config.limit_memory
        self._spent = spent
        self._memory_next = 0.0
        self._patience = _PATIENCE_FIRST
        self._looked = time.monotonic()

    def look(self, children: Sequence[Child]) -> float:
        """Do what is due; when to look again (infinity: whenever)."""
        now = time.monotonic()
        paused = now - self._looked
        self._looked = now
        due = math.inf
        for child in children:
            if child.stopping:
                continue
            if isinstance(child, Worker) and child.ready and not child.weighed:
                self._weigh(child, now)
            if not child.ready:
                due = min(due, self._look_at_start(child, now))
            elif isinstance(child, Worker) and child.serving and self._timeout:
                if child.ping_sent is not None and paused > self._timeout / 2:
                    child.ping_sent = now  # all of us stood still, not just it
                due = min(due, self._look_at_loop(child, now))
        if self._memory:
            due = min(due, self._look_at_memory(children, now))
        return due

    def _look_at_start(self, child: Child, now: float) -> float:
        if now >= child.slow_at:
            seconds = now - child.started
            log.warning(
                "%s has been starting for %.0f s. It is here:\n%s",
                child,
                seconds,
                self.stacks.of(child),
            )
            child.slow_at = child.started + 3 * seconds
        return child.slow_at

    def _look_at_loop(self, worker: Worker, now: float) -> float:
        if worker.ping_sent is None:
            if now >= worker.ping_next:
                worker.ping_sent = now
                worker.ping_next = now + self._timeout / PINGS
                worker.channel.send("ping")
        elif now - worker.ping_sent >= self._timeout:
            self._give_up(worker)
            return math.inf
        # Never longer than the pause that `look` would take for a standstill.
        return now + self._timeout / PINGS

    def _give_up(self, worker: Worker) -> None:
        log.error(
            "%s hangs: its event loop has not turned for %g s. It is here:\n%s",
            worker,
            self._timeout,
            self.stacks.of(worker),
        )
        worker.abort(_ABORT_WAIT)

    def on_stuck(self, worker: Worker, stuck: str) -> None:
        """It says so itself: its event loop turns, an I/O thread does not."""
        # C holds it, so stacks of Python say nothing unless C is not known.
        where = "" if "->" in stuck else f". It is here:\n{self.stacks.of(worker)}"
        log.error(
            "%s hangs: its %s, has not turned for %g s%s",
            worker,
            stuck,
            self._timeout,
            where,
        )
        worker.abort(_ABORT_WAIT)

    def _weigh(self, worker: Worker, now: float) -> None:
        """A successor of one that begins with too much would have as much:
        each gets more time than the one before."""
        worker.weighed = True
        used = resident(worker.pid) if self._memory else 0
        if used <= self._memory:
            self._patience = _PATIENCE_FIRST
            return
        log.warning(
            "%s has %d MiB of memory before its first request: --limit-memory, "
            "%d MiB, is too low for this application. It is replaced in %.0f s",
            worker,
            used >> 20,
            self._memory >> 20,
            self._patience,
        )
        worker.may_grow_until = now + self._patience
        self._patience = min(2 * self._patience, _PATIENCE_MOST)

    def _look_at_memory(self, children: Sequence[Child], now: float) -> float:
        if now >= self._memory_next:
            self._memory_next = now + _MEMORY_EVERY
            for child in children:
                if isinstance(child, Worker) and child.serving and not child.stopping:
                    used = resident(child.pid)
                    if used > self._memory and now >= child.may_grow_until:
                        self._spent(child, f"has {used >> 20} MiB of memory")
        return self._memory_next


def resident(pid: int) -> int:
    """Bytes of a process in memory; 0 if it has ended."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0
