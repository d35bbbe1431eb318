#!/usr/bin/env bash
# Makes the virtual environment DIR for $PYTHON, or renews it when it belongs
# to another Python, and installs a requirements file into it.
# Usage: scripts/venv.sh DIR REQUIREMENTS
set -euo pipefail

dir=$1
requirements=$2
python=${PYTHON:-python3}

version() { "$1" -c 'import sys; print(sys.base_prefix, sys.version)' 2>&1; }

mkdir -p build
exec 9>build/.lock
flock 9
if [ ! -x "$dir/bin/python" ] ||
    [ "$(version "$dir/bin/python")" != "$(version "$python")" ]; then
    rm -rf "$dir"
    "$python" -m venv "$dir" 9>&-
fi
echo "Python packages of $requirements -> $dir"
"$dir/bin/python" -m pip install -q --disable-pip-version-check \
    --prefer-binary -r "$requirements" 9>&-
