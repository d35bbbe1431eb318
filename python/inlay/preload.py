"""How workers come into being: executed anew, or forked by a zygote
(`--preload`)."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from collections.abc import Callable
from typing import TypeVar

from .child import Child, Children, Forked, Process, execute, readable
from .config import Config
from .control import Channel
from .health import Worker
from .logs import log

_FORK_WAIT = 10.0  # seconds for a fork, which takes milliseconds
_STOP_WAIT = 5.0
_PAUSE = 1.0  # seconds between two tries to start a zygote
_PR_SET_CHILD_SUBREAPER = 36

_C = TypeVar("_C", bound=Child)


class Launcher:
    """Executes each worker anew: each has its own address layout."""

    def __init__(
        self,
        config: Config,
        children: Children,
        sockets: int,
        inherited: dict[str, int],
    ) -> None:
        self._config = config
        self._children = children
        self._sockets = sockets
        self._inherited = inherited
        self.not_before = 0.0  # when `prepare` is to be called again

    @property
    def ready(self) -> bool:
        """Can workers be started now?"""
        return True

    def prepare(self) -> None:
        """Get ready, if it is not."""

    def launch(self, config: Config, number: int) -> Worker:
        """A new worker, which is watched from now on. OSError."""

        def start(end: int) -> Process:
            return self._start_worker(config, number, end)

        return self._add(Worker, "Worker", start)

    def _start_worker(self, config: Config, number: int, end: int) -> Process:
        return self._execute("worker:main", config, number, end)

    def _execute(self, entry: str, config: Config, number: int, end: int) -> Process:
        return execute(
            entry, config, end, self._inherited, sockets=self._sockets, number=number
        )

    def _add(self, kind: type[_C], name: str, start: Callable[[int], Process]) -> _C:
        channel, theirs = Channel.pair()
        with theirs:
            try:
                process = start(theirs.fileno())
            except OSError:
                channel.close()
                raise
        try:
            made = kind(process, channel, name)
        except OSError:  # no descriptor to watch it with
            channel.close()
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            raise
        self._children.add(made)
        return made


class Zygote(Child):
    """A process that has imported the application, or does so now."""


class Preloader(Launcher):
    """Has a zygote fork the workers. There are two while one is replaced."""

    def __init__(
        self,
        config: Config,
        children: Children,
        sockets: int,
        inherited: dict[str, int],
    ) -> None:
        super().__init__(config, children, sockets, inherited)
        self._current: Zygote | None = None
        self._coming: Zygote | None = None
        adopt_orphans()
        children.adopts = True

    @property
    def ready(self) -> bool:
        return self._current is not None and not self._current.gone

    @property
    def renewing(self) -> bool:
        """Is the application being imported?"""
        return self._coming is not None

    def prepare(self) -> None:
        """Start a zygote when there is none."""
        now = time.monotonic()
        if self.ready or self.renewing or now < self.not_before:
            return
        self.not_before = now + _PAUSE
        try:
            self.renew()
        except OSError as error:
            log.error("The application can't be imported: %s", error)

    def renew(self) -> None:
        """Import the application anew; what there is goes on until then.
        OSError."""
        if self._coming is not None:
            self._coming.retire(_STOP_WAIT)
            self._coming = None
        self._coming = self._add(
            Zygote,
            "Zygote",
            lambda end: self._execute("zygote:main", self._config, -1, end),
        )

    def on_ready(self, zygote: Zygote) -> bool:
        """It has imported the application; False: nobody waits for that now."""
        if zygote is not self._coming:
            return False
        if self._current is not None and not self._current.gone:
            self._current.retire(_STOP_WAIT)
        self._current, self._coming = zygote, None
        return True

    def on_exit(self, zygote: Zygote) -> bool:
        """It has ended; True: before it was ready, without being told to."""
        failed = zygote is self._coming
        if failed:
            self._coming = None
        if zygote is self._current:
            self._current = None
        return failed

    def _start_worker(self, config: Config, number: int, end: int) -> Process:
        zygote = self._current
        if zygote is None:
            raise OSError(errno.EAGAIN, "there is no zygote")
        if not zygote.channel.send("fork", [end], number=number):
            raise OSError(errno.EPIPE, f"{zygote} does not listen")
        while readable(zygote.channel.sock.fileno(), _FORK_WAIT):
            messages = zygote.channel.receive()
            if messages is None:
                break
            for message in messages:
                if message["pid"]:
                    return Forked(message["pid"])
                raise OSError(errno.EAGAIN, f"{zygote} can't fork: {message['error']}")
        zygote.signal(signal.SIGKILL)
        raise OSError(errno.ETIMEDOUT, f"{zygote} does not fork")


def adopt_orphans() -> None:
    """From now on this process is the parent of what its children leave."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
