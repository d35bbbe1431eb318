"""Processes that a supervisor has started, and the loop that watches them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import select
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from .config import Config
from .control import Channel, Message
from .logs import log

# Python's stacks are written when it comes; nobody else uses it.
STACKS_SIGNAL = signal.SIGRTMAX - 2
PINGS = 3  # questions to a worker within --timeout-worker-healthcheck

# A child hears of these when it is ready for it: none is lost, none ends it
# in the middle of its start.
_LATER = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Process(Protocol):
    """What Popen and `Forked` have in common."""

    pid: int

    def wait(self) -> int: ...


class Forked:
    """A child that another process has forked for us."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def execute(
    entry: str, config: Config, end: int, inherited: dict[str, int], **more: Any
) -> Process:
    """This interpreter, executed anew: `entry` is "module:function" of ours.

    `end` is its end of the channel, `inherited` descriptors by name, `more`
    the rest of its worker.Start. OSError.
    """
    module, _, function = entry.partition(":")
    start = {"channel": end, "inherited": inherited, **more}
    fds = [end, *inherited.values()]
    private = -1
    if config.db:
        # Arguments are for everybody to see, and URLs have passwords.
        private = hide(config.db)
        start["db"] = private
        fds.append(private)
        config = dataclasses.replace(config, db=())
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _LATER)
    try:
        return subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"from inlay.{module} import {function}; {function}()",
                config.to_json(),
                json.dumps(start),
            ],
            pass_fds=fds,
        )
    finally:
        if private >= 0:
            os.close(private)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hide(texts: Sequence[str]) -> int:
    """A descriptor that they can be read from."""
    fd = os.memfd_create("inlay-start", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(fd), "w", encoding="utf-8") as file:
        json.dump(texts, file)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


class Child:
    """A child and its channel. `begun`: it takes STACKS_SIGNAL. `kill_at`:
    it has been told to end, and this is when it has to have done so;
    `aborted`: that is no plan but an accident."""

    def __init__(self, process: Process, channel: Channel, name: str) -> None:
        self.process = process
        self.pid = process.pid
        self.pidfd = os.pidfd_open(process.pid)
        self.channel = channel
        self.name = name
        self.started = time.monotonic()
        self.begun = False
        self.ready = False
        self.gone = False
        self.kill_at: float | None = None
        self.aborted = False
        self.slow_at = self.started + 10.0  # then its stacks are logged

    def __str__(self) -> str:
        return f"{self.name} {self.pid}"

    @property
    def stopping(self) -> bool:
        return self.kill_at is not None

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def stop(self, seconds: float) -> None:
        """Ask it to end within `seconds`, after which it is killed."""
        if self.kill_at is None:
            self.kill_at = time.monotonic() + seconds
            self.signal(signal.SIGTERM)

    def abort(self, seconds: float) -> None:
        """End it now; it may write a report, within `seconds`."""
        self.signal(signal.SIGABRT)
        self.aborted = True
        self.kill_at = time.monotonic() + seconds

    def retire(self, seconds: float) -> None:
        """Others go on: as `stop`, but idle clients are given time. The end of
        the channel reaches it also when its event loop hangs."""
        if self.kill_at is None:
            self.kill_at = time.monotonic() + seconds
            if not self.ready or not self.channel.send("retire"):
                self.signal(signal.SIGTERM)
            self.channel.end()


def describe_exit(code: int) -> str:
    """How a process ended, in words: "was killed by SIGSEGV (11)"."""
    if code >= 0:
        return f"exited with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "signal"
    return f"was killed by {name} ({-code})"


def readable(fd: int, seconds: float) -> bool:
    """Is there something to be read, within so long? (Also past select's
    1,024th descriptor.)"""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


class Children:
    """The loop of a supervisor: what its children say, and how they end."""

    def __init__(
        self,
        on_message: Callable[[Any, Message], None],
        on_exit: Callable[[Any, int], None],
    ) -> None:
        self.all: list[Child] = []
        self.adopts = False  # orphans of the children come here
        self._handlers: dict[int, Any] = {}
        self._wakeup = -1  # whose turn it was before
        self._waking = threading.Lock()
        self._closed = False
        self._on_message = on_message
        self._on_exit = on_exit
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)

    def take_signals(self, numbers: Sequence[int], note: Callable[..., None]) -> None:
        """`note` is called as a handler; the loop then turns at once."""
        self._wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in numbers:
            self._handlers[number] = signal.signal(number, note)

    def wake(self) -> None:
        """Have the loop turn now; from any thread."""
        with self._waking, contextlib.suppress(BlockingIOError):
            if not self._closed:
                os.write(self._wake_write, b"\0")

    def close(self) -> None:
        """No more signals, as it was before."""
        with self._waking:
            self._closed = True
        if self._handlers:
            signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def add(self, child: Child) -> None:
        self.all.append(child)
        self._selector.register(
            child.pidfd, selectors.EVENT_READ, (self._read_end, child)
        )
        self._selector.register(
            child.channel.sock, selectors.EVENT_READ, (self._read_channel, child)
        )

    def watch(self, fd: int, do: Callable[[], None]) -> None:
        """`do` is called while it can be read, until close."""
        self._selector.register(fd, selectors.EVENT_READ, (lambda _: do(), None))

    def turn(self, seconds: float | None) -> None:
        """Wait so long at most for something, and handle it."""
        for key, _ in self._selector.select(seconds):
            if key.data is not None:
                key.data[0](key.data[1])
            else:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 512)
        if self.adopts:
            self._reap_adopted()
        now = time.monotonic()
        for child in self.all:
            if child.kill_at is not None and now >= child.kill_at:
                if not child.aborted:
                    log.error("%s did not stop in time: killing it", child)
                child.signal(signal.SIGKILL)
                child.kill_at = math.inf

    def next_kill(self) -> float:
        """When `turn` has to look again; infinity: not for that."""
        return min(
            (c.kill_at for c in self.all if c.kill_at is not None), default=math.inf
        )

    def _reap_adopted(self) -> None:
        """Children that nobody here has started: orphans of workers."""
        known = {child.pid for child in self.all}
        with contextlib.suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid in known:
                    return  # its turn comes with its pidfd
                os.waitpid(found.si_pid, os.WNOHANG)

    def _read_channel(self, child: Child) -> None:
        if child.gone:
            return  # its end was in the same round of events
        messages = child.channel.receive()
        if messages is None:
            self._selector.unregister(child.channel.sock)
        else:
            self._tell(child, messages)

    def _tell(self, child: Child, messages: list[Message]) -> None:
        for message in messages:
            if message["type"] == "begun":
                child.begun = True
            else:
                self._on_message(child, message)

    def _read_end(self, child: Child) -> None:
        # What it said last may still be in the channel.
        while messages := child.channel.receive():
            self._tell(child, messages)
        code = child.process.wait()
        with contextlib.suppress(KeyError):
            self._selector.unregister(child.channel.sock)
        self._selector.unregister(child.pidfd)
        os.close(child.pidfd)
        child.channel.close()
        child.gone = True
        self.all.remove(child)
        self._on_exit(child, code)
