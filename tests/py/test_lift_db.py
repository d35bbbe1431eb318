"""Endpoints of FastAPI that are C functions with an inlay_db *: the same
requests to two servers, each with a database of its own, one of which does not
lift. What the functions have done shows in the rows and in their own count."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import re
import socket
import struct
import subprocess
import sys
import textwrap
import time

import httpx
import pytest

from .databases.here import KINDS
from .server import UnixServer

fastapi = pytest.importorskip("fastapi")

FAST = r"""
#include <inlay.h>
#include <stdatomic.h>
#include <sys/prctl.h>

static atomic_int calls;

struct user { int64_t id; inlay_str name; };
INLAY_SLICE(users, struct user);
INLAY_SLICE(ids, const int64_t);
INLAY_OPTIONAL(maybe_user, struct user);
INLAY_OPTIONAL(maybe_text, inlay_str);

/// How many of the functions below have been called.
int64_t count(void) { return atomic_load(&calls); }

/// Which thread runs this.
inlay_str where(inlay_db *db)
{
    char name[16];
    atomic_fetch_add(&calls, 1);
    prctl(PR_GET_NAME, name);
    inlay_one(db, int64_t, "select count(*) from lift_users");
    return inlay_format("%.8s", name);
}
struct user get(int64_t id, inlay_db *db)
{
    atomic_fetch_add(&calls, 1);
    return inlay_one(db, struct user,
                     "select id, name from lift_users where id = $1", id);
}
maybe_user find(inlay_db *db, int64_t id)
{
    atomic_fetch_add(&calls, 1);
    return inlay_maybe(db, maybe_user,
                       "select id, name from lift_users where id = $1", id);
}
users all(inlay_db *db)
{
    atomic_fetch_add(&calls, 1);
    return inlay_all(db, users, "select id, name from lift_users order by id");
}
int64_t put(inlay_db *db, struct user user)
{
    atomic_fetch_add(&calls, 1);
    return inlay_exec(db, "insert into lift_users (id, name) values ($1, $2)",
                      user.id, user.name);
}
int64_t put_all(ids ids, inlay_db *db, inlay_str name)
{
    atomic_fetch_add(&calls, 1);
    inlay_transaction(db, 3) {
        for (size_t i = 0; i < ids.len; i++)
            inlay_exec(db, "insert into lift_users (id, name) values ($1, $2)",
                       ids.ptr[i], name);
    }
    return (int64_t)ids.len;
}
/// Writes, then fails.
int64_t write_and_fail(inlay_db *db, int64_t id, int32_t kind)
{
    atomic_fetch_add(&calls, 1);
    inlay_exec(db, "insert into lift_users (id, name) values ($1, 'w')", id);
    inlay_fail(kind, "no user %d \"here\"", (int)id);
    return 1;
}
void drop(inlay_db *db, int64_t id)
{
    atomic_fetch_add(&calls, 1);
    inlay_exec(db, "delete from lift_users where id = $1", id);
}
int64_t sum_each(inlay_db *db, int64_t most)
{
    int64_t sum = 0;
    atomic_fetch_add(&calls, 1);
    inlay_each(db, struct user, user,
               "select id, name from lift_users order by id") {
        if (user.id > most)
            break;
        sum += user.id;
    }
    return sum;
}
int64_t wrong(inlay_db *db)
{
    atomic_fetch_add(&calls, 1);
    return inlay_one(db, int64_t, "select nothing from nowhere");
}
inlay_str null_text(inlay_db *db)
{
    atomic_fetch_add(&calls, 1);
    return inlay_one(db, inlay_str, "select cast(null as text)");
}
struct note { maybe_text text; };
struct note null_maybe(inlay_db *db)
{
    atomic_fetch_add(&calls, 1);
    return inlay_one(db, struct note, "select cast(null as text) as text");
}
int64_t down(inlay_db *nowhere)
{
    atomic_fetch_add(&calls, 1);
    return inlay_one(nowhere, int64_t, "select 1");
}
INLAY_DB(down, nowhere, "down");
inlay_str both(inlay_db *db, inlay_db *other)
{
    atomic_fetch_add(&calls, 1);
    inlay_str one = inlay_one(db, inlay_str, "select 'one'");
    inlay_exec(other, "create table if not exists only_there (id bigint)");
    inlay_one(db, int64_t, "select count(*) from only_there");
    return one;
}
INLAY_DB(both, other, "other");
int64_t listens(inlay_db *db)
{
    inlay_notification note;
    atomic_fetch_add(&calls, 1);
    inlay_listen(db, INLAY_STR("lift"));
    return inlay_notified(db, &note);
}
int64_t says_status(inlay_db *db)
{
    atomic_fetch_add(&calls, 1);
    inlay_status(202);
    return inlay_one(db, int64_t, "select 1");
}
int64_t slow(inlay_db *db, double seconds)
{
    atomic_fetch_add(&calls, 1);
    SLOW
}
int64_t sleeps(inlay_db *db)
{
    inlay_sleep(1500);
    return inlay_one(db, int64_t, "select 7");
}
int64_t later(inlay_db *db) { return inlay_one(db, int64_t, "select 1"); }
INLAY_ASYNC(later);
"""

SLOW = {
    "postgresql": """
        return inlay_one(db, int64_t, "select 7 from pg_sleep($1)", seconds);
    """,
    "sqlite": """
        return inlay_one(db, int64_t,
            "with recursive c (x) as (select 0 union all select x + 1 from c "
            "where x < cast($1 * 2000000 as integer)) "
            "select 7 + 0 * max(x) from c", seconds);
    """,
}

APP = """
import contextlib

