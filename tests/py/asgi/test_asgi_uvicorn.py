"""What uvicorn's own tests of its HTTP/1.1 expect, of it and of us."""

from __future__ import annotations

import json
import socket
import time
import urllib.parse

import pytest

pytestmark = pytest.mark.slow

APP = "asgi_raw:app"
GET = b"GET /reply?%s HTTP/1.1\r\nHost: example.org\r\n%s\r\n"
UPGRADE = (
    b"GET /bare HTTP/1.1\r\nHost: example.org\r\nConnection: upgrade\r\n"
    b"Upgrade: %s\r\n%s\r\n"
)


def reply(status=200, headers=None, content="Hello, world"):
    value = json.dumps([status, headers or {}, content], separators=(",", ":"))
    return urllib.parse.quote(value).encode()


def until(connection, end):
    data = b""
    while end not in data:
        part = connection.recv(65536)
        assert part, data
        data += part
    return data


def rest(connection):
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


@pytest.mark.parametrize("char", ["c", "\t", " ", "µ"])
def test_header_value_allowed_characters(served, char):
    request = GET % (reply(headers={"key": f"<{char}>"}), b"")
    with served.connect(request) as connection:
        data = until(connection, b"Hello, world")
    assert b"HTTP/1.1 200 OK" in data
    assert b"\r\nkey: <" + char.encode() + b">\r\n" in data


@pytest.mark.parametrize("char", list(' \0()<>@,;:[]{}="\\\t\x7f'))
def test_invalid_header_name(served, char):
    request = GET % (reply(headers={f"bad{char}header": "value"}), b"")
    with served.connect(request) as connection:
        connection.settimeout(5)
        try:
            data = connection.recv(65536)
        except ConnectionError:
            data = b""
    assert not data.startswith(b"HTTP/1.1 200")
    assert b"header: value" not in data


def test_response_header_splitting(served):
    request = GET % (reply(headers={"key": "value\r\nCookie: smuggled=value"}), b"")
    with served.connect(request) as connection:
        connection.settimeout(5)
        assert b"\r\nCookie: smuggled" not in connection.recv(65536)


def test_keepalive(served):
    with served.connect(GET % (reply(204, content=""), b"")) as connection:
        for _ in range(3):
            data = until(connection, b"\r\n\r\n")
            assert data.startswith(b"HTTP/1.1 204 No Content")
            assert b"connection: close" not in data.lower()
            connection.sendall(GET % (reply(204, content=""), b""))


def test_close_of_the_application(served):
    request = GET % (reply(204, {"connection": "close"}, ""), b"")
    with served.connect(request) as connection:
        assert rest(connection).startswith(b"HTTP/1.1 204 No Content")


@pytest.mark.parametrize("status", [204, 304])
def test_bodyless_response_with_transfer_encoding(ours, status):
    headers = {"transfer-encoding": "chunked"}
    request = GET % (reply(status, headers, ""), b"Connection: close\r\n")
    with ours.connect(request) as connection:
        data = rest(connection)
    assert data.endswith(b"\r\n\r\n")
    assert b"transfer-encoding" not in data.lower()


@pytest.mark.parametrize("content", ["", "Hello, world!"])
def test_chunked_encoding_of_the_application(served, content):
    headers = {"transfer-encoding": "chunked"}
    got = served.get("/reply?" + reply(200, headers, content).decode())
    assert (got.status, got.text) == (200, content)


def test_chunked_encoding_head_request(served):
    path = "/reply?" + reply(200, {"transfer-encoding": "chunked"}).decode()
    client = served.client()
    for _ in range(2):
        client.request("HEAD", path)
        got = client.getresponse()
        assert (got.status, got.read()) == (200, b"")
    client.close()


def test_undersized_response(served):
    query = reply(headers={"content-length": "10"}, content="xxxxx")
    request = GET % (query, b"Connection: close\r\n")
    with served.connect(request) as connection:
        connection.settimeout(5)
        try:
            assert not rest(connection).endswith(b"x" * 10)
        except ConnectionError:
            pass


def test_oversized_response(served):
    query = reply(headers={"content-length": "10"}, content="x" * 20)
    request = GET % (query, b"Connection: close\r\n")
    with served.connect(request) as connection:
        connection.settimeout(5)
        try:
            assert b"x" * 11 not in rest(connection)
        except ConnectionError:
            pass


def test_large_post_request(served):
    assert served.get("/echo", "POST", "x" * 100000).text == "x" * 100000


