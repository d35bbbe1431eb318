#!/usr/bin/env bash
# Formats C (clang-format) and Python (ruff) in place.
set -euo pipefail

scripts/setup.sh check
scripts/c_files.sh | xargs -0 -r clang-format -i
.venv/bin/ruff check -q --fix-only .
.venv/bin/ruff format -q .
