#!/usr/bin/env python3
"""A call from Python into C: Inlay's against a hand-written METH_FASTCALL.

Both are timed in turn, in one process, the loop's own cost taken off; the
best of each counts. `--json` prints rows for run.py instead of the table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from typing import NamedTuple

HERE = os.path.dirname(os.path.abspath(__file__))

SOURCE = """
#include <inlay.h>
int64_t add2(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
double mul2(double a, double b) { return a * b; }
int64_t length(inlay_str s) { return (int64_t)s.len; }
int add2_i32(int a, int b) { return (int)((unsigned)a + (unsigned)b); }
"""

CALLS = {
    "add2": "(12345, 678)",
    "mul2": "(1.5, 2.5)",
    "length": "('nineteen characters')",
    "add2_i32": "(12345, 678)",
}


WHAT = {
    "add2": "f(int64_t, int64_t)",
    "mul2": "f(double, double)",
    "length": "f(inlay_str)",
    "add2_i32": "f(int, int)",
}


class Times(NamedTuple):
    """Nanoseconds per call."""

    hand: float
    ours: float


def build_hand(folder: str) -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    output = os.path.join(folder, f"hand_fastcall{suffix}")
    include = sysconfig.get_path("include")
    source = os.path.join(HERE, "hand_fastcall.c")
    command = ["cc", "-O2", "-fPIC", "-shared", f"-I{include}", source, "-o", output]
    subprocess.run(command, check=True)


def make_loop(call: str):
    """A function that makes `call` 8 times per round."""
    body = "\n".join(["        " + call] * 8)
    names: dict = {}
    exec(f"def loop(f, rounds):\n    for _ in rounds:\n{body}\n", names)
    return names["loop"]


def once(loop, function, rounds: int) -> float:
    start = time.perf_counter_ns()
    loop(function, range(rounds))
    return (time.perf_counter_ns() - start) / (rounds * 8)


def measure(arguments: str, hand, ours, rounds: int, repeats: int):
    loop, empty = make_loop(f"f{arguments}"), make_loop("pass")
    best = [float("inf")] * 3
    for _ in range(repeats):
        for i, (each, function) in enumerate(
            [(loop, hand), (loop, ours), (empty, None)]
        ):
            best[i] = min(best[i], once(each, function, rounds))
    return Times(best[0] - best[2], best[1] - best[2])


def rows(name: str, results: dict) -> list[dict]:
    found, work = results[name], f"call {WHAT[name]} from Python"
    ours = {"work": work, "name": "inlay", "time": f"{found.ours:.1f} ns"}
    if name == "add2":
        ours |= {"value": found.ours / found.hand, "target": 1.5}
    hand = {"work": work, "name": "METH_FASTCALL", "time": f"{found.hand:.1f} ns"}
    return [ours, hand]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=20000)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("INLAY_CACHE_DIR", os.path.join(folder, "cache"))
        with open(os.path.join(folder, "bench_fast.c"), "w") as file:
            file.write(SOURCE)
        build_hand(folder)
        sys.path.insert(0, folder)
        import inlay

        inlay.install()
        import bench_fast
        import hand_fastcall

        results = {}
        for name, arguments in CALLS.items():
            results[name] = measure(
                arguments,
                getattr(hand_fastcall, name),
                getattr(bench_fast, name),
                options.rounds,
                options.repeats,
            )

    if options.json:
        print(json.dumps([row for name in results for row in rows(name, results)]))
        return
    print(f"{'call':<10}{'by hand':>10}{'inlay':>10}{'ratio':>8}")
    for name, found in results.items():
        print(
            f"{name:<10}{found.hand:>7.1f} ns{found.ours:>7.1f} ns"
            f"{found.ours / found.hand:>8.2f}"
        )


if __name__ == "__main__":
    main()
