#!/bin/sh
# Run by `meson dist`: a release's source archive holds the third-party C
# sources, so that building it needs no network.
set -eu
exec python3 "$MESON_SOURCE_ROOT/scripts/fetch_third_party.py" \
    --copy-to "$MESON_DIST_ROOT/third_party"
