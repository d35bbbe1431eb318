#!/usr/bin/env python3
"""Check that the includes of src/ only point to the left.

base <- {type, net, pool} <- {http, dwarf} <- load <- db <- serve <- {embed, py}, where
http sees base only. Folders within braces do not see each other. Also: Python.h
only in py, each library only in its folder, and banned.h last in every .c file.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BELOW_LOAD = {"base", "type", "net", "pool", "http", "dwarf"}
SEES: dict[str, set[str]] = {
    "base": set(),
    "type": {"base"},
    "net": {"base"},
    "pool": {"base"},
    "http": {"base"},
    "dwarf": {"base", "type", "net"},
    "load": BELOW_LOAD,
    "db": BELOW_LOAD | {"load"},
    "serve": BELOW_LOAD | {"load", "db"},
    "embed": BELOW_LOAD | {"load", "db", "serve"},
    "py": BELOW_LOAD | {"load", "db", "serve"},
}
# Which folders a library belongs to, so that it can be replaced.
LIBRARIES = {
    r"Python\.h|structmember\.h": "py",
    r"llhttp\.h": "http",
    r"yyjson\.h": "type",
    r"pcre2\.h": "type",
    r"elfutils/.*|libelf\.h|gelf\.h": "dwarf",
    r"ffi\.h": "py",
    r"openssl/.*": "http",
    r"libpq-fe\.h|postgres_ext\.h": "db",
    r"sqlite3\.h": "db",
    r"zlib\.h": "http or serve",
    r"brotli/.*|zstd\.h": "serve",
}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def check_include(folder: str, quote: str, path: str) -> str | None:
    for pattern, owner in LIBRARIES.items():
        if re.fullmatch(pattern, path) and folder not in owner.split(" or "):
            return f"{path} belongs to {owner} alone"
    if quote == "<" or path == "inlay.h":
        return None
    target, slash, _ = path.partition("/")
    if not slash:
        return f'write "{path}" with its folder, as in "base/arena.h"'
    if target not in SEES:
        return f'"{path}" is in no folder of src/'
    if target != folder and target not in SEES[folder]:
        return f"{folder} must not include {path}: includes only point left"
    return None


def check_file(path: Path, folder: str) -> list[str]:
    problems = []
    last = (1, "")
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := INCLUDE.match(line):
            last = (number, match[2])
            if problem := check_include(folder, match[1], match[2]):
                problems.append(f"{path.relative_to(ROOT)}:{number}: {problem}")
    if path.suffix == ".c" and last[1] != "base/banned.h":
        where = f"{path.relative_to(ROOT)}:{last[0]}"
        problems.append(f'{where}: the last include must be "base/banned.h"')
    return problems


def main() -> int:
    problems = []
    for path in sorted((ROOT / "src").rglob("*")):
        folder = path.relative_to(ROOT / "src").parts[0]
        if path.suffix in (".c", ".h", ".def") and path.is_file():
            if folder in SEES:
                problems += check_file(path, folder)
            else:
                problems.append(f"src/{folder}: a folder without a layer")
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
