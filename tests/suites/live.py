"""An application served on a running event loop, by us or by uvicorn.

Both without lifespan (the suites' clients run that themselves, on the same
loop), date and server headers, so that a test that compares all headers of
an answer sees those of the application.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

SERVER = os.environ.get("LIVE_SERVER", "inlay")
_ports: list[int] = []


def listen(port: int = 0) -> socket.socket:
    """A socket on a port of the loopback, or on a free one."""
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    listener.setblocking(False)
    _ports.append(listener.getsockname()[1])
    return listener


@pytest.fixture(autouse=True)
def _served(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """How many servers it had: a test that has none is not about one."""
    before = len(_ports)
    yield
    record_property("servers", len(_ports) - before)


class InlayServer:
    """`_core.Server` on the running loop."""

    def __init__(self, app: Any, state: dict[str, Any], **settings: Any) -> None:
        from inlay import _core

        self.listener = listen()
        self.port: int = self.listener.getsockname()[1]
        self.server = _core.Server(
            app,
            [self.listener.fileno()],
            loop=asyncio.get_running_loop(),
            state=state,
            native=False,
            date_header=False,
            server_header=False,
            log_level=30,
            io_threads=1,
            proxy_headers=True,
            trusted=["127.0.0.1"],
            **settings,
        )
        self.server.start()

    async def stop(self) -> None:
        self.server.drain()
        self.server.cancel()
        await asyncio.sleep(0)
        self.server.stop()
        self.listener.close()


class UvicornServer:
    """uvicorn's protocol classes on a server of the running loop."""

    def __init__(self, app: Any, state: dict[str, Any], root_path: str = "") -> None:
        import uvicorn
        from uvicorn.server import ServerState

        config = uvicorn.Config(
            app,
            http="httptools",
            ws="websockets-sansio",
            interface="asgi3",
            lifespan="off",
            root_path=root_path,
            date_header=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips="127.0.0.1",
            log_config=None,
            access_log=False,
        )
        config.load()
        self.state = ServerState()
        self.config = config
        self.listener = listen()
        self.port: int = self.listener.getsockname()[1]
        self.app_state = state
        self.server: asyncio.Server | None = None

    async def start(self) -> None:
        make: Callable[[], asyncio.Protocol] = lambda: self.config.http_protocol_class(  # noqa: E731
            config=self.config, server_state=self.state, app_state=self.app_state
        )
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(make, sock=self.listener)

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        for connection in list(self.state.connections):
            connection.shutdown()
        for task in list(self.state.tasks):
            task.cancel()
        await asyncio.sleep(0)


async def serve(app: Any, state: dict[str, Any], **settings: Any) -> Any:
    """A started server of the kind that LIVE_SERVER names."""
    if SERVER == "inlay":
        return InlayServer(app, state, **settings)
    server = UvicornServer(app, state, root_path=settings.get("root_path", ""))
    await server.start()
    return server
