#!/usr/bin/env bash
# One wheel of C functions, made by the default Python, on every Python that
# `make test-all` has built Inlay for, without a compiler.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
inlay=$PWD/.venv/bin/inlay
(cd "$place" && "$inlay" new one_wheel --template wheel &&
    "$inlay" build one_wheel --wheel --outdir "$place") >/dev/null
wheel=$(echo "$place"/*.whl)
echo "$(basename "$wheel"):"
for python in .venv/bin/python build/python-*/venv/bin/python; do
    [ -x "$python" ] || continue
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    site=$place/$version
    "$python" -m pip install -q --disable-pip-version-check --no-index --no-deps \
        --target "$site" "$wheel"
    env PATH="$place" CC=none INLAY_CACHE_DIR="$place/cache-$version" \
        PYTHONPATH="$site" "$(realpath -s "$python")" -c '
import one_wheel
assert one_wheel.mean([1, 2, 6]) == 3.0
assert one_wheel.mean.__doc__.startswith("The mean")'
    [ ! -e "$place/cache-$version" ] || { echo "it used the cache"; exit 1; }
    echo "  works on $version"
done
