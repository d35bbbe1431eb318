"""FastAPI and Starlette, unchanged."""

import json
import time

import pytest

APP = "asgi_frameworks:app"

pytest.importorskip("fastapi")


def seen(served, wanted):
    got = []
    for _ in range(150):
        got += json.loads(served.get("/seen").body)
        if wanted in got:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(params=["", "/marked"], ids=["plain", "middleware"])
def prefix(request):
    return request.param


def marked(prefix, reply):
    return not prefix or reply.headers["x-mark"] == "1"


def test_async_endpoint(served, prefix):
    reply = served.get(prefix + "/async")
    assert reply.body == b'{"ok":1}' and marked(prefix, reply)


def test_sync_endpoint(served, prefix):
    reply = served.get(prefix + "/sync")
    assert json.loads(reply.body) == {"thread": True, "var": "none"}
    assert marked(prefix, reply)


def test_dependency(served, prefix):
    reply = served.get(prefix + "/dependency")
    assert json.loads(reply.body)["x"] == 5
    assert seen(served, "dependency closed")


@pytest.mark.parametrize("size", [0, 3000, 300_000])
def test_request_body(served, prefix, size):
    reply = served.get(prefix + "/body", "POST", b"x" * size)
    assert json.loads(reply.body) == {"size": size}
    assert marked(prefix, reply)


def test_streaming_response(served, prefix):
    reply = served.get(prefix + "/stream")
    assert reply.body == b"part0;part1;part2;" and marked(prefix, reply)


def test_background_task(served, prefix):
    assert served.get(prefix + "/background").body == b'{"ok":1}'
    assert seen(served, "background")


@pytest.mark.parametrize(
    "path,wanted", [("/endless", "endless ended"), ("/gone", "gone seen")]
)
def test_client_leaves(served, prefix, path, wanted):
    if (prefix, path) == ("/marked", "/gone"):
        pytest.skip("Starlette's middleware does not pass it on")
    request = f"GET {prefix}{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with served.connect(request) as connection:
        if path == "/endless":
            connection.recv(100)
        else:
            assert seen(served, "gone waits")
    assert seen(served, wanted)


def test_lifespan_state(served):
    assert served.get("/started").body == b"true"


def test_openapi(served):
    assert "/async" in json.loads(served.get("/openapi.json").body)["paths"]
    assert served.get("/docs").status == 200


def test_not_found(served):
    reply = served.get("/nowhere")
    assert (reply.status, reply.body) == (404, b'{"detail":"Not Found"}')
