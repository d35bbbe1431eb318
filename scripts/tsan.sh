#!/usr/bin/env bash
# ThreadSanitizer over the C tests. Arguments go to `meson test`.
set -euo pipefail

venv=${VENV:-.venv}
export PATH="$PWD/$venv/bin:$PATH"

if [ ! -e build/tsan/build.ninja ]; then
    meson setup build/tsan -Dextension=false -Db_sanitize=thread \
        -Db_ndebug=false -Dc_args=-fno-omit-frame-pointer
fi
meson compile -C build/tsan

# TSan's shadow memory cannot live with wide address randomisation.
fixed=()
if setarch "$(uname -m)" -R true 2>/dev/null; then
    fixed=(setarch "$(uname -m)" -R)
fi
# A test of forks goes on in a child that starts threads.
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0:suppressions=$PWD/scripts/tsan.supp
"${fixed[@]}" meson test -C build/tsan --no-rebuild --print-errorlogs \
    --timeout-multiplier 4 "$@"
