"""`--control PATH`: a Unix socket on which operators talk to the supervisor.

A request and its answer are a line of JSON each; see docs/commands.md.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import selectors
import socket
from collections.abc import Callable
from typing import Any

from . import sockets
from .config import Config

Answer = dict[str, Any]

_LINE_MOST = 65536
_CLIENTS_MOST = 32
_CONNECT_WAIT = 5.0
_ANSWER_WAIT = 30.0


class ConsoleError(Exception):
    """A request that can't be followed, or no supervisor; says why."""


class Client:
    """One connection: what has come of a line, what has not left yet."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.read = b""
        self.unsent = b""


class Console:
    """The socket, on the supervisor's loop. `obey` carries out a request; what
    it raises as ConsoleError or ValueError is the answer. Raises BindError."""

    def __init__(self, config: Config, obey: Callable[[Answer], Answer]) -> None:
        self._obey = obey
        self._selector = selectors.DefaultSelector()
        self._listening: sockets.Listening | None = None
        if config.control is None:
            return
        own = dataclasses.replace(
            config,
            bind=(f"unix:{config.control}",),
            uds=None,
            fd=None,
            uds_permissions=0o600,
            reuse_port=False,
        )
        self._listening = sockets.bind(own)
        for sock in self._listening:
            self._selector.register(sock, selectors.EVENT_READ)

    def fileno(self) -> int:
        """Readable when `turn` has something to do."""
        return self._selector.fileno()

    def turn(self) -> None:
        for key, _ in self._selector.select(0):
            if key.data is None:
                self._accept(key.fileobj)
            else:
                self._serve(key.data)

    def close(self) -> None:
        if self._listening is not None:
            self._listening.close()
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                key.data.sock.close()
        self._selector.close()

    def _accept(self, listening: Any) -> None:
        with contextlib.suppress(OSError):
            sock, _ = listening.accept()
            if len(self._selector.get_map()) > _CLIENTS_MOST:
                sock.close()
                return
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ, Client(sock))

    def _serve(self, client: Client) -> None:
        try:
            if client.unsent:
                self._send(client)
            else:
                self._read(client)
        except OSError:
            self._drop(client)

    def _read(self, client: Client) -> None:
        with contextlib.suppress(BlockingIOError):
            data = client.sock.recv(_LINE_MOST)
            client.read += data
            *lines, client.read = client.read.split(b"\n")
            for line in lines:
                if line.strip():
                    answer = json.dumps(self._answer(line))
                    client.unsent += answer.encode() + b"\n"
            if not data or len(client.read) > _LINE_MOST:
                self._drop(client)
            elif client.unsent:
                self._send(client)

    def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("a request is a JSON object")
            return {"ok": True, **self._obey(request)}
        except (ConsoleError, ValueError, RecursionError) as error:
            return {"ok": False, "error": str(error)}

    def _send(self, client: Client) -> None:
        """As much as it takes; nothing more is read from it before the end."""
        with contextlib.suppress(BlockingIOError):
            client.unsent = client.unsent[client.sock.send(client.unsent) :]
        events = selectors.EVENT_WRITE if client.unsent else selectors.EVENT_READ
        self._selector.modify(client.sock, events, client)

    def _drop(self, client: Client) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(client.sock)
        client.sock.close()


def ask(path: str, request: Answer) -> Answer:
    """The answer of the supervisor that listens at `path`; ConsoleError when
    there is none, or it refuses."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(_CONNECT_WAIT)
            sock.connect(os.fspath(path))
            sock.settimeout(_ANSWER_WAIT)
            sock.sendall(json.dumps(request).encode() + b"\n")
            with sock.makefile("rb") as file:
                line = file.readline()
    except OSError as error:
        raise ConsoleError(
            f"no server at {path}: {error.strerror or error} (it is started with "
            "--control PATH)"
        ) from None
    if not line:
        raise ConsoleError("the server has closed the connection")
    answer: Answer = json.loads(line)
    if not answer["ok"]:
        raise ConsoleError(answer["error"])
    return answer
