"""A private PostgreSQL in a temporary folder, and a PgBouncer before it.

As root they run as the users that Debian has for them, else as whoever asks.
They end with the thread that started them, however that ends; after SIGKILL
only the folder stays.

`python tests/py/postgres.py -- COMMAND…` runs a command with such a server: its
URL is in INLAY_TEST_POSTGRES. The status is the command's, 77 (a test that is
skipped) where PostgreSQL is not installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}
SIGNALS = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


def installed() -> Path | None:
    """The folder of the newest server's programs."""

    def version(path: Path) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", path.parent.parent.name)]

    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=version)
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).parent if elsewhere else None


def pgbouncer_installed() -> str | None:
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def gone(pid: int) -> bool:
    """Nobody may have waited for it yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def wait_until(found: Callable[[], object], what: Callable[[], str]) -> None:
    end = time.monotonic() + 30
    while not found():
        assert time.monotonic() < end, what()
        time.sleep(0.01)


class Daemon:
    """A server in a short folder of its own, as a user who is not root."""

    USERS: Sequence[str] = ("postgres", "nobody")

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="inlay-pg-", dir="/tmp"))
        self.log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.user: str | None = None
        if os.geteuid() == 0:
            self.user = next(name for name in self.USERS if known(name))
            shutil.chown(self.folder, self.user)

    def command(self, *command: str | Path) -> list[str]:
        """That, as that user, to end with this thread."""
        setpriv = shutil.which("setpriv")
        if not setpriv:
            assert not self.user, "setpriv (util-linux) is needed to leave root"
            return list(map(str, command))
        entry = pwd.getpwnam(self.user) if self.user else None
        user = (
            (f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups")
            if entry
            else ()
        )
        return [setpriv, *user, "--pdeathsig=QUIT", "--", *map(str, command)]

    def run(self, *command: str | Path) -> None:
        done = subprocess.run(
            self.command(*command),
            cwd=self.folder,
            env=plain_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout

    def launch(self, *command: str | Path) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(*command),
                cwd=self.folder,
                env=plain_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is not for it
            )

    def logged(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def end(self, number: int) -> None:
        """Sends it that signal, and waits for it to end."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self) -> None:
        """Ends it; nothing is left of it."""
        self.end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Postgres(Daemon):
    """A cluster with one superuser, `postgres`, whom everybody is trusted to be.

    It keeps its folder and its port when it is stopped and started again.
    """

    USERS = ("postgres",)

    def __init__(self, **settings: str) -> None:
        found = installed()
        assert found, "PostgreSQL is not installed"
        super().__init__()
        self.bin = found
        self.data = self.folder / "data"
        self.port = 0
        try:
            self.run(
                *(self.bin / "initdb", "--pgdata", self.data, "--username=postgres"),
                *("--auth=trust", "--encoding=UTF8", "--locale=C"),
                *("--no-sync", "--no-instructions"),
            )
            with (self.data / "postgresql.conf").open("a") as file:
                for name, value in {**SETTINGS, **settings}.items():
                    file.write(f"{name} = '{value}'\n")
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Starts it (again); returns when it takes connections."""
        assert not self.running
        for tries_left in (4, 3, 2, 1, 0):
            port = self.port or free_port()
            if self._start(port, may_fail=tries_left > 0):
                self.port = port
                return

    def _start(self, port: int, may_fail: bool) -> bool:
        # What a server that was killed has left would look ready.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.launch(
            *(self.bin / "postgres", "-D", self.data, "-k", self.folder),
            *("-h", "127.0.0.1", "-p", str(port)),
        )
        wait_until(lambda: not self.running or self._ready(), self.logged)
        if self.running:
            return True
        # Somebody else may have taken the port meanwhile.
        assert may_fail, self.logged()
        self.process = None
        time.sleep(0.1)
        return False

    def _ready(self) -> bool:
        """src/include/utils/pidfile.h: line 8 is its status."""
        try:
            lines = (self.data / "postmaster.pid").read_text().split("\n")
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def stop(self, mode: str = "fast") -> None:
        """As pg_ctl does: "fast" ends sessions, "immediate" crashes them."""
        self.end(SIGNALS[mode])

    def kill(self) -> None:
        """SIGKILL for the server and all of its processes."""
        if self.process is None:
            return
        pid = self.process.pid
        # Nobody may be born meanwhile.
        os.kill(pid, signal.SIGSTOP)
        children = children_of(pid)
        for each in (pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self.process.wait()
        self.process = None
        wait_until(lambda: all(map(gone, children)), lambda: f"{children} live on")

    def url(self, database: str = "postgres", tcp: bool = False) -> str:
        name = quote(database, safe="")
        if tcp:
            return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"
        host = quote(str(self.folder), safe="")
        return f"postgresql://postgres@/{name}?host={host}&port={self.port}"

    def psql(self, sql: str, database: str = "postgres", **variables: str) -> str:
        """What it prints, columns between "|"; :'name' stands for a variable."""
        options = [f"--set={name}={value}" for name, value in variables.items()]
        done = subprocess.run(
            [
                *(str(self.bin / "psql"), "--no-psqlrc", "--quiet", "-At"),
                *("--set=ON_ERROR_STOP=1", *options, self.url(database)),
            ],
            env=plain_environment(),
            input=sql,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.removesuffix("\n")

    def create_database(self, name: str) -> str:
        """Its URL."""
        self.psql('create database :"name"', name=name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Whoever is connected to it."""
        self.psql('drop database if exists :"name" with (force)', name=name)

    def backends(
        self, application_name: str | None = None
    ) -> list[tuple[int, str, str]]:
        """pid, state and last query of the clients that call themselves so."""
        found = self.psql(
            f"""select coalesce(json_agg(json_build_array(pid, state, query)), '[]')
            from pg_stat_activity where {OTHERS}""",
            name=application_name or "",
        )
        return [(pid, state, query) for pid, state, query in json.loads(found)]

    def terminate(self, application_name: str | None = None) -> int:
        """Ends their connections; how many."""
        found = self.psql(
            f"""select count(*) filter (where pg_terminate_backend(pid))
            from pg_stat_activity where {OTHERS}""",
            name=application_name or "",
        )
        return int(found)


