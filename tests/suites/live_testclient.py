"""A pytest plugin: Starlette's TestClient talks HTTP to a running server.

Everything else of the TestClient stays: the loop in a thread, lifespan on it,
exceptions of the application raised in the test, background tasks that have
ended when the answer is there. What only a call within one process can tell,
the harness carries past the wire: exceptions, the addresses that the URL and
`client` say, the code of a WebSocket that is closed instead of accepted.
Tests on trio are skipped: both servers run on asyncio.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator
from typing import Any

import live
import pytest
from live import _served  # noqa: F401 - a fixture
from live_http import PATIENCE, Exchange
from starlette import testclient
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

httpx = testclient.httpx

_HEADER = b"x-live-call"  # names a call of the application; it never sees it
_calls = itertools.count(1)


class Calls:
    """The application, as the server calls it; tells how each call ended."""

    def __init__(self, app: Any, addresses: dict[str, Any]) -> None:
        self.app = app
        self.addresses = addresses
        self.hidden: tuple[bytes, ...] = (_HEADER,)
        self.begun: set[bytes] = set()
        self.ended: dict[bytes, threading.Event] = {}
        self.errors: dict[bytes, BaseException] = {}
        self.debug: dict[str, Any] | None = None
        self.refusal: dict[str, Any] = {}

    def begin(self, url: Any) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """A call's key, and the headers that go with it."""
        key = str(next(_calls)).encode()
        self.ended[key] = threading.Event()
        headers = [(_HEADER, key)]
        if url.scheme in ("https", "wss"):
            headers.append((b"x-forwarded-proto", b"https"))
            self.hidden += (b"x-forwarded-proto",)
        return key, headers

    def result(self, key: bytes) -> None:
        """Wait for its end, if the server has called it at all; raises what
        the application raised."""
        if key in self.begun:
            self.ended[key].wait(PATIENCE)
        if key in self.errors:
            raise self.errors.pop(key)

    def _note(self, info: dict[str, Any]) -> None:
        self.debug = info

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = scope["headers"]
        key = next((value for name, value in headers if name == _HEADER), b"")
        scope["headers"] = [pair for pair in headers if pair[0] not in self.hidden]
        scope.update(self.addresses)
        self.begun.add(key)

        async def send_noting(message: Any) -> None:
            if message["type"] == "websocket.close":
                self.refusal = message
            await send(message)

        try:
            websocket = scope["type"] == "websocket"
            await self.app(scope, receive, send_noting if websocket else send)
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
        self.client = client
        self.app_state = app_state
        self.open: set[contextlib.ExitStack] = set()

    @contextlib.contextmanager
    def serve(self, calls: Calls) -> Iterator[int]:
        with self.portal_factory() as portal:
            server = portal.call(
                lambda: live.serve(
                    calls,
                    self.app_state,
                    root_path=self.root_path.rstrip("/"),
                    debug=calls._note,
                )
            )
            try:
                yield server.port
            finally:
                portal.call(server.stop)

    def target(self, url: Any) -> bytes:
        """As a proxy sends it, which takes the root path away."""
        raw = bytes(url.raw_path)
        root = self.root_path.rstrip("/").encode()
        return raw[len(root) :] if root and raw.startswith(root + b"/") else raw

    def handle_request(self, request: Any) -> Any:
        url = request.url
        port = url.port or {"http": 80, "ws": 80, "https": 443, "wss": 443}[url.scheme]
        addresses = {"client": self.client, "server": (url.host, port)}
        calls = Calls(self.app, addresses)
        if url.scheme in ("ws", "wss"):
            raise testclient._Upgrade(LiveSession(self, calls, request))
        key, extra = calls.begin(url)
        if "te" not in request.headers:
            extra.append((b"te", b"trailers"))
            calls.hidden += (b"te",)
        with contextlib.ExitStack() as stack:
            exchange = Exchange(stack.enter_context(self.serve(calls)))
            stack.callback(exchange.close)
            # Blanks around a value are not part of it (RFC 9110 5.5).
            headers = [(k, v.strip(b" \t")) for k, v in request.headers.raw]
            try:
                exchange.send(
                    request.method, self.target(url), headers + extra, request.stream
                )
                answer = exchange.head()
            except httpx.TransportError:
                if self.raise_server_exceptions:
                    calls.result(key)
                raise
            if answer.status_code == 500 and self.raise_server_exceptions:
                calls.result(key)
            kept = stack.pop_all()
        self.open.add(kept)
        response = httpx.Response(
            answer.status_code,
            headers=answer.headers.raw_items(),
            stream=Body(self._parts(exchange, calls, key, kept), kept),
            request=request,
            extensions={"http.response.trailers": exchange.trailers},
        )
        if calls.debug is not None:
            response.extensions["http.response.debug"] = calls.debug
            for name in {"template", "context"} & calls.debug.keys():
                setattr(response, name, calls.debug[name])
        return response

    def _parts(
        self, exchange: Exchange, calls: Calls, key: bytes, kept: Any
    ) -> Iterator[bytes]:
        try:
            yield from exchange.body()
        except httpx.TransportError:
            if self.raise_server_exceptions:
                calls.result(key)
            raise
        finally:
            self.open.discard(kept)
        with kept:
            try:
                calls.result(key)
            except BaseException:
                if self.raise_server_exceptions:
                    raise

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
        self.key, extra = self.calls.begin(self.request.url)
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(self.transport.serve(self.calls))
            stack.callback(self._finish)
            self.peer = stack.enter_context(self._connect(port, extra))
            self.stack = stack.pop_all()
        self.accepted_subprotocol = self.peer.subprotocol
        self.extra_headers = [
            (name.encode(), value.encode())
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
        try:
            self.calls.result(self.key)
        except testclient.WebSocketDisconnect as error:
            # It went on sending while we closed: a TestClient has it cancelled.
            if not isinstance(error.__context__, OSError):
                raise

    @contextlib.contextmanager
    def _connect(self, port: int, extra: list[tuple[bytes, bytes]]) -> Iterator[Any]:
        handshake = ("connection", "upgrade", "host")
        headers = [
            (name, value)
            for name, value in self.request.headers.multi_items()
            if name not in handshake and not name.startswith("sec-websocket-")
        ]
        headers += [(name.decode(), value.decode()) for name, value in extra]
        offered = self.request.headers.get("sec-websocket-protocol")
        subprotocols = [p.strip() for p in offered.split(",")] if offered else None
        authority = self.request.url.netloc.decode()
        target = self.transport.target(self.request.url).decode()
        try:
            peer = connect(
                f"ws://{authority}{target}",
                sock=socket.create_connection(("127.0.0.1", port)),
                additional_headers=headers,
                subprotocols=subprotocols,
                user_agent_header=None,
                proxy=None,
                open_timeout=PATIENCE,
                close_timeout=PATIENCE,
            )
        except InvalidStatus as error:
            self._refused(error.response)
            raise
        with peer:
            yield peer

    def _refused(self, answer: Any) -> None:
        if answer.status_code == 403 and self.calls.refusal:
            self._raise_on_close(self.calls.refusal)
        raise testclient.WebSocketDenialResponse(
            status_code=answer.status_code,
            headers=list(answer.headers.raw_items()),
            content=bytes(answer.body or b""),
        )

    def send(self, message: dict[str, Any]) -> None:
        data = message.get("text")
        with contextlib.suppress(ConnectionClosed):
            self.peer.send(message["bytes"] if data is None else data)

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        if code == 1006:  # a connection that is lost
            self.peer.socket.shutdown(socket.SHUT_RDWR)
        else:
            self.peer.close(code, reason or "")

    def receive(self) -> dict[str, Any]:
        try:
            data = self.peer.recv(timeout=PATIENCE)
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
