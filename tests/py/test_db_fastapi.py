"""FastAPI with C functions that have an inlay_db *, and handlers with inlay.db."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import textwrap

import inlay
import pytest

from .databases.here import KINDS
from .server import UnixServer

pytest.importorskip("fastapi")

FAST = r"""
#include <inlay.h>
#include <sys/prctl.h>

struct user { int64_t id; inlay_str name; };

struct user get(int64_t id, inlay_db *db)
{
    return inlay_one(db, struct user,
                     "select id, name from api_users where id = $1", id);
}
struct user get_async(inlay_db *db, int64_t id) { return get(id, db); }
INLAY_ASYNC(get_async);

/// Where it runs, and what a database says there.
inlay_str where(inlay_db *db, inlay_str text)
{
    char name[16];
    prctl(PR_GET_NAME, name);
    inlay_str said = inlay_one(db, inlay_str, "select cast($1 as text)", text);
    return inlay_format("%.10s %s", name, said.ptr);
}
int64_t put(inlay_db *db, struct user user)
{
    return inlay_exec(db, "insert into api_users (id, name) values ($1, $2)",
                      user.id, user.name);
}
struct user native(inlay_db *db, int64_t id) { return get(id, db); }
INLAY_GET("/native/{id}", native);
"""

APP = """
import contextlib
from dataclasses import dataclass

import fastapi
import inlay
from inlay import db

import fast


@contextlib.asynccontextmanager
async def lifespan(app):
    await db.exec("drop table if exists api_users")
    await db.exec("create table api_users (id bigint primary key, name text)")
    await db.exec("insert into api_users values (1, 'one'), (2, 'two')")
    yield
    assert await db.one(int, "select count(*) from api_users") >= 2


app = fastapi.FastAPI(lifespan=lifespan)
app.add_exception_handler(inlay.Error, inlay.answer_error)
app.get("/get/{id}")(fast.get)
app.get("/async/{id}")(fast.get_async)
app.get("/where")(fast.where)
app.post("/put")(fast.put)


@dataclass
class User:
    id: int
    name: str


@app.get("/handler/{id}")
async def handler(id: int) -> User:
    return await db.one(User, "select id, name from api_users where id = $1", id)


@app.get("/blocking/{id}")
def blocking(id: int) -> User:
    return db.sync.one(User, "select id, name from api_users where id = $1", id)


@app.post("/both/{id}")
async def both(id: int) -> int:
    async with db.transaction() as tx:
        await tx.exec("insert into api_users values ($1, 'a')", id)
        await tx.exec("insert into api_users values ($1, 'b')", id + 1)
    return 2
"""


@pytest.fixture(scope="module", params=["lifted", "not lifted"])
def lifted(request):
    return request.param == "lifted"


@pytest.fixture(scope="module", params=KINDS)
def server(request, tmp_path_factory, lifted):
    folder = tmp_path_factory.mktemp("api")
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/api.db"
    else:
        postgres = request.getfixturevalue("postgres")
        name = f"api_{'lifted' if lifted else 'plain'}"
        url = postgres.create_database(name)
    (folder / "fast.c").write_text(FAST)
    (folder / "app.py").write_text(textwrap.dedent(APP))
    options = ["--app-dir", str(folder), "--db", url]
    if not lifted:
        options.append("--no-lift")
    with UnixServer(folder, "app:app", *options) as server:
        yield server


PATHS = ("get", "async", "handler", "blocking", "native")


def test_a_row_comes_from_everywhere(server):
    for path in PATHS:
        answer = server.client.get(f"/{path}/2")
        assert (answer.status_code, answer.json()) == (200, {"id": 2, "name": "two"}), (
            path,
            server.logged(),
        )


def test_no_row_is_404_everywhere(server):
    for path in PATHS:
        assert server.client.get(f"/{path}/99").status_code == 404, path


def test_parameters_are_bound_wherever_it_runs(server):
    for text in ("x'y", "'; drop table api_users; --", "ü€😀", ""):
        found = server.client.get("/where", params={"text": text}).json()
        assert found.partition(" ")[2] == text


def test_a_conflict_is_409(server):
    user = {"id": 50, "name": "fifty"}
    assert server.client.post("/put", json=user).json() == 1
    # Of C and of Python: neither names the constraint, both logs do.
    for path, more in (("/put", {"json": user}), ("/both/49", {})):
        answer = server.client.post(path, **more)
        assert answer.status_code == 409
        assert answer.json() == {"detail": "it conflicts with what is stored"}
    server.wait_logged(r"/both/49: .*(?i:unique)")
    server.wait_logged(r"database: \S*fast\.c:\d+: .*(?i:unique)")
    assert server.client.get("/handler/49").status_code == 404
    assert server.client.post("/both/60").json() == 2


@pytest.mark.parametrize(
    ("kind", "level"),
    [(inlay.Internal, "ERROR"), (inlay.Unavailable, "WARNING"), (inlay.NotFound, "")],
)
def test_what_a_client_is_not_told_is_logged(caplog, monkeypatch, kind, level):
    from starlette.requests import Request

    monkeypatch.setattr(logging.getLogger("inlay"), "propagate", True)
    scope = {"type": "http", "path": "/x", "headers": [], "server": ("h", 80)}
    with caplog.at_level("INFO", logger="inlay.error"):
        error = kind("no column zz")
        answer = asyncio.run(inlay.answer_error(Request(scope), error))
    assert answer.status_code == error.status
    said = [(each.levelname, each.getMessage()) for each in caplog.records]
    assert said == ([(level, "/x: no column zz")] if level else [])
    assert (b"zz" in answer.body) == (not level)


def test_the_schema_has_no_database(server):
    document = server.client.get("/openapi.json").json()
    names = [
        each["name"]
        for path in ("/get/{id}", "/async/{id}", "/where")
        for each in document["paths"][path]["get"]["parameters"]
    ]
    assert names == ["id", "id", "text"]


def test_all_of_them_at_the_same_time(server):
    def ask(number):
        with server.new_client() as client:
            for i in range(20):
                path = PATHS[(number + i) % len(PATHS)]
                answer = client.get(f"/{path}/1")
                assert answer.json() == {"id": 1, "name": "one"}, (path, answer.text)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))


def test_it_ends_well(server):
    assert server.stop() == 0, server.logged()
    assert "Traceback" not in server.logged()
