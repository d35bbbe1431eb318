"""Where `inlay run` listens, and what it tells systemd."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

import httpx
import pytest

from .conftest import INLAY, free_port

pytestmark = pytest.mark.slow

APP = """
import os

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    names = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID")
    if scope["path"] == "/block":
        while True:
            pass
    body = ",".join(name for name in names if name in os.environ) or "hello"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})
"""


def get_unix(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(path)
        sock.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        return answer.read().decode()


def test_several_binds(inlay_run, write_app, tmp_path):
    ports = [free_port(), free_port()]
    path = tmp_path / "s.sock"
    abstract = f"inlay-test-{os.getpid()}"
    server = inlay_run(
        "app:app",
        *("--bind", f"127.0.0.1:{ports[0]}"),
        *("--bind", f"[::1]:{ports[1]}"),
        *("--bind", f"unix:{path}", "--bind", f"unix:@{abstract}"),
        *("--workers", "2", "--uds-permissions", "600"),
        app_dir=write_app(APP),
    )
    for where in (
        f"http://127.0.0.1:{ports[0]}",
        f"http://[::1]:{ports[1]}",
        f"unix:{path}",
        f"unix:@{abstract}",
    ):
        assert f"Inlay running on {where} " in server.log
    assert httpx.get(f"http://127.0.0.1:{ports[0]}/").text == "hello"
    assert httpx.get(f"http://[::1]:{ports[1]}/").text == "hello"
    assert get_unix(str(path)) == get_unix("\0" + abstract) == "hello"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), 1)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("All workers have been replaced")
    assert get_unix(str(path)) == get_unix("\0" + abstract) == "hello"
    assert server.stop() == 0
    assert not path.exists()


def test_a_socket_file_of_a_successor_is_left_alone(inlay_run, write_app, tmp_path):
    path = tmp_path / "s.sock"
    server = inlay_run("app:app", "--uds", str(path), app_dir=write_app(APP))
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        assert server.stop() == 0
        assert path.exists()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nowhere", '"nowhere" is no address: write HOST:PORT'),
        ("1.2.3.4:99999", "is no address"),
        ("192.0.2.1:0", "cannot listen on http://192.0.2.1:0: "),
        ("name.invalid:80", "the host name is not known here"),
        ("unix:/no/such/folder/s", "is there a folder /no/such/folder to write to?"),
        ("fd://77", "descriptor 77 is not open"),
        ("fd://web", "systemd has passed no socket of that name"),
    ],
)
def test_an_address_that_cannot_be_had(inlay_run, write_app, address, message):
    server = inlay_run("app:app", "--bind", address, app_dir=write_app(APP), wait=False)
    assert server.process.wait(20) in (1, 2)
    assert message in server.log
    assert "Traceback" not in server.log


@pytest.mark.parametrize("listening", [True, False])
def test_an_inherited_descriptor(inlay_run, write_app, listening):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        if listening:
            sock.listen(7)
        port = sock.getsockname()[1]
        server = inlay_run(
            "app:app",
            *("--fd", str(sock.fileno()), "--workers", "2"),
            app_dir=write_app(APP),
            pass_fds=(sock.fileno(),),
        )
    assert f"Inlay running on http://127.0.0.1:{port} " in server.log
    assert httpx.get(f"http://127.0.0.1:{port}/").text == "hello"
    assert server.stop() == 0
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_each_slot_has_its_own_socket(inlay_run, write_app):
    server = inlay_run(
        "app:app", "--reuse-port", "--workers", "3", app_dir=write_app(APP)
    )
    table = f":{server.port:04X} "
    with open("/proc/net/tcp") as file:
        listening = [line for line in file if table in line and line.split()[3] == "0A"]
    assert len(listening) == 3
    assert server.get("/").text == "hello"


class Systemd:
    """A service manager, as far as it reads notifications."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind("\0" + path[1:] if path.startswith("@") else path)

    def wait_for(self, *lines: str, seconds: float = 20) -> list[str]:
        """Until a message has all lines that begin so; messages before it."""
        before: list[str] = []
        deadline = time.monotonic() + seconds
        while True:
            self.sock.settimeout(max(0.01, deadline - time.monotonic()))
            message = self.sock.recv(4096).decode()
            got = message.split("\n")
            if all(any(g.startswith(line) for g in got) for line in lines):
                return before
            before.append(message)


@pytest.mark.parametrize("abstract", [True, False])
def test_systemd_is_told(inlay_run, write_app, tmp_path, abstract):
    path = f"@inlay-notify-{os.getpid()}" if abstract else str(tmp_path / "notify")
    systemd = Systemd(path)
    server = inlay_run(
        "app:app",
        *("--workers", "2"),
        app_dir=write_app(APP),
        env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"},
    )
    assert not any("READY" in message for message in systemd.wait_for("READY=1"))
    systemd.wait_for("STATUS=2 of 2 workers serve")
    assert server.get("/").text == "hello", "workers see the variables"
    for _ in range(3):
        systemd.wait_for("WATCHDOG=1", seconds=1)
    server.process.send_signal(signal.SIGHUP)
    systemd.wait_for("RELOADING=1", "MONOTONIC_USEC=")
    systemd.wait_for("READY=1")
    server.process.send_signal(signal.SIGTERM)
    systemd.wait_for("STOPPING=1")
    assert server.process.wait(20) == 0


@pytest.mark.slow
def test_the_watchdog_is_not_fed_without_a_worker(inlay_run, write_app, tmp_path):
    path = str(tmp_path / "notify")
    systemd = Systemd(path)
    server = inlay_run(
        "app:app",
        *("--timeout-worker-healthcheck", "0.5"),
        app_dir=write_app(APP),
        env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "100000"},
    )
    systemd.wait_for("READY=1")
    systemd.wait_for("WATCHDOG=1")
    (tmp_path / "app.py").write_text("raise SystemExit(1)")
    os.kill(server.children()[0], signal.SIGKILL)
    systemd.wait_for("STATUS=0 of 1 workers serve")
    with pytest.raises(TimeoutError):
        systemd.wait_for("WATCHDOG=1", seconds=1)


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd is not here"
)
@pytest.mark.parametrize("options", [(), ("--bind", "fd://web")], ids=str)
def test_sockets_of_systemd(write_app, tmp_path, options):
    ports = [free_port(), free_port()]
    names = ["--fdname=web:admin"]
    log = tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [
                "systemd-socket-activate",
                *(f"--listen=127.0.0.1:{port}" for port in ports),
                *names,
                f"--setenv=PYTHONPATH={os.environ.get('PYTHONPATH', '')}",
                *(sys.executable, str(INLAY), "run", "app:app"),
                *("--app-dir", str(write_app(APP)), "--workers", "2", *options),
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 10
        while "Listening on" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # It is started for this client.
        assert httpx.get(f"http://127.0.0.1:{ports[0]}/", timeout=20).text == "hello"
        while f"Inlay running on http://127.0.0.1:{ports[0]} " not in log.read_text():
            assert time.monotonic() < deadline + 10
            time.sleep(0.02)
        if not options:
            second = httpx.get(f"http://127.0.0.1:{ports[1]}/", timeout=20)
            assert second.text == "hello"
        else:
            assert f"http://127.0.0.1:{ports[1]} " not in log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
