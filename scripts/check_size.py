#!/usr/bin/env python3
"""Check that files and functions stay small enough to be read.

Beyond the soft limit is a warning, which --verbose shows one by one; beyond
the hard limit is an error, unless size_exceptions.txt names the file or the
function with a limit of its own and a reason.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
EXCEPTIONS = Path(__file__).with_name("size_exceptions.txt")
FOLDERS = ("src", "include", "python", "tests", "fuzz", "bench", "scripts")
LIMITS = {  # kind: soft, hard
    "file": (500, 800),
    "header": (300, 400),
    "function": (60, 100),
}


class Size(NamedTuple):
    """A thing that was measured; its name is what an exception calls it."""

    kind: str
    name: str
    where: str
    lines: int


def c_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, first line, lines: in this style a function's brace is in column 0."""
    head: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}"):
            if start and (found := re.findall(r"(\w+)\s*\(", " ".join(head))):
                yield found[0], start, number - start + 1
            head, start = [], 0
        elif not start:
            ends = line.endswith((";", "*/")) or line.startswith(("#", "//"))
            head = [] if ends or not line else [*head, line]


def python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            last = node.end_lineno or node.lineno
            yield node.name, node.lineno, last - node.lineno + 1


def measure(path: Path) -> Iterator[Size]:
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text()
    kind = "header" if path.suffix == ".h" else "file"
    yield Size(kind, name, name, len(text.splitlines()))
    functions = python_functions if path.suffix == ".py" else c_functions
    for function, line, lines in functions(text):
        yield Size("function", f"{name}:{function}", f"{name}:{line}", lines)


def read_exceptions() -> dict[str, int]:
    exceptions = {}
    for line in EXCEPTIONS.read_text().splitlines():
        if line and not line.startswith("#"):
            name, limit, _reason = line.split(maxsplit=2)
            exceptions[name] = int(limit)
    return exceptions


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-v", "--verbose", action="store_true")
    verbose = parser.parse_args().verbose
    exceptions = read_exceptions()
    unused = set(exceptions)
    errors, warnings = [], []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.[chp]*")):
            if path.suffix not in (".c", ".h", ".py"):
                continue
            for size in measure(path):
                soft, hard = LIMITS[size.kind]
                limit = exceptions.get(size.name, hard)
                if size.lines > hard:
                    unused.discard(size.name)
                line = f"{size.where}: {size.name} has {size.lines} lines"
                if size.lines > limit:
                    errors.append(f"{line}, {limit} at most")
                elif hard >= size.lines > soft:
                    warnings.append(f"warning: {line}, better {soft}")
    errors += [f"{EXCEPTIONS.name}: {name} is not needed" for name in sorted(unused)]
    for line in [*(warnings if verbose else []), *errors]:
        print(line)
    if warnings and not verbose:
        print(f"{len(warnings)} beyond a soft limit (check_size.py -v names them)")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
