"""`inlay dev`: sources change while it serves."""

from __future__ import annotations

import http.client
import os
import signal
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
    def start(target: str = "app:app", *options: str, **more: object) -> Running:
        folder = tmp_path / "app"
        return inlay_run(target, *options, command="dev", app_dir=folder, **more)

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


@pytest.mark.parametrize("cached", [True, False])
def test_a_header_counts(
    dev: Callable[..., Running], tmp_path: Path, cached: bool
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    header = tmp_path / "app/number.h"
    header.write_text("#define NUMBER 1\n")
    (tmp_path / "app/fast.c").write_text(
        '#include "number.h"\n' + C.format(add="NUMBER")
    )
    env = {} if cached else {"INLAY_NO_CACHE": "1", "TMPDIR": str(scratch)}
    server = dev(env=env)
    assert server.get("/answer?x=1").json() == 2
    header.write_text("#define NUMBER 50\n")
    until(lambda: server.get("/answer?x=1").json(), 51)
    assert server.stop() == 0
    assert list(scratch.iterdir()) == [], "left behind"


def test_two_modules_with_one_header(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    header = tmp_path / "app/number.h"
    header.write_text("#define NUMBER 1\n")
    text = '#include "number.h"\n' + C.format(add="NUMBER")
    (tmp_path / "app/fast.c").write_text(text)
    (tmp_path / "app/more.c").write_text(text.replace("answer", "other"))
    (tmp_path / "app/app.py").write_text("import more\n" + APP.format(version=1))
    server = dev()
    header.write_text("#define NUMBER 50\n")
    until(lambda: server.get("/answer?x=1").json(), 51)
    until(lambda: server.get("/other?x=2").json(), 52)


def test_ways_to_save(dev: Callable[..., Running], tmp_path: Path) -> None:
    source = tmp_path / "app/fast.c"
    server = dev()
    part = tmp_path / "app/fast.c~"
    part.write_text(C.format(add=20))
    part.replace(source)
    until(lambda: server.get("/answer?x=1").json(), 21)
    source.rename(part)
    source.write_text(C.format(add=30))
    until(lambda: server.get("/answer?x=1").json(), 31)
    source.unlink()
    server.wait_for_log("No such file")
    assert server.get("/answer?x=1").json() == 31
    source.write_text(C.format(add=40))
    until(lambda: server.get("/answer?x=1").json(), 41)


@pytest.mark.parametrize("first", ["1", "nonsense"])
def test_saved_while_the_worker_starts(
    dev: Callable[..., Running], tmp_path: Path, first: str
) -> None:
    mark = tmp_path / "loaded"
    (tmp_path / "app/fast.c").write_text(C.format(add=first))
    (tmp_path / "app/app.py").write_text(
        "import pathlib, time\n"
        "try:\n    import fast\n"
        f"finally:\n    pathlib.Path({str(mark)!r}).touch(); time.sleep(1)\n"
        + APP.format(version=1)
    )
    server = dev(wait=False)
    until(mark.exists, True)
    time.sleep(0.3)
    (tmp_path / "app/fast.c").write_text(C.format(add=60))
    server.wait_for_log("Inlay running on")
    until(lambda: server.get("/answer?x=1").text, "61")


def test_a_worker_that_hangs_is_replaced(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    app, mark = tmp_path / "app/app.py", tmp_path / "loaded"
    app.write_text(
        f"import pathlib, time\npathlib.Path({str(mark)!r}).touch()\n"
        "while True: time.sleep(0.01)\n"
    )
    server = dev("app:app", "--timeout-graceful-shutdown", "0.1", wait=False)
    until(mark.exists, True)
    app.write_text(APP.format(version=5))
    until(lambda: "Inlay running on" in server.log and server.get("/version").json(), 5)
    until(lambda: len(server.children()), 1)
    assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_while_it_compiles(
    dev: Callable[..., Running], tmp_path: Path, number: int
) -> None:
    compiler, mark, begun = (tmp_path / name for name in ("slowcc", "slow", "begun"))
    compiler.write_text(
        f'#!/bin/sh\n[ -e {mark} ] && touch {begun} && sleep 30\nexec gcc "$@"\n'
    )
    compiler.chmod(0o755)
    server = dev(env={"CC": str(compiler)})
    mark.touch()
    (tmp_path / "app/fast.c").write_text(C.format(add=2))
    until(begun.exists, True)
    os.killpg(server.process.pid, number)
    assert server.process.wait(10) == 0
    assert "Error" not in server.log and "Traceback" not in server.log


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


def test_a_worker_that_dies_while_it_starts_is_explained(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    server = dev()
    app = tmp_path / "app/app.py"
    app.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    until(lambda: server.get("/version").status_code, 500, seconds=20)
    assert "was killed by SIGKILL (9) while it started" in server.get("/x").text
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


def test_the_first_guard_and_the_next_one(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    """A chain without guards has no place for one: a new worker has."""
    server = dev()
    assert server.get("/answer?x=1").status_code == 200
    guard = (
        '\nstatic void guard(void) {{ inlay_fail(INLAY_DENIED, "{}"); }}\n'
        'INLAY_BEFORE("/answer", guard);\n'
    )
    for text in ("first", "second"):
        (tmp_path / "app/fast.c").write_text(C.format(add=1) + guard.format(text))
        until(lambda: server.get("/answer?x=1").text, f'{{"detail":"{text}"}}')
    assert server.log.count("fast.c changed: its guards need a new worker") == 1
    _, _, later = server.log.partition("its guards need a new worker")
    assert "/answer -> fast.answer" in later, "not listed again"
    (tmp_path / "app/fast.c").write_text(C.format(add=5))
    until(lambda: server.get("/answer?x=1").text, "6")


def test_reset_variables_are_told_of(
    dev: Callable[..., Running], tmp_path: Path
) -> None:
    """When there are some, and they were."""
    source = tmp_path / "app/fast.c"
    server = dev()
    source.write_text(C.format(add=2))
    until(lambda: server.get("/answer?x=1").json(), 3)
    counting = "static int64_t n; int64_t count(void) { return ++n; }\n"
    source.write_text(C.format(add=3) + counting)
    until(lambda: server.get("/answer?x=1").json(), 4)
    source.write_text(
        C.format(add=4).replace('"/answer"', '"/answer/{nobody}"') + counting
    )
    server.wait_for_log("nobody")
    assert "was reset" not in server.log
    source.write_text(C.format(add=5) + counting)
    until(lambda: server.get("/answer?x=1").json(), 6)
    server.wait_for_log("static state of fast.c was reset")
