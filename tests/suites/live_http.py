"""One HTTP exchange over a socket, by h11: trailers can be seen, and what is
sent is what the test said."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator
from typing import Any

import h11
from starlette.testclient import httpx

PATIENCE = 10.0  # seconds that a server may be silent


class Exchange:
    """A connection for one request."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.peer = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        self.trailers: list[tuple[bytes, bytes]] = []

    def close(self) -> None:
        self.socket.close()

    def send(
        self,
        method: str,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        parts: Iterable[bytes],
    ) -> None:
        with self._errors():
            self._put(h11.Request(method=method, target=target, headers=headers))
            for part in parts:
                self._put(h11.Data(part))
            self._put(h11.EndOfMessage())

    def head(self) -> Any:
        """The final answer's head."""
        with self._errors():
            while True:
                event = self._next()
                if isinstance(event, h11.Response):
                    return event

    def body(self) -> Iterator[bytes]:
        with self._errors():
            while isinstance(event := self._next(), h11.Data):
                yield bytes(event.data)
        self.trailers += event.headers.raw_items()

    def _put(self, event: Any) -> None:
        # Who has answered already need not read on.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(self.peer.send(event))

    def _next(self) -> Any:
        while (event := self.peer.next_event()) is h11.NEED_DATA:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError as error:
                raise httpx.ReadError(str(error)) from error
            self.peer.receive_data(data)
        return event

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise httpx.ReadTimeout("the server is silent") from error
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