import fastapi
import inlay
from inlay import db

import fast


@contextlib.asynccontextmanager
async def lifespan(app):
    await db.exec("drop table if exists lift_users")
    await db.exec("create table lift_users (id bigint primary key, name text)")
    await db.exec("insert into lift_users values (1, 'one'), (2, 'two')")
    yield


def add_routes(app):
    app.get("/where")(fast.where)
    app.get("/count")(fast.count)
    app.get("/get/{id}")(fast.get)
    app.get("/find/{id}")(fast.find)
    app.get("/all")(fast.all)
    app.post("/put", status_code=201)(fast.put)
    app.post("/put_all/{name}")(fast.put_all)
    app.post("/write_and_fail/{id}")(fast.write_and_fail)
    app.delete("/drop/{id}", status_code=204)(fast.drop)
    app.get("/sum")(fast.sum_each)
    app.get("/wrong")(fast.wrong)
    app.get("/null/text")(fast.null_text)
    app.get("/null/maybe")(fast.null_maybe)
    app.get("/down")(fast.down)
    app.get("/both")(fast.both)
    app.get("/listens")(fast.listens)
    app.get("/status")(fast.says_status)
    app.get("/slow")(fast.slow)
    app.get("/sleeps")(fast.sleeps)


app = fastapi.FastAPI(lifespan=lifespan)
add_routes(app)
app.get("/later")(fast.later)
told = fastapi.FastAPI()
told.add_exception_handler(inlay.Error, inlay.answer_error)
add_routes(told)
app.mount("/told", told)
own = fastapi.FastAPI()
add_routes(own)
app.mount("/own", own)


@own.exception_handler(inlay.NotFound)
async def not_found(request, error):
    return fastapi.responses.PlainTextResponse(f"mine: {error}", 418)


@own.exception_handler(inlay.Conflict)
async def conflict(request, error):
    return fastapi.responses.PlainTextResponse("twice", 409)
