"""`make bench`: one table, each row measured in pairs with its peer.

Rounds alternate between the sides (A B A B …), and the ratio is the median of
the rounds' own ratios, so that it holds when the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from load import Load, measure

HERE = Path(__file__).parent
APPS = HERE / "apps"
BIN = Path(sys.executable).parent

INLAY = [
    str(BIN / "inlay"),
    "run",
    "{target}",
    "--port",
    "{port}",
    "--no-access-log",
    "--log-level",
    "warning",
]
UVICORN = [
    str(BIN / "uvicorn"),
    "{target}",
    "--port",
    "{port}",
    "--no-access-log",
    "--log-level",
    "warning",
    "--loop",
    "uvloop",
    "--http",
    "httptools",
]
GRANIAN = [
    str(BIN / "granian"),
    "--interface",
    "asgi",
    "{target}",
    "--port",
    "{port}",
    "--no-access-log",
    "--log-level",
    "warning",
    "--loop",
    "uvloop",
]


@dataclass(frozen=True)
class Side:
    """One of the servers of a row."""

    name: str
    command: Sequence[str]
    path: str


@dataclass(frozen=True)
class Row:
    """Ours against the best of the peers; `target` bounds the ratio."""

    work: str
    ours: Side
    peers: Sequence[Side]
    target: float
    script: Sequence[str] = ()
    websocket: Sequence[str] = ()  # kind of load_ws's load, bytes of a message


def server(command: Sequence[str], target: str) -> list[str]:
    return [part.replace("{target}", target) for part in command]


def build(name: str) -> str:
    """A C program of this folder, compiled."""
    out = HERE.parent / "build" / name
    out.parent.mkdir(exist_ok=True)
    source = str(HERE / f"{name}.c")
    subprocess.run(["cc", "-O2", "-o", str(out), source], check=True)
    return str(out)


def build_axum() -> str | None:
    """The same routes in axum; None where they can't be built."""
    target = HERE.parent / "build" / "bench_axum"
    if not shutil.which("cargo"):
        return None
    done = subprocess.run(
        ["cargo", "build", "--release", "--quiet"],
        cwd=HERE / "peers" / "axum",
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
        check=False,
    )
    return None if done.returncode else str(target / "release" / "bench_axum")


def native_rows() -> list[Row]:
    """C routes against a loop that looks at nothing, and against axum."""
    inlay = server(INLAY, "fastapi_app:app")
    floor = Side("bare epoll loop", [build("bench_loop"), "{port}"], "/plain")
    rows = [Row("native GET", Side("inlay", inlay, "/plain"), [floor], 1.12)]
    axum = build_axum()
    if not axum:
        return rows
    works: list[tuple[str, str, float, Sequence[str]]] = [
        ("native GET, axum", "/plain", 0.95, ()),
        ("typed query -> JSON, axum", "/sum-squares?a=3&b=4", 0.97, ()),
        (
            "POST JSON, 100 integers, axum",
            "/echo",
            0.8,
            [str(HERE / "post_numbers.lua")],
        ),
        ("pipelined x16, axum", "/plain", 0.95, [str(HERE / "pipelined.lua")]),
    ]
    return rows + [
        Row(
            work,
            Side("inlay, C route", inlay, path),
            [Side("axum", [axum, "{port}"], path)],
            target,
            script=script,
        )
        for work, path, target, script in works
    ]


def asgi_rows() -> list[Row]:
    """Raw ASGI beyond the hello: every peer must be behind."""
    body = str(HERE / "post_bytes.lua")
    works: list[tuple[str, str, Sequence[str], Sequence[str]]] = [
        ("10 KB answer", "/10k", (), ()),
        ("1 MiB answer, streamed", "/stream", (), ()),
        ("echo of 10 KB", "/", (body, "10240"), ()),
        ("echo of 1 MiB", "/", (body, "1048576"), ()),
        ("WebSocket echo, 64 bytes", "", (), ("echo", "64")),
        ("WebSocket echo, 64 KiB", "", (), ("echo", "65536")),
        ("WebSocket broadcast to 64", "", (), ("room", "64")),
    ]
    return [
        Row(
            work,
            Side("inlay", server(INLAY, "asgi:app"), path),
            [
                Side("uvicorn", server(UVICORN, "asgi:app"), path),
                Side("granian", server(GRANIAN, "asgi:app"), path),
            ],
            1.0,
            script=script,
            websocket=websocket,
        )
        for work, path, script, websocket in works
    ]


