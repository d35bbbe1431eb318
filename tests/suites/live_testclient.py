"""A pytest plugin: Starlette's TestClient talks HTTP to a running server.

Everything else of the TestClient stays: the loop in a thread, lifespan on it,
exceptions of the application raised in the test, background tasks that have
ended when the answer is there. Tests on trio are skipped: both servers run on
asyncio.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import live
import pytest
from starlette import testclient
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

httpx = testclient.httpx

TIMEOUT = 5.0
_HEADER = "x-live-call"  # names a call of the application; it never sees it
_calls = itertools.count(1)


class Calls:
    """The application, as the server calls it; tells how each call ended."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.ended: dict[bytes, threading.Event] = {}
        self.errors: dict[bytes, BaseException] = {}
        self.debug: dict[bytes, dict[str, Any]] = {}

    def begin(self) -> str:
        key = str(next(_calls))
        self.ended[key.encode()] = threading.Event()
        return key

    def result(self, key: str) -> None:
        """Wait for its end; raises what the application raised."""
        name = key.encode()
        self.ended[name].wait(TIMEOUT)
        if name in self.errors:
            raise self.errors[name]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(name, value) for name, value in scope["headers"]]
        key = next((v for n, v in headers if n == _HEADER.encode()), b"")
        scope["headers"] = [(n, v) for n, v in headers if n != _HEADER.encode()]
        try:
            await self.app(scope, receive, send)
        except BaseException as error:
            self.errors[key] = error
            raise
        finally:
            if key in self.ended:
                self.ended[key].set()


class Body(httpx.SyncByteStream):
    """The answer's body; its end is the end of the call."""

    def __init__(self, parts: Iterator[bytes], stack: contextlib.ExitStack) -> None:
        self.parts = parts
        self.stack = stack

    def __iter__(self) -> Iterator[bytes]:
        return self.parts

    def close(self) -> None:
        self.stack.close()


class LiveTransport(httpx.BaseTransport):
    """In place of the TestClient's transport, with its parameters."""

    def __init__(
        self,
        app: Any,
        portal_factory: Any,
        raise_server_exceptions: bool = True,
        root_path: str = "",
        *,
        client: tuple[str, int],
        app_state: dict[str, Any],
    ) -> None:
        self.app = app
        self.portal_factory = portal_factory
        self.raise_server_exceptions = raise_server_exceptions
        self.root_path = root_path
        self.app_state = app_state
        self.open: set[contextlib.ExitStack] = set()

    @contextlib.contextmanager
    def _serve(self, calls: Calls) -> Iterator[int]:
        with self.portal_factory() as portal:
            settings = {"root_path": self.root_path}
            if live.SERVER == "inlay":
                settings["debug"] = lambda info: calls.debug.update({b"": info})
            server = portal.call(lambda: live.serve(calls, self.app_state, **settings))
            try:
                yield server.port
            finally:
                portal.call(server.stop)

    def handle_request(self, request: Any) -> Any:
        calls = Calls(self.app)
        if request.url.scheme in ("ws", "wss"):
            raise testclient._Upgrade(LiveSession(self, calls, request))
        key = calls.begin()
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(self._serve(calls))
            transport = stack.enter_context(httpx.HTTPTransport())
            sent = httpx.Request(
                request.method,
                request.url.copy_with(scheme="http", host="127.0.0.1", port=port),
                headers=[*request.headers.raw, (_HEADER.encode(), key.encode())],
                stream=request.stream,
                extensions={
                    "timeout": {"read": TIMEOUT, "connect": TIMEOUT},
                    "target": request.url.raw_path,
                },
            )
            try:
                answer = transport.handle_request(sent)
            except httpx.TransportError:
                if self.raise_server_exceptions:
                    calls.result(key)
                raise
            if answer.status_code == 500 and self.raise_server_exceptions:
                answer.read()
                calls.result(key)
            kept = stack.pop_all()
        self.open.add(kept)
        response = httpx.Response(
            answer.status_code,
            headers=answer.headers.raw,
            stream=Body(self._parts(answer, calls, key, kept), kept),
            request=request,
        )
        self._tell_debug(response, calls)
        return response

    def _parts(self, answer: Any, calls: Calls, key: str, kept: Any) -> Iterator[bytes]:
        try:
            yield from answer.iter_raw()
        except httpx.TransportError:
            if self.raise_server_exceptions:
                calls.result(key)
            raise
        finally:
            self.open.discard(kept)
        if self.raise_server_exceptions:
            with kept:
                calls.result(key)
        kept.close()

    def _tell_debug(self, response: Any, calls: Calls) -> None:
        info = calls.debug.get(b"")
        if info is None:
            return
        response.extensions["http.response.debug"] = info
        for name in ("template", "context"):
            if name in info:
                setattr(response, name, info[name])

    def close(self) -> None:
        while self.open:
            self.open.pop().close()


