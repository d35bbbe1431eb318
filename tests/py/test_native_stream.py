"""Native routes that wait, stream, run on the pool and pass requests on, in a
server as `inlay run` starts it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .server import UnixServer

FOLDER = Path(__file__).parent / "streams"


class Server(UnixServer):
    def ended(self) -> int:
        count: int = self.client.get("/ended").json()["count"]
        return count

    def ends(self, least: int) -> bool:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            if self.ended() >= least:
                return True
            time.sleep(0.01)
        return False

    def memory(self) -> int:
        """Bytes of the worker, who has the most of them."""
        pids = [self.process.pid, *children(self.process.pid)]
        return max(resident(pid) for pid in pids)


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf(
        "SC_PAGE_SIZE"
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("stream")
    with Server(folder, "app:app", "--app-dir", str(FOLDER)) as made:
        yield made


def test_pool_routes_run_side_by_side(server: Server) -> None:
    async def ask() -> float:
        transport = httpx.AsyncHTTPTransport(uds=server.uds)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://native"
        ) as client:
            begun = time.monotonic()
            pending = [
                client.get("/slowly", params={"n": i, "ms": 200}) for i in range(8)
            ]
            answers = await asyncio.gather(*pending)
            assert [answer.json() for answer in answers] == [
                {"count": i * 2} for i in range(8)
            ]
            return time.monotonic() - begun

    assert asyncio.run(ask()) < 1.5  # one after the other: 1.6 s and more


def test_pool_outlives_its_client(server: Server) -> None:
    before = server.ended()
    for _ in range(5):
        with server.connect() as sock:
            sock.sendall(b"GET /slowly?n=1&ms=50 HTTP/1.1\r\nhost: x\r\n\r\n")
            time.sleep(0.01)
    assert server.ends(before + 5)


def test_events(server: Server) -> None:
    with server.client.stream("GET", "/ticks", params={"n": 3}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert "".join(answer.iter_text()) == (
            "data: 0\ndata: line\n\n"
            "event: odd\ndata: 1\ndata: line\n\n"
            "data: 2\ndata: line\n\n"
        )


def test_events_end_with_the_client(server: Server) -> None:
    before = server.ended()
    with server.connect() as sock:
        sock.sendall(b"GET /ticks?n=1000000000 HTTP/1.1\r\nhost: x\r\n\r\n")
        data = b""
        while b"data: 5\n" not in data:
            data += sock.recv(65536)
    assert server.ends(before + 1)


@pytest.mark.slow
def test_upload_of_any_size(server: Server) -> None:
    size, part = 200 << 20, bytes(1 << 20)
    most = 0

    def watch(done: threading.Event) -> None:
        nonlocal most
        while not done.wait(0.02):
            most = max(most, server.memory())

    server.client.post("/upload", content=b"x")
    before = server.memory()
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=[done])
    watcher.start()
    try:
        answer = server.client.post(
            "/upload",
            content=(part for _ in range(size // len(part))),
            headers={"content-length": str(size)},
        )
    finally:
        done.set()
        watcher.join()
    assert answer.json() == {"count": size}
    assert most - before < 8 << 20


@pytest.mark.slow
def test_download_waits_for_a_slow_client(server: Server) -> None:
    before, memory = server.ended(), server.memory()
    with server.connect() as sock:
        sock.sendall(
            b"GET /download?parts=2000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )
        sock.recv(1000)
        time.sleep(0.2)
        assert server.ended() == before
        assert server.memory() - memory < 8 << 20
        size = 0
        while data := sock.recv(1 << 20):
            size += len(data)
    assert size > 2000 * 65536
    assert server.ends(before + 1)


def test_file(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(bytes(range(256)) * 400)
    whole = server.client.get("/file", params={"path": str(path)})
    assert whole.content == path.read_bytes()
    assert whole.headers["content-type"].startswith("text/plain")
    params, etag = {"path": str(path)}, whole.headers["etag"]
    part = server.client.get("/file", params=params, headers={"range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, path.read_bytes()[100:300])
    parts = server.client.get(
        "/file", params=params, headers={"range": "bytes=0-1,5-6"}
    )
    assert parts.headers["content-type"].startswith("multipart/byteranges")
    known = server.client.get("/file", params=params, headers={"if-none-match": etag})
    assert (known.status_code, known.content) == (304, b"")
    head = server.client.head("/file", params=params)
    assert (head.headers["content-length"], head.content) == ("102400", b"")
    missing = server.client.get("/file", params={"path": str(tmp_path / "b")})
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found"})


def test_next_with_its_body(server: Server) -> None:
    answer = server.client.get("/python/stream")
    assert answer.json() == "from Python"
    assert answer.headers["x-passed"] == "streaming"
    for kind in ("stream", "late"):
        for size in (0, 10, 3 << 20):
            answer = server.client.post(f"/python/{kind}", content=bytes(size))
            assert answer.json()["size"] == size, (kind, size)
    # Read by a parameter, then once more: also more than is held at a time.
    for size in (1, 100_000, 4 << 20):
        answer = server.client.post("/python/read", json={"text": "x" * size})
        assert answer.json()["size"] == len(answer.request.content), size
    answer = server.client.post("/python/read", json={"text": ""})
    assert (answer.status_code, answer.json()) == (422, {"detail": "empty"})


def test_calls_from_python(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import inlay

    assert server.client.get("/nap").json() is True
    monkeypatch.syspath_prepend(str(FOLDER))
    code = (
        "import threading, time, inlay, native\n"
        "thread = threading.Thread(target=native.nap, args=[300])\n"
        "begun = time.monotonic(); thread.start()\n"
        "time.sleep(0.01); assert time.monotonic() - begun < 0.25\n"
        "thread.join(); assert time.monotonic() - begun >= 0.3\n"
        "try: native.says()\n"
        "except inlay.Error as error: assert 'there is no request here' in str(error)\n"
        "else: raise AssertionError\n"
        "try: native.ticks(None, 1)\n"
        "except TypeError as error: assert 'inlay_request' in str(error), error\n"
        "else: raise AssertionError\n"
    )
    assert inlay.__file__
    subprocess.run(
        [sys.executable, "-c", "import inlay\n" + code], cwd=FOLDER, check=True
    )
