"""The PostgreSQL that tests start for themselves."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from . import postgres as cluster

pytestmark = pytest.mark.skipif(
    cluster.installed() is None, reason="PostgreSQL is not installed"
)

HERE = Path(cluster.__file__)


def sleeping(postgres: cluster.Postgres) -> subprocess.Popen[bytes]:
    """A client that the server has, and that waits for it."""
    process = subprocess.Popen(
        [
            *(str(postgres.bin / "psql"), "-XAtq", postgres.url(tcp=True)),
            *("-c", "select pg_sleep(60)"),
        ],
        env={**cluster.plain_environment(), "PGAPPNAME": "sleeper"},
        stderr=subprocess.DEVNULL,
    )
    cluster.wait_until(
        lambda: "active" in [state for _, state, _ in postgres.backends("sleeper")],
        postgres.logged,
    )
    return process


def test_answers_on_a_socket_and_a_port_and_is_not_root(postgres):
    assert postgres.psql("select 1, 'a''b'") == "1|a'b"
    assert postgres.psql("show server_encoding") == "UTF8"
    socket.create_connection(("127.0.0.1", postgres.port), 5).close()
    assert len(f"{postgres.folder}/.s.PGSQL.{postgres.port}") < 100
    if os.geteuid() == 0:
        assert os.stat(f"/proc/{postgres.process.pid}").st_uid != 0


def test_variables_of_psql_are_no_sql(postgres):
    name = "a' \"; drop table x --"
    assert postgres.psql("select :'name'", name=name) == name
    assert "%" in postgres.create_database(name)
    assert postgres.psql("select current_database()", name) == name
    postgres.drop_database(name)


def test_errors_of_psql_fail(postgres):
    with pytest.raises(AssertionError, match="nowhere"):
        postgres.psql("select * from nowhere")


def test_clients_are_seen_and_ended_by_name(postgres):
    process = sleeping(postgres)
    (found,) = postgres.backends("sleeper")
    assert found[1] == "active" and "pg_sleep" in found[2]
    assert postgres.backends("another") == []
    assert postgres.terminate("another") == 0
    assert postgres.terminate("sleeper") == 1
    assert process.wait(20) == 2
    assert postgres.backends("sleeper") == []


@pytest.mark.parametrize("way", ["fast", "immediate", "kill"])
def test_is_stopped_and_started_again_with_its_data(way):
    with cluster.Postgres() as postgres:
        url = postgres.url()
        postgres.psql("create table kept (n int); checkpoint")
        process = sleeping(postgres)
        children = cluster.children_of(postgres.process.pid)
        if way == "kill":
            postgres.kill()
        else:
            postgres.stop(way)
        assert process.wait(20) == 2
        cluster.wait_until(lambda: all(map(cluster.gone, children)), str)
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", postgres.port), 5)
        postgres.start()
        assert postgres.url() == url
        assert postgres.psql("select count(*) from kept") == "0"
    assert not postgres.folder.exists()


def test_ends_with_who_started_it_even_when_that_is_killed(tmp_path):
    """Without it a run that times out would leave servers behind."""
    path = tmp_path / "main.py"
    path.write_text(
        textwrap.dedent(
            f"""
            import sys, time
            sys.path.insert(0, {str(HERE.parent)!r})
            import postgres
            server = postgres.Postgres()
            print(server.process.pid, server.folder, flush=True)
            time.sleep(60)
            """
        )
    )
    process = subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, text=True
    )
    pid, folder = process.stdout.readline().split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    cluster.wait_until(lambda: cluster.gone(int(pid)), lambda: f"{pid} lives on")
    cluster.shutil.rmtree(folder)


def test_runs_commands_with_a_server_of_their_own():
    command = [sys.executable, str(HERE), "--", "sh", "-c"]
    psql = cluster.installed() / "psql"
    found = subprocess.run(
        [*command, f"{psql} -XAt $INLAY_TEST_POSTGRES -c 'select 41 + 1'; exit 3"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert (found.returncode, found.stdout) == (3, "42\n")
    assert subprocess.run([*command, "kill -9 $$"]).returncode == 137


@pytest.mark.skipif(
    cluster.pgbouncer_installed() is None, reason="pgbouncer is not installed"
)
def test_pgbouncer_changes_connections_between_transactions(postgres):
    with cluster.PgBouncer(postgres) as bouncer:
        found = subprocess.run(
            [str(postgres.bin / "psql"), "-XAt", bouncer.url()],
            input="begin; select 1; commit; select 2;",
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        assert found.split("\n") == ["BEGIN", "1", "COMMIT", "2", ""]
