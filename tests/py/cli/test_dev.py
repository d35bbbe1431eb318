"""`inlay dev`: sources change while it serves."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from .conftest import Running, StartServer

pytestmark = pytest.mark.slow

C = """
#include <inlay.h>
int64_t answer(int64_t x) {{ return x + {add}; }}
INLAY_GET("/answer", answer);
"""

APP = """
import fast
from fast import answer
from fastapi import FastAPI

app = FastAPI()
VERSION = {version}

@app.get("/python")
def python(x: int):
    return answer(x)

@app.get("/version")
def version():
    return VERSION
"""


@pytest.fixture
def dev(inlay_run: StartServer, tmp_path: Path) -> Callable[..., Running]:
    def start(target: str = "app:app") -> Running:
        folder = tmp_path / "app"
        return inlay_run(target, command="dev", app_dir=folder)

    (tmp_path / "app").mkdir()
    (tmp_path / "app/fast.c").write_text(C.format(add=1))
    (tmp_path / "app/app.py").write_text(APP.format(version=1))
    return start


def until(ask: Callable[[], object], wanted: object, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while (got := ask()) != wanted:
        assert time.monotonic() < deadline, f"still {got!r}, not {wanted!r}"
        time.sleep(0.01)


def test_c_is_swapped_and_connections_stay(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    server = dev()
    with httpx.Client(base_url=server.url) as client:
        assert client.get("/answer?x=1").json() == 2
        worker = server.children()
        kept = http.client.HTTPConnection("127.0.0.1", server.port)
        kept.request("GET", "/answer?x=1")
        assert kept.getresponse().read() == b"2"
        sock = kept.sock
        (tmp_path / "app/fast.c").write_text(C.format(add=100))
        until(lambda: client.get("/answer?x=1").json(), 101)
        # `from fast import answer` was captured before.
        assert client.get("/python?x=1").json() == 101
        kept.request("GET", "/answer?x=5")
        assert kept.getresponse().read() == b"105"
        assert kept.sock is sock, "the connection was not kept"
        assert server.children() == worker


def test_new_routes_and_the_document(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    server = dev()
    assert "/answer" in server.get("/openapi.json").json()["paths"]
    (tmp_path / "app/fast.c").write_text(
        C.format(add=1).replace("/answer", "/other")
        + 'double half(double x) { return x / 2; }\nINLAY_GET("/half", half);\n'
    )
    until(lambda: server.get("/half?x=3").text, "1.5")
    assert server.get("/other?x=3").json() == 4
    assert server.get("/answer?x=3").status_code == 404
    paths = server.get("/openapi.json").json()["paths"]
    assert "/half" in paths and "/other" in paths and "/answer" not in paths


def test_a_failing_build_leaves_the_old_code(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    server = dev()
    (tmp_path / "app/fast.c").write_text(C.format(add="nonsense"))
    server.wait_for_log("nonsense")
    assert "fast.c:3" in server.log
    assert server.get("/answer?x=1").json() == 2
    (tmp_path / "app/fast.c").write_text(C.format(add=7))
    until(lambda: server.get("/answer?x=1").json(), 8)


def test_a_route_that_does_not_bind_leaves_the_old_ones(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    server = dev()
    (tmp_path / "app/fast.c").write_text(
        C.format(add=1).replace('"/answer"', '"/answer/{nobody}"')
    )
    server.wait_for_log("nobody")
    assert server.get("/answer?x=1").json() == 2


def test_a_header_counts(dev: Callable[..., Running], tmp_path: Path) -> None:
    header = tmp_path / "app/number.h"
    header.write_text("#define NUMBER 1\n")
    (tmp_path / "app/fast.c").write_text(
        '#include "number.h"\n' + C.format(add="NUMBER")
    )
    server = dev()
    assert server.get("/answer?x=1").json() == 2
    header.write_text("#define NUMBER 50\n")
    until(lambda: server.get("/answer?x=1").json(), 51)


def test_python_replaces_the_worker_and_requests_wait(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    server = dev()
    stopped = threading.Event()
    failed: list[str] = []
    seen: list[int] = []

    def ask() -> None:
        while not stopped.is_set():
            try:
                # A connection of its own each time: it waits in the queue.
                seen.append(httpx.get(server.url + "/version", timeout=20).json())
            except Exception as error:
                failed.append(repr(error))

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    before = server.children()
    (tmp_path / "app/app.py").write_text(APP.format(version=2))
    until(lambda: bool(seen) and seen[-1], 2, seconds=20)
    stopped.set()
    for client in clients:
        client.join()
    assert failed == []
    assert set(server.children()).isdisjoint(before) or len(server.children()) == 2
    first = seen.index(2)
    assert 1 not in seen[first + len(clients) :], "old code after the new one"


def test_a_broken_application_is_explained_until_it_is_mended(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    server = dev()
    app = tmp_path / "app/app.py"
    app.write_text("import fast\nraise RuntimeError('by design')\n")
    until(lambda: server.get("/version").status_code, 500, seconds=20)
    assert "by design" in server.get("/anything").text
    app.write_text(APP.format(version=3))
    until(lambda: server.get("/version").text, "3", seconds=20)


def test_it_starts_with_a_broken_file(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    source = tmp_path / "app/fast.c"
    source.write_text(C.format(add="nonsense"))
    server = dev()
    answer = server.get("/version")
    assert answer.status_code == 500
    assert "nonsense" in answer.text and "fast.c:3" in answer.text
    source.write_text(C.format(add=1))
    until(lambda: server.get("/version").text, "1", seconds=20)


def test_a_changed_signature_reaches_fastapi(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    (tmp_path / "app/app.py").write_text(
        "import fast\nfrom fastapi import FastAPI\n"
        "app = FastAPI()\napp.get('/lifted')(fast.answer)\n"
    )
    server = dev()
    assert server.get("/lifted?x=1").json() == 2
    (tmp_path / "app/fast.c").write_text(
        "#include <inlay.h>\nint64_t answer(int64_t a, int64_t b) { return a * b; }\n"
    )
    until(lambda: server.get("/lifted?a=6&b=7").text, "42", seconds=20)


def test_a_c_file_alone(dev: Callable[..., Running], tmp_path: Path) -> None:
    server = dev("fast.c")
    assert server.get("/answer?x=1").json() == 2
    (tmp_path / "app/fast.c").write_text(C.format(add=41))
    until(lambda: server.get("/answer?x=1").json(), 42)
