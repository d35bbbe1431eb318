"""`inlay run` as a person starts it: a process, a port, its log."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

INLAY = Path(sys.executable).parent / "inlay"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Running:
    """A running `inlay run`."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log_path = log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def wait_for_log(self, text: str, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.log:
            assert self.process.poll() is None, f"it ended: {self.log}"
            assert time.monotonic() < deadline, f"no {text!r} in: {self.log}"
            time.sleep(0.02)

    def get(self, path: str, **more: object) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10, **more)  # type: ignore[arg-type]

    def children(self) -> list[int]:
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


StartServer = Callable[..., Running]


@pytest.fixture
def inlay_run(tmp_path: Path) -> Iterator[StartServer]:
    """start(target, *options, app_dir=…, wait=True) -> Running; stopped at the end."""
    started: list[Running] = []

    def start(
        target: str,
        *options: str,
        app_dir: Path | str = tmp_path,
        wait: bool = True,
        command: str = "run",
        port: int | None = None,
        env: dict[str, str] | None = None,
        pass_fds: tuple[int, ...] = (),
    ) -> Running:
        chosen = free_port() if port is None else port
        log = tmp_path / f"log{len(started)}"
        with log.open("w") as out:
            process = subprocess.Popen(
                [
                    str(INLAY),
                    command,
                    target,
                    "--app-dir",
                    str(app_dir),
                    "--port",
                    str(chosen),
                    *options,
                ],
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
                start_new_session=True,
                pass_fds=pass_fds,
            )
        running = Running(process, chosen, log)
        started.append(running)
        if wait:
            running.wait_for_log("Inlay running on")
        return running

    yield start
    for running in started:
        try:
            running.stop()
        except subprocess.TimeoutExpired:
            os.killpg(running.process.pid, signal.SIGKILL)


@pytest.fixture
def write_app(tmp_path: Path) -> Callable[[str], Path]:
    """write(source) -> the folder that holds it as app.py."""

    def write(source: str) -> Path:
        (tmp_path / "app.py").write_text(source)
        return tmp_path

    return write
