"""The client's end of a connection, looked at as uvicorn's mocks are."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

PATIENCE = 3.0  # seconds that what has to come may take
_ABSENT = 1.0  # seconds after which what has not come does not come
_QUIET = 0.05  # seconds without a byte that end an answer


class Transport:
    """Has the bytes that the server sent, and whether it has ended."""

    reading_paused = False  # nothing outside tells

    def __init__(self, port: int) -> None:
        self.peer = socket.create_connection(("127.0.0.1", port))
        self.taken = b""
        self.ended = False
        self.last = 0.0

    def send(self, data: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self.peer.sendall(data)

    def close(self) -> None:
        self.peer.close()
        self.ended = True

    def fill(self, patience: float) -> None:
        """Take what there is; wait so long for the first of it."""
        while not self.ended and select.select([self.peer], [], [], patience)[0]:
            try:
                data = self.peer.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            self.ended = not data
            self.taken += data
            self.last = time.monotonic()
            patience = 0

    def quiet(self) -> bool:
        """Has an answer come, and nothing behind it?"""
        self.fill(0)
        return self.ended or (
            bool(self.taken) and time.monotonic() - self.last > _QUIET
        )

    @property
    def buffer(self) -> bytes:
        self.fill(_ABSENT if not self.taken else 0)
        return self.taken

    def clear_buffer(self) -> None:
        self.taken = b""

    def is_closing(self, patience: float = _ABSENT) -> bool:
        end = time.monotonic() + patience
        while not self.ended and time.monotonic() < end:
            self.fill(_QUIET)
        return self.ended


class Connection:
    """Before tests.protocols.test_websocket's MockWebSocketConnection: its
    client, of a real WebSocket. What it looks at inside the server (timers,
    paused reads and writes) is not there."""

    connect: Callable[..., Any]  # live_uvicorn.get_connected_protocol

    def __init__(
        self,
        app: Any,
        ws_protocol_cls: Any,
        http_protocol_cls: Any,
        close_timeout: float | None = None,
    ) -> None:
        from websockets.client import ClientProtocol
        from websockets.uri import parse_uri

        self._protocol = self.connect(app, http_protocol_cls)
        self._transport = self._protocol.transport
        self._client = ClientProtocol(parse_uri("ws://127.0.0.1/"))
        self._bytes_read = 0
        self._outbox = b""
        self._connection_lost = False
        # Ours cannot be set: what is to be seen is that there is one, of 10 s.
        self._patience = _ABSENT if close_timeout is None else 12.0

    async def __aenter__(self) -> Connection:
        self._client.send_request(self._client.connect())
        self._protocol.data_received(b"".join(self._client.data_to_send()))
        self._protocol.loop.turns.put_nowait(None)
        return self

    async def app_finished(self) -> None:
        await asyncio.wait_for(self._protocol.loop.ended.get(), PATIENCE)

    def reply_to_server_close(self, flush: bool = True) -> None:
        end = time.monotonic() + PATIENCE
        while self._client.close_rcvd is None and time.monotonic() < end:
            self._transport.fill(_QUIET)
            self._read_server_output()  # type: ignore[attr-defined]
        self._stage(flush)  # type: ignore[attr-defined]

    @property
    def awaiting_close_reply(self) -> bool:
        return not self._connection_lost and not self.transport_closed

    @property
    def transport_closed(self) -> bool:
        return bool(self._transport.is_closing(self._patience))