"""


def urls(kind, request, folder, name):
    """Of the default database, and of another one."""
    if kind == "sqlite":
        return [f"sqlite:///{folder}/{part}.db" for part in ("main", "other")]
    postgres = request.getfixturevalue("postgres")
    return [postgres.create_database(f"lift_{name}{part}") for part in ("", "_o")]


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def options(kind, request, tmp_path_factory):
    """options(name) -> what `inlay run` and `inlay routes` get."""

    def make(name):
        folder = tmp_path_factory.mktemp(f"lift_{kind}_{name}")
        (folder / "fast.c").write_text(FAST.replace("SLOW", SLOW[kind]))
        (folder / "app.py").write_text(textwrap.dedent(APP))
        main, other = urls(kind, request, folder, name)
        if kind == "sqlite":
            down = f"sqlite:///{folder}/no/such/folder/x.db"
        else:
            down = "postgresql://nobody@127.0.0.1:1/x?pool_timeout=0.1"
        databases = [main, f"down={down}", f"other={other}"]
        return folder, [
            *("--app-dir", str(folder)),
            *(text for each in databases for text in ("--db", each)),
        ]

    return make


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def servers(options):
    """The one that lifts, and the one that does not."""
    with contextlib.ExitStack() as stack:
        made = []
        for name, more in (("lifted", []), ("plain", ["--no-lift"])):
            folder, given = options(name)
            port = free_port()
            server = UnixServer(
                folder, "app:app", *given, *more, "--metrics-port", str(port)
            )
            server.metrics = f"http://127.0.0.1:{port}/metrics"
            made.append(stack.enter_context(server))
        yield made


@pytest.fixture
def lifting(servers):
    return servers[0]


SEEN = ("content-type", "content-length", "allow", "location", "retry-after")


def ask(server, method, path, **more):
    if isinstance(more.get("content"), list):
        more["content"] = iter(more["content"])
    answer = server.client.request(method, path, **more)
    seen = {name: answer.headers.get(name) for name in SEEN}
    return answer.status_code, seen, answer.content


def alike(servers, method, path, **more):
    """Both answer that, and have run as many functions for it; the status, the
    body, and how many."""
    found = []
    for server in servers:
        before = server.client.get("/count").json()
        answer = ask(server, method, path, **more)
        found.append((answer, server.client.get("/count").json() - before))
    assert found[0] == found[1], (method, path, more)
    (status, _, body), called = found[0]
    return status, body, called


def test_it_waits_on_the_io_thread(servers):
    assert [server.client.get("/where").json() for server in servers][0] == "inlay-io"
    assert servers[1].client.get("/where").json() != "inlay-io"


def test_successes(servers):
    assert alike(servers, "GET", "/get/1") == (200, b'{"id":1,"name":"one"}', 1)
    assert alike(servers, "GET", "/find/2") == (200, b'{"id":2,"name":"two"}', 1)
    assert alike(servers, "GET", "/find/99") == (200, b"null", 1)
    assert alike(servers, "GET", "/null/maybe") == (200, b'{"text":null}', 1)
    assert alike(servers, "GET", "/sum?most=2") == (200, b"3", 1)
    assert alike(servers, "GET", "/sum?most=1") == (200, b"1", 1)
    name = "it's \u20ac \U0001f600; --"
    user = {"id": 10, "name": name}
    assert alike(servers, "POST", "/put", json=user) == (201, b"1", 1)
    assert json.loads(alike(servers, "GET", "/get/10")[1])["name"] == name
    path = "/put_all/caf%C3%A9"
    assert alike(servers, "POST", path, json=[20, 21]) == (200, b"2", 1)
    assert alike(servers, "DELETE", "/drop/20") == (204, b"", 1)
    rows = json.loads(alike(servers, "GET", "/all")[1])
    assert [row["id"] for row in rows] == [1, 2, 10, 21]
    assert rows[-1]["name"] == "caf\u00e9"


# Mounted application -> which status an error has there.
OF = {
    "": {404: 500, 409: 500, 503: 500},
    "/told": {404: 404, 409: 409, 503: 503},
    "/own": {404: 418, 409: 409, 503: 500},
}


@pytest.mark.parametrize("where", OF)
def test_failures_are_what_python_says_and_run_once(servers, where):
    """Without handlers, with inlay.answer_error, with handlers of its own."""
    of = OF[where]

    def failed(status, method, path, **more):
        found, body, called = alike(servers, method, where + path, **more)
        assert (found, called) == (of.get(status, 500), 1), (path, body)
        return body

    failed(404, "GET", "/get/99")
    first = {"id": 1, "name": "again"}
    failed(409, "POST", "/put", json=first)
    failed(500, "GET", "/wrong")
    failed(500, "GET", "/null/text")
    failed(503, "GET", "/down")
    failed(500, "GET", "/both")
    failed(500, "GET", "/listens")
    failed(500, "GET", "/status")
    base = 1000 + 100 * list(OF).index(where)
    body = failed(404, "POST", f"/write_and_fail/{base}?kind=2")
    assert (b"no user" in body) == bool(where)
    kinds = (1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 77)
    for kind in kinds:
        path = f"{where}/write_and_fail/{base + kind}?kind={kind}"
        assert alike(servers, "POST", path)[2] == 1
    # Each has written once; what failed within its transaction has not.
    failed(409, "POST", "/put_all/x", json=[base + 50, base + 51, 1])
    rows = json.loads(alike(servers, "GET", "/all")[1])
    ids = {row["id"] - base for row in rows if base <= row["id"] < base + 100}
    assert ids == {0, *kinds}


@pytest.mark.parametrize("where", OF)
def test_what_does_not_fit_is_the_applications(servers, where):
    """With its body, and without a call."""
    json_type = {"content-type": "application/json"}
    large = b'{"id": "x", "name": "' + b"n" * 300_000 + b'"}'
    for status, method, path, more in (
        (422, "GET", "/get/x", {}),
        (500, "GET", "/get/99999999999999999999", {}),  # an OverflowError
        (422, "GET", "/sum", {}),
        (422, "GET", "/get/x", {"content": b"y" * 100_000}),
        (422, "POST", "/put", {}),
        (422, "POST", "/put", {"json": {"id": 1}}),
        (422, "POST", "/put", {"content": b'{"id":', "headers": json_type}),
        (422, "POST", "/put", {"content": [b'{"id": ', b"x}"], "headers": json_type}),
        (422, "POST", "/put", {"content": large, "headers": json_type}),
        (422, "POST", "/put_all/x", {"json": [1, "x"]}),
        (400, "POST", "/put", {"content": b"\xff", "headers": json_type}),
        (405, "POST", "/get/1", {}),
        (405, "HEAD", "/get/1", {}),
        (404, "GET", "/get/1/2", {}),
    ):
        found, body, called = alike(servers, method, where + path, **more)
        assert (found, called) == (status, 0), (path, body)


def test_bodies_in_pieces(servers):
    pieces = [b"[", b"31", b", ", b"32]"]
    json_type = {"content-type": "application/json"}
    for content in (pieces, b"[" + b" " * 200_000 + b"33, 34]"):
        found = alike(servers, "POST", "/put_all/p", content=content, headers=json_type)
        assert found == (200, b"2", 1)
    # One that nobody asked for, and the next request on that connection.
    for _ in range(3):
        found = alike(servers, "GET", "/get/1", content=b"y" * 200_000)
        assert found[0] == 200


def test_documents_agree(servers):
    one, other = (server.client.get("/openapi.json").json() for server in servers)
    assert one == other


@pytest.mark.parametrize("path", ["/slow?seconds=1", "/sleeps"])
def test_a_slow_one_holds_up_nobody(lifting, path):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with lifting.new_client() as client:
            slow = pool.submit(client.get, path)
            time.sleep(0.1)
            answered = 0
            while not slow.done() and answered < 20:
                assert lifting.client.get("/count").status_code == 200
                assert lifting.client.get("/get/1").status_code == 200
                answered += not slow.done()
            assert slow.result().json() == 7
    assert answered == 20


def test_many_wait_at_once(lifting):
    def get(number):
        with lifting.new_client() as client:
            return client.get(f"/find/{number % 3}").status_code

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert set(pool.map(get, range(200))) == {200}


def test_who_ends_his_side_gets_the_answer(servers):
    """As from the application, which is not told either."""
    for server in servers:
        with server.connect() as connection:
            connection.sendall(b"GET /slow?seconds=1.5 HTTP/1.1\r\nhost: x\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.read()) == (200, b"7")


def test_clients_that_leave(lifting):
    """While it waits for its body, or for the database."""
    body = b"POST /put HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    heads = (
        b"GET /slow?seconds=0.5 HTTP/1.1\r\nhost: x\r\n\r\n",
        body + b"content-length: 100\r\n\r\n{",
        b"GET /slow?seconds=0.5 HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1",
    )
    for head in heads * 3:
        connection = lifting.connect()
        connection.sendall(head)
        time.sleep(0.05)
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        connection.close()
    assert lifting.client.get("/get/1").status_code == 200


def test_the_page_counts_them_as_native(servers):
    for server, kind in zip(servers, ("native", "asgi"), strict=True):
        line = rf'^inlay_requests_total\{{[^}}]*kind="{kind}"[^}}]*' + re.escape(
            'route="/get/{id}"'
        )
        end = time.monotonic() + 10
        while not re.search(line, httpx.get(server.metrics).text, re.M):
            assert time.monotonic() < end, httpx.get(server.metrics).text
            time.sleep(0.1)


def test_inlay_routes(options):
    _, given = options("routes")
    text = subprocess.run(
        [sys.executable, "-m", "inlay", "routes", "app:app", "--json", *given],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = {each["path"]: each for each in json.loads(text)}
    assert found["/get/{id}"]["answered"] == "lifted"
    assert found["/get/{id}"]["runs"] == "coroutine"
    assert found["/both"]["answered"] == found["/down"]["answered"] == "lifted"
    assert found["/count"]["runs"] == "I/O thread"
    assert found["/told/get/{id}"]["answered"] == "lifted"
    assert found["/own/get/{id}"]["answered"] == "not lifted"
    assert "NotFound" in found["/own/get/{id}"]["remark"]
    assert "ASYNC" in found["/later"]["remark"]


def test_it_ends_well(servers):
    for server in servers:
        assert server.stop() == 0, server.logged()
        assert "Sanitizer" not in server.logged()
