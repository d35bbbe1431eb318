#!/usr/bin/env python3
"""Parallel loops: Inlay's against OpenMP's and Rayon's, same work, same run.

Each has a process of its own; rounds take turns. The ratio of a round is that
of neighbours in time, the median of the rounds counts. `--json` prints rows
for run.py instead of the table.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(os.path.dirname(HERE), "build", "bench_parallel")
WORK = {
    "sum": ("sum of 10^8 doubles", "time_sum", 100_000_000),
    "process": ("process_numbers, 20,000", "time_process", 20_000),
    "process_small": ("process_numbers, 100", "time_process", 100),
}
CARGO = """[package]
name = "bench_parallel"
version = "0.0.0"
edition = "2021"
[lib]
crate-type = ["cdylib"]
path = "lib.rs"
[dependencies]
rayon = "1"
"""


class Skip(Exception):
    """A peer that this machine does not have; says why."""


# --- Each in its own process ----------------------------------------------------


def inlay_functions(folder: str):
    import inlay

    os.environ.setdefault("INLAY_CACHE_DIR", os.path.join(folder, "cache"))
    source = os.path.join(HERE, "bench_parallel.c")
    shutil.copy(source, os.path.join(folder, "native_loops.c"))
    sys.path.insert(0, folder)
    inlay.install()
    import native_loops

    return native_loops


def load(path: str):
    library = ctypes.CDLL(path)
    for name in ("time_sum", "time_process", "check"):
        getattr(library, name).argtypes = [ctypes.c_int64]
        getattr(library, name).restype = ctypes.c_int64
    return library


def openmp_functions(folder: str):
    output = os.path.join(folder, "openmp.so")
    source = os.path.join(HERE, "bench_parallel.c")
    command = ["cc", "-O2", "-fopenmp", "-fPIC", "-shared", source, "-o", output]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        raise Skip("cc has no -fopenmp here")
    return load(output)


def rayon_functions(folder: str):
    if not shutil.which("cargo"):
        raise Skip("there is no cargo here")
    os.makedirs(CACHE, exist_ok=True)
    shutil.copy(os.path.join(HERE, "bench_parallel.rs"), os.path.join(CACHE, "lib.rs"))
    with open(os.path.join(CACHE, "Cargo.toml"), "w") as file:
        file.write(CARGO)
    command = ["cargo", "build", "--release", "--quiet"]
    done = subprocess.run(
        command, cwd=CACHE, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise Skip(f"cargo can't build it: {done.stderr.strip()[-200:]}")
    return load(os.path.join(CACHE, "target", "release", "libbench_parallel.so"))


MAKERS = {
    "inlay": inlay_functions,
    "OpenMP": openmp_functions,
    "Rayon": rayon_functions,
}


def child(name: str) -> None:
    """Answers lines "function argument" with a number."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            functions = MAKERS[name](folder)
        except Skip as reason:
            print(f"skip {reason}", flush=True)
            return
        print("ready", flush=True)
        for line in sys.stdin:
            function, argument = line.split()
            print(getattr(functions, function)(int(argument)), flush=True)


# --- The run ---------------------------------------------------------------------


class Peer:
    def __init__(self, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--child", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        said = self.process.stdout.readline().strip()
        self.missing = "" if said == "ready" else said.removeprefix("skip ") or "died"

    def ask(self, function: str, argument: int) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{function} {argument}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def measure(peers: list[Peer], work: str, rounds: int) -> dict[str, list[int]]:
    _, function, argument = WORK[work]
    times: dict[str, list[int]] = {peer.name: [] for peer in peers}
    for number in range(rounds + 1):
        for peer in peers:
            taken = peer.ask(function, argument)
            if number:  # the first one starts threads and touches memory
                times[peer.name].append(taken)
            time.sleep(0.01)  # OpenMP's threads spin on for a while
    return times


def rows(work: str, times: dict[str, list[int]]) -> list[dict]:
    found = []
    for name, taken in times.items():
        row = {
            "work": WORK[work][0],
            "name": name,
            "time": f"{statistics.median(taken) / 1e6:.3f} ms",
        }
        if name != "inlay":
            row["value"] = statistics.median(
                ours / theirs
                for ours, theirs in zip(times["inlay"], taken, strict=True)
            )
            row["target"] = 1.1
        found.append(row)
    return found


def run(rounds: int) -> tuple[list[dict], list[str]]:
    everyone = [Peer(name) for name in MAKERS]
    peers = [peer for peer in everyone if not peer.missing]
    skipped = [f"{peer.name}: {peer.missing}" for peer in everyone if peer.missing]
    if not peers or peers[0].name != "inlay":
        raise SystemExit(f"inlay itself does not start: {skipped}")
    results = []
    for work in WORK:
        results += rows(work, measure(peers, work, rounds))
    answers = {peer.name: peer.ask("check", 100) for peer in peers}
    if len(set(answers.values())) != 1:
        raise SystemExit(f"the answers differ: {answers}")
    for peer in everyone:
        peer.close()
    return results, skipped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--child", choices=list(MAKERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
        return
    results, skipped = run(options.rounds)
    if options.json:
        print(json.dumps(results))
        return
    print(f"{'work':<26}{'':<8}{'median':>12}{'inlay / it':>12}")
    for row in results:
        ratio = f"{row['value']:.2f}" if "value" in row else ""
        print(f"{row['work']:<26}{row['name']:<8}{row['time']:>12}{ratio:>12}")
    for line in skipped:
        print(f"left out: {line}")


if __name__ == "__main__":
    main()
