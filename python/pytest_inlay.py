"""The pytest plugin of Inlay: `inlay_server` and `inlay_client`.

A module of its own, outside the package: pytest imports it in every run, and
`import inlay` is for tests that ask for a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx
    from inlay.testing import LiveServer


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "inlay_app",
        "Application of inlay_server() and inlay_client(), as module:attribute.",
        default="",
    )


@pytest.fixture
def inlay_server(request: pytest.FixtureRequest) -> Iterator[Callable[..., LiveServer]]:
    """inlay_server(app, **options): a running inlay.testing.LiveServer.

    `app` is an ASGI application or "module:attribute"; without, it is that of
    the ini option inlay_app. All are stopped at the end of the test.
    """
    from inlay.testing import LiveServer

    running: list[LiveServer] = []

    def serve(app: Any = None, **options: Any) -> LiveServer:
        app = app or request.config.getini("inlay_app")
        if not app:
            raise pytest.UsageError(
                "inlay_server() needs an application, or the ini option inlay_app"
            )
        server = LiveServer(app, **options).start()
        running.append(server)
        return server

    yield serve
    _undo([server.stop for server in running])


@pytest.fixture
def inlay_client(
    inlay_server: Callable[..., LiveServer],
) -> Iterator[Callable[..., httpx.Client]]:
    """inlay_client(app, **options): an httpx.Client of a new server's URL."""
    try:
        import httpx
    except ImportError:
        raise pytest.UsageError("inlay_client needs httpx: pip install httpx") from None
    clients: list[httpx.Client] = []

    def connect(app: Any = None, **options: Any) -> httpx.Client:
        server = inlay_server(app, **options)
        transport = httpx.HTTPTransport(uds=server.uds) if server.uds else None
        clients.append(httpx.Client(base_url=server.url, transport=transport))
        return clients[-1]

    yield connect
    _undo([client.close for client in clients])


def _undo(actions: list[Callable[[], None]]) -> None:
    """All of them, the last one first, even if one fails."""
    failures = []
    for action in reversed(actions):
        try:
            action()
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]