# Clients but ourselves: of that name, or all.
OTHERS = """backend_type = 'client backend' and pid <> pg_backend_pid()
    and :'name' in ('', application_name)"""


class PgBouncer(Daemon):
    """In transaction mode, before the databases of a Postgres."""

    def __init__(self, postgres: Postgres, **settings: str) -> None:
        program = pgbouncer_installed()
        assert program, "pgbouncer is not installed"
        super().__init__()
        self.port = free_port()
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": str(self.folder),
            "auth_type": "any",
            "pool_mode": "transaction",
            "default_pool_size": "5",
            "max_client_conn": "500",
            "ignore_startup_parameters": "extra_float_digits",
            **settings,
        }
        # "any" has no names: everybody is the one that is said here.
        server = f"host={postgres.folder} port={postgres.port} user=postgres"
        lines = ["[databases]", f"* = {server}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in settings.items()]
        path = self.folder / "pgbouncer.ini"
        path.write_text("\n".join(lines) + "\n")
        try:
            self.launch(program, path)
            wait_until(lambda: not self.running or self._answers(), self.logged)
            assert self.running, self.logged()
        except BaseException:
            self.close()
            raise

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def url(self, database: str = "postgres") -> str:
        name = quote(database, safe="")
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


def known(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def children_of(pid: int) -> list[int]:
    try:
        return [
            int(child)
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return []


def plain_environment() -> dict[str, str]:
    """Without what libpq would look at, and sanitizers that are for our process
    (initdb hangs with one)."""
    ours = ("LD_PRELOAD", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PG") and name not in ours
    }


def main(arguments: Sequence[str]) -> int:
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        print("usage: postgres.py [--] COMMAND [ARGUMENT]…", file=sys.stderr)
        return 2
    if not installed():
        print("PostgreSQL is not installed", file=sys.stderr)
        return 77
    # So that the folder goes, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Postgres() as postgres:
        found = subprocess.run(
            command, env={**os.environ, "INLAY_TEST_POSTGRES": postgres.url()}
        ).returncode
    return found if found >= 0 else 128 - found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
