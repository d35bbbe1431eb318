"""What native routes promise beyond a single request's cost.

Routing among 1,000 routes against 10, the tail of a native route while a
Python handler blocks its event loop for a second, and how a route that
computes scales from one I/O thread to two.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from load import free_port, measure, serving

INLAY = [sys.executable, "-m", "inlay", "run"]
QUIET = ["--port", "{port}", "--no-access-log", "--log-level", "warning"]
ROUNDS = 5

APP = """
import asyncio, time
import fast
from fastapi import FastAPI

app = FastAPI()

@app.get("/block")
async def block():
    time.sleep(1)
"""

FAST = """
#include <inlay.h>
#include <time.h>

static double now(void)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

int64_t plain(int64_t n)
{
    return n;
}
INLAY_GET("/plain/{n}", plain);

/* Busy for 100 us. */
double spin(void)
{
    double end = now() + 1e-4;

    while (now() < end)
        continue;
    return end;
}
INLAY_GET("/spin", spin);
"""


def routes(count: int) -> str:
    """A module of that many routes of four segments, two of them parameters."""
    lines = ["#include <inlay.h>"]
    for i in range(count):
        lines += [
            f"int64_t f{i}(int64_t id, int64_t n) {{ return id + n + {i}; }}",
            f'INLAY_GET("/part{i % 97}/{{id}}/thing{i}/{{n}}", f{i});',
        ]
    return "\n".join(lines)


def cost_of_many(folder: Path) -> dict[str, object]:
    """Nanoseconds that 1,000 routes cost more than 10, per request."""
    for count in (10, 1000):
        (folder / f"routes{count}.c").write_text(routes(count))
    best = dict.fromkeys((10, 1000), math.inf)
    for _ in range(ROUNDS):
        for count in best:
            measured = measure(
                [*INLAY, f"routes{count}.c", *QUIET],
                f"/part{(count - 1) % 97}/12/thing{count - 1}/34",
                str(folder),
                seconds=2,
            )
            best[count] = min(best[count], measured.cpu_us)
    # The best of each: a difference of medians is the machine's noise.
    cost = 1000 * (best[1000] - best[10])
    return {
        "work": "routing among 1,000 routes, not 10",
        "name": "inlay",
        "time": f"{cost:+.0f} ns",
        "value": cost,
        "target": 100,
    }


def p99(url: str) -> float:
    """In ms, over two seconds of eight connections."""
    text = subprocess.run(
        ["wrk", "-t1", "-c8", "-d2s", "--latency", url],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = text.split("99%")[1].split()[0]
    scale = {"us": 1e-3, "ms": 1.0}
    unit = found.lstrip("0123456789.")
    return float(found.removesuffix(unit)) * scale.get(unit, 1e3)


def tail_while_blocked(folder: Path) -> dict[str, object]:
    """p99 in ms of a native route while the event loop stands still: the median
    of some, as machines that are shared stand still themselves."""
    port = free_port()
    with serving([*INLAY, "app:app", *QUIET], port, str(folder)):
        base = f"http://127.0.0.1:{port}"
        stop = threading.Event()

        def block() -> None:
            while not stop.is_set():
                urllib.request.urlopen(f"{base}/block").read()

        thread = threading.Thread(target=block)
        thread.start()
        value = statistics.median(p99(f"{base}/plain/3") for _ in range(ROUNDS))
        stop.set()
        thread.join()
    return {
        "work": "p99 of a native route, Python blocked",
        "name": "inlay",
        "time": f"{value:.2f} ms",
        "value": value,
        "target": 1,
    }


def scaling(folder: Path) -> dict[str, object]:
    """What one I/O thread takes, over what two take, for the same work."""

    def rate(threads: int) -> float:
        command = [*INLAY, "fast.c", *QUIET, "--io-threads", str(threads)]
        return measure(command, "/spin", str(folder), seconds=2).rate

    found = statistics.median(rate(2) / rate(1) for _ in range(3))
    return {
        "work": "two I/O threads, 100 us of C per request",
        "name": "inlay",
        "time": f"{found:.2f} x one",
        "value": 1 / found,
        "target": 1 / 1.7,
    }


def run(names: Sequence[str]) -> list[dict[str, object]]:
    works = {"many": cost_of_many, "blocked": tail_while_blocked, "threads": scaling}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.py").write_text(APP)
        (folder / "fast.c").write_text(FAST)
        return [works[work](folder) for work in names or works]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", nargs="*", choices=["many", "blocked", "threads", []])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = run(options.work)
    if options.json:
        print(json.dumps(found))
        return
    for line in found:
        print(f"{line['work']}: {line['time']} (target {line['target']})")


if __name__ == "__main__":
    main()
