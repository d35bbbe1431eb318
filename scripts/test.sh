#!/usr/bin/env bash
# The C tests, then the Python tests, against what `make build` installed.
# FAST=1 leaves out the slow ones; further arguments go to pytest.
set -euo pipefail

venv=${VENV:-.venv}
export PATH="$PWD/$venv/bin:$PATH"

if [ ! -e build/c/build.ninja ]; then
    meson setup build/c -Dextension=false -Db_ndebug=false
fi
if [ -n "${CI:-}" ]; then
    meson configure build/c -Dwerror=true
fi
meson test -C build/c --print-errorlogs

scripts/setup.sh database
marks='not bench'
if [ -n "${FAST:-}" ]; then
    marks='not bench and not slow'
else
    scripts/setup.sh browser
fi
python -m pytest -q -n auto --dist loadfile -m "$marks" "$@"
