"""WebSockets whose functions are C: sockets/sockets.c, served by `inlay run`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from .server import PortServer

SOURCE = Path(__file__).parent / "sockets" / "sockets.c"
BLOCK = 1 << 16


class Server(PortServer):
    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder, SOURCE, *options)

    def ask(self, path: str, data: bytes | None = None) -> Any:
        url = f"http://127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(url, data, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def counts(self, until: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """The server's own, as soon as they are like that."""
        end = time.monotonic() + 20
        while not until(counts := self.ask("/counts")):
            assert time.monotonic() < end, counts
            time.sleep(0.01)
        return counts

    def ws(self, path: str, **options: Any) -> ClientConnection:
        options.setdefault("compression", None)
        options.setdefault("max_size", None)
        options.setdefault("open_timeout", 60)
        return connect(
            f"ws://127.0.0.1:{self.port}{path}", ping_interval=None, **options
        )

    def refused(self, path: str, **options: Any) -> Any:
        with pytest.raises(InvalidStatus) as caught:
            self.ws(path, **options)
        return caught.value.response


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sockets"), "--ws-max-queue", "4")
    yield server
    assert server.stop() == 0, server.logged()


@pytest.fixture
def server(served: Server) -> Server:
    """With its counts at zero."""
    served.ask("/reset", b"")
    return served


def ended(client: ClientConnection) -> tuple[int | None, str | None]:
    """The code and the reason that the server closed with."""
    with pytest.raises(ConnectionClosed):
        while True:
            client.recv(20)
    return client.close_code, client.close_reason


# --- Messages ---------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_echo(server, compression):
    messages = ["", "é", b"", b"\xff\0", "x" * 200_000, b"y" * (1 << 20)]
    with server.ws("/echo", compression=compression) as client:
        for message in messages:
            client.send(message)
            assert client.recv(20) == message
        for message in messages:  # before any answer is read
            client.send(message)
        assert [client.recv(20) for _ in messages] == messages
    assert client.close_code == 1000


def test_ping_pong(server):
    with server.ws("/echo") as client:
        for number in range(2000):
            client.send(str(number))
            assert client.recv(20) == str(number)


@pytest.mark.slow
def test_ping_pong_for_long(server):
    with server.ws("/echo") as client:
        for number in range(100_000):
            client.send(str(number))
            assert client.recv(20) == str(number)


def test_parameters(server):
    with server.ws("/parameters/7?limit=3") as client:
        assert client.recv(20) == "7 3 nobody none /parameters/7 yes"
        assert ended(client) == (1000, "")
    headers = {"x-token": "abc", "cookie": "a=b; sid=s1"}
    with server.ws("/parameters/-7", additional_headers=headers) as client:
        assert client.recv(20) == "-7 20 s1 abc /parameters/-7 yes"


def test_parameters_that_are_wrong(server):
    response = server.refused("/parameters/x?limit=y")
    assert response.status_code == 422
    errors = json.loads(response.body)["detail"]
    assert [error["loc"] for error in errors] == [["path", "room"], ["query", "limit"]]


def test_provider_refuses(server):
    response = server.refused("/parameters/1", additional_headers={"x-token": "a"})
    assert response.status_code == 401
    assert json.loads(response.body) == {"detail": "a token has three letters"}


def test_guard(server):
    response = server.refused("/guarded/echo")
    assert response.status_code == 403
    assert json.loads(response.body) == {"detail": "no key"}
    with server.ws("/guarded/echo", additional_headers={"x-key": "1"}) as client:
        client.send("in")
        assert client.recv(20) == "in"


def test_path_of_both(server):
    assert server.ask("/both") == 42
    with server.ws("/both") as client:
        client.send("x")
        assert client.recv(20) == "x"
    for path in ("/echo", "/guarded/echo"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            server.ask(path)
        assert caught.value.code in (403, 404)
        assert "allow" not in caught.value.headers
    assert server.refused("/nowhere").status_code == 404


# --- Accepting, refusing -----------------------------------------------------


def test_subprotocol(server):
    with server.ws("/chooses", subprotocols=["soap", "chat"]) as client:
        assert client.subprotocol == "chat"
        assert client.response.headers["x-made"] == "1"
        assert client.recv(20) == "chosen"
    assert server.refused("/chooses", subprotocols=["soap"]).status_code == 500
    assert server.refused("/chooses").status_code == 500
    server.wait_logged("the client has not offered that subprotocol")


def test_headers_of_the_handshake_are_ours(server):
    assert server.refused("/own-header").status_code == 500


def test_neither_accepted_nor_refused(server):
    assert server.refused("/silent").status_code == 403
    assert server.refused("/silent?says=true").status_code == 418


def test_redirect(server):
    try:
        client = server.ws("/elsewhere")
    except InvalidStatus as refused:  # before websockets 17
        assert refused.response.status_code == 307
        assert refused.response.headers["location"].endswith("/echo")
        return
    with client:  # which has followed
        client.send("x")
        assert client.recv(20) == "x"


INVALID, DENIED, UNAVAILABLE, INTERNAL = 1, 4, 8, 11


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (INVALID, 422, 1008),
        (DENIED, 403, 1008),
        (UNAVAILABLE, 503, 1011),
        (INTERNAL, 500, 1011),
    ],
)
def test_failure(server, kind, status, code):
    response = server.refused(f"/fails?when=before&kind={kind}")
    assert response.status_code == status
    said = b"because of" in response.body
    assert said == (status < 500)
    with server.ws(f"/fails?when=after&kind={kind}") as client:
        client.send("x")
        reason = f"because of {kind}" if code == 1008 else ""
        assert ended(client) == (code, reason)
    if status >= 500:
        server.wait_logged(f"because of {kind}")
    else:
        assert f"because of {kind}" not in server.logged()


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
def test_close(server, code):
    with server.ws(f"/closes?code={code}") as client:
        assert client.recv(20) == "first"
        assert ended(client) == (code, f"bye {code}")


