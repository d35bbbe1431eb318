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
    p99: str  # as wrk prints it
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
    script: str | None = None,
    seconds: float = 3,
    connections: int = 64,
) -> Load:
    """One round: start, warm up for a second, load, stop."""
    port = free_port()
    url = f"http://127.0.0.1:{port}{path}"
    wrk = ["wrk", "-t1", f"-c{connections}", "--latency"]
    if script:
        wrk += ["-s", script]
    with serving(command, port, cwd) as pid:
        subprocess.run([*wrk, "-d1s", url], capture_output=True, check=True)
        before = _cpu_seconds(pid)
        text = subprocess.run(
            [*wrk, f"-d{seconds:g}s", url], capture_output=True, check=True, text=True
        ).stdout
        spent = _cpu_seconds(pid) - before
    requests = _number(r"(\d+) requests in", text)
    return Load(
        cpu_us=1e6 * spent / max(requests, 1),
        rate=_number(r"Requests/sec:\s+([\d.]+)", text),
        p99=_text(r"99%\s+(\S+)", text),
        failed=int(_number(r"Non-2xx or 3xx responses: (\d+)", text)),
    )


def _text(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else "0"


def _number(pattern: str, text: str) -> float:
    return float(_text(pattern, text))
