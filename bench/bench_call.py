#!/usr/bin/env python3
"""Calls from Python into C, and the values they take and give.

The same functions bound by Inlay, by hand, by nanobind and by PyO3 are timed
in one process. Batches of a few milliseconds take turns, each round in
another order; the ratio of a round is that of neighbours in time, and the
median of the rounds counts. Times are of the CPU, of the wall for `await`,
without the loop's own. `--json` prints rows for run.py instead of the table.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType

from peers.build import build_all

BATCH_NS = 4_000_000
UNROLLED = 8

Loop = Callable[[int], object]
Modules = dict[str, ModuleType]


@dataclass
class Side:
    """`loop(n)` makes `unrolled` calls n times."""

    name: str
    loop: Loop
    unrolled: int = 1
    clock: Callable[[], int] = time.thread_time_ns


@dataclass
class Work:
    """Ours is the first side; `limits` bound its ratio to others."""

    name: str
    sides: list[Side]
    limits: dict[str, float] = field(default_factory=dict)
    items: int = 1  # per call; times are per item
    most_ns: float | None = None  # what ours may take


# --- What is measured -------------------------------------------------------------


def make_loop(call: str, values: dict[str, object]) -> Loop:
    """`call` eight times per turn; its names are locals of the loop."""
    parameters = "".join(f", {name}={name}" for name in values)
    body = "\n".join(["        " + call] * UNROLLED)
    code = f"def loop(n{parameters}):\n    for _ in range(n):\n{body}\n"
    made = dict(values)
    exec(code, made)
    return made["loop"]


def short(call: str, function: Callable, *values: object) -> Loop:
    names = dict(zip("abcd", values, strict=False))
    return make_loop(call, {"f": function, **names})


def long(function: Callable, value: object) -> Loop:
    def loop(n: int) -> None:
        for _ in range(n):
            function(value)

    return loop


def functions(modules: Modules, name: str, *values: object) -> dict[str, Callable]:
    """The function of that name by peer; all of them must agree."""
    found = {peer: getattr(module, name) for peer, module in modules.items()}
    answers = {peer: function(*values) for peer, function in found.items()}
    if any(answer != answers["inlay"] for answer in answers.values()):
        raise SystemExit(f"{name}{values}: the answers differ: {answers}")
    return found


def calls(modules: Modules) -> Iterator[Work]:
    def work(name: str, function: str, values: tuple, **options) -> Work:
        call = f"f({', '.join('abcd'[: len(values)])})"
        sides = [
            Side(peer, short(call, bound, *values), UNROLLED)
            for peer, bound in functions(modules, function, *values).items()
        ]
        return Work(name, sides, **options)

    limits = {"by hand": 1.3, "nanobind": 1.0, "PyO3": 1.0}
    text = "nineteen characters"
    yield work("f(int64, int64)", "add", (12345, 678), limits=limits)
    yield work("f(double, double)", "multiply", (1.5, 2.5))
    yield work("f(str) -> int", "text_length", (text,))
    yield work("f(str) -> str", "echo_text", (text,))
    yield work("f(int64, int64), GIL released", "add_unlocked", (12345, 678))


def lists(modules: Modules) -> Iterator[Work]:
    def work(name: str, function: str, value: list, **options) -> Work:
        sides = [
            Side(peer, long(bound, value))
            for peer, bound in functions(modules, function, value).items()
        ]
        return Work(name, sides, items=len(value), **options)

    for count, limits in (1_000, {"PyO3": 0.75}), (100_000, {"by hand": 1.05}):
        values = list(range(1_000, 1_000 + count))
        name = f"list[int] of {count:,} in and out"
        yield work(name, "echo_ints", values, limits=limits)
    for count in (1_000, 100_000):
        reals = [float(i) for i in range(count)]
        name = f"list[float] of {count:,} in"
        yield work(name, "count_reals", reals, most_ns=1.5)


def buffers(modules: Modules) -> Iterator[Work]:
    try:
        import numpy
    except ImportError:
        print("left out: numpy is not here", file=sys.stderr)
        return
    large, small = numpy.zeros(1_000_000), numpy.zeros(1_000)
    sides = []
    for peer, module in modules.items():
        take = getattr(module, "count_buffer", module.count_reals)
        sides.append(Side(peer, short("f(a)", take, large), UNROLLED))
        if peer == "inlay":
            loop = short("f(a)", take, small)
            sides.append(Side("inlay, 10^3", loop, UNROLLED))
    yield Work("numpy float64 of 10^6 in", sides, {"inlay, 10^3": 1.1})


def structs(modules: Modules) -> Iterator[Work]:
    users = {
        peer: module.user(12345, "Ada Lovelace", 99.5, True, 678)
        for peer, module in modules.items()
        if hasattr(module, "user")
    }
    fields = "r = f(a); r.id; r.name; r.score; r.active; r.level"
    works = {"f(struct) -> struct": "f(a)", "f(struct), 5 fields read": fields}
    for name, call in works.items():
        sides = [
            Side(peer, short(call, modules[peer].echo_user, user), UNROLLED)
            for peer, user in users.items()
        ]
        yield Work(name, sides, {"nanobind": 1.0})


def awaits(modules: Modules, loop: asyncio.AbstractEventLoop) -> Iterator[Work]:
    async def run(function: Callable, n: int) -> None:
        for _ in range(n):
            await function(12345, 678)

    def side(name: str, function: Callable) -> Side:
        def batch(n: int) -> None:
            loop.run_until_complete(run(function, n))

        return Side(name, batch, clock=time.perf_counter_ns)

    to_thread = functools.partial(asyncio.to_thread, modules["by hand"].add)
    ours = side("inlay", modules["inlay"].add_async)
    yield Work("await f(int64, int64)", [ours, side("to_thread", to_thread)])


# --- Measuring --------------------------------------------------------------------


def timed(side: Side, n: int) -> float:
    """Nanoseconds per call."""
    start = side.clock()
    side.loop(n)
    return (side.clock() - start) / (n * side.unrolled)


def batch_size(side: Side) -> int:
    n = 1
    while True:
        taken = timed(side, n) * n * side.unrolled
        if taken > BATCH_NS / 4:
            return max(1, round(n * BATCH_NS / taken))
        n *= 4


def measure(work: Work, rounds: int) -> dict[str, list[float]]:
    """Nanoseconds per item, of every round, by side."""
    empty = Side("", make_loop("pass", {}), UNROLLED)
    sides = [*work.sides, empty]
    sizes = {side.name: batch_size(side) for side in sides}
    times: dict[str, list[float]] = {side.name: [] for side in sides}
    order = random.Random(0)
    for _ in range(rounds):
        for side in order.sample(sides, len(sides)):
            times[side.name].append(timed(side, sizes[side.name]))
    loop_ns = statistics.median(times.pop(""))
    for side in work.sides:
        own = loop_ns if side.unrolled > 1 else 0
        times[side.name] = [(t - own) / work.items for t in times[side.name]]
    return times


@dataclass
class Row:
    """One side of a work; the ratio is ours to it, of the medians' rounds."""

    work: str
    name: str
    median: float
    least: float
    unit: str
    ratio: float | None = None
    least_ratio: float | None = None
    value: float | None = None
    target: float | None = None

    @property
    def time(self) -> str:
        return f"{self.median:.1f} {self.unit}"


