#!/usr/bin/env bash
# Runs each fuzz target (clang, libFuzzer) for a number of seconds.
# Seeds are in fuzz/corpus/<target>, what is found on the way goes to
# build/corpus/<target>, crashes to build/crashes/.
# Usage: scripts/fuzz.sh [SECONDS] [TARGET...]
set -euo pipefail

seconds=${1:-60}
shift || true
venv=${VENV:-.venv}
scripts/setup.sh fuzz
export PATH="$PWD/$venv/bin:$PATH"

if [ ! -e build/fuzz/build.ninja ]; then
    CC=clang meson setup build/fuzz -Dfuzz=true -Dtests=false \
        -Dextension=false -Db_ndebug=false -Db_lundef=false \
        -Db_sanitize=address,undefined \
        -Dc_args='-fsanitize=fuzzer-no-link -fno-omit-frame-pointer'
fi
meson compile -C build/fuzz

if [ $# = 0 ]; then
    for path in build/fuzz/fuzz/fuzz_*; do
        if [ -f "$path" ] && [ -x "$path" ]; then
            set -- "$@" "${path##*/}"
        fi
    done
fi
if [ $# = 0 ]; then
    echo "fuzz: no targets were built" >&2
    exit 1
fi
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
failed=0
mkdir -p build/crashes
# Shared objects are made here; they are too large for the repository.
mkdir -p build/corpus/dwarf
for source in types kinds objects records; do
    for cc in gcc clang; do
        "$cc" -O1 -g -fPIC -shared -nostdlib -w -Iinclude \
            "tests/dwarf/$source.c" -o "build/corpus/dwarf/$source-$cc" || true
    done
done
for target in "$@"; do
    name=${target#fuzz_}
    corpora=("build/corpus/$name")
    mkdir -p "${corpora[0]}"
    if [ -d "fuzz/corpus/$name" ]; then
        corpora+=("fuzz/corpus/$name")
    fi
    dict=()
    if [ -e "fuzz/$name.dict" ]; then
        dict=("-dict=fuzz/$name.dict")
    fi
    echo "== $target, $seconds s"
    if ! "build/fuzz/fuzz/fuzz_$name" -max_total_time="$seconds" \
        -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="build/crashes/$name-" "${dict[@]}" \
        "${corpora[@]}"; then
        echo "fuzz: $target failed; its input is in build/crashes/" >&2
        failed=1
    fi
done
# Random values of Python into every conversion; in the plain build, so that a
# crash is one of ours.
echo "== conversions"
INLAY_FUZZ_CALLS=$((seconds * 3000)) python -m pytest -q \
    tests/py/test_values_random.py || failed=1
exit "$failed"
