"""The ASGI websocket scope: on us and on uvicorn with the same expectations,
where uvicorn has them."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

APP = "asgi_websocket:app"
HANDSHAKE = (
    "GET {} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n{}\r\n"
)


def ws(served, path="/echo", **options):
    options.setdefault("compression", None)
    options.setdefault("max_size", None)
    return connect(f"ws://127.0.0.1:{served.port}{path}", ping_interval=None, **options)


def seen(served, name):
    return json.loads(served.get("/seen/" + name).body)


def ended(client):
    """The code and the reason that the server closed with."""
    with pytest.raises(ConnectionClosed):
        while True:
            client.recv(5)
    return client.close_code, client.close_reason


def refused(served, path):
    with pytest.raises(InvalidStatus) as caught:
        ws(served, path)
    return caught.value.response


def frame(opcode, data=b""):
    """A masked frame; the mask is zero."""
    size = len(data)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size < 65536:
        head = bytes([0x80 | opcode, 0xFE]) + struct.pack(">H", size)
    else:
        head = bytes([0x80 | opcode, 0xFF]) + struct.pack(">Q", size)
    return head + bytes(4) + data


def raw(served, path, extra="", encoding="utf-8"):
    """A connection whose handshake is done."""
    connection = served.connect(HANDSHAKE.format(path, extra).encode(encoding))
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(1)
    return connection, head.decode("latin1")


# --- Scope -----------------------------------------------------------------


def scope(served, path, **options):
    with ws(served, path, **options) as client:
        return json.loads(client.recv(5)), client.local_address


def test_scope_is_complete(served):
    got, address = scope(served, "/scope/%C3%A9%2Fx?a=%20b")
    assert got["type"] == "websocket"
    assert got["asgi"]["version"] == "3.0"
    assert got["http_version"] == "1.1"
    assert got["scheme"] == "ws"
    assert got["path"] == "/scope/é/x"
    assert got["raw_path"] == "/scope/%C3%A9%2Fx"
    assert got["query_string"] == "a=%20b"
    assert got["root_path"] == ""
    assert got["client"] == list(address)
    assert got["server"] == ["127.0.0.1", served.port]
    assert got["subprotocols"] == []
    assert got["extensions"] == {"websocket.http.response": {}}
    assert "method" not in got


def test_spec_version(ours):
    assert scope(ours, "/scope")[0]["asgi"]["spec_version"] == "2.5"


def test_headers(served):
    extra = "X-Twice: 1\r\nx-twice: 2\r\nName: abra\u00c3\u00a3o\r\n"
    connection, _ = raw(served, "/scope", extra, "latin1")
    with connection:
        data = b""
        while not data.endswith(b"}"):
            data += connection.recv(65536)
    got = json.loads(data[data.index(b"{") :])
    headers = [tuple(pair) for pair in got["headers"]]
    assert [v for k, v in headers if k == "x-twice"] == ["1", "2"]
    assert ("name", "abra\u00c3\u00a3o") in headers
    assert ("upgrade", "websocket") in headers


def test_subprotocols(served):
    connection, _ = raw(
        served,
        "/scope",
        "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n",
    )
    with connection:
        data = b""
        while b"subprotocols" not in data:
            data += connection.recv(65536)
        assert b'"subprotocols": ["a", "b", "c"]' in data


def test_state_is_a_shallow_copy(served):
    with ws(served, "/state") as client:
        number, first = json.loads(client.recv(5))
    with ws(served, "/state") as client:
        assert json.loads(client.recv(5)) == [1, first + 1]
    assert number == 1


def test_root_path_of_the_server(serve):
    server = serve(APP, root_path="/api")
    with ws(server, "/scope") as client:
        got = json.loads(client.recv(5))
    assert (got["root_path"], got["path"]) == ("/api", "/api/scope")
    assert got["raw_path"] == "/api/scope"


# --- Handshake -------------------------------------------------------------


def test_accept_with_subprotocol_and_headers(served):
    with ws(served, "/accept", subprotocols=["one", "two"]) as client:
        assert client.subprotocol == "two"
        headers = client.response.headers
        assert headers["x-one"] == "1"
        assert headers.get_all("set-cookie") == ["a=1", "b"]
        assert headers["sec-websocket-accept"]


def test_accept_before_receive(served):
    with ws(served, "/prompt") as client:
        client.send("hello")
        ended(client)
    first, second = seen(served, "prompt")
    assert first == {"type": "websocket.connect"}
    assert second == {"type": "websocket.receive", "text": "hello"}


def test_messages_sent_with_the_handshake(ours):
    request = HANDSHAKE.format("/echo", "").encode() + frame(1, b"early")
    with ours.connect(request) as connection:
        data = b""
        while b"early" not in data:
            data += connection.recv(65536)
        assert data.endswith(b"\x81\x05early")


def test_close_before_accept_is_403(served):
    response = refused(served, "/reject")
    assert response.status_code == 403
    disconnect, again = seen(served, "reject")
    assert (disconnect["type"], disconnect["code"]) == ("websocket.disconnect", 1006)
    assert again == "RuntimeError"


def test_refusal_with_an_answer(served):
    response = refused(served, "/deny")
    assert (response.status_code, response.body) == (451, b"denied")
    assert response.headers["x-why"] == "law"
    accepted, disconnect, late = seen(served, "deny")
    assert accepted == "RuntimeError"
    assert (disconnect["type"], disconnect["code"]) == ("websocket.disconnect", 1006)
    assert late in ("RuntimeError", "ClientDisconnected")


def test_refusal_without_a_length(served):
    response = refused(served, "/denystream")
    assert (response.status_code, response.body) == (400, b"one two")


def test_refusal_ends_the_connection(ours):
    with ours.connect(HANDSHAKE.format("/deny", "").encode()) as connection:
        data = b""
        while part := connection.recv(65536):
            data += part
    assert data.lower().count(b"connection: close") == 1
    assert data.endswith(b"denied")


def test_refusal_that_is_wrong(served):
    assert refused(served, "/denylater").status_code == 500


def test_refusal_that_is_cut(ours):
    with ours.connect(HANDSHAKE.format("/denyhalf", "").encode()) as connection:
        data = b""
        while part := connection.recv(65536):
            data += part
    assert b"content-length: 9\r\n" in data
    assert data.endswith(b"half")
    assert ours.wait_logged("MARK half")


@pytest.mark.parametrize(
    "path, text",
    [
        ("/raise", "MARK before"),
        ("/nothing", "ASGI callable returned without"),
    ],
)
def test_500(served, path, text):
    response = refused(served, path)
    assert response.status_code == 500
    assert served.wait_logged(text)


def test_client_that_leaves_before_the_handshake(served):
    with served.connect(HANDSHAKE.format("/late", "").encode()[:-2]):
        pass  # the head isn't whole: nobody hears of it
    with ws(served) as client:
        client.send("still there")
        assert client.recv(5) == "still there"


# --- Messages --------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 125, 126, 5000, 65536, 1 << 20])
def test_echo(served, size):
    with ws(served) as client:
        for message in ("x" * size, b"\xff" * size, "é" * size):
            client.send(message)
            assert client.recv(10) == message


def test_many_messages_in_order(served):
    count = 3000
    frames = b"".join(frame(1, b"%d" % i) for i in range(count))
    connection, _ = raw(served, "/echo")
    with connection:
        connection.sendall(frames)
        left = b"".join(bytes([0x81, len(b"%d" % i)]) + b"%d" % i for i in range(count))
        while left:
            data = connection.recv(65536)
            assert data and left.startswith(data)
            left = left[len(data) :]


def test_large_and_small_in_order(ours):
    sizes = [1, 70000, 3, 5000, 4096, 4097, 0, 200000, 2] * 4
    with ws(ours) as client:
        for i, size in enumerate(sizes):
            client.send(bytes([i]) * size)
        for i, size in enumerate(sizes):
            assert client.recv(10) == bytes([i]) * size


def test_types_of_messages(served):
    with ws(served, "/types") as client:
        for message in ("é𝄞", b"\x00\xff", "", b""):
            client.send(message)
        assert json.loads(client.recv(5)) == [
            [["text", "type"], "{'type': 'websocket.receive', 'text': 'é𝄞'}"],
            [
                ["bytes", "type"],
                r"{'type': 'websocket.receive', 'bytes': b'\x00\xff'}",
            ],
            [["text", "type"], "{'type': 'websocket.receive', 'text': ''}"],
            [["bytes", "type"], "{'type': 'websocket.receive', 'bytes': b''}"],
        ]


def test_kinds_that_are_sent(ours):
    with ws(ours, "/kinds") as client:
        assert [client.recv(5) for _ in range(11)] == [
            "1",
            b"2",
            "",
            b"",
            "x" * 70000,
            b"y" * 200,
            "é€𝄞",
            b"array",
            b"view",
            "t",
            b"b",
        ]


def test_fragments_are_one_message(served):
    with ws(served) as client:
        client.send(["A" * 512] * 6)
        assert client.recv(5) == "A" * 3072
        client.send([b"B" * 512] * 6)
        assert client.recv(5) == b"B" * 3072


def test_compression(served):
    with ws(served, compression="deflate") as client:
        assert [e.name for e in client.protocol.extensions] == ["permessage-deflate"]
        for message in ("abc" * 1000, b"xyz" * 100000, ""):
            client.send(message)
            assert client.recv(5) == message


def test_wrong_messages_are_refused(ours):
    with ws(ours, "/wrong") as client:
        early, late = json.loads(client.recv(5))
    assert early == [
        "RuntimeError",
        "RuntimeError",
        "RuntimeError",
        "TypeError",
        "RuntimeError",
        "RuntimeError",
        "RuntimeError",
        "ValueError",
        "TypeError",
    ]
    assert late == [
        "RuntimeError",
        "ValueError",
        "TypeError",
        "TypeError",
        "UnicodeEncodeError",
        "RuntimeError",
        "RuntimeError",
        "ValueError",
        "ValueError",
        "TypeError",
        "TypeError",
    ]


def test_several_tasks_may_receive(served):
    with ws(served, "/waiting") as client:
        assert client.recv(5) == "ready"
        client.send("one")
        done, ends = json.loads(client.recv(5))
    assert done == [{"type": "websocket.receive", "text": "one"}]
    assert ends == ["enough", "timeout"]


def test_steps_run_in_the_task_of_the_connection(served):
    with ws(served, "/context") as client:
        for _ in range(3):
            client.send("x")
            assert client.recv(5) == "True"


def test_broadcast(served):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(ws(served, "/broadcast")) for _ in range(10)]
        for client in clients:
            client.ping().wait(5)
        deadline = time.monotonic() + 5
        clients[0].send("who?")
        for client in clients:
            while client.recv(max(0.1, deadline - time.monotonic())) != "who?":
                pass


# --- The end ---------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"code": 1001},
        {"code": 4002, "reason": "bye é"},
        {"reason": None},
        {"code": 3000, "reason": "test"},
    ],
)
def test_application_closes(served, keys):
    with ws(served, "/close") as client:
        client.send(json.dumps(keys))
        code, reason = ended(client)
    assert code == keys.get("code", 1000)
    assert reason == (keys.get("reason") or "")
    if served.name == "inlay":
        message = {"type": "websocket.disconnect", "code": code, "reason": reason}
        assert seen(served, "close") == [
            message,
            message,
            "RuntimeError",
            "RuntimeError",
        ]


def test_a_long_reason_is_cut(ours):
    with ws(ours, "/close") as client:
        client.send(json.dumps({"reason": "é" * 100}))
        code, reason = ended(client)
    assert code == 1000
    assert reason == "é" * 61
    seen(ours, "close")


def test_messages_that_wait_come_before_the_own_close(served):
    with ws(served, "/unread") as client:
        for message in ("one", "two"):
            client.send(message)
        assert ended(client)[0] == 4000
    first, second = seen(served, "unread")
    assert first == {"type": "websocket.receive", "text": "two"}
    assert second == "websocket.disconnect"


def test_messages_that_wait_come_before_the_clients_close(served):
    with ws(served, "/late") as client:
        for message in ("one", "two"):
            client.send(message)
    first, second, end, late = seen(served, "late")
    assert (first["text"], second["text"]) == ("one", "two")
    assert (end["type"], end["code"]) == ("websocket.disconnect", 1000)
    assert late == "ClientDisconnected"


def test_client_closes(served):
    with ws(served, "/echo/closes") as client:
        client.send("abc")
        assert client.recv(5) == "abc"
        client.close(4001, "custom reasön")
    assert seen(served, "closes") == {
        "type": "websocket.disconnect",
        "code": 4001,
        "reason": "custom reasön",
    }


def test_client_closes_without_a_code(served):
    connection, _ = raw(served, "/echo/codeless")
    with connection:
        connection.sendall(frame(8))
        assert connection.recv(100) == b"\x88\x00"
        assert connection.recv(100) == b""
    assert seen(served, "codeless")["code"] == 1005


def test_after_the_client_has_gone(served):
    with ws(served, "/gone") as client:
        client.close(1001)
    message, again, send, close = seen(served, "gone")
    assert (message["type"], message["code"]) == ("websocket.disconnect", 1001)
    assert send == "ClientDisconnected"
    if served.name == "inlay":
        assert again and close == "ok"
        time.sleep(0.1)
        assert "nothing is logged" not in served.logged()


@pytest.mark.parametrize("reset", [False, True])
def test_connection_is_lost(served, reset):
    connection, _ = raw(served, "/echo/lost")
    if reset:
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()
    message = seen(served, "lost")
    assert message["type"] == "websocket.disconnect"
    assert message["code"] == 1006 or served.name == "uvicorn"


def test_connection_is_lost_while_the_application_sends(ours):
    connection, _ = raw(ours, "/flood")
    with connection:
        connection.recv(100000)
    assert seen(ours, "flood") == "ClientDisconnected"
    assert "Traceback" not in ours.logged().partition("/flood")[2]


def test_invalid_text_ends_it(served):
    connection, _ = raw(served, "/echo/invalid")
    with connection:
        connection.sendall(frame(1, b"\xff\xfe"))
        assert connection.recv(100)[2:4] == struct.pack(">H", 1007)
    assert seen(served, "invalid")["code"] == 1007 or served.name == "uvicorn"


def test_exception_after_accept(served):
    with ws(served, "/raiselater") as client:
        assert client.recv(5) == "last words"
        code, _ = ended(client)
    assert code == (1011 if served.name == "inlay" else 1006)
    assert served.wait_logged("MARK later")


def test_return_closes(served):
    with ws(served, "/return") as client:
        assert ended(client)[0] == (1000 if served.name == "inlay" else 1006)


def test_a_value_is_logged(served):
    with ws(served, "/value") as client:
        ended(client)
    assert served.wait_logged("ASGI callable should return None, but returned '123'.")


@pytest.mark.parametrize("name", ["inlay", "uvicorn"])
def test_shutdown_closes(name, serve):
    pytest.importorskip(name)
    server = serve(APP, server=name)
    with ws(server, "/stop") as client:
        client.ping().wait(5)
        server.process.terminate()
        assert ended(client)[0] == 1012
    server.stop()
    assert 'STOPPED {"type": "websocket.disconnect", "code": 1012' in server.logged()


# --- Limits ----------------------------------------------------------------


@pytest.mark.slow
def test_slow_application_holds_the_client_back(serve):
    server = serve(APP, ws_queue=4, body_window=65536)
    connection, _ = raw(server, "/slow")
    with connection:
        connection.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            for _ in range(1000):
                connection.sendall(frame(2, b"x" * 65500))
                sent += 1
        assert sent < 400


def test_slow_application_gets_everything(serve):
    server = serve(APP, ws_queue=4)
    with ws(server, "/slow") as client:
        for _ in range(500):
            client.send(b"x" * 10)
        client.send(b"end")
        server.get("/go")
        assert json.loads(client.recv(5)) == [5003, 501]


def test_send_waits_for_a_client_that_does_not_read(ours):
    connection, _ = raw(ours, "/flood")
    with connection:
        time.sleep(0.3)
        memory = json.loads(ours.get("/objects").body)[1]
        time.sleep(0.3)
        assert json.loads(ours.get("/objects").body)[1] - memory < 2000
    assert seen(ours, "flood") == "ClientDisconnected"


def test_send_that_nobody_awaits_is_bounded(ours):
    connection, _ = raw(ours, "/unawaited")
    with connection:
        count, first, last = seen(ours, "unawaited")
        assert 500 < count < 800
        assert first[0][0] == "RuntimeError"
        assert "16 MiB" in first[0][1]
        assert last[0][0] == "ClientDisconnected"


def test_answer_that_nobody_awaits_is_bounded(ours):
    with ours.connect(b"GET /unawaited HTTP/1.1\r\nHost: x\r\n\r\n"):
        count, first, last = seen(ours, "unawaited")
    assert 500 < count < 800
    assert first[0][0] == "RuntimeError"
    assert last[0][0] == "ClientDisconnected"


def test_message_size(serve):
    server = serve(APP, ws_message_bytes=2048)
    with ws(server, "/echo/size") as client:
        client.send(b"x" * 2048)
        assert client.recv(5) == b"x" * 2048
        with pytest.raises(ConnectionClosed) as caught:
            client.send([b"A" * 1024] * 64)
            client.recv(5)
    assert caught.value.rcvd.code == 1009
    assert seen(server, "size")["code"] == 1009


def test_switched_off(serve):
    server = serve(APP, websockets=False)
    with server.connect(HANDSHAKE.format("/bare", "").encode()) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 201 ")
    assert server.wait_logged("Unsupported upgrade request.")


# --- What stays ------------------------------------------------------------


def sockets(served):
    return json.loads(served.get("/sockets").body)


def test_connections_leave_no_objects(ours):
    def run(count):
        for i in range(count):
            with ws(ours) as client:
                client.send("x")
                client.recv(5)
            if i % 5 == 0:
                connection, _ = raw(ours, "/echo")
                connection.close()
                refused(ours, "/reject")
                refused(ours, "/raise")

    run(5)
    before = sockets(ours)
    run(40)
    for _ in range(100):
        after = sockets(ours)
        if after == before:
            break
        time.sleep(0.02)
    assert after == before


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/echo", "/context"])
def test_messages_leave_nothing(ours, path):
    def run(count):
        connection, _ = raw(ours, path)
        frames = frame(1, b"hello") * 100
        with connection:
            for _ in range(count // 100):
                connection.sendall(frames)
                left = 700 if path == "/echo" else 600 - 6
                while left > 0:
                    left -= len(connection.recv(65536))

    run(1000)
    before = json.loads(ours.get("/objects").body)
    run(50000)
    after = json.loads(ours.get("/objects").body)
    assert after[0] - before[0] < 30
    assert after[1] - before[1] < 4000  # KiB