@pytest.mark.parametrize("code", [0, -1, 999, 1005, 1006, 1015, 2000, 5000, 70000])
def test_close_with_a_code_that_is_none(server, code):
    with server.ws(f"/closes?code={code}") as client:
        assert ended(client) == (1011, "")


@pytest.mark.parametrize("path", ["/no-body", "/not-text"])
def test_misuse(server, path):
    with server.ws(path) as client:
        assert ended(client) == (1011, "")


# --- Time ---------------------------------------------------------------------


def test_client_that_never_reads(server):
    """The function waits: what lies here for the client is bounded."""
    with raw(server, "/flood") as client:
        server.counts(lambda counts: counts["sent"] > 0)
        before = -1
        while (now := server.ask("/counts")["sent"]) != before:
            before = now
            time.sleep(0.2)
        # The window here, and what the kernel takes.
        assert now * BLOCK < (16 << 20)
        assert server.ask("/both") == 42
        client.close()
    assert server.counts(lambda counts: counts["ended"] == 1)["sent"] < now + 500


def raw(server: Server, path: str) -> socket.socket:
    """A connection whose handshake is done, and nothing more is read."""
    client = server.connect()
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    return client


def test_messages_that_wait(server):
    """While the function sleeps, at most --ws-max-queue are kept; all of them
    come in the end, though the client has closed."""
    with server.ws("/sleeper?ms=300") as client:
        for number in range(200):
            client.send(str(number))
        assert [client.recv(20) for _ in range(200)] == [str(n) for n in range(200)]
    server.counts(lambda counts: counts["ended"] == 1)


def test_what_came_before_the_end_is_received(server):
    with server.ws("/sleeper?ms=500") as client:
        client.send("one")
        client.send(b"two")
    counts = server.counts(lambda counts: counts["ended"] == 1)
    assert counts["received"] == 6


@pytest.mark.parametrize("how", ["close", "vanish"])
def test_client_leaves_while_the_function_waits(server, how):
    if how == "close":
        with server.ws("/waits"):
            pass
    else:
        client = raw(server, "/waits")
        client.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )  # a reset
        client.close()
    server.counts(lambda counts: counts["ended"] == 1)


def test_function_that_does_not_end(server):
    with server.ws("/stubborn") as client:
        client.send("x")
    server.wait_logged("WEBSOCKET /stubborn: stubborn")
    assert server.ask("/both") == 42


# --- Others' sockets ------------------------------------------------------------


def test_chat(server):
    with (
        server.ws("/chat/a") as one,
        server.ws("/chat/a") as two,
        server.ws("/chat/b") as three,
    ):
        one.send("hello")
        assert one.recv(20) == two.recv(20) == "hello"
        two.send(b"\1")
        assert one.recv(20) == two.recv(20) == b"\1"
        three.send("alone")
        assert three.recv(20) == "alone"
        assert server.ask("/announce/a?text=news") == 2
        assert one.recv(20) == two.recv(20) == "news"
        assert server.ask("/dismiss/house") == 3
        for client in (one, two, three):
            assert ended(client) == (4001, "house is closed")
    assert server.ask("/announce/a?text=news") == 0


def test_chat_with_one_that_never_reads(server):
    """Who does not read misses messages; nobody waits for him."""
    with raw(server, "/chat/slow"), server.ws("/chat/slow") as client:
        text = "x" * BLOCK
        for _ in range(200):
            client.send(text)
            assert client.recv(20) == text
        assert server.ask("/announce/slow?text=x") == 1
    while server.ask("/announce/slow?text=x"):
        time.sleep(0.01)


# --- The server's end -------------------------------------------------------------


def test_drain(tmp_path):
    server = Server(tmp_path)
    with server.ws("/waits") as client, server.ws("/sleeper?ms=60000") as asleep:
        client.send("x")
        server.counts(lambda counts: counts["received"] == 1)
        os.kill(server.process.pid, signal.SIGTERM)
        assert ended(client)[0] == 1012
        assert ended(asleep)[0] == 1012
    assert server.process.wait(20) == 0, server.logged()
    assert "Traceback" not in server.logged()


# --- What is no WebSocket's function -------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            'void f(int x) {}\nINLAY_WEBSOCKET("/x", f);',
            "f has no parameter inlay_socket *",
        ),
        (
            'int f(inlay_socket *ws) { return 1; }\nINLAY_WEBSOCKET("/x", f);',
            "f returns int, and a WebSocket has no answer",
        ),
        (
            'void f(inlay_socket *ws) {}\nINLAY_ROUTE("GET,WEBSOCKET", "/x", f);',
            "a function of INLAY_WEBSOCKET has no other methods",
        ),
        (
            'void f(inlay_socket *ws) {}\nINLAY_GET("/x", f);',
            "parameter ws of f is a WebSocket",
        ),
        (
            'void f(inlay_socket *ws) {}\nINLAY_WEBSOCKET("/x", f);\n'
            'void g(inlay_socket *ws) {}\nINLAY_WEBSOCKET("/x", g);',
            "another route has",
        ),
    ],
)
def test_records_that_are_wrong(tmp_path, text, why):
    path = tmp_path / "bad.c"
    path.write_text(f"#include <inlay.h>\n{text}\n")
    done = subprocess.run(
        [sys.executable, "-m", "inlay", "run", str(path), "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert why in done.stderr
    assert "bad.c:" in done.stderr
