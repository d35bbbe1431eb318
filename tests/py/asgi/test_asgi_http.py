"""The http scope, receive and send, on our server and on uvicorn."""

import json
import socket
import time

import pytest

APP = "asgi_raw:app"


def scope(served, path="/scope", **options):
    return json.loads(served.get(path, **options).body)


def scope_in(answer):
    """The JSON object in raw bytes, chunked or not."""
    return json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])


def seen(served, name):
    return json.loads(served.get(f"/seen/{name}").body)


# --- scope


def test_scope_is_complete(served):
    got = scope(served, "/scope/a%20b/%C3%A9?q=%31&r")
    assert got["type"] == "http"
    assert got["asgi"]["version"] == "3.0"
    assert got["http_version"] == "1.1"
    assert got["method"] == "GET"
    assert got["scheme"] == "http"
    assert got["path"] == "/scope/a b/é"
    assert got["raw_path"] == "/scope/a%20b/%C3%A9"
    assert got["query_string"] == "q=%31&r"
    assert got["root_path"] == ""
    assert got["server"] == ["127.0.0.1", served.port]
    assert got["client"][0] == "127.0.0.1"
    assert got["state"] == {"number": 1, "box": []}


def test_spec_version_and_extensions(ours):
    got = scope(ours)
    assert got["asgi"]["spec_version"] >= "2.4"
    assert got["extensions"] == {
        "http.response.pathsend": {},
        "http.response.zerocopysend": {},
        "http.response.trailers": {},
        "http.response.early_hint": {},
    }


def test_path_that_is_not_utf8(served):
    assert scope(served, "/scope/%ff")["path"] == "/scope/�"


def test_client_is_the_peer(served):
    with served.connect(
        b"GET /scope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    ) as connection:
        port = connection.getsockname()[1]
        answer = b""
        while data := connection.recv(65536):
            answer += data
    got = scope_in(answer)
    assert got["client"] == ["127.0.0.1", port]


def test_headers_in_order_lower_case_and_repeated(served):
    with served.connect(
        b"GET /scope HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nCookie: a=1\r\n"
        b"X-ONE:  2\r\nCookie: b=2\r\nAuthorization: secret\r\n"
        b"Connection: close\r\n\r\n"
    ) as connection:
        answer = b""
        while data := connection.recv(65536):
            answer += data
    got = scope_in(answer)["headers"]
    assert got == [
        ["host", "x"],
        ["x-one", "1"],
        ["cookie", "a=1"],
        ["x-one", "2"],
        ["cookie", "b=2"],
        ["authorization", "secret"],
        ["connection", "close"],
    ]


def test_header_cache_tells_lines_apart(served):
    """Same name, other value; same bytes, other border between the two."""
    for round_ in range(3):
        for value in ("a", "ab", "b", ""):
            got = dict(
                scope(served, headers={"Accept": value, "TE": "x" + value})["headers"]
            )
            assert (got["accept"], got["te"]) == (value, "x" + value), round_


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]
)
def test_method(served, method):
    assert scope(served, method=method)["method"] == method


def test_http_1_0(served):
    with served.connect(b"GET /scope HTTP/1.0\r\n\r\n") as connection:
        answer = b""
        while data := connection.recv(65536):
            answer += data
    assert scope_in(answer)["http_version"] == "1.0"


def test_scope_belongs_to_one_request(served):
    client = served.client()
    for _ in range(2):
        client.request("GET", "/mutate")
        reply = json.loads(client.getresponse().read())
        assert reply[0] is False and reply[2] < 5
    client.close()


def test_state_is_a_shallow_copy(served):
    first = json.loads(served.get("/state").body)
    second = json.loads(served.get("/state").body)
    assert (first[0], second[0]) == (1, 1)
    assert second[1] == first[1] + 1  # the list itself is shared
    assert not first[2] and not second[2]
    json.loads(served.get("/state").body)