@pytest.mark.parametrize(
    "line", [b"G?T / HTTP/1.1", b"GET /?x=y z HTTP/1.1", b"GET / HTTP1.1", b"x" * 2048]
)
def test_invalid_request(served, line):
    with served.connect(line + b"\r\nHost: example.org\r\n\r\n") as connection:
        data = connection.recv(65536)
    assert not data.startswith(b"HTTP/1.1 200")
    if data:
        assert data.split(b" ")[1][:1] in (b"4", b"5")


def test_early_response(served):
    post = b"POST /bare HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\n"
    with served.connect(post) as connection:
        assert until(connection, b"bare").startswith(b"HTTP/1.1 201 ")
        connection.sendall(b'{"hello": "world"}' + GET % (reply(), b""))
        assert b"200 OK" in until(connection, b"Hello, world")


@pytest.mark.slow
def test_early_disconnect(served):
    post = b"POST /disconnect HTTP/1.1\r\nHost: x\r\nContent-Length: 18\r\n\r\n"
    served.get("/seen/waiting")
    with served.connect(post + b'{"hello": "world"}'):
        assert json.loads(served.get("/seen/waiting").body)
    seen = json.loads(served.get("/seen/disconnect").body)
    assert seen[:2] == ["http.disconnect"] * 2


def test_close_connection_with_multiple_requests(served):
    first = GET % (reply(), b"Connection: close\r\n")
    with served.connect(first + GET % (reply(), b"")) as connection:
        try:
            data = rest(connection)
        except ConnectionError:
            return
    assert data.count(b"HTTP/1.1 200 OK") == 1
    assert b"connection: close" in data.lower()


def test_close_connection_with_post_request(served):
    post = (
        b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Length: 18\r\n\r\n" + b"{'hello': 'world'}"
    )
    with served.connect(post) as connection:
        assert b"{'hello': 'world'}" in rest(connection)


@pytest.mark.parametrize(
    "asked, answered",
    [
        (b"Close", None),
        (b"keep-alive, close", None),
        (b" keep-alive , CLOSE ", None),
        (b"close", "Close"),
        (b"keep-alive", "keep-alive, Close"),
    ],
)
def test_connection_close_tokens(served, asked, answered):
    headers = {"connection": answered} if answered else {}
    request = GET % (reply(headers=headers), b"Connection: %s\r\n" % asked)
    with served.connect(request) as connection:
        head = rest(connection).lower().partition(b"\r\n\r\n")[0].split(b"\r\n")
    lines = [line for line in head if line.startswith(b"connection:")]
    assert len(lines) == 1
    assert b"close" in lines[0]


def test_fragmented_request(served):
    request = GET % (reply(), b"Connection: close\r\n")
    for split in (1, 3, 20, len(request) - 2):
        with served.connect(request[:split]) as connection:
            time.sleep(0.01)
            connection.sendall(request[split:])
            assert b"Hello, world" in rest(connection)


def test_http2_upgrade_request(served):
    settings = b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    with served.connect(UPGRADE % (b"h2c", settings)) as connection:
        assert until(connection, b"bare").startswith(b"HTTP/1.1 201 ")


def test_upgrade_to_something_else(served):
    with served.connect(UPGRADE % (b"not-websocket", b"")) as connection:
        assert until(connection, b"bare").startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize(
    "version, status", [(b"11", (426, 400)), (b"13", (400,)), (None, (400, 426))]
)
def test_invalid_websocket_upgrade(served, version, status):
    extra = b"Sec-WebSocket-Version: %s\r\n" % version if version else b""
    with served.connect(UPGRADE % (b"websocket", extra)) as connection:
        data = connection.recv(65536)
    assert int(data.split(b" ")[1]) in status


def test_websocket_upgrade_behind_a_request(served):
    """Pipelined: the upgrade waits for the answer before it."""
    extra = (
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    )
    with served.connect(GET % (reply(), b"")) as connection:
        until(connection, b"Hello, world")
        connection.sendall(UPGRADE % (b"websocket", extra))
        # This application knows no WebSocket.
        assert until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 500 ")


def test_half_a_request_and_gone(served):
    for part in (b"G", b"GET / HT", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Le"):
        served.connect(part).close()
    with served.connect(b"GET / HTTP/1.1\r\n") as connection:
        connection.shutdown(socket.SHUT_WR)
        assert not connection.recv(65536).startswith(b"HTTP/1.1 200")
    assert served.get("/bare").status == 201