def rows(work: Work, times: dict[str, list[float]]) -> list[Row]:
    found = []
    ours = times[work.sides[0].name]
    unit = "ns" if work.items == 1 else "ns/item"
    for name, taken in times.items():
        row = Row(work.name, name, statistics.median(taken), min(taken), unit)
        if taken is ours:
            row.value = row.median if work.most_ns else None
            row.target = work.most_ns
        else:
            both = zip(ours, taken, strict=True)
            row.ratio = statistics.median(a / b for a, b in both)
            row.least_ratio = min(ours) / row.least
            row.value, row.target = row.ratio, work.limits.get(name)
        found.append(row)
    return found


def as_json(found: Sequence[Row], missing: dict[str, str]) -> str:
    lines: list[dict] = []
    for row in found:
        line: dict = {"work": row.work, "name": row.name, "time": row.time}
        if row.target is not None:
            line |= {"value": row.value, "target": row.target}
        lines.append(line)
    for name, why in missing.items():
        lines.append({"work": "calls from Python", "name": name, "time": why})
    return json.dumps(lines)


def print_row(row: Row, first: bool) -> None:
    verdict = ""
    if row.target is not None and row.value is not None:
        said = "ok" if row.value <= row.target else "MISSED"
        verdict = f"{said} (<= {row.target:g})"
    ratios = "".join(
        f"{ratio:>8.2f}" if ratio is not None else " " * 8
        for ratio in (row.ratio, row.least_ratio)
    )
    print(
        f"{row.work if first else '':<33}{row.name:<12}"
        f"{row.median:>10.1f}{row.least:>10.1f} {row.unit:<8}{ratios}  {verdict}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--only", default="", help="work whose name holds this")
    options = parser.parse_args()

    modules, missing = build_all()
    gc.disable()
    loop = asyncio.new_event_loop()
    kinds = [calls, lists, buffers, structs, functools.partial(awaits, loop=loop)]
    found: list[Row] = []
    if not options.json:
        print(f"{'':<45}{'median':>10}{'least':>10}{'':<9}{'inlay / it':>16}")
    for work in (work for kind in kinds for work in kind(modules)):
        if options.only not in work.name:
            continue
        made = rows(work, measure(work, options.rounds))
        found += made
        for row in made if not options.json else []:
            print_row(row, row is made[0])
    loop.close()
    if options.json:
        print(as_json(found, missing))
    for name, why in missing.items() if not options.json else []:
        print(f"left out: {name}: {why}")


if __name__ == "__main__":
    main()
