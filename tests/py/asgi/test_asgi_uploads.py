"""Large bodies arrive whole and in order, however they are sent and read."""

import hashlib
import random
import time

import pytest

APP = "asgi_uploads:app"

GET = b"GET /after HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def head(how, framing):
    return f"POST /{how} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode()


def pieces(data, chance):
    """`data` in parts of very different sizes."""
    at = 0
    while at < len(data):
        size = chance.choice([1, 100, 1460, 16_384, 65_536, 70_001, 400_000])
        yield data[at : at + size]
        at += size


def wanted(data):
    return f"{hashlib.sha256(data).hexdigest()} {len(data)}".encode()


def read_all(connection):
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("how", ["fast", "slow", "cancel"])
@pytest.mark.parametrize("size", [1, 16_384, 65_536, 65_537, 262_144, 3_000_001])
def test_bodies_arrive_whole(served, how, size, chunked):
    chance = random.Random(size)
    data = chance.randbytes(size)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    with served.connect(head(how, framing)) as connection:
        for count, piece in enumerate(pieces(data, chance)):
            if chunked:
                piece = b"%x\r\n%b\r\n" % (len(piece), piece)
            connection.sendall(piece)
            if count % 7 == 3:
                time.sleep(0.003)
        # The next request follows at once: not a byte of it is the body's.
        connection.sendall((b"0\r\n\r\n" if chunked else b"") + GET)
        answers = read_all(connection)
    assert answers.count(b"HTTP/1.1 200") == 2
    assert wanted(data) in answers
    assert answers.endswith(wanted(b""))


def test_a_client_that_leaves(served):
    with served.connect(head("slow", "Content-Length: 1000000")) as connection:
        connection.sendall(b"x" * 300_000)
    assert served.wait_logged("LEFT ")


def test_many_at_once(served):
    data = random.Random(1).randbytes(700_000)
    connections = [
        served.connect(head("fast", "Content-Length: 700000") + data[:1000])
        for _ in range(20)
    ]
    for at in range(1000, 700_000, 69_900):
        for connection in connections:
            connection.sendall(data[at : at + 69_900])
    for connection in connections:
        with connection:
            connection.sendall(GET)
            assert wanted(data) in read_all(connection)
