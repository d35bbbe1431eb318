#!/usr/bin/env python3
"""Runs the test suites of Starlette, FastAPI and uvicorn against Inlay.

Their source packages are downloaded (pinned by hash) into build/suites; their
tests run with a client that talks HTTP to a running server. Of Starlette and
FastAPI each test runs on uvicorn too: what passes there has to pass here, but
for what differences.toml explains. uvicorn's own tests have to pass here, but
for what is explained.

  suites.py [starlette] [fastapi] [uvicorn]
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
WORK = HERE.parent.parent / "build" / "suites"
TIMEOUT = 30  # seconds a test may take
_GOOD = ("passed", "apart")


@dataclass(frozen=True)
class Suite:
    """A source package and which of its tests are about a server."""

    name: str
    version: str
    sha256: str
    plugin: str
    tests: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    peer: str | None = "uvicorn"  # the server that says what can pass

    @property
    def folder(self) -> Path:
        return WORK / f"{self.name}-{self.version}"


SUITES = {
    "starlette": Suite(
        "starlette",
        "1.10.0",
        "b8399098d4c1e3522734f7235dc79b1fc967f96cf139c81e0fa30479e0685f9b",
        "live_testclient",
        ("tests",),
        # Of the client that is replaced.
        ("tests/test_testclient.py",),
    ),
    "fastapi": Suite(
        "fastapi",
        "0.165.0",
        "dd94d4128319c1e1d50535ab023ab698f850a4d2822f0e181747b46f4ff3c0ab",
        "live_testclient",
        ("tests",),
        # Of its documentation's build, and of other programs.
        ("tests/benchmarks", "tests/test_fastapi_cli.py"),
    ),
    "uvicorn": Suite(
        "uvicorn",
        "0.54.0",
        "a2e33cbfaa0306f8e6b0c13e0cb89d7d7a2da3e62b90c66e18c33d9807b28620",
        "live_uvicorn",
        (
            "tests/protocols/test_http.py",
            "tests/protocols/test_websocket.py",
            "tests/middleware/test_proxy_headers.py",
            "tests/test_default_headers.py",
        ),
        peer=None,
    ),
}


def download(suite: Suite) -> None:
    if suite.folder.is_dir():
        return
    WORK.mkdir(parents=True, exist_ok=True)
    pins = WORK / f"{suite.name}.txt"
    pins.write_text(f"{suite.name}=={suite.version} --hash=sha256:{suite.sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
    command += ["--disable-pip-version-check", "--no-binary=:all:"]
    command += ["--require-hashes", "-d", str(WORK), "-r", str(pins)]
    subprocess.run(command, check=True)
    (archive,) = WORK.glob(f"{suite.name}-{suite.version}.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(WORK)  # noqa: S202 - its hash is known


def run(suite: Suite, server: str) -> dict[str, str]:
    """Each test's outcome: passed, failed, skipped, or apart: it passed and
    never had a server."""
    report = WORK / f"{suite.name}.{server}.xml"
    log = WORK / f"{suite.name}.{server}.log"
    command = [sys.executable, "-m", "pytest", "-q", "-p", suite.plugin]
    command += ["-p", "no:cacheprovider", "-p", "no:inlay", "-n", "2"]
    command += ["-o", "filterwarnings=default", "-o", "addopts="]
    command += ["--timeout", str(TIMEOUT), f"--junit-xml={report}"]
    command += [f"--ignore={path}" for path in suite.ignored]
    paths = filter(None, [os.environ.get("PYTHONPATH")])
    with log.open("wb") as out:
        done = subprocess.run(
            [*command, *suite.tests],
            cwd=suite.folder,
            env={
                "PATH": "/usr/bin:/bin",
                "LIVE_SERVER": server,
                "PYTHONPATH": os.pathsep.join([str(HERE), str(suite.folder), *paths]),
            },
            stdout=out,
            stderr=out,
            check=False,
        )
    if done.returncode not in (0, 1):  # not even all of them were collected
        sys.exit(f"pytest failed with {done.returncode}: see {log}")
    return read(report)


def read(report: Path) -> dict[str, str]:
    outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            outcome = "failed"
        elif "skipped" in kinds:
            outcome = "skipped"
        elif case.find("properties/property[@name='servers'][@value='0']") is not None:
            outcome = "apart"
        else:
            outcome = "passed"
        outcomes[f"{case.get('classname')}::{case.get('name')}"] = outcome
    return outcomes


def explained(suite: Suite) -> dict[str, str]:
    """Patterns of tests -> why they differ."""
    found = tomllib.loads((HERE / "differences.toml").read_text())
    return {
        pattern: entry["why"]
        for entry in found.get(suite.name, [])
        for pattern in entry["tests"]
    }


def compare(suite: Suite) -> int:
    """Prints a summary; how many differences nobody has explained."""
    download(suite)
    ours = run(suite, "inlay")
    wanted = run(suite, suite.peer) if suite.peer else dict.fromkeys(ours, "passed")
    reasons = explained(suite)
    used: set[str] = set()
    unexplained = []
    for test, outcome in wanted.items():
        found = ours.get(test, "missing")
        if outcome not in _GOOD or found in _GOOD or found == "skipped":
            continue
        patterns = [p for p in reasons if re.search(p, test)]
        used.update(patterns)
        if not patterns:
            unexplained.append(test)
    print(f"{suite.name} {suite.version}")
    print(f"  inlay: {count(ours)}")
    if suite.peer:
        print(f"  {suite.peer}: {count(wanted)}")
    for test in unexplained:
        print(f"  NOT EXPLAINED: {test}")
    for pattern in sorted(set(reasons) - used):
        print(f"  explained, but there is no such difference: {pattern}")
    return len(unexplained) + len(set(reasons) - used)


def count(outcomes: dict[str, str]) -> str:
    kinds = Counter(outcomes.values())
    return (
        f"{kinds['passed']} passed, {kinds['failed']} failed; "
        f"{kinds['apart']} ask no server, {kinds['skipped']} skipped"
    )


def main() -> None:
    names = sys.argv[1:] or list(SUITES)
    sys.exit(1 if sum(compare(SUITES[name]) for name in names) else 0)


if __name__ == "__main__":
    main()
