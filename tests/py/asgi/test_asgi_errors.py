"""What becomes of an answer when the application fails."""

import http.client
import json
import time

import pytest

APP = "asgi_raw:app"


@pytest.mark.parametrize(
    "path",
    ["/raise", "/suspended", "/nothing", "/exit", "/interrupt", "/cancelled"],
)
def test_500(served, path):
    if served.name == "uvicorn" and path == "/interrupt":
        pytest.skip("uvicorn ends")
    reply = served.get(path)
    assert (reply.status, reply.body) == (500, b"Internal Server Error")
    assert served.get("/bare").status == 201


def test_the_traceback_is_logged_once(served):
    served.get("/raise")
    assert served.wait_logged("Exception in ASGI application")
    assert served.wait_logged("ValueError: MARK raise")
    assert "in get_raise" in served.logged()


@pytest.mark.parametrize("path", ["/middle", "/unfinished", "/shorter"])
def test_an_answer_that_is_not_whole_is_cut(served, path):
    with pytest.raises((http.client.HTTPException, OSError)):
        reply = served.get(path)
        # Nothing was on the wire yet: we can still say so.
        assert reply.status == 500
        raise http.client.HTTPException
    assert served.get("/bare").status == 201


def test_longer_than_announced(served):
    with pytest.raises((http.client.HTTPException, OSError)):
        reply = served.get("/longer")
        assert reply.status == 500
        raise http.client.HTTPException
    assert served.wait_logged("Response content longer than Content-Length")


def test_failure_after_the_answer(served):
    client = served.client()
    client.request("GET", "/after")
    assert client.getresponse().read() == b"whole"
    assert served.wait_logged("ValueError: MARK after")
    client.close()
    assert served.get("/bare").status == 201


def test_a_value_is_logged(served):
    assert served.get("/value").body == b"value"
    assert served.wait_logged("returned '123'")


def test_client_that_goes_while_we_send(ours):
    connection = ours.connect(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.recv(1000)
    connection.close()
    assert json.loads(ours.get("/seen/flood").body) is True
    time.sleep(0.1)
    assert "ClientDisconnected" not in ours.logged()  # no news, no traceback


def test_shutdown_is_seen(serve):
    server = serve(APP)
    assert server.get("/bare").status == 201
    assert server.stop() == 0
    assert "SHUTDOWN SEEN" in server.logged()


@pytest.mark.slow
def test_shutdown_waits_for_running_requests(serve):
    server = serve(APP)
    assert server.get("/bare").status == 201
    with server.connect(b"GET /sleep HTTP/1.1\r\nHost: x\r\n\r\n") as slow:
        time.sleep(0.1)
        assert server.stop() == 0
        assert slow.recv(65536).endswith(b"slept")
