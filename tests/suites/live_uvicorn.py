"""A pytest plugin: uvicorn's own protocol tests, against a running Inlay.

Its tests of HTTP hand bytes to a protocol object and look at what that wrote;
`get_connected_protocol` gives them a socket instead. Its tests of WebSocket
and of proxy headers use real clients; `run_server` gives them our server.
Only one of uvicorn's implementations is asked for, as they stand for ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from collections.abc import AsyncIterator
from typing import Any

import live
import pytest

_NAMES = {"h11_max_incomplete_event_size": "limit_head_bytes"}
_QUIET = 0.05  # seconds without a byte that end an answer
_PATIENCE = 2.0


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    """uvicorn's Config keywords -> those of `_core.Server`."""
    from inlay import settings
    from inlay.config import Config

    fields = Config.__dataclass_fields__
    known = {}
    for name, value in given.items():
        name = _NAMES.get(name, name)
        if name == "headers":
            value = tuple(f"{key}: {text}" for key, text in value)
        if name == "forwarded_allow_ips" and isinstance(value, list):
            value = ",".join(value)
        if name in fields and value is not None and name not in ("ws", "http"):
            known[name] = value
    made = settings.of(Config("", **{"access_log": False, **known}))
    made.pop("log_level")
    return made


class Server:
    """Ours on the running loop, with what uvicorn's tests use of a Server."""

    def __init__(self, app: Any, listener: socket.socket, state: Any, **given: Any):
        from inlay import _core, target

        self.listener = listener
        listener.setblocking(False)
        self.server = _core.Server(
            target._asgi3(app),
            [listener.fileno()],
            loop=asyncio.get_running_loop(),
            state=state,
            native=False,
            log_level=30,
            **settings_of(given),
        )
        self.server.start()
        self.started = True

    async def shutdown(self, sockets: Any = None) -> None:
        self.server.drain()
        for _ in range(50):
            if not self.server.connections() and not self.server.in_flight():
                break
            await asyncio.sleep(0.02)
        self.server.cancel()
        await asyncio.sleep(0)
        self.server.stop()
        self.listener.close()


class Transport:
    """The client's end of a connection, looked at as a mock transport is."""

    def __init__(self, port: int) -> None:
        self.peer = socket.create_connection(("127.0.0.1", port))
        self.taken = b""
        self.ended = False

    def fill(self, patience: float) -> None:
        while not self.ended and select.select([self.peer], [], [], patience)[0]:
            try:
                data = self.peer.recv(1 << 20)
            except ConnectionResetError:
                data = b""
            self.ended = not data
            self.taken += data

    @property
    def buffer(self) -> bytes:
        self.fill(0.3 if not self.taken else 0)
        return self.taken

    def clear_buffer(self) -> None:
        self.taken = b""

    def is_closing(self) -> bool:
        self.fill(0.3)
        return self.ended


class Loop:
    """`run_one` returns when the next call of the application has ended."""

    def __init__(self, transport: Transport) -> None:
        self.ended: asyncio.Queue[None] = asyncio.Queue()
        self.transport = transport

    async def run_one(self) -> None:
        await asyncio.wait_for(self.ended.get(), _PATIENCE)
        for _ in range(10):
            before = len(self.transport.taken)
            await asyncio.sleep(_QUIET / 5)
            self.transport.fill(0)
            if len(self.transport.taken) == before and before:
                return


class Protocol:
    """What tests use of uvicorn's protocol classes."""

    def __init__(self, app: Any, state: Any, given: dict[str, Any]) -> None:
        listener = live.listen()
        self.transport = Transport(listener.getsockname()[1])
        self.loop = Loop(self.transport)

        async def call(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            finally:
                self.loop.ended.put_nowait(None)

        self.server = Server(call, listener, state, **given)

    def data_received(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.transport.peer.sendall(data)

    def eof_received(self) -> None:
        self.transport.peer.shutdown(socket.SHUT_WR)

    def shutdown(self) -> None:
        self.server.server.drain()


_open: list[Protocol] = []


def get_connected_protocol(
    app: Any, http_protocol_cls: Any, lifespan: Any = None, **given: Any
) -> Protocol:
    """In place of tests.protocols.test_http's."""
    state = getattr(lifespan, "state", None) or {}
    protocol = Protocol(app, state, given)
    _open.append(protocol)
    return protocol


@contextlib.asynccontextmanager
async def run_server(config: Any, sockets: Any = None) -> AsyncIterator[Server]:
    """In place of tests.utils': the application and options of a Config."""
    from inlay.lifespan import Lifespan

    if sockets:
        listener = sockets[0]
    else:
        listener = socket.create_server((config.host, config.port))
    lifespan = Lifespan(config.app, config.lifespan)
    await lifespan.startup()
    given = {
        name: getattr(config, name)
        for name in (
            "root_path",
            "forwarded_allow_ips",
            "proxy_headers",
            "server_header",
            "date_header",
            "headers",
            "ws_max_size",
            "ws_max_queue",
            "ws_ping_interval",
            "ws_ping_timeout",
            "ws_per_message_deflate",
            "limit_concurrency",
            "timeout_keep_alive",
        )
    }
    server = Server(config.app, listener, lifespan.state, **given)
    try:
        yield server
    finally:
        await server.shutdown()
        await lifespan.shutdown()


_WANTED = ("httptools", "websockets-sansio")
_OTHERS = ("h11", "zttp", "wsproto")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    kept, dropped = [], []
    for item in items:
        words = item.name.partition("[")[2].rstrip("]").split("-")
        others = any(word in _OTHERS for word in words)
        (dropped if others else kept).append(item)
        for name in ("get_connected_protocol", "run_server"):
            if hasattr(item.module, name):
                setattr(item.module, name, globals()[name])
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


@pytest.fixture(autouse=True)
def _close_all() -> Any:
    yield
    while _open:
        protocol = _open.pop()
        protocol.transport.peer.close()
        protocol.server.server.stop()
        protocol.server.listener.close()
