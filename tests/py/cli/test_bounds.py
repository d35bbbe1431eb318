"""`inlay run`: what clients and surroundings can't make it do."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from .conftest import INLAY, Running, free_port

MIB = 1 << 20
APP = """
import os

async def app(scope, receive, send):
    assert scope["type"] == "http"
    start = {"type": "http.response.start", "status": 200, "headers": []}
    if scope["path"] == "/discard":
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message["body"])
            more = message["more_body"]
        body = str(size).encode()
    elif scope["path"] == "/much":
        await send(start)
        chunk = bytes(1 << 16)
        for _ in range(1 << 14):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        body = b""
    elif scope["path"] == "/exit":
        raise SystemExit(3)
    else:
        body = str(os.getpid()).encode()
    await send(start)
    await send({"type": "http.response.body", "body": body})
"""
OPTIONS = ("--no-access-log", "--timeout-keep-alive", "300", "--timeout-header", "300")


class Memory:
    """Of a worker, in KiB."""

    def __init__(self, server: Running) -> None:
        for _ in range(100):
            self.pid = int(server.get("/").text)
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # the peak begins anew
        self.before = self._read("VmRSS")

    def _read(self, name: str) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", text)
        assert found
        return int(found[1])

    @property
    def grown(self) -> int:
        return self._read("VmRSS") - self.before

    @property
    def peak(self) -> int:
        return self._read("VmHWM") - self.before


def connect(server: Running, request: bytes = b"") -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    if request:
        sock.sendall(request)
    return sock


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@pytest.fixture
def server(inlay_run, write_app) -> Running:
    running: Running = inlay_run("app:app", *OPTIONS, app_dir=write_app(APP))
    return running


@pytest.mark.slow
@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_of_a_gibibyte(server, chunked):
    memory = Memory(server)
    block = bytes(MIB)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {1 << 30}"
    head = f"POST /discard HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"
    with connect(server, head.encode()) as sock:
        for _ in range(1024):
            sock.sendall(b"100000\r\n%b\r\n" % block if chunked else block)
        if chunked:
            sock.sendall(b"0\r\n\r\n")
        answer = sock.recv(1000)
    assert answer.endswith(b"\r\n\r\n%d" % (1 << 30))
    assert memory.peak < 40 * 1024


@pytest.mark.slow
def test_clients_that_never_read(server):
    memory = Memory(server)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(connect(server, get("/much")))
        size = -1
        while size != (size := memory.grown):  # until nothing comes any more
            time.sleep(1)
        assert server.get("/").status_code == 200
        assert memory.peak < 20 * 512


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Enough of them for 10,000 connections, here and in a server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 10_500:
        pytest.skip("too few descriptors are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 10_500), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.parametrize("used", [False, True])
def test_idle_connections_are_small(descriptors, server, used):
    memory = Memory(server)
    with contextlib.ExitStack() as stack:
        for _ in range(10_000):
            sock = stack.enter_context(connect(server, get("/") if used else b""))
            if used:
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        # Answered when it has accepted all of them.
        assert server.get("/").status_code == 200
        assert memory.grown / 10_000 <= 1.5


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_no_descriptors_are_left(server):
    """Clients wait until there are; meanwhile nothing spins."""
    pid = int(server.get("/").text)
    limit = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, limit[1]))
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connect(server))
        waiting = connect(server, get("/"))
        before = cpu_seconds(pid)
        time.sleep(1)
        assert cpu_seconds(pid) - before < 0.3
    with waiting:
        assert waiting.recv(1000).startswith(b"HTTP/1.1 200")
    assert int(server.get("/").text) == pid


def test_sys_exit_in_a_request(server):
    pid = server.get("/").text
    assert server.get("/exit").status_code == 500
    assert server.get("/").text == pid


@pytest.mark.slow
def test_its_output_goes_nowhere(write_app):
    """Whoever read stdout and stderr has ended: EPIPE."""
    port = free_port()
    read, write = os.pipe()
    command = [str(INLAY), "run", "app:app", "--app-dir", str(write_app(APP))]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--workers", "2"], stdout=write, stderr=write
    )
    os.close(write)
    with os.fdopen(read, errors="replace") as out:
        for line in out:
            if "Inlay running on" in line:
                break
    try:
        url = f"http://127.0.0.1:{port}/"
        assert all(httpx.get(url).status_code == 200 for _ in range(5))
        first = httpx.get(url).text
        os.kill(int(first), signal.SIGKILL)
        assert all(httpx.get(url).status_code == 200 for _ in range(5))
    finally:
        process.terminate()
        assert process.wait(20) == 0


def _can_be_process_1() -> bool:
    command = ["unshare", "--pid", "--fork", "--mount-proc", "true"]
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True).returncode == 0
    return False


@pytest.mark.slow
def test_as_process_1(write_app, tmp_path):
    """As in a container: SIGTERM reaches it, and orphans are reaped."""
    if not _can_be_process_1():
        pytest.skip("no PID namespace can be made here")
    folder = write_app(
        APP.replace(
            'elif scope["path"] == "/exit":',
            'elif scope["path"] == "/orphan":\n'
            "        import subprocess\n"
            "        subprocess.run(['sh', '-c', 'sleep 0.1 & exit'])\n"
            '        body = b""\n'
            '    elif scope["path"] == "/exit":',
        )
    )
    port, log = free_port(), tmp_path / "log"
    with log.open("w") as out:
        outside = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", str(INLAY)]
            + ["run", "app:app", "--app-dir", str(folder), "--port", str(port)]
            + ["--workers", "2", "--no-access-log"],
            stdout=out,
            stderr=out,
        )
    try:
        server = Running(outside, port, log)  # type: ignore[arg-type]
        server.wait_for_log("Inlay running on")
        (pid,) = server.children()
        children = Path(f"/proc/{pid}/task/{pid}/children")
        before = children.read_text()
        server.get("/orphan")
        deadline = time.monotonic() + 10
        time.sleep(0.2)
        while children.read_text() != before:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(pid, signal.SIGTERM)
        assert outside.wait(20) == 0
    finally:
        outside.kill()
