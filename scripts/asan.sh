#!/usr/bin/env bash
# AddressSanitizer and UBSan: over the C tests, then over the Python tests,
# which get the instrumented build by PYTHONPATH. Arguments go to pytest.
set -euo pipefail

venv=${VENV:-.venv}
export PATH="$PWD/$venv/bin:$PATH"
site=$PWD/build/asan/site

if [ ! -e build/asan/build.ninja ]; then
    meson setup build/asan -Db_sanitize=address,undefined -Db_ndebug=false \
        -Dpython.platlibdir="$site" -Dpython.purelibdir="$site" \
        -Dc_args=-fno-omit-frame-pointer
fi
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
ASAN_OPTIONS=detect_leaks=1 meson test -C build/asan --print-errorlogs \
    --timeout-multiplier 4

scripts/setup.sh database
meson install -C build/asan --quiet

# libstdc++ as well: ASan wraps its exceptions only if it is there at start.
preload=
for library in libasan.so libstdc++.so.6; do
    preload+=${preload:+:}$(realpath "$(gcc -print-file-name=$library)")
done
# psql hangs with the library preloaded, and is nothing of ours.
set -- "$@" --ignore=tests/py/test_postgres_cluster.py
# CPython keeps much alive until exit: leaks are for the C tests to find.
env LD_PRELOAD="$preload" PYTHONMALLOC=malloc PYTHONPATH="$site" \
    ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1 \
    python -m pytest -q -n auto --dist loadfile -m "${MARKS:-not bench and not slow}" \
    -o timeout=300 "$@"
