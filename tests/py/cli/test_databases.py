"""Which database is whose: --db, DATABASE_URL, [tool.inlay]; who is told of it,
and who is never told its password."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from inlay import _core, cli, database, embed
from inlay.config import Config

SECRET = "zzecrett"
ASKS = """
#include <inlay.h>

int64_t answer(inlay_db *db)
{
    return inlay_one(db, int64_t, "select 6 * 7");
}
INLAY_GET("/answer", answer);
"""
NAMED = ASKS + '\nINLAY_DB(answer, db, "reports");\n'
# Which file a database is of.
WHERE = """
#include <inlay.h>

inlay_str where(inlay_db *db)
{
    return inlay_one(db, inlay_str, "select file from pragma_database_list");
}
INLAY_GET("/where", where);

inlay_str other(inlay_db *db)
{
    return inlay_one(db, inlay_str, "select file from pragma_database_list");
}
INLAY_GET("/other", other);
INLAY_DB(other, db, "reports");
"""
APP = """
import native

async def app(scope, receive, send):
    pass
"""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in list(os.environ):
        if name.startswith("DATABASE_URL") or name == "INLAY_DB":
            monkeypatch.delenv(name)


@pytest.fixture
def native(tmp_path, monkeypatch, write_app):
    """native(source): a folder with it as native.c, and an app.py."""
    monkeypatch.chdir(tmp_path)

    def write(source: str) -> Path:
        (tmp_path / "native.c").write_text(source)
        return write_app(APP)

    return write


# --- Texts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("postgresql://h/d", "", "postgresql://h/d"),
        ("reports=postgresql://h/d?a=b", "reports", "postgresql://h/d?a=b"),
        ("default=sqlite://", "", "sqlite://"),
        ("postgresql://h/d?options=x", "", "postgresql://h/d?options=x"),
        ("a-B_1=sqlite:///x=y", "a-B_1", "sqlite:///x=y"),
        ("sqlite:///x=y", "", "sqlite:///x=y"),
        ("a b=sqlite://", "a b", "sqlite://"),
    ],
)
def test_a_name_before_a_url(text, name, url):
    assert database.split(text) == (name, url)


def test_variables_of_other_databases_are_passed_over():
    found = database.of_environment({
        "DATABASE_URL": "mysql://h/d",
        "DATABASE_URL_REPORTS": "postgresql+psycopg://h/d",
        "DATABASE_URL_OTHER": "mongodb://h/d",
        "DATABASE_URLS": "sqlite://",
        "MY_DATABASE_URL": "sqlite://",
    })  # fmt: skip
    assert dict(found) == {"reports": "postgresql+psycopg://h/d"}


def test_a_file_yields_to_variables():
    given = ("sqlite:///a", "re-ports=sqlite:///b", "other=sqlite:///c")
    environ = {"DATABASE_URL": "sqlite://", "DATABASE_URL_RE_PORTS": "sqlite://"}
    assert database.without(given, environ) == ("other=sqlite:///c",)
    assert database.without(given, {"DATABASE_URL": "mysql://h"}) == given
    assert database.without(given, {"DATABASE_URL": "postgre://h"}) == given[1:]


@pytest.mark.parametrize(
    ("url", "misspelt"),
    [
        ("postgre://h/d", True),
        ("pgsql://h/d", True),
        ("pg://h/d", True),
        ("psql://h/d", True),
        ("postgresql:/h/d", True),
        ("sqlite3:///a.db", True),
        ("postgresql+asyncpg://h/d", False),
        ("sqlite:///a.db", False),
        ("mysql+pymysql://h/d", False),
        ("mssql://h/d", False),
        ("mongodb://h/d", False),
        ("", False),
    ],
)
def test_what_was_meant_for_inlay_is_no_other_database(url, misspelt):
    assert database.misspelt("", {"DATABASE_URL": url}) is misspelt


@pytest.mark.parametrize(
    ("url", "most", "said"),
    [
        ("postgresql://h/d", 10, "up to 10 connections per worker"),
        ("postgresql://h/d?max_size=1", 1, "up to 1 connection per worker"),
        ("sqlite:///a.db", 5, "1 connection that writes, up to 4 that read, per"),
        ("sqlite:///a.db?max_size=3", 3, "that writes, up to 2 that read, per"),
        ("sqlite:///a.db?max_size=2", 2, "that writes, 1 that reads, per worker"),
        ("sqlite:///a.db?max_size=1", 1, "(1 connection per worker)"),
        ("sqlite://", 1, "in memory, of each worker its own"),
        ("sqlite+aiosqlite:///:memory:", 1, "in memory, of each worker its own"),
    ],
)
def test_the_banner_says_how_many_connections_there_are(url, most, said):
    _core.configure_database("banner", url)
    listed = {each["name"]: each for each in database.listed()}
    assert listed["banner"]["max"] == most
    assert said in database.line(listed["banner"])


# --- Options ------------------------------------------------------------------


def run(monkeypatch, *arguments: str, env: dict[str, str] | None = None):
    served: list[Config] = []
    monkeypatch.setattr(cli, "_serve", served.append)
    result = CliRunner(env=env or {}).invoke(cli.main, ["run", "app:app", *arguments])
    return served[0] if served else result


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('db = "sqlite:///a.db"', ("sqlite:///{here}/a.db",)),
        ('db = "sqlite:////a.db"', ("sqlite:////a.db",)),
        ('db = "sqlite:///:memory:"', ("sqlite:///:memory:",)),
        ('db = ["sqlite://", "b=sqlite:///b"]', ("sqlite://", "b=sqlite:///{here}/b")),
        (
            '[tool.inlay.db]\ndefault = "sqlite+aiosqlite:///a.db"\nb = "sqlite://"',
            ("default=sqlite+aiosqlite:///{here}/a.db", "b=sqlite://"),
        ),
    ],
)
def test_pyproject(monkeypatch, tmp_path, table, expected):
    (tmp_path / "sub").mkdir()
    (tmp_path / "pyproject.toml").write_text(f"[tool.inlay]\n{table}\n")
    monkeypatch.chdir(tmp_path / "sub")
    texts = tuple(text.format(here=tmp_path) for text in expected)
    assert run(monkeypatch).db == texts
    # The workers read the variable by themselves.
    left = tuple(text for text in texts if database.split(text)[0])
    assert run(monkeypatch, env={"DATABASE_URL": "sqlite://"}).db == left
    assert run(monkeypatch, "--db", "sqlite:///z").db == ("sqlite:///z",)
    assert run(monkeypatch, env={"INLAY_DB": "sqlite:///z"}).db == ("sqlite:///z",)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--db", f"mysql://u:{SECRET}@h/d"], 'not with "mysql"'),
        (["--db", f"{SECRET}"], "begins with"),
        (["--db", "sqlite://", "--db", "default=sqlite:///b"], 'two of the name "def'),
        (["--db", f"postgresql://u:a@{SECRET}@h/d"], "@ as %40"),
        (["--db", "sqlite:///a?max_size=many"], "max_size"),
        (["--db", "=sqlite://"], 'no name before the "="'),
        (["--db", "a b=sqlite://"], '"a b" can\'t be the name'),
        (["--db", "sqlite:a.db"], "or sqlite:///app.db"),
        (["--db", "sqlite://a.db"], "has a host, which SQLite has not"),
        (["--db", "sqlite:///a.db?mode=ro"], "parameters that we don't know"),
        (["--db", "sqlite:///a.db "], "ends with a blank"),
        (["--db", f"postgresql://u:{SECRET}@h/d?foo=1"], '"foo"'),
        (["--db", "sqlite:///a", "--db-min-size", "11"], "above its max_size of 10"),
        (["--db-max-size", "0"], "--db-max-size"),
        (["--db-statement-timeout", "-1"], "--db-statement-timeout"),
        ([f"--db={'x' * 32}=sqlite://"], "at most 31"),
    ],
)
def test_wrong_ones_are_refused_before_the_start(monkeypatch, arguments, part):
    result = run(monkeypatch, *arguments)
    assert result.exit_code == 2
    assert part in result.output
    assert SECRET not in result.output


def test_a_configuration_does_not_show_its_databases():
    config = Config("app:app", db=(f"postgresql://u:{SECRET}@h/d",))
    assert SECRET not in repr(config)
    with pytest.raises(ValueError, match="not with") as caught:
        embed.Config("app:app", db=f"mysql://u:{SECRET}@h/d", log_config=None)
    assert SECRET not in str(caught.value)


# --- Servers ------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "dev"])
def test_without_one_a_file_is_used_and_said(inlay_run, native, tmp_path, command):
    native(ASKS)
    more = ["--workers", "2"] if command == "run" else []
    running = inlay_run("native.c", *more, command=command)
    assert running.get("/answer").json() == 42
    assert running.log.count("no --db: using sqlite:///inlay.db") == 1
    assert "Database: sqlite:///inlay.db (1 connection that writes" in running.log
    assert (tmp_path / "inlay.db").exists()


def test_dev_without_need_of_one_makes_none(inlay_run, native, tmp_path):
    native("#include <inlay.h>\nint64_t one(void) { return 1; }\n")
    running = inlay_run("app:app", command="dev")
    assert "inlay.db" not in running.log
    assert not (tmp_path / "inlay.db").exists()


@pytest.mark.parametrize(
    ("source", "options", "part"),
    [
        (ASKS, [], "no database is configured: give its URL by --db, DATABASE_URL"),
        (ASKS, ["--db", "reports=sqlite://"], "no database is configured"),
        (NAMED, ["--db", "sqlite://"], 'no database "reports" is configured'),
    ],
)
def test_a_route_without_its_database_ends_the_start(
    inlay_run, native, source, options, part
):
    folder = native(source)
    running = inlay_run("app:app", *options, app_dir=folder, wait=False)
    assert running.process.wait(30) == 1
    assert part in running.log
    assert "answer" in running.log
    line = source.split("\n").index('INLAY_GET("/answer", answer);') + 1
    assert f"native.c:{line}" in running.log


def test_a_variable_that_is_no_url_is_named(inlay_run, native):
    running = inlay_run(
        "app:app", app_dir=native(ASKS), wait=False, env={"DATABASE_URL": "postgres//x"}
    )
    assert running.process.wait(30) == 1
    assert "DATABASE_URL is set, but begins with neither" in running.log


def test_a_c_file_does_not_take_a_file_for_a_misspelt_variable(
    inlay_run, native, tmp_path
):
    native(ASKS)
    env = {"DATABASE_URL": f"postgre://u:{SECRET}@h/d"}
    running = inlay_run("native.c", wait=False, env=env)
    assert running.process.wait(30) == 1
    assert running.log.count("DATABASE_URL is set, but begins with neither") == 1
    assert "but with postgre://" in running.log
    assert SECRET not in running.log
    assert not (tmp_path / "inlay.db").exists()


def test_a_c_file_says_which_variable_it_passes_over(inlay_run, native):
    native(ASKS)
    env = {"DATABASE_URL": f"mysql://u:{SECRET}@h/d"}
    running = inlay_run("native.c", "--workers", "2", env=env)
    assert running.get("/answer").json() == 42
    assert running.log.count("DATABASE_URL is set, but begins with neither") == 1
    assert "no --db: using sqlite:///inlay.db" in running.log
    assert SECRET not in running.log


@pytest.mark.parametrize("source", [ASKS, NAMED])
def test_routes_are_listed_without_a_database(native, source):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "inlay",
            "routes",
            "app:app",
            "--app-dir",
            native(source),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "/answer" in done.stdout


def where(running, path: str) -> str:
    return Path(running.get(path).json()).name


def test_each_name_has_its_own_source(inlay_run, native, tmp_path):
    folder = native(WHERE)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.inlay.db]\ndefault = "sqlite:///file.db"\n'
        'reports = "sqlite:///file_reports.db"\n'
    )
    running = inlay_run("app:app", app_dir=folder)
    assert where(running, "/where") == "file.db"
    assert where(running, "/other") == "file_reports.db"
    running.stop()
    env = {"DATABASE_URL": "sqlite:///env.db"}
    running = inlay_run("app:app", app_dir=folder, env=env)
    assert where(running, "/where") == "env.db"
    assert where(running, "/other") == "file_reports.db"
    running.stop()
    env["DATABASE_URL_REPORTS"] = "sqlite:///env_reports.db"
    option = ["--db", "reports=sqlite:///option.db"]
    running = inlay_run("app:app", *option, app_dir=folder, env=env)
    assert where(running, "/where") == "env.db"
    assert where(running, "/other") == "option.db"


@pytest.mark.parametrize("rest", [f"a@{SECRET}@h/d", f"{SECRET}@h/d\n"])
def test_a_variable_that_nobody_needs_breaks_nothing(inlay_run, write_app, rest):
    folder = write_app("async def app(scope, receive, send):\n    pass\n")
    env = {"DATABASE_URL": f"postgresql://u:{rest}"}
    running = inlay_run("app:app", app_dir=folder, env=env)
    assert "DATABASE_URL is not used" in running.log
    assert SECRET not in running.log


@pytest.mark.parametrize("more", [[], ["--preload"]], ids=["executed", "forked"])
def test_passwords_are_nowhere_to_be_seen(inlay_run, native, more):
    folder = native("#include <inlay.h>\nint64_t one(void) { return 1; }\n")
    # A file of that name is as good as a password to be looked for.
    options = ["--db", f"sqlite:///{SECRET}.db", "--metrics-port", "0", *more]
    running = inlay_run("app:app", *options, app_dir=folder)
    running.wait_for_log("Metrics on ")
    for pid in running.children():
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"inlay" in arguments
        assert SECRET.encode() not in arguments


def test_metrics_of_a_database(inlay_run, native):
    native(ASKS)
    running = inlay_run(
        "native.c", "--metrics-port", "0", "--db", "sqlite:///a.db?max_size=3"
    )
    running.wait_for_log("Metrics on ")
    url = re.search(r"Metrics on (\S+)", running.log)[1]
    for _ in range(3):
        assert running.get("/answer").json() == 42
    page = httpx.get(url).text
    assert 'inlay_db_query_seconds_count{db="default"} 3' in page
    assert re.search(r'inlay_db_connections\{db="default"\} [1-9]', page)
    assert 'inlay_db_errors_total{db="default"} 0' in page


@pytest.mark.parametrize("more", [[], ["--metrics-port", "0"]])
def test_ctl_lists_databases(inlay_run, native, tmp_path, more):
    native(ASKS)
    control = str(tmp_path / "ctl")
    options = ["--db", "sqlite:///a.db?max_size=3", "--control", control, *more]
    running = inlay_run(
        "native.c",
        *options,
        "--workers",
        "2",
        env={"DATABASE_URL_OTHER": f"postgresql://u:{SECRET}@127.0.0.1:1/d"},
    )

    def ctl(*arguments: str) -> str:
        result = CliRunner().invoke(
            cli.main, ["ctl", "--control", control, *arguments, "databases"]
        )
        assert result.exit_code == 0, result.output
        return result.output

    for _ in range(4):
        assert running.get("/answer").json() == 42
    first, other = json.loads(ctl("--json"))["databases"]
    assert first["name"] == "default" and first["url"] == "sqlite:///a.db"
    assert (first["max"], first["statements"]) == (6, 4)
    assert first["open"] == first["in_use"] + first["idle"] >= 1
    assert (first["failed"], first["waiting"]) == (0, 0)
    assert (other["name"], other["open"], other["max"]) == ("other", 0, 20)
    shown = ctl()
    assert SECRET not in shown
    assert f"{first['open']} of 6 connections open" in shown
    assert "4 statements" in shown


def test_ctl_counts_what_failed(inlay_run, native, tmp_path):
    native(ASKS.replace("select 6 * 7", "select * from nothing"))
    control = str(tmp_path / "ctl")
    running = inlay_run("native.c", "--db", "sqlite:///a.db", "--control", control)
    assert running.get("/answer").status_code == 500
    result = CliRunner().invoke(cli.main, ["ctl", "--control", control, "databases"])
    assert "1 failed" in result.output


# --- Programs of one's own ----------------------------------------------------


def python(folder: Path, source: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_a_program_reads_variables_and_pyproject_when_it_needs_them(native):
    folder = native(WHERE)
    program = "import inlay, native; print(native.where(), native.other())"
    said = python(folder, program)
    assert "no database is configured" in said
    assert "no --db: using" not in said
    (folder / "pyproject.toml").write_text(
        '[tool.inlay.db]\ndefault = "sqlite:///p.db"\nreports = "sqlite:///q.db"\n'
    )
    assert python(folder, program) == f"{folder}/p.db {folder}/q.db\n"
    said = python(folder, program, DATABASE_URL="sqlite:///e.db")
    assert said == f"{folder}/e.db {folder}/q.db\n"
    assert sqlite3.connect(folder / "e.db").execute("select 1").fetchone() == (1,)


def test_processes_that_are_forked_open_their_own(native):
    """What is configured goes with the fork, what is open does not."""
    folder = native(ASKS)
    program = """
import os, inlay, native
from inlay import _core, database
database.ensure_configured()
for answer in range(2):
    child = os.fork()
    if not child:
        print(_core.databases()[0][3], native.answer(), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print(native.answer())
"""
    said = python(folder, program, DATABASE_URL="sqlite:///f.db")
    assert said == "False 42\nFalse 42\n42\n"


def test_the_keyword_of_run_wins(native):
    folder = native(WHERE)
    program = """
import inlay
from inlay import embed
embed.Config("app:app", db=["sqlite:///k.db"], log_config=None)
import native
print(native.where(), native.other())
"""
    more = {
        "DATABASE_URL": "sqlite:///e.db",
        "DATABASE_URL_REPORTS": "sqlite:///r.db",
    }
    assert python(folder, program, **more) == f"{folder}/k.db {folder}/r.db\n"
