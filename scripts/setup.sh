#!/usr/bin/env bash
# Installs the Debian packages that are missing, and nothing else.
# Usage: scripts/setup.sh [check] [fuzz] [bench] [browser] [database] [dev]
#   (none)   what the build and the tests need
#   check    clang-format       fuzz     clang and its fuzzer runtime
#   bench    wrk and g++        browser  chromium and its driver
#   dev      check and fuzz     database PostgreSQL and PgBouncer; tests start
#                               servers of their own, the system's has none
# PYTHON names the interpreter to build for (default python3).
set -euo pipefail

python=${PYTHON:-python3}
missing=()

have() { command -v "$1" >/dev/null 2>&1; }
installed() { dpkg -s "$1" 2>/dev/null | grep -q '^Status: .* installed$'; }
want() { # package, then a command that succeeds when it is not needed
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || installed "$package" || missing+=("$package")
}
has_headers() {
    "$python" -c 'import os, sysconfig, sys
path = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(not os.path.exists(path))'
}
is_debians() {
    case $(readlink -f "$(command -v "$python")") in
    /usr/bin/*) return 0 ;;
    *) return 1 ;;
    esac
}

want_build() {
    want gcc have gcc
    want libc6-dev test -e /usr/include/stdio.h
    want pkg-config have pkg-config
    want libdw-dev pkg-config --exists libdw
    want libffi-dev pkg-config --exists libffi
    want libssl-dev pkg-config --exists libcrypto
    want zlib1g-dev pkg-config --exists zlib
    want libbrotli-dev pkg-config --exists libbrotlienc
    want libzstd-dev pkg-config --exists libzstd
    want libpq-dev pkg-config --exists libpq
    want libsqlite3-dev pkg-config --exists sqlite3
    want libpcre2-dev pkg-config --exists libpcre2-8
    want libboost-context-dev has_boost_context
    want libcmocka-dev pkg-config --exists cmocka
    if ! have "$python"; then
        if [ "$python" != python3 ]; then
            echo "setup: there is no '$python' on PATH" >&2
            exit 1
        fi
        missing+=(python3 python3-dev python3-venv)
    elif is_debians; then
        want python3-dev has_headers
        want python3-venv "$python" -c 'import ensurepip'
    fi
}
has_boost_context() {
    test -e "$("${CC:-gcc}" -print-file-name=libboost_context.a)"
}
want_check() { want clang-format have clang-format; }
want_fuzz() {
    want clang have clang
    want libclang-rt-dev have_fuzzer_runtime
}
have_fuzzer_runtime() {
    have clang && test -e "$(clang -print-resource-dir)/lib/linux/libclang_rt.fuzzer-$(uname -m).a"
}
want_bench() {
    want wrk have wrk
    want g++ have g++
}
has_postgresql() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' || have initdb
}
has_pgbouncer() { have pgbouncer || test -x /usr/sbin/pgbouncer; }
want_database() {
    want postgresql has_postgresql
    want pgbouncer has_pgbouncer
}
want_browser() {
    want chromium have chromium
    want chromium-driver have chromedriver
}

install_missing() {
    local sudo=()
    if ! have apt-get; then
        echo "setup: please install what these Debian packages hold:" \
            "${missing[*]}" >&2
        exit 1
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! have sudo; then
            echo "setup: as root, run: apt-get install ${missing[*]}" >&2
            exit 1
        fi
        sudo=(sudo)
    fi
    echo "setup: installing ${missing[*]}"
    "${sudo[@]}" apt-get update -qq
    # Debian's PostgreSQL would make and start a cluster that nobody asked for.
    local made=()
    case " ${missing[*]} " in
    *" postgresql "*)
        made=(/etc/postgresql-common/createcluster.d/inlay.conf)
        "${sudo[@]}" mkdir -p "${made[0]%/*}"
        echo 'create_main_cluster = false' |
            "${sudo[@]}" tee "${made[0]}" >/dev/null
        ;;
    esac
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
    if [ ${#made[@]} != 0 ]; then
        "${sudo[@]}" rm -f "${made[@]}"
    fi
}

check_python() {
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
        echo "setup: Inlay needs Python 3.10 or newer; '$python' is" \
            "$("$python" --version 2>&1). Choose one: make PYTHON=..." >&2
        exit 1
    fi
    if ! has_headers; then
        echo "setup: '$python' comes without its C headers (Python.h)" >&2
        exit 1
    fi
}

for group in "${@:-build}"; do
    case $group in
    build | check | fuzz | bench | browser | database) "want_$group" ;;
    dev) want_check && want_fuzz ;;
    *)
        echo "setup: unknown group '$group'" >&2
        exit 2
        ;;
    esac
done
if [ ${#missing[@]} != 0 ]; then
    install_missing
fi
check_python
