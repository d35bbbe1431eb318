"""What systemd is told (sd_notify(3)), if it asked: state, status, watchdog."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping

from .logs import log


class Notifier:
    """Sends nothing when there is no NOTIFY_SOCKET.

    Takes the variables out of `environ`: they are not for the workers.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        path = environ.pop("NOTIFY_SOCKET", "")
        usec = environ.pop("WATCHDOG_USEC", "")
        pid = environ.pop("WATCHDOG_PID", str(os.getpid()))
        self._path = "\0" + path[1:] if path.startswith("@") else path
        self._status = ""
        # Seconds between two signs of life; None: not asked for.
        self.interval: float | None = None
        if path and usec.isdecimal() and int(usec) and pid == str(os.getpid()):
            self.interval = int(usec) / 2e6
        self._next_sign = 0.0

    def send(self, *lines: str) -> None:
        """READY=1 and the like; a failure is logged once."""
        if not self._path:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto("\n".join(lines).encode(), self._path)
        except OSError as error:
            log.warning("systemd can't be told (%s): %s", lines[0], error)
            if not isinstance(error, BlockingIOError):
                self._path, self.interval = "", None

    def reloading(self) -> None:
        """To be followed by READY=1."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def status(self, text: str) -> None:
        """One line for people, sent when it is another one."""
        if text != self._status:
            self._status = text
            self.send(f"STATUS={text}")

    def sign_of_life(self, healthy: bool) -> None:
        """To be called at least every `interval` seconds."""
        now = time.monotonic()
        if self.interval is not None and healthy and now >= self._next_sign:
            self._next_sign = now + self.interval * 0.9
            self.send("WATCHDOG=1")
