"""The pipes between a supervisor and its workers: JSON, a message per line.

Status goes up to the supervisor, commands come down. The control pipe ends
with the supervisor, however that died, and the worker with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]


def send(fd: int, kind: str, **content: Any) -> None:
    """Write one message; a peer that is gone is no error."""
    line = json.dumps({"type": kind, **content}).encode() + b"\n"
    with contextlib.suppress(OSError):
        while line:
            line = line[os.write(fd, line) :]


class Lines:
    """Bytes as they come from a pipe -> messages."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]


def follow_supervisor(
    control: int,
    grace: float,
    stop: Callable[[], None],
    on_command: Callable[[Message], None],
) -> None:
    """Obey commands, and end this process when the supervisor does.

    A thread of its own does that, so that an application that blocks the
    loop is reached too; `stop` and `on_command` run on it.
    """

    def wait() -> None:
        lines = Lines()
        with contextlib.suppress(OSError):
            while data := os.read(control, 65536):
                for message in lines.feed(data):
                    on_command(message)
        stop()
        time.sleep(grace + 2.0)
        os._exit(1)

    threading.Thread(target=wait, name="inlay-parent", daemon=True).start()