class LiveSession:
    """In place of WebSocketTestSession: a client of a real WebSocket."""

    _raise_on_close = testclient.WebSocketTestSession._raise_on_close
    send_text = testclient.WebSocketTestSession.send_text
    send_bytes = testclient.WebSocketTestSession.send_bytes
    send_json = testclient.WebSocketTestSession.send_json
    receive_text = testclient.WebSocketTestSession.receive_text
    receive_bytes = testclient.WebSocketTestSession.receive_bytes
    receive_json = testclient.WebSocketTestSession.receive_json

    def __init__(self, transport: LiveTransport, calls: Calls, request: Any) -> None:
        self.transport = transport
        self.calls = calls
        self.request = request
        self.accepted_subprotocol: str | None = None
        self.extra_headers: list[tuple[bytes, bytes]] | None = None

    def __enter__(self) -> LiveSession:
        self.key = self.calls.begin()
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(self.transport._serve(self.calls))
            stack.callback(self._finish)
            self.peer = stack.enter_context(self._connect(port))
            self.stack = stack.pop_all()
        self.accepted_subprotocol = self.peer.subprotocol
        self.extra_headers = [
            (name.lower().encode(), value.encode())
            for name, value in self.peer.response.headers.raw_items()
            if not name.lower().startswith("sec-websocket-")
            and name.lower() not in ("connection", "upgrade")
        ]
        return self

    def __exit__(self, *error: Any) -> bool | None:
        with self.stack:
            self.peer.close()
        return None

    def _finish(self) -> None:
        self.calls.result(self.key)

    @contextlib.contextmanager
    def _connect(self, port: int) -> Iterator[Any]:
        handshake = ("connection", "upgrade", "host")
        headers = [
            (name, value)
            for name, value in self.request.headers.multi_items()
            if name not in handshake and not name.startswith("sec-websocket-")
        ]
        offered = self.request.headers.get("sec-websocket-protocol")
        target = urlsplit(str(self.request.url))
        query = f"?{target.query}" if target.query else ""
        try:
            peer = connect(
                f"ws://{target.netloc}{target.path or '/'}{query}",
                sock=socket.create_connection(("127.0.0.1", port)),
                additional_headers=[*headers, (_HEADER, self.key)],
                subprotocols=[p.strip() for p in offered.split(",")]
                if offered
                else None,
                user_agent_header=None,
                proxy=None,
                open_timeout=TIMEOUT,
                close_timeout=TIMEOUT,
            )
        except InvalidStatus as error:
            self._refused(error.response)
            raise
        with peer:
            yield peer

    def _refused(self, answer: Any) -> None:
        if answer.status_code == 403 and not answer.body:
            raise testclient.WebSocketDisconnect(code=1000, reason="")
        raise testclient.WebSocketDenialResponse(
            status_code=answer.status_code,
            headers=list(answer.headers.raw_items()),
            content=answer.body or b"",
        )

    def send(self, message: dict[str, Any]) -> None:
        data = message.get("text")
        with contextlib.suppress(ConnectionClosed):
            self.peer.send(message["bytes"] if data is None else data)

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        self.peer.close(code, reason or "")

    def receive(self) -> dict[str, Any]:
        try:
            data = self.peer.recv(timeout=TIMEOUT)
        except ConnectionClosed as error:
            close = error.rcvd
            return {
                "type": "websocket.close",
                "code": close.code if close else 1006,
                "reason": close.reason if close else "",
            }
        kind = "text" if isinstance(data, str) else "bytes"
        return {"type": "websocket.send", kind: data}


testclient._TestClientTransport = LiveTransport


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[Any]) -> None:
    skip = pytest.mark.skip(reason="needs trio")
    for item in items:
        if "trio" in item.name:
            item.add_marker(skip)
