"""Databases: what a request that asks PostgreSQL costs the server.

A private PostgreSQL, 10 connections to it by its Unix socket, 32 HTTP
connections: one row by its key, 20 rows, 20 updates in a transaction, one after
the other or at once. C routes against FastAPI with asyncpg on uvicorn, and axum
with deadpool-postgres. Rounds alternate between the servers; PostgreSQL's own
time does not count. Before it is measured, every server gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from load import Load, free_port, measure, serving

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "py"))

from postgres import Postgres, installed  # noqa: E402

APPS = str(HERE / "apps")
ROUNDS = 5
CONNECTIONS = 32
ROWS = 10_000
SETUP = f"""
create table items as
    select i::bigint as id, 'name ' || i as name, i || '@example.com' as email,
        i / 2.0::double precision as score
    from generate_series(0, {ROWS}) i;
alter table items add primary key (id);
create table counters as select id, 0::bigint as total from items;
alter table counters add primary key (id);
vacuum analyze;
"""


@dataclass(frozen=True)
class Work:
    """Paths are `path`/0, /`step`, …; `count` of them."""

    name: str
    path: str
    step: int
    count: int
    targets: Mapping[str, float]  # what ours may take of theirs


ASYNCPG, AXUM = "FastAPI + asyncpg", "axum + deadpool"
AHEAD = {ASYNCPG: 1.0, AXUM: 1.0}
WORKS = {
    "one": Work(
        *("one row by key -> JSON", "/items", 1, ROWS), {ASYNCPG: 1 / 15, AXUM: 0.85}
    ),
    "many": Work("20 rows -> JSON", "/after", 20, ROWS // 20, AHEAD),
    # Requests at the same time have rows of their own.
    "update": Work("20 updates in a transaction", "/update", 20, ROWS // 20, AHEAD),
    "batch": Work("the same, sent as one batch", "/batch", 20, ROWS // 20, AHEAD),
}


def build_axum() -> str | None:
    """The same routes in axum; None where they can't be built."""
    target = HERE.parent / "build" / "bench_axum_db"
    if not shutil.which("cargo"):
        return None
    done = subprocess.run(
        ["cargo", "build", "--release", "--quiet", "--locked"],
        cwd=HERE / "peers" / "axum_db",
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
        check=False,
    )
    return None if done.returncode else str(target / "release" / "bench_axum_db")


def servers(url: str) -> dict[str, list[str]]:
    """Ours first."""
    quiet = ["--port", "{port}", "--no-access-log", "--log-level", "warning"]
    python = ["env", f"DATABASE_URL={url}", sys.executable, "-m"]
    made = {
        "inlay": [*python, "inlay", "run", "db.c", "--db-max-size", "10", *quiet],
        ASYNCPG: [
            *(*python, "uvicorn", "db_app:app", *quiet),
            *("--loop", "uvloop", "--http", "httptools"),
        ],
    }
    axum = build_axum()
    return {**made, AXUM: [axum, "{port}", url]} if axum else made


def answers(command: Sequence[str]) -> list[bytes]:
    port = free_port()
    paths = (
        "/items/0",
        "/items/7",
        f"/items/{ROWS}",
        "/after/40",
        "/update/60",
        "/batch/60",
    )
    with serving(command, port, APPS):
        return [
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}").read()
            for path in paths
        ]


def check(commands: dict[str, list[str]], postgres: Postgres) -> None:
    """Who answers something else, or does nothing, is not to be compared."""
    before: list[bytes] = []
    for number, (name, command) in enumerate(commands.items(), 1):
        found = answers(command)
        before = before or found
        if found != before:
            raise SystemExit(f"{name} answers {found}, not {before}")
        total = postgres.psql("select sum(total) from counters", "bench")
        if total != str(40 * number):
            raise SystemExit(f"{name} has not updated: {total}")
    if json.loads(before[1])["score"] != 3.5 or len(json.loads(before[3])) != 20:
        raise SystemExit(f"all of them are wrong: {before}")


def compare(
    work: Work, commands: dict[str, list[str]], rounds: int, seconds: float
) -> list[dict[str, object]]:
    loads: dict[str, list[Load]] = {name: [] for name in commands}
    script = (str(HERE / "db_paths.lua"), str(work.step), str(work.count))
    for _ in range(rounds):
        for name, command in commands.items():
            load = measure(
                command,
                work.path,
                APPS,
                script=script,
                seconds=seconds,
                connections=CONNECTIONS,
            )
            if load.failed:
                raise SystemExit(f"{work.name}: {name}: {load.failed} have failed")
            loads[name].append(load)
    ours = loads["inlay"]
    return [line(work, name, ours, found) for name, found in loads.items()]


def line(
    work: Work, name: str, ours: Sequence[Load], found: Sequence[Load]
) -> dict[str, object]:
    middle = sorted(found, key=lambda load: load.cpu_us)[len(found) // 2]
    made: dict[str, object] = {
        "work": work.name,
        "name": name,
        "time": f"{statistics.median(load.cpu_us for load in found):.1f} us",
        "rate": f"{statistics.median(load.rate for load in found):,.0f}/s",
        "latency": f"p50 {middle.p50}, p99 {middle.p99}",
    }
    if name in work.targets:
        # Of the round's own pair, as run.py has it.
        made["value"] = statistics.median(
            a.cpu_us / b.cpu_us for a, b in zip(ours, found, strict=True)
        )
        made["target"] = work.targets[name]
    return made


def run(names: Sequence[str], rounds: int, seconds: float) -> list[dict[str, object]]:
    if installed() is None:
        return []
    with Postgres() as postgres:
        url = postgres.create_database("bench")
        postgres.psql(SETUP, "bench")
        commands = servers(url)
        check(commands, postgres)
        return [
            each
            for name in names or WORKS
            for each in compare(WORKS[name], commands, rounds, seconds)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", nargs="*", choices=[*WORKS, []])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = run(options.work, options.rounds, options.seconds)
    if options.json:
        print(json.dumps(found))
        return
    for each in found:
        ratio = (
            f"  inlay takes {each['value']:.3f} of it (target {each['target']:.3f})"
            if "target" in each
            else ""
        )
        print(
            f"{each['work']:28} {each['name']:18} {each['time']:>9}"
            f" {each['rate']:>10}  {each['latency']}{ratio}"
        )


if __name__ == "__main__":
    main()
