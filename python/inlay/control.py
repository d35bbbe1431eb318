"""The channel between a supervisor and a worker: JSON, a message per line.

It is a pair of Unix sockets, so that descriptors can be sent along. Status
goes up to the supervisor, commands come down. The channel ends with the
supervisor, however that died, and the worker with it.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

Message = dict[str, Any]

_FDS_MOST = 253  # of one message: SCM_MAX_FD of Linux


class Channel:
    """One end of the pair; `send` from any thread, `receive` from one."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._rest = b""
        self._fds: list[int] = []
        self._sending = threading.Lock()

    @classmethod
    def pair(cls) -> tuple[Channel, socket.socket]:
        """The supervisor's end, which never blocks, and the worker's socket."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        return cls(ours), theirs

    def send(self, kind: str, fds: Sequence[int] = (), **content: Any) -> bool:
        """Write one message; False when the peer is gone or does not read."""
        message = {"type": kind, "nfds": len(fds), **content}
        line = memoryview(json.dumps(message).encode() + b"\n")
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
        try:
            with self._sending:
                sent = self.sock.sendmsg([line], [rights] if fds else [])
                self.sock.sendall(line[sent:])
        except OSError:
            return False
        return True

    def receive(self) -> list[Message] | None:
        """The messages that have come; None: the peer is gone.

        Descriptors are in a message's `fds`, and belong to who reads it.
        """
        try:
            data, fds, _, _ = socket.recv_fds(self.sock, 65536, _FDS_MOST)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        self._fds += fds
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [self._read(line) for line in lines]

    def _read(self, line: bytes) -> Message:
        message: Message = json.loads(line)
        count = message.pop("nfds")
        message["fds"], self._fds = self._fds[:count], self._fds[count:]
        return message

    def end(self) -> None:
        """No more messages from here: the peer sees the end."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()


def follow_supervisor(
    channel: Channel,
    grace: float,
    stop: Callable[[], None],
    on_command: Callable[[Message], None],
) -> None:
    """Obey commands, and end this process when the supervisor does.

    A thread of its own does that, so that an application that blocks the
    loop is reached too; `stop` and `on_command` run on it.
    """

    def wait() -> None:
        while (messages := channel.receive()) is not None:
            for message in messages:
                on_command(message)
        stop()
        time.sleep(grace + 2.0)
        os._exit(1)

    threading.Thread(target=wait, name="inlay-parent", daemon=True).start()