# --- receive


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 3_000_000])
def test_body_arrives_whole(served, size):
    data = bytes(i % 251 for i in range(min(size, 5000))) * (size // 5000 + 1)
    data = data[:size]
    assert served.get("/echo", "POST", data).body == data


def test_chunked_body(served):
    parts = iter([b"abc", b"d" * 70000, b"e"])
    reply = served.get("/echo", "POST", parts, {"Transfer-Encoding": "chunked"})
    assert reply.status in (200, 400)
    with served.connect(
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    ) as connection:
        answer = b""
        while data := connection.recv(65536):
            answer += data
    assert b"abcde" in answer


def test_large_body_comes_in_parts_of_bounded_size(ours):
    parts = json.loads(ours.get("/parts", "POST", b"x" * 3_000_000).body)
    assert sum(parts) == 3_000_000 and len(parts) > 1
    assert max(parts) < 400_000


def test_slow_reader_holds_the_client_back(ours):
    got = json.loads(ours.get("/slowly", "POST", b"x" * 5_000_000).body)
    assert got[0] == 5_000_000 and got[1] > 10


def test_body_that_nobody_reads(served):
    client = served.client()
    for _ in range(3):
        client.request("POST", "/unread", b"x" * 1000)
        assert client.getresponse().read() == b"unread"
    client.close()


def test_100_continue_comes_with_receive(served):
    with served.connect(
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        b"Expect: 100-continue\r\n\r\n"
    ) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hi")
        answer = b""
        while not answer.endswith((b"hi", b"hi\r\n0\r\n\r\n")):
            data = connection.recv(65536)
            assert data
            answer += data


def test_no_100_continue_for_a_body_that_is_not_wanted(served):
    with served.connect(
        b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        b"Expect: 100-continue\r\n\r\n"
    ) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_disconnect(served):
    connection = served.connect(b"GET /disconnect HTTP/1.1\r\nHost: x\r\n\r\n")
    seen(served, "waiting")
    connection.close()
    got = seen(served, "disconnect")
    assert got, served.logged()
    assert got[:2] == ["http.disconnect"] * 2 and got[4]
    if served.name == "inlay":
        assert got[3] == "ClientDisconnected"


def test_half_closed_client_gets_its_answer(ours):
    with ours.connect(b"GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    assert answer.endswith(b"slept")


def test_results_of_receive_and_send_are_coroutines(served):
    assert served.get("/pieces").body == b"pieces"
    assert seen(served, "pieces") == "http.disconnect"


# --- send


def test_streamed_parts_arrive_one_by_one(served):
    began = time.monotonic()
    with served.connect(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n") as stream:
        got = b""
        while b"part0;" not in got:
            got += stream.recv(65536)
        assert time.monotonic() - began < 5 and b"part4;" not in got
        while not got.endswith(b"0\r\n\r\n"):
            got += stream.recv(65536)
    assert b"part4;" in got


@pytest.mark.parametrize("path", ["/large", "/once"])
def test_large_answer(served, path):
    reply = served.get(path)
    assert len(reply.body) == 20_000_000


def test_send_waits_for_a_client_that_does_not_read(ours):
    connection = ours.connect(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.5)
    first = seen(ours, "hold")
    connection.close()
    assert 0 < first < 30_000_000


def test_bytes_like_bodies(served):
    reply = served.get("/buffers")
    assert reply.body == b"array view bytes"
    assert reply.headers["x-list"] == "1"


def test_headers_may_be_any_iterable(served):
    reply = served.get("/generator")
    assert (reply.headers["x-upper"], reply.headers["x-b"]) == ("1", "2")
    assert reply.body == b""


def test_headers_and_more_body_are_optional(served):
    reply = served.get("/bare")
    assert (reply.status, reply.body) == (201, b"bare")


@pytest.mark.parametrize("status", [200, 204, 304, 404, 418, 503, 599])
def test_status(served, status):
    assert served.get(f"/status/{status}").status == status


def test_head(served):
    client = served.client()
    for path, length in (("/bare", "4"), ("/stream", None), ("/large", "20000000")):
        client.request("HEAD", path)
        reply = client.getresponse()
        assert reply.read() == b""
        if length and (served.name == "inlay" or path == "/large"):
            assert reply.headers["content-length"] == length
    client.close()


def test_wrong_messages_are_refused(ours):
    got = json.loads(ours.get("/wrong").body)
    assert got == [
        "RuntimeError",
        "RuntimeError",
        "KeyError",
        "KeyError",
        "TypeError",
        "TypeError",
        "RuntimeError",
        "RuntimeError",
        "RuntimeError",
        "RuntimeError",
        "ValueError",
        "TypeError",
        "RuntimeError",
        "TypeError",
    ]


def test_messages_after_the_answer_are_ignored(ours):
    assert ours.get("/late").body == b"whole"
    assert seen(ours, "late") == ["ok", "ok", "http.disconnect"]


def test_concurrent_requests(served):
    connections = [
        served.connect(b"GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(40)
    ]
    began = time.monotonic()
    for connection in connections:
        assert b"200 OK" in connection.recv(65536)
        connection.close()
    assert time.monotonic() - began < 4


def test_pipelined_requests_are_answered_in_order(served):
    with served.connect(
        b"GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /status/404 HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /bare HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    ) as connection:
        answer = b""
        while data := connection.recv(65536):
            answer += data
    assert [answer.index(s) for s in (b" 200 ", b" 404 ", b" 201 ")] == sorted(
        answer.index(s) for s in (b" 200 ", b" 404 ", b" 201 ")
    )


def test_requests_wait_while_the_application_blocks(served):
    connections = [
        served.connect(b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(3)
    ]
    for connection in connections:
        assert b"200 OK" in connection.recv(65536)
        connection.close()


def test_context_variables_do_not_leak(ours):
    client = ours.client()
    for _ in range(3):
        client.request("GET", "/context")
        assert client.getresponse().read() == b"unset leaked"
    client.close()


@pytest.mark.parametrize("path", ["/patient", "/patient/receive"])
def test_a_request_that_takes_too_long_is_cancelled(serve, path):
    server = serve(APP, request_timeout=200)
    assert server.get(path).status == 504
    seen = json.loads(server.get("/seen/patient").body)
    assert seen == ["the request timed out"]
    assert server.get("/bare").status == 201
    assert "Traceback" not in server.logged()


def test_what_a_trusted_proxy_says(serve):
    server = serve(APP, proxy_headers=True, trusted=["127.0.0.1"], root_path="/own")
    headers = {
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/api",
    }
    for _ in range(2):
        got = json.loads(server.get("/scope/x", headers=headers).body)
        assert got["root_path"] == "/api/own"
        assert (got["path"], got["raw_path"]) == ("/api/own/scope/x",) * 2
        assert got["scheme"] == "https"
        assert got["client"][0] == "192.0.2.7"
        got = json.loads(server.get("/scope/x").body)
        assert (got["root_path"], got["path"]) == ("/own", "/own/scope/x")
        assert got["scheme"] == "http"
