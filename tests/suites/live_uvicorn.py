"""A pytest plugin: uvicorn's own protocol tests, against a running Inlay.

Its tests of HTTP hand bytes to a protocol object and look at what that wrote;
`get_connected_protocol` gives them a socket instead, and `run_one` lets the
application begin, as theirs does. Its tests of WebSocket and of proxy headers
use real clients; `run_server` gives them our server. Only one of uvicorn's
implementations is asked for, as they stand for ours.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from asyncio.selector_events import _SelectorTransport
from collections.abc import Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import live
import live_peer
import pytest
from live import _served  # noqa: F401 - a fixture

# Members of uvicorn's Config that have another name here.
_NAMES = {"h11_max_incomplete_event_size": "limit_head_bytes"}
# Those whose values are of another kind.
_ELSEWHERE = ("ws", "http", "access_log", "log_level", "log_config", "app")


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    """uvicorn's Config keywords -> those of `_core.Server`."""
    from inlay import settings
    from inlay.config import Config

    known = {}
    for name, value in given.items():
        name = _NAMES.get(name, name)
        if name == "headers":
            value = tuple(f"{key}: {text}" for key, text in value)
        if name == "forwarded_allow_ips" and isinstance(value, list):
            value = ",".join(value)
        if name == "ws_ping_interval" and value is None:
            value = 0.0
        if name in Config.__dataclass_fields__ and name not in _ELSEWHERE:
            known[name] = value
    known = {name: value for name, value in known.items() if value is not None}
    if given.get("ws") == "none":
        known["ws"] = "none"
    made = settings.of(Config("", **{"access_log": False, **known}))
    made["log_level"] = logging.WARNING
    if "log_config" in given:  # the test is about the log
        made["access_format"] = "uvicorn"
        made["access_sink"] = logging.getLogger("uvicorn.access").info
    return made


class Server:
    """Ours on the running loop, with what uvicorn's tests use of a Server."""

    def __init__(self, app: Any, listener: socket.socket, state: Any, **given: Any):
        from inlay import _core
        from inlay.config import Config
        from inlay.target import prepare

        self.listener = listener
        listener.setblocking(False)
        self.server = _core.Server(
            prepare(app, Config("")),
            [listener.fileno()],
            loop=asyncio.get_running_loop(),
            state=state,
            native=False,
            **settings_of(given),
        )
        self.server.start()
        self.started = True

    async def shutdown(self, sockets: Any = None) -> None:
        self.server.drain()
        end = time.monotonic() + live_peer.PATIENCE
        while self.server.connections() or self.server.in_flight():
            if time.monotonic() > end:
                break
            await asyncio.sleep(0.02)
        self.stop()

    def stop(self) -> None:
        self.server.cancel()
        self.server.stop()
        self.listener.close()


class Loop:
    """`run_one` is the next call of the application, from begin to end."""

    def __init__(self, transport: live_peer.Transport) -> None:
        self.turns: asyncio.Queue[None] = asyncio.Queue()
        self.ended: asyncio.Queue[None] = asyncio.Queue()
        self.transport = transport

    async def run_one(self) -> None:
        self.turns.put_nowait(None)
        with suppress(asyncio.TimeoutError):  # it may have been refused
            await asyncio.wait_for(self.ended.get(), live_peer.PATIENCE)
        end = time.monotonic() + live_peer.PATIENCE
        while not self.transport.quiet() and time.monotonic() < end:
            await asyncio.sleep(0.01)

    def run_later(self, with_delay: float) -> None:
        time.sleep(with_delay + 0.2)


class Protocol:
    """What tests use of uvicorn's protocol classes."""

    def __init__(self, app: Any, state: Any, given: dict[str, Any]) -> None:
        from inlay.config import Config
        from inlay.target import prepare

        listener = live.listen()
        self.transport = live_peer.Transport(listener.getsockname()[1])
        self.loop = Loop(self.transport)
        self.scope: dict[str, Any] = {}
        app = prepare(app, Config(""))

        async def call(scope: Any, receive: Any, send: Any) -> Any:
            self.scope = scope
            await self.loop.turns.get()
            try:
                return await app(scope, receive, send)
            finally:
                self.loop.ended.put_nowait(None)

        self.server = Server(call, listener, state, **given)

    def data_received(self, data: bytes) -> None:
        self.transport.send(data)

    def eof_received(self) -> None:
        self.transport.peer.shutdown(socket.SHUT_WR)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport.close()

    def shutdown(self) -> None:
        self.server.server.drain()

    def close(self) -> None:
        self.transport.close()
        self.server.stop()


_open: list[Any] = []


def _abort(self: Any, abort: Any = _SelectorTransport.abort) -> None:
    # Of CPython until 3.12: fails on one that has just been closed.
    if self._loop is not None:
        abort(self)


_SelectorTransport.abort = _abort


def get_connected_protocol(
    app: Any, http_protocol_cls: Any, lifespan: Any = None, **given: Any
) -> Protocol:
    """In place of tests.protocols.test_http's."""
    state = getattr(lifespan, "state", None) or {}
    protocol = Protocol(app, state, given)
    _open.append(protocol)
    return protocol


@asynccontextmanager
async def run_server(config: Any, sockets: Any = None) -> Any:
    """In place of tests.utils': the application and options of a Config."""
    from inlay.lifespan import Lifespan

    listener = sockets[0] if sockets else live.listen(config.port)
    lifespan = Lifespan(config.app, config.lifespan)
    if config.lifespan == "on":
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
        if config.lifespan == "on":
            await lifespan.shutdown()


class ThreadServer:
    """In place of uvicorn.Server, where a test runs that in a thread."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.should_exit = False

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        async with run_server(self.config):
            while not self.should_exit:
                await asyncio.sleep(0.02)


def make_httpx2_client(trusted_hosts: Any, client: Any = ("127.0.0.1", 123)) -> Any:
    """In place of tests.middleware.test_proxy_headers'; it is at 127.0.0.1."""
    import httpx2
    from tests.middleware.test_proxy_headers import default_app

    assert client[0] == "127.0.0.1"
    listener = live.listen()
    port = listener.getsockname()[1]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["client"][0] == client[0] and scope["client"][1]:
            scope["client"] = client
        await default_app(scope, receive, send)

    server = Server(app, listener, {}, forwarded_allow_ips=trusted_hosts)
    _open.append(server)
    server.close = server.stop  # type: ignore[attr-defined]

    async def strip(request: Any) -> None:
        # Blanks around a value are not part of it (RFC 9110 5.5).
        raw = request.headers.raw
        request.headers = httpx2.Headers([(k, v.strip()) for k, v in raw])

    return httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", event_hooks={"request": [strip]}
    )


_OTHERS = ("h11", "zttp", "wsproto")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    kept, dropped = [], []
    for item in items:
        words = item.name.partition("[")[2].rstrip("]").split("-")
        others = any(word in _OTHERS for word in words)
        (dropped if others else kept).append(item)
        module = item.module
        for name in ("get_connected_protocol", "run_server", "make_httpx2_client"):
            if hasattr(module, name):
                setattr(module, name, globals()[name])
        if hasattr(module, "get_connected_protocol"):
            module.Server = ThreadServer
        if hasattr(module, "MockWebSocketConnection"):
            mock = module.MockWebSocketConnection
            if not issubclass(mock, live_peer.Connection):
                bases = (live_peer.Connection, mock)
                members = {"connect": staticmethod(get_connected_protocol)}
                module.MockWebSocketConnection = type("Connection", bases, members)
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


@pytest.fixture(autouse=True)
def _close_all() -> Iterator[None]:
    yield
    while _open:
        _open.pop().close()
