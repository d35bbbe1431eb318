#!/usr/bin/env bash
# Everything: each other Python that is here, others' test suites, the
# sanitizers, the fuzzers.
# Prints one line per part at the end, and fails if any part did.
set -uo pipefail

failed=0
summary=()
part() { # name, command...
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then
        summary+=("ok      $name")
    else
        summary+=("FAILED  $name")
        failed=1
    fi
}

# The interpreter for a version such as 3.12: on PATH, or one of pyenv's.
find_python() {
    local candidate
    for candidate in "python$1" \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python3; do
        if "$candidate" -c 'import venv' >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

test_python() { # interpreter, version
    local venv=build/python-$2/venv
    PYTHON=$1 scripts/setup.sh &&
        PYTHON=$1 scripts/venv.sh "$venv" requirements/dev.txt &&
        scripts/build.sh "$venv" &&
        PATH="$PWD/$venv/bin:$PATH" "$venv/bin/python" -m pytest -q -n auto --dist loadfile
}

default=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
part "Python $default" scripts/test.sh
for version in 3.10 3.11 3.12 3.13; do
    if [ "$version" = "$default" ]; then
        continue
    elif python=$(find_python "$version"); then
        part "Python $version" test_python "$python" "$version"
    else
        summary+=("absent  Python $version")
    fi
done
part "one wheel for all" scripts/one_wheel.sh
part "suites of Starlette, FastAPI and uvicorn" scripts/suites.sh
part "AddressSanitizer and UBSan" scripts/asan.sh
part "ThreadSanitizer" scripts/tsan.sh
part "fuzzers" scripts/fuzz.sh "${FUZZ_SECONDS:-60}"

printf '\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
