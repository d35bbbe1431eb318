#!/usr/bin/env python3
"""Check for words that do not belong into the repository.

Paths of one machine and addresses of package hosts anywhere; notes of
unfinished work in what users get.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Each is written so that it does not match itself.
PATHS = re.compile(r"(?<![\w.~}])/(?:root|home|work|farm)/(?=\w|$)")
HOSTS = re.compile(r"pypi[.]org|python[h]osted|[-]-(extra-)?index-url")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|X{3})\b|not implemented ye[t]")
FINISHED = ("src/", "include/", "python/")


def files() -> list[str]:
    command = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return sorted(name for name in listed.stdout.decode().split("\0") if name)


def main() -> int:
    problems = 0
    for name in files():
        path = ROOT / name
        if not path.is_file() or path.is_symlink():
            continue
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        patterns = {"a path of one machine": PATHS, "a package host": HOSTS}
        if name.startswith(FINISHED):
            patterns["unfinished"] = UNFINISHED
        for number, line in enumerate(lines, 1):
            for what, pattern in patterns.items():
                if pattern.search(line):
                    print(f"{name}:{number}: {what}: {line.strip()}")
                    problems += 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
