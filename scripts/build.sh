#!/usr/bin/env bash
# Builds Inlay and installs it into the virtual environment DIR. The build
# folder is kept, so that only what changed is compiled again.
# Usage: scripts/build.sh DIR
set -euo pipefail

dir=$1
tag=$("$dir/bin/python" -c 'import sys, sysconfig
gil = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
print(f"cp{sys.version_info[0]}{sys.version_info[1]}{gil}")')

mkdir -p build
exec 9>build/.lock
flock 9
# meson does not know options that came after it was configured.
made="build/$tag/meson-info/intro-buildoptions.json"
if [ -e "$made" ] && [ meson.options -nt "$made" ]; then
    rm -rf "build/${tag:?}"
fi
export PATH="$PWD/$dir/bin:$PATH"
"$dir/bin/python" -m pip install -q --disable-pip-version-check \
    --no-build-isolation --no-deps --no-index --force-reinstall \
    --config-settings=build-dir="build/$tag" . 9>&-
