"""inlay db migrate, inlay db status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from inlay.sql_file import SqlError, statements

from .databases.here import KINDS


class Place:
    """A folder with migrations, and a database of its own."""

    def __init__(self, folder: Path, url: str, kind: str) -> None:
        self.folder = folder
        self.url = url
        self.kind = kind
        self.migrations = folder / "migrations"
        self.migrations.mkdir()

    def write(self, **files: str) -> None:
        """Of 0001_users: _0001_users="create …"."""
        for name, text in files.items():
            (self.migrations / f"{name[1:]}.sql").write_text(text)

    def start(self, *args: str, url: bool = True) -> subprocess.Popen[str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("DATABASE_URL")}
        if url:
            env["DATABASE_URL"] = self.url
        return subprocess.Popen(
            [sys.executable, "-m", "inlay", "db", *args],
            cwd=self.folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *args: str, url: bool = True) -> tuple[int, str]:
        process = self.start(*args, url=url)
        out, _ = process.communicate(timeout=60)
        return process.returncode, out

    def rows(self, sql: str) -> list[str]:
        """The first column, as text."""
        code = (
            "import sys, inlay; "
            "print(*inlay.db.sync.all(str, sys.argv[1]), sep=chr(10))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, sql],
            env={**os.environ, "DATABASE_URL": self.url},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split("\n")[:-1]

    def tables(self) -> list[str]:
        sql = {
            "sqlite": "select name from sqlite_master where type = 'table' "
            "and name <> 'inlay_migrations' order by name",
            "postgresql": "select tablename::text from pg_tables where schemaname = "
            "'public' and tablename <> 'inlay_migrations' order by tablename",
        }
        return [name for name in self.rows(sql[self.kind]) if name]


@pytest.fixture(params=KINDS)
def place(request, tmp_path):
    if request.param == "sqlite":
        yield Place(tmp_path, f"sqlite:///{tmp_path}/app.db", "sqlite")
        return
    postgres = request.getfixturevalue("postgres")
    name = f"migrate_{os.path.basename(tmp_path)}"
    yield Place(tmp_path, postgres.create_database(name), "postgresql")
    postgres.drop_database(name)


USERS = """-- Who there is.
create table users (
    id bigint primary key,
    name text not null default 'a;b' -- not; a statement
);
insert into users (id) values (1);
"""


def test_files_are_applied_in_order_and_once(place):
    place.write(
        _0001_users=USERS,
        _0002_orders="create table orders (id bigint, owner bigint);\n"
        "insert into orders select id, id from users;",
        _0010_more="create table more (id bigint);",
    )
    status, out = place.run("migrate")
    assert status == 0, out
    assert out.splitlines() == [
        "applied migrations/0001_users.sql",
        "applied migrations/0002_orders.sql",
        "applied migrations/0010_more.sql",
    ]
    assert place.tables() == ["more", "orders", "users"]
    assert place.rows("select name from users") == ["a;b"]
    assert place.run("migrate") == (0, "nothing to apply\n")
    place.write(_0011_last="create table last (id bigint)")
    assert place.run("migrate") == (0, "applied migrations/0011_last.sql\n")
    numbers = "select cast(number as text) from inlay_migrations m order by m.number"
    assert place.rows(numbers) == ["1", "2", "10", "11"]


def test_status_and_dry_run_change_nothing(place):
    place.write(_0001_users=USERS)
    new = f"{place.folder}/app.db does not exist yet\n" * (place.kind == "sqlite")
    assert place.run("status") == (0, new + "pending  0001 users\n")
    assert place.run("migrate", "--dry-run") == (
        0,
        new + "would apply migrations/0001_users.sql\n",
    )
    assert not (place.folder / "app.db").exists()
    assert place.tables() == []
    place.run("migrate")
    place.write(_0002_more="create table more (id bigint)")
    status, out = place.run("status")
    assert status == 0, out
    first, second = out.splitlines()
    assert first.startswith("applied  0001 users  20")
    assert second == "pending  0002 more"


def test_one_that_fails_is_rolled_back_and_says_where(place):
    place.write(
        _0001_users=USERS,
        _0002_wrong="create table half (id bigint);\n\n"
        "insert into half values (1);\n"
        "insert into\n  nothing_like_that values (2);\n",
        _0003_never="create table never (id bigint);",
    )
    status, out = place.run("migrate")
    assert status == 1
    assert "applied migrations/0001_users.sql" in out
    assert "migrations/0002_wrong.sql:" in out and "nothing_like_that" in out
    line = int(out.partition("0002_wrong.sql:")[2].partition(":")[0])
    assert line in (4, 5)
    assert "nothing of the file was applied" in out
    assert out.count("42P01") == (1 if place.kind == "postgresql" else 0)
    assert place.tables() == ["users"]
    place.write(_0002_wrong="create table half (id bigint);")
    assert place.run("migrate")[0] == 0
    assert place.tables() == ["half", "never", "users"]


def test_a_changed_file_is_an_error(place):
    place.write(_0001_users=USERS)
    assert place.run("migrate")[0] == 0
    place.write(_0001_users=USERS.replace("\n", "\r\n"))  # not a change
    assert place.run("migrate") == (0, "nothing to apply\n")
    place.write(_0001_users=USERS + "-- more", _0002_more="create table m (i int)")
    for command in ("migrate", "status"):
        status, out = place.run(command)
        assert status == 1
        assert "0001_users.sql was applied and has changed since" in out
    assert place.tables() == ["users"]


def test_numbers_must_make_sense(place):
    place.write(_0002_b="create table b (id bigint)")
    assert place.run("migrate")[0] == 0
    place.write(_0001_a="create table a (id bigint)")
    status, out = place.run("migrate")
    assert status == 1 and "0001_a.sql comes before migration 2" in out
    (place.migrations / "0001_a.sql").rename(place.migrations / "2_a.sql")
    status, out = place.run("migrate")
    assert status == 1 and "have the same number" in out
    (place.migrations / "2_a.sql").unlink()
    (place.migrations / "0002_b.sql").unlink()
    status, out = place.run("migrate")
    assert status == 1 and "migration 2 (b) was applied" in out
    place.write(_users="select 1")
    status, out = place.run("migrate")
    assert status == 1 and "NUMBER_NAME.sql" in out


def test_files_may_be_for_one_database(place):
    place.write(
        _0001_users="create table common (id bigint)",
    )
    for kind in KINDS:
        (place.migrations / f"0002_own.{kind}.sql").write_text(
            f"create table only_{kind} (id bigint)"
        )
    assert place.run("migrate")[0] == 0
    assert place.tables() == ["common", f"only_{place.kind}"]


def test_a_file_may_run_outside_of_a_transaction(place):
    create = {
        "postgresql": "create index concurrently by_name on users (name);",
        "sqlite": "vacuum;",
    }
    place.write(
        _0001_users=USERS,
        _0002_index="-- inlay: no transaction\n" + create[place.kind],
    )
    status, out = place.run("migrate")
    assert status == 0, out
    place.write(
        _0003_wrong="-- inlay: no transaction\ncreate table kept (id bigint);\n"
        "insert into nothing_like_that values (1);"
    )
    status, out = place.run("migrate")
    assert status == 1
    assert "0003_wrong.sql:3:" in out and "was done and stays" in out
    assert "does not count as applied" in out
    assert place.tables() == ["kept", "users"]
    assert "pending  0003 wrong" in place.run("status")[1]
    place.write(
        _0003_wrong="-- inlay: no transaction\n"
        "create table if not exists kept (id bigint);\ninsert into kept values (1);"
    )
    assert place.run("migrate") == (0, "applied migrations/0003_wrong.sql\n")
    assert place.run("migrate") == (0, "nothing to apply\n")


def test_transactions_in_a_file_are_refused(place):
    place.write(_0001_users=USERS + "commit;\ncreate table later (id bigint);")
    status, out = place.run("migrate")
    assert status == 1
    assert "0001_users.sql:7: COMMIT" in out
    assert place.tables() == []


def test_two_at_once_apply_each_file_once(place):
    for i in range(1, 21):
        (place.migrations / f"{i:04}_t{i}.sql").write_text(
            f"create table t{i} (id bigint);\ninsert into t{i} values ({i});"
        )
    both = [place.start("migrate") for _ in range(3)]
    outs = [each.communicate(timeout=60)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0, 0], outs
    applied = [line for out in outs for line in out.splitlines() if "applied" in line]
    assert sorted(applied) == [
        f"applied migrations/{i:04}_t{i}.sql" for i in range(1, 21)
    ]


def test_functions_and_triggers_are_one_statement(place):
    body = {
        "sqlite": "create trigger one after insert on users begin\n"
        "  update users set name = case when 1 then 'x' else 'y' end;\n"
        "  delete from users where id = 99;\nend;\n",
        "postgresql": "create function one() returns int language plpgsql as $a$\n"
        "begin perform 1; return 1; end $a$;\n"
        "create function two() returns int begin atomic\n"
        "  select 1; select 2; end;\n",
    }
    place.write(
        _0001_users=USERS, _0002_body=body[place.kind] + "create table l (i int)"
    )
    status, out = place.run("migrate")
    assert status == 0, out
    assert place.tables() == ["l", "users"]


def test_what_is_wrong_with_the_command_is_said(place):
    status, out = place.run("migrate", url=False)
    assert status == 2 and "which database?" in out
    status, out = place.run("migrate", "--dir", "nowhere")
    assert status == 1 and "there is no folder nowhere" in out
    status, out = place.run("migrate", "--db", "mysql://x:secret@y/z")
    assert status == 1 and "secret" not in out
    status, out = place.run("migrate", "--db", "reports", url=False)
    assert status == 2 and 'no database is called "reports"' in out
    assert "DATABASE_URL_REPORTS" in out
    status, out = place.run("status")
    assert status == 0 and out.endswith("there are no migrations\n")
    status, out = place.run("migrate", "--db", place.url, url=False)
    assert (status, out) == (0, "nothing to apply\n")


def test_a_database_of_another_name_has_its_own_migrations(tmp_path, monkeypatch):
    place = Place(tmp_path, "sqlite:///app.db", "sqlite")
    place.write(_0001_users=USERS)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.inlay.db]\nRe-ports = "sqlite:///reports.db"\n'
    )
    assert place.run("migrate", "--db", "re-ports")[0] == 0
    assert (tmp_path / "reports.db").exists()
    assert not (tmp_path / "app.db").exists()


@pytest.mark.parametrize("command", ["migrate", "status"])
def test_a_variable_that_is_passed_over_is_named(tmp_path, command):
    place = Place(tmp_path, "mysql://u:secret@h/d", "sqlite")
    status, out = place.run(command)
    assert status == 2 and "which database?" in out
    assert "DATABASE_URL is set, but begins with neither" in " ".join(out.split())
    assert "mysql://" in out and "secret" not in out
    (tmp_path / "pyproject.toml").write_text('[tool.inlay]\ndb = "sqlite:///a.db"\n')
    assert place.run(command)[0] == 0
    # Who wrote that has not meant the file's.
    place.url = "postgre://u:secret@h/d"
    status, out = place.run(command)
    assert status == 2 and "postgre://" in out and "secret" not in out


def test_an_unreachable_database_is_an_error(tmp_path):
    url = "postgresql://nobody@127.0.0.1:1/x?pool_timeout=1"
    place = Place(tmp_path, url, "postgresql")
    status, out = place.run("migrate")
    assert status == 1 and "Error" in out and "Traceback" not in out


# --- Files into statements ----------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" ; ;\n-- only a comment", []),
        ("select 1; select 2", [(1, "select 1"), (1, "select 2")]),
        ("\n\nselect ';' ;\nx", [(3, "select ';'"), (4, "x")]),
        ("select E'a\\'; b' /* ; /* ; */ ; */;", [(1, None)]),
        ('select "a;""b";', [(1, 'select "a;""b"')]),
        ("do $$ begin; end $$; x", [(1, "do $$ begin; end $$"), (1, "x")]),
        ("do $a$ $$ ; $$ $a$; x", [(1, "do $a$ $$ ; $$ $a$"), (1, "x")]),
        ("create rule r as on insert to t do (a; b); x", [(1, None), (1, "x")]),
        ("select $1; begin; end;", [(1, "select $1"), (1, "begin"), (1, "end")]),
        ("create table t (begin int); x", [(1, None), (1, "x")]),
    ],
)
def test_statements_of_a_file(text, found):
    made = list(statements(text, True))
    assert [each.line for each in made] == [line for line, _ in found]
    for each, (_, wanted) in zip(made, found, strict=True):
        assert wanted is None or each.text == wanted


@pytest.mark.parametrize(
    ("text", "line"),
    [("a;\n'b", 2), ("a;\n\n/* b", 3), ("$x$ $y$", 1), ("\n(a", 2), ('"', 1)],
)
def test_what_does_not_end_is_an_error(text, line):
    with pytest.raises(SqlError) as caught:
        list(statements(text, True))
    assert caught.value.line == line
