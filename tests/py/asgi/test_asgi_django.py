"""Django's ASGI handler, unchanged."""

import json

import pytest

APP = "asgi_django:app"

pytest.importorskip("django")


def test_async_view(served):
    reply = served.get("/hello")
    assert (reply.status, reply.body) == (200, b"hello")
    assert reply.headers["x-kind"] == "async"


@pytest.mark.parametrize("size", [0, 5, 400_000])
def test_sync_view(served, size):
    reply = served.get("/sync", "POST", b"x" * size)
    assert json.loads(reply.body) == {"method": "POST", "size": size}


def test_stream(served):
    assert served.get("/stream").body == b"part0;part1;part2;"


def test_errors(served):
    assert served.get("/fail").status == 500
    assert served.get("/nowhere").status == 404