def rows() -> list[Row]:
    inlay = server(INLAY, "fastapi_app:app")
    post = [str(HERE / "post_numbers.lua")]
    return [
        *asgi_rows(),
        *native_rows(),
        Row(
            "raw ASGI hello",
            Side("inlay", server(INLAY, "hello:app"), "/"),
            [
                Side("uvicorn", server(UVICORN, "hello:app"), "/"),
                Side("granian", server(GRANIAN, "hello:app"), "/"),
            ],
            0.5,
        ),
        Row(
            "typed query -> JSON",
            Side("inlay, C route", inlay, "/sum-squares?a=3&b=4"),
            [
                Side(
                    "FastAPI on uvicorn",
                    server(UVICORN, "fastapi_app:app"),
                    "/sum-squares-py?a=3&b=4",
                )
            ],
            0.1,
        ),
        Row(
            "POST JSON, 100 integers",
            Side("inlay, C route", inlay, "/echo"),
            [
                Side(
                    "FastAPI on uvicorn",
                    server(UVICORN, "fastapi_app:app"),
                    "/echo-py",
                )
            ],
            0.1,
            script=post,
        ),
        Row(
            "FastAPI hello, unchanged",
            Side("inlay", inlay, "/hello-py"),
            [
                Side("uvicorn", server(UVICORN, "fastapi_app:app"), "/hello-py"),
                Side("granian", server(GRANIAN, "fastapi_app:app"), "/hello-py"),
            ],
            0.75,
        ),
    ]


def run_row(row: Row, rounds: int, seconds: float) -> tuple[dict[str, list[Load]], str]:
    """All rounds of a row, and the name of its best peer."""
    sides = [row.ours, *row.peers]
    loads: dict[str, list[Load]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            load = measure(
                side.command,
                side.path,
                str(APPS),
                script=row.script,
                websocket=(build("load_ws"), *row.websocket) if row.websocket else (),
                seconds=seconds,
            )
            loads[side.name].append(load)
    best = min(row.peers, key=lambda peer: median_cpu(loads[peer.name]))
    return loads, best.name


def median_cpu(loads: Sequence[Load]) -> float:
    return statistics.median(load.cpu_us for load in loads)


def ratio(ours: Sequence[Load], theirs: Sequence[Load]) -> float:
    return statistics.median(
        a.cpu_us / b.cpu_us for a, b in zip(ours, theirs, strict=True)
    )


def verdict(value: float, target: float) -> str:
    return f"{value:.2f} {'ok' if value <= target else 'MISSED'} (<= {target:g})"


def serve_table(table: Table, only: str, rounds: int, seconds: float) -> None:
    for row in rows():
        if only not in row.work:
            continue
        loads, best = run_row(row, rounds, seconds)
        for name, found in loads.items():
            failed = sum(load.failed for load in found)
            table.add_row(
                row.work,
                name,
                f"{median_cpu(found):.2f} us",
                f"{statistics.median(load.rate for load in found):,.0f}/s",
                found[-1].p99,
                verdict(ratio(loads[row.ours.name], loads[best]), row.target)
                if name == row.ours.name
                else "",
                f"{failed} failed" if failed else "",
            )


def call_table(table: Table) -> None:
    """Calls, imports, loops and hot swaps: each script prints one JSON object."""
    scripts = (
        "bench_call.py",
        "bench_db.py",
        "bench_import.py",
        "bench_parallel.py",
        "bench_routes.py",
        "bench_swap.py",
    )
    for script in scripts:
        text = subprocess.run(
            [sys.executable, str(HERE / script), "--json"],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HERE)},
        ).stdout
        for line in json.loads(text):
            table.add_row(
                line["work"],
                line["name"],
                line["time"],
                "",
                "",
                verdict(line["value"], line["target"]) if "target" in line else "",
                "",
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    options = parser.parse_args()
    table = Table(title="Inlay: CPU time of the server per request, in pairs")
    for column in (
        "work",
        "server",
        "time",
        "rate",
        "p99",
        "ratio to the best peer",
        "",
    ):
        table.add_column(column)
    serve_table(table, options.only, options.rounds, options.seconds)
    if not options.only:
        call_table(table)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
