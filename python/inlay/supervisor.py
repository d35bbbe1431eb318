"""The parent of the workers: it binds, starts, watches, replaces and stops them.

It never imports the application. A worker is this interpreter executed anew
(so each has its own address layout) with the listening sockets inherited. Two
pipes tie the two together: the worker's status goes up as JSON lines; the
worker's control pipe ends with the supervisor, however that dies, so that no
worker outlives it.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from . import banner
from .config import Config
from .control import Lines
from .logs import log

EXIT_FAILED = 1
EXIT_STARTUP = 3  # as uvicorn: the application's start-up failed

_STABLE_AFTER = 5.0  # seconds a worker must live to end the back-off
_BACKOFF_FIRST = 0.1
_BACKOFF_MOST = 5.0
_KILL_MARGIN = 5.0  # seconds past the graceful deadline before SIGKILL


@dataclass
class Worker:
    """One worker process, as its supervisor sees it."""

    process: subprocess.Popen[bytes]
    pidfd: int
    status: int  # read end of the worker's status pipe
    control: int  # write end of its commands; -1: closed, which tells it to stop
    started: float
    lines: Lines = field(default_factory=Lines)
    ready: bool = False
    stopping: bool = False
    gone: bool = False  # it has ended and its descriptors are closed
    replaces: Worker | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        return self.process.pid


def describe_exit(code: int) -> str:
    """How a process ended, in words: "was killed by SIGSEGV (11)"."""
    if code >= 0:
        return f"exited with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "signal"
    return f"was killed by {name} ({-code})"


class Supervisor:
    """Runs `config.workers` workers on `sockets` until told to stop."""

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        self.config = config
        self.sockets = sockets
        self.workers: list[Worker] = []
        self.selector = selectors.DefaultSelector()
        self.stopping = False
        self.signals: deque[int] = deque()
        self.exit_code = 0
        self.announced = False
        self.backoff = _BACKOFF_FIRST
        self.due: list[float] = []  # when replacements are to be started
        self.deadline: float | None = None  # when workers are killed
        self.wake_write = -1

    def run(self) -> int:
        """Serve until a signal; the process's exit status."""
        wake_read, self.wake_write = os.pipe()
        for fd in (wake_read, self.wake_write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_signal)
        self.selector.register(wake_read, selectors.EVENT_READ, None)
        for _ in range(self.config.workers):
            self._spawn()
        while self._alive():
            self._tick(wake_read)
        return self.exit_code

    def _alive(self) -> bool:
        return bool(self.workers or self.due)

    def wake(self) -> None:
        """Begin the next tick now; from any thread."""
        with contextlib.suppress(BlockingIOError):
            os.write(self.wake_write, b"\0")

    def _note_signal(self, number: int, _frame: Any) -> None:
        # It may come in the middle of anything: acted on in the next tick,
        # which the wake-up descriptor brings at once.
        self.signals.append(number)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._roll()
        elif not self.stopping:
            self._stop()
        elif number == signal.SIGINT:
            # As uvicorn: a second Ctrl-C does not wait any longer.
            log.warning("Stopping at once")
            self._signal_all(signal.SIGKILL)

    def _tick(self, wake_read: int) -> None:
        for key, _ in self.selector.select(self._wait()):
            if key.fd == wake_read:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 512)
            elif key.data is not None:
                key.data[0](key.data[1])
        while self.signals:
            self._on_signal(self.signals.popleft())
        now = time.monotonic()
        while self.due and self.due[0] <= now and not self.stopping:
            self.due.pop(0)
            self._spawn()
        if self.deadline is not None and now >= self.deadline:
            log.error("Workers did not stop in time: killing them")
            self.deadline = None
            self._signal_all(signal.SIGKILL)

    def _wait(self) -> float | None:
        moments = [*self.due]
        if self.deadline is not None:
            moments.append(self.deadline)
        if not moments:
            return None
        return max(0.0, min(moments) - time.monotonic())

    def _spawn(self, replaces: Worker | None = None) -> None:
        status_read, status_write = os.pipe()
        control_read, control_write = os.pipe()
        listen = [sock.fileno() for sock in self.sockets]
        # A worker hears of signals when it has its handlers: none is lost,
        # none ends it in the middle of its start.
        early = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, early)
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from inlay.worker import main; main()",
                self.config.to_json(),
                json.dumps(
                    {
                        "listen": listen,
                        "status": status_write,
                        "control": control_read,
                    }
                ),
            ],
            pass_fds=[*listen, status_write, control_read],
        )
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(status_write)
        os.close(control_read)
        os.set_blocking(status_read, False)
        worker = Worker(
            process,
            os.pidfd_open(process.pid),
            status_read,
            control_write,
            time.monotonic(),
            replaces=replaces,
        )
        self.workers.append(worker)
        self.selector.register(
            worker.pidfd, selectors.EVENT_READ, (self._on_exit, worker)
        )
        self.selector.register(
            worker.status, selectors.EVENT_READ, (self._on_status, worker)
        )

    def _on_status(self, worker: Worker) -> None:
        if worker.gone:
            return  # its end was in the same round of events
        try:
            data = os.read(worker.status, 65536)
        except BlockingIOError:
            return
        if not data:
            self.selector.unregister(worker.status)
            return
        for message in worker.lines.feed(data):
            self._on_message(worker, message)

    def _on_message(self, worker: Worker, message: dict[str, Any]) -> None:
        if message["type"] != "ready":
            return
        worker.ready = True
        if worker.replaces is not None:
            self._retire(worker.replaces)
            worker.replaces = None
        if not self.announced and not self.stopping:
            self.announced = True
            banner.show(self.config, self.sockets, message)
        log.debug("Worker %d is ready", worker.pid)

    def _on_exit(self, worker: Worker) -> None:
        # What it said last may still be in the pipe.
        if worker.status in self.selector.get_map():
            self._on_status(worker)
        code = worker.process.wait()
        for fd in (worker.pidfd, worker.status):
            with contextlib.suppress(KeyError):
                self.selector.unregister(fd)
            os.close(fd)
        if worker.control >= 0:
            os.close(worker.control)
        worker.gone = True
        self.workers.remove(worker)
        if self.stopping:
            if code != 0 and self.exit_code == 0 and code != -signal.SIGKILL:
                self.exit_code = code if code > 0 else EXIT_FAILED
            return
        if worker.stopping:
            return
        if not worker.ready and not self.announced:
            # The very first start: a mistake, not an accident.
            self._fail(worker, code)
            return
        self._replace(worker, code)

    def _fail(self, worker: Worker, code: int) -> None:
        if code < 0:
            log.error("Worker %d %s while starting", worker.pid, describe_exit(code))
        self.exit_code = code if code > 0 else EXIT_FAILED
        self._stop()

    def _replace(self, worker: Worker, code: int) -> None:
        if worker.replaces is not None and worker.replaces in self.workers:
            log.error(
                "The new worker %d %s before it was ready: the old one goes on",
                worker.pid,
                describe_exit(code),
            )
            return
        log.error("Worker %d %s; replacing it", worker.pid, describe_exit(code))
        if self._has_successor(worker):
            return
        now = time.monotonic()
        if now - worker.started >= _STABLE_AFTER:
            self.backoff = _BACKOFF_FIRST
            self._spawn()
            return
        self.due.append(now + self.backoff)
        self.due.sort()
        self.backoff = min(self.backoff * 2, _BACKOFF_MOST)

    def _roll(self) -> None:
        """SIGHUP: a new worker for each, the old one stops when it is ready."""
        if self.stopping:
            return
        log.info("Restarting workers")
        for worker in list(self.workers):
            # One that is starting may have read the old code already.
            current = not worker.stopping and worker.replaces is None
            if current and not self._has_successor(worker):
                self._spawn(replaces=worker)

    def _has_successor(self, worker: Worker) -> bool:
        return any(other.replaces is worker for other in self.workers)

    def _stop(self) -> None:
        self.stopping = True
        log.info("Shutting down")
        self.due.clear()
        # No new connection is queued for workers that no longer accept.
        for sock in self.sockets:
            sock.close()
        if self.config.uds is not None:
            with contextlib.suppress(OSError):
                os.unlink(self.config.uds)
        grace = self.config.timeout_graceful_shutdown
        self.deadline = time.monotonic() + grace + _KILL_MARGIN
        for worker in self.workers:
            self._stop_worker(worker)

    def _stop_worker(self, worker: Worker) -> None:
        worker.stopping = True
        with contextlib.suppress(ProcessLookupError):
            worker.process.send_signal(signal.SIGTERM)

    def _retire(self, worker: Worker) -> None:
        """Another one serves: it stops, also if it never looks at signals."""
        self._stop_worker(worker)
        if worker.control >= 0 and not worker.gone:
            os.close(worker.control)
            worker.control = -1

    def _signal_all(self, number: int) -> None:
        for worker in self.workers:
            with contextlib.suppress(ProcessLookupError):
                worker.process.send_signal(number)
