"""A server under load: CPU time of its whole process tree per request.

CPU time (user + system, from /proc) is the figure to compare: one client
thread saturates long before the servers do. Only ratios within one run count.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What one round measured."""

    cpu_us: float  # CPU microseconds per request
    rate: float  # requests per second
    p50: str  # as wrk prints it
    p99: str
    failed: int  # answers that were not 2xx or 3xx


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _tree(pid: int) -> Iterator[int]:
    yield pid
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                for child in file.read().split():
                    yield from _tree(int(child))
    except OSError:
        return


def _cpu_seconds(pid: int) -> float:
    ticks = 0
    for process in _tree(pid):
        try:
            with open(f"/proc/{process}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICK


@contextmanager
def serving(command: Sequence[str], port: int, cwd: str) -> Iterator[int]:
    """The server's pid, once its port answers; stopped at the end."""
    process = subprocess.Popen(
        [part.replace("{port}", str(port)) for part in command],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} does not serve") from None
                time.sleep(0.05)
        time.sleep(0.5)
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def measure(
    command: Sequence[str],
    path: str,
    cwd: str,
    *,
    script: Sequence[str] = (),
    websocket: Sequence[str] = (),
    seconds: float = 3,
    connections: int = 64,
) -> Load:
    """One round: start, warm up for a second, load, stop.

    `script` is a script of wrk's and its arguments; `websocket` the program
    load_ws, the kind of load and the bytes of a message.
    """
    port = free_port()
    with serving(command, port, cwd) as pid:

        def load(seconds: float) -> tuple[float, str]:
            if websocket:
                return _load_websocket(websocket, port, connections, seconds)
            return _load_http(path, script, port, connections, seconds)

        load(1)
        before = _cpu_seconds(pid)
        count, text = load(seconds)
        spent = _cpu_seconds(pid) - before
    return Load(
        cpu_us=1e6 * spent / max(count, 1),
        rate=count / seconds,
        p50=_text(r"\n\s+50%\s+(\S+)", text),
        p99=_text(r"99%\s+(\S+)", text),
        failed=int(_number(r"Non-2xx or 3xx responses: (\d+)", text)),
    )


def _load_http(
    path: str, script: Sequence[str], port: int, connections: int, seconds: float
) -> tuple[float, str]:
    command = ["wrk", "-t1", f"-c{connections}", "--latency", f"-d{seconds:g}s"]
    if script:
        command += ["-s", script[0]]
    command += [f"http://127.0.0.1:{port}{path}", "--", *script[1:]]
    text = _output(command)
    return _number(r"(\d+) requests in", text), text


def _load_websocket(
    websocket: Sequence[str], port: int, connections: int, seconds: float
) -> tuple[float, str]:
    program, kind, size = websocket
    command = [program, str(port), kind, str(connections), f"{seconds:g}", size]
    count, p99 = _output(command).split()
    return float(count), f"99% {int(p99) / 1000:.2f}ms"


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def _text(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else "0"


def _number(pattern: str, text: str) -> float:
    return float(_text(pattern, text))
