#!/usr/bin/env bash
# Starlette's, FastAPI's and uvicorn's own test suites, against a running Inlay
# (docs/suites.md). Their packages and the virtual environment are kept in
# build/suites. Arguments: which of the three; none for all.
set -euo pipefail

venv=build/suites/venv
scripts/venv.sh "$venv" requirements/suites.txt
scripts/build.sh "$venv"
"$venv/bin/python" tests/suites/suites.py "$@"
