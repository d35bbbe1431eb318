"""From saving a C file to the new answer over HTTP, under `inlay dev`.

A 50-line module is saved 50 times with another number in it while clients
keep asking; every one of their requests must succeed. With cargo there, the
same edit in Rust is built by `maturin develop`, for comparison.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from peers.build import CARGO, PINS, Missing, run

from load import free_port

EDITS = 50
CLIENTS = 4
MATURIN_EDITS = 5
TARGET = 0.15  # seconds

MATURIN = """
[build-system]
requires = ["maturin>=1,<2"]
build-backend = "maturin"
[project]
name = "by_pyo3"
version = "0.0.0"
"""

RUST = """
use pyo3::prelude::*;

#[pyfunction]
fn number() -> i64 {
    %d
}

#[pymodule]
fn by_pyo3(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(number, module)?)
}
"""

APP = """
import fast
from fastapi import FastAPI

app = FastAPI()

@app.get("/python")
def python():
    return fast.number()
"""


HEAD = """
#include <inlay.h>
#include <stdlib.h>
#include <string.h>

struct point {
    double x, y;
};
INLAY_SLICE(points, struct point);
"""

FUNCTION = """
/// The weight of all points, number %d.
double weight_%d(points all, double factor)
{
    double sum = 0;
    for (size_t i = 0; i < all.len; i++)
        sum += all.ptr[i].x * factor + all.ptr[i].y / (%d + 1);
    return sum;
}
"""


def module(number: int) -> str:
    """Fifty lines, of which one has the number in it."""
    return (
        HEAD
        + "".join(FUNCTION % (i, i, i) for i in range(4))
        + f"\nint64_t number(void)\n{{\n    return {number};\n}}\n"
        + 'INLAY_GET("/number", number);\n'
    )


def ask(connection: http.client.HTTPConnection, path: str) -> str:
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {text}")
    return text


class Client(threading.Thread):
    """Asks until told to stop; keeps its connection."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(daemon=True)
        self.port, self.path = port, path
        self.stopped = False
        self.count = 0
        self.failed: list[str] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.stopped:
            try:
                ask(connection, self.path)
                self.count += 1
            except Exception as error:
                self.failed.append(repr(error))
                connection.close()
            time.sleep(0.002)


def wait_until_up(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            ask(http.client.HTTPConnection("127.0.0.1", port), "/number")
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def edit(path: Path, port: int, number: int) -> float:
    """Seconds from the save to an answer with `number` in it."""
    text = module(number)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    started = time.perf_counter()
    path.write_text(text)
    while ask(connection, "/number") != str(number):
        if time.perf_counter() - started > 10:
            raise RuntimeError(f"no answer {number} within 10 s")
        time.sleep(0.001)
    return time.perf_counter() - started


def main() -> None:
    inlay = Path(sys.executable).parent / "inlay"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "fast.c"
        source.write_text(module(0))
        (Path(folder) / "app.py").write_text(APP)
        port = free_port()
        server = subprocess.Popen(
            [inlay, "dev", "app:app", "--app-dir", folder, "--port", str(port)]
            + ["--no-access-log", "--log-level", "warning"],
            env={**os.environ, "INLAY_CACHE_DIR": str(Path(folder) / "cache")},
        )
        try:
            wait_until_up(port)
            clients = [
                Client(port, "/number" if i % 2 else "/python") for i in range(CLIENTS)
            ]
            for client in clients:
                client.start()
            times = []
            for number in range(1, EDITS + 1):
                times.append(edit(source, port, number))
                time.sleep(0.05)
            for client in clients:
                client.stopped = True
                client.join()
        finally:
            server.terminate()
            server.wait(20)
    failed = [text for client in clients for text in client.failed]
    for text in failed[:5]:
        print(f"  {text}", file=sys.stderr)
    asked = sum(client.count for client in clients)
    rows = [
        {
            "work": f"save to answer, {EDITS} edits, {asked} requests meanwhile",
            "name": "inlay dev",
            "time": f"{median_ms(times)} ms (worst {max(times) * 1000:.0f}), "
            f"{len(failed)} failed",
            "value": statistics.median(times) / TARGET,
            "target": 1.0,
        }
    ]
    try:
        with tempfile.TemporaryDirectory() as folder:
            spent = f"{median_ms(maturin_develop(Path(folder)))} ms"
    except Missing as missing:
        spent = f"not measured, {missing}"
    rows.append({"work": "the same edit", "name": "maturin develop", "time": spent})
    if "--json" in sys.argv[1:]:
        print(json.dumps(rows))
    else:
        for row in rows:
            print(f"{row['work']}, {row['name']}: {row['time']}")


def median_ms(times: list[float]) -> str:
    return f"{statistics.median(times) * 1000:.0f}"


def maturin_develop(folder: Path) -> list[float]:
    """Seconds of a build after an edit of one number; a server would have to
    start anew on top of that."""
    if shutil.which("cargo") is None:
        raise Missing("there is no cargo here")
    run([sys.executable, "-m", "venv", str(folder / "venv")])
    tools = folder / "tools"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    run([*pip, "--target", str(tools), "-r", str(PINS)])
    (folder / "src").mkdir()
    (folder / "Cargo.toml").write_text(CARGO.format(source="src/lib.rs"))
    (folder / "pyproject.toml").write_text(MATURIN)
    environment = {
        **os.environ,
        "VIRTUAL_ENV": str(folder / "venv"),
        "PYTHONPATH": str(tools),
    }
    times = []
    for number in range(MATURIN_EDITS + 1):
        (folder / "src" / "lib.rs").write_text(RUST % number)
        started = time.perf_counter()
        command = [
            str(tools / "bin" / "maturin"),
            "develop",
            "--quiet",
            "--skip-install",
        ]
        run(command, cwd=folder, env=environment)
        times.append(time.perf_counter() - started)
    return times[1:]  # the first one compiles PyO3 too


if __name__ == "__main__":
    main()
