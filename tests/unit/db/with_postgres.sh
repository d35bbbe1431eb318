#!/bin/sh
# with_postgres.sh PROGRAM [ARGUMENT…] - runs a program with a PostgreSQL of its
# own, in a folder that goes afterwards: its URL is in INLAY_TEST_PG, and
# "$INLAY_TEST_PG_CONTROL stop" and "… start" end and begin it. 77 (skipped)
# where PostgreSQL is not installed.
set -e

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
if [ -z "$bin" ] && command -v initdb >/dev/null && command -v pg_ctl >/dev/null
then
    bin=$(dirname "$(command -v pg_ctl)")
fi
if [ ! -x "$bin/initdb" ] || [ ! -x "$bin/pg_ctl" ]; then
    echo "PostgreSQL is not installed" >&2
    exit 77
fi

dir=$(mktemp -d /tmp/inlay-pg.XXXXXX)
as=
# The server refuses to run as root.
if [ "$(id -u)" = 0 ]; then
    if ! id postgres >/dev/null 2>&1; then
        rm -rf "$dir"
        exit 77
    fi
    chown postgres "$dir"
    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
fi

cat >"$dir/control" <<END
#!/bin/sh
cd "$dir"
case "\$1" in
start) exec $as "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 -s start \\
    -o "-c fsync=off -c synchronous_commit=off -c listen_addresses= \\
        -c unix_socket_directories=$dir -c max_connections=60 \\
        -c max_prepared_transactions=0" </dev/null >/dev/null ;;
stop) exec $as "$bin/pg_ctl" -D "$dir/data" -w -s -m "\${2:-fast}" stop ;;
esac
END
chmod +x "$dir/control"

finish()
{
    "$dir/control" stop immediate >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

(cd "$dir" && $as "$bin/initdb" -D "$dir/data" -A trust -U postgres --no-sync \
    -E UTF8 --locale=C.UTF-8 >"$dir/initdb.log" 2>&1) || {
    cat "$dir/initdb.log" >&2
    exit 1
}
"$dir/control" start || {
    cat "$dir/log" >&2
    exit 1
}
INLAY_TEST_PG="postgresql://postgres@/postgres?host=$dir"
INLAY_TEST_PG_CONTROL="$dir/control"
export INLAY_TEST_PG INLAY_TEST_PG_CONTROL
status=0
"$@" || status=$?
exit $status
