#!/usr/bin/env bash
# The C files that clang-format keeps in shape. Examples are set as a user
# would write them, and fixtures of the tests have to keep their lines.
set -euo pipefail

for path in src include fuzz bench tests/unit tests/loopback; do
    if [ -d "$path" ]; then
        find "$path" -name '*.[ch]' -print0
    fi
done | sort -z
