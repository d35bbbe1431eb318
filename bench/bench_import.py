"""Time of `import inlay` and `import fast` together: compiled, and cached."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = """
#include <inlay.h>
/// A sum of squares.
int64_t sum_squares(int64_t a, int64_t b) { return a * a + b * b; }
INLAY_DEFAULT(sum_squares, b, 2);
"""

TIMED = """
import time
start = time.perf_counter()
import inlay
import fast
print(time.perf_counter() - start)
"""


def once(folder: str) -> float:
    env = {**os.environ, "INLAY_CACHE_DIR": f"{folder}/cache"}
    out = subprocess.run(
        [sys.executable, f"{folder}/timed.py"],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    return float(out.stdout)


def main() -> None:
    first, cached = [], []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "fast.c").write_text(SOURCE)
            Path(folder, "timed.py").write_text(TIMED)
            first.append(once(folder))
            cached.append(once(folder))
    rows = [
        ("first import of a small file", statistics.median(first), 0.3),
        ("cached import", statistics.median(cached), 0.02),
    ]
    print(
        json.dumps(
            [
                {
                    "work": work,
                    "name": "inlay",
                    "time": f"{seconds * 1000:.1f} ms",
                    "value": seconds,
                    "target": target,
                }
                for work, seconds, target in rows
            ]
        )
    )


if __name__ == "__main__":
    main()
