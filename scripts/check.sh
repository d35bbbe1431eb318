#!/usr/bin/env bash
# The rules of the house, all of them even if one fails.
set -uo pipefail

bin=.venv/bin
failed=0
rule() { # name, command...
    local name=$1
    shift
    if "$@"; then
        echo "ok      $name"
    else
        echo "FAILED  $name"
        failed=1
    fi
}
check_c_format() {
    if [ -n "${CI:-}" ]; then
        scripts/setup.sh check || return
    elif ! command -v clang-format >/dev/null; then
        echo "skipped: clang-format is not here (scripts/setup.sh check)"
        return
    fi
    local file ugly=0
    while IFS= read -r -d '' file; do
        if ! clang-format --dry-run --Werror "$file" 2>/dev/null; then
            echo "$file: not as clang-format has it (make format)"
            ugly=1
        fi
    done < <(scripts/c_files.sh)
    return "$ugly"
}
check_spelling() {
    git ls-files -z -co --exclude-standard | xargs -0 -r "$bin/codespell"
}

rule "layers" "$bin/python" scripts/check_layers.py
rule "sizes" "$bin/python" scripts/check_size.py
rule "words" "$bin/python" scripts/check_words.py
rule "C format" check_c_format
rule "ruff" "$bin/ruff" check -q .
rule "Python format" "$bin/ruff" format --check -q .
rule "types" "$bin/mypy" --no-error-summary
rule "spelling" check_spelling
exit "$failed"
