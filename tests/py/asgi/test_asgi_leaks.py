"""Nothing of a request stays behind."""

import json

import pytest

APP = "asgi_raw:app"
BATCH = 50


def objects(ours):
    return json.loads(ours.get("/objects").body)


def run(ours, path, count):
    """`count` requests, BATCH of them sent at once."""
    post = path in ("/echo", "/touch")
    request = (
        f"{'POST' if post else 'GET'} {path} HTTP/1.1\r\nHost: x\r\n"
        f"Content-Length: {5 * post}\r\n\r\n{'hello' * post}"
    ).encode()
    with ours.connect() as connection:
        for _ in range(count // BATCH):
            connection.sendall(request * BATCH)
            left = BATCH
            while left:
                data = connection.recv(1 << 16)
                assert data
                left -= data.count(b"HTTP/1.1 ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    ["/scope", "/bare", "/echo", "/touch", "/context", "/raise", "/exit"],
)
def test_requests_leave_no_objects(ours, path):
    few = 2000 if path in ("/raise", "/exit") else 20000
    run(ours, path, 1000)
    before = objects(ours)
    run(ours, path, few)
    after = objects(ours)
    assert after[0] - before[0] < 30
    assert after[1] - before[1] < 4000  # KiB


@pytest.mark.slow
def test_cancelled_receives_leave_nothing(ours):
    assert int(ours.get("/polls/3000").body) < 30


@pytest.mark.slow
def test_clients_that_left_leave_nothing(ours):
    def leave(count):
        for _ in range(count):
            with ours.connect(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n") as c:
                c.recv(100)
            with ours.connect(b"GET /disconnect HTTP/1.1\r\nHost: x\r\n\r\n"):
                pass

    leave(30)
    before = objects(ours)
    leave(300)
    after = objects(ours)
    assert after[0] - before[0] < 30
