"""examples/users: one application twice, and the same answers from both.

app.py on PostgreSQL is the measure; users.c is asked on PostgreSQL, on SQLite,
and as it stands before app.py.
"""

from __future__ import annotations

import concurrent.futures
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from .compare import seen
from .postgres import PgBouncer, Postgres, pgbouncer_installed
from .server import UnixServer

pytest.importorskip("asyncpg")

USERS = Path(__file__).parents[2] / "examples" / "users"
CREATED = re.compile(rb'"created":"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z)"')
INJECTIONS = (
    "'; drop table users; --",
    "$1",
    "a' or '1'='1",
    'a"b,c',
    "%s %(x)s {} \\ \\' \\x00",
    "null",
    "?1 :name @name",
    "é 字 🦀 \u202e",
)


def body(value: Any) -> dict[str, Any]:
    return {
        "content": json.dumps(value).encode(),
        "headers": {"content-type": "application/json"},
    }


def user(name: str = "n", email: str = "n@n", **more: Any) -> dict[str, Any]:
    return body({"name": name, "email": email, **more})


# In this order: each finds what those before it have left.
REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/users", {}),
    ("GET", "/users/export", {}),
    ("GET", "/users/1", {}),
    # New ones; ids count from 1.
    ("POST", "/users", user("Ada", "ada@a", score=3.5)),
    ("POST", "/users", user("Bob", "bob@a")),
    ("POST", "/users", user("Eve", "eve@a", score=None, unknown=1)),
    *[
        ("POST", "/users", user(text, text.replace("@", "") + f"@{number}"))
        for number, text in enumerate(INJECTIONS)
    ],
    (
        "POST",
        "/users/batch",
        body(
            [
                {"name": f"b{i}", "email": f"b{i}@b", "score": i / 3 if i % 2 else None}
                for i in range(40)
            ]
        ),
    ),
    ("GET", "/users/1", {}),
    *[("GET", f"/users/{4 + i}", {}) for i in range(len(INJECTIONS))],
    ("GET", "/users", {}),
    ("GET", "/users?limit=3", {}),
    ("GET", "/users?limit=5&after=11", {}),
    ("GET", "/users?after=10000", {}),
    ("GET", "/users?limit=100", {}),
    ("GET", "/users/export", {}),
    # What is wrong with a request.
    ("GET", "/users?limit=0", {}),
    ("GET", "/users?limit=101&after=x", {}),
    ("GET", "/users/abc", {}),
    ("GET", "/users/999", {}),
    ("GET", "/users/-1", {}),
    ("GET", "/users/9223372036854775807", {}),
    ("POST", "/users", body({})),
    ("POST", "/users", body([])),
    ("POST", "/users", user("", "x")),
    ("POST", "/users", user("n" * 101, "no at sign")),
    ("POST", "/users", user(email="a@b@c", score="many")),
    ("POST", "/users", {"content": b"{", "headers": body(0)["headers"]}),
    ("POST", "/users/batch", body([])),
    ("POST", "/users/batch", body([{"name": "x"}, {"email": "y", "name": ""}])),
    ("PATCH", "/users/1", body({"name": "", "score": []})),
    ("PATCH", "/users/x", body({})),
    ("POST", "/users/1/transfer", body({"to": 2})),
    ("POST", "/users/1/transfer", body({"to": 2, "amount": 0})),
    # Changes.
    ("PATCH", "/users/1", body({"name": "Ada L."})),
    ("PATCH", "/users/1", body({"score": 10, "email": None})),
    ("PATCH", "/users/1", body({"email": "ada@ada"})),
    ("PATCH", "/users/1", body({})),
    ("PATCH", "/users/1", body({"email": "bob@a"})),
    ("PATCH", "/users/999", body({"name": "x"})),
    ("PATCH", "/users/999", body({"email": "bob@a"})),
    ("GET", "/users/1", {}),
    # From one to another, or not at all.
    ("POST", "/users/1/transfer", body({"to": 2, "amount": 2.25})),
    ("POST", "/users/1/transfer", body({"to": 2, "amount": 100})),
    ("POST", "/users/1/transfer", body({"to": 999, "amount": 1})),
    ("POST", "/users/999/transfer", body({"to": 1, "amount": 1})),
    ("GET", "/users?limit=2", {}),
    ("DELETE", "/users/3", {}),
    ("DELETE", "/users/3", {}),
    ("GET", "/users/3", {}),
    # Last: where PostgreSQL has used an id for these, SQLite has not.
    ("POST", "/users", user("Again", "bob@a")),
    (
        "POST",
        "/users/batch",
        body([{"name": "z", "email": e} for e in ("z@z", "bob@a")]),
    ),
    ("GET", "/users?after=50", {}),
    ("GET", "/users/export", {}),
]


def migrate(url: str) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "inlay", "db", "migrate", "--db", url),
            *("--dir", str(USERS / "migrations")),
        ],
        check=True,
        capture_output=True,
    )


def ask(client: httpx.Client) -> list[tuple[Any, ...]]:
    """What is answered to all of them, but for the moments of creation."""
    answers = []
    for method, url, more in REQUESTS:
        answer = client.request(method, url, **more)
        status, content, kind = seen(answer)
        location = answer.headers.get("location")
        content = CREATED.sub(b'"created":"?"', content)
        answers.append((method, url, status, content, kind, location))
    return answers


@pytest.fixture(scope="module")
def expected(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Any, ...]]:
    """The answers of app.py."""
    folder = tmp_path_factory.mktemp("app")
    url = postgres.create_database("users_app")
    migrate(url)
    options = ("--app-dir", str(USERS))
    with UnixServer(folder, "app:app", *options, DATABASE_URL=url) as server:
        return ask(server.client)


needs_pgbouncer = pytest.mark.skipif(
    pgbouncer_installed() is None, reason="pgbouncer is not installed"
)


@pytest.fixture(scope="module")
def bouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    with PgBouncer(postgres) as made:
        yield made


@pytest.fixture(
    params=[
        "postgresql",
        "sqlite",
        "before app.py",
        pytest.param("pgbouncer", marks=needs_pgbouncer),
        pytest.param("pgbouncer?statement_cache=0", marks=needs_pgbouncer),
    ]
)
def server(
    request: pytest.FixtureRequest, postgres: Postgres, tmp_path: Path
) -> Iterator[UnixServer]:
    """users.c, on a database without users."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'users.db'}"
    else:
        postgres.drop_database("users_c")
        url = postgres.create_database("users_c")
        # A second is what each deadlock takes otherwise.
        postgres.psql("alter database users_c set deadlock_timeout = '10ms'")
    migrate(url)
    if request.param.startswith("pgbouncer"):
        bouncer = request.getfixturevalue("bouncer")
        url = request.param.replace("pgbouncer", bouncer.url("users_c"))
    if request.param == "before app.py":
        env = {"DATABASE_URL": url, "USERS_IN_C": "1"}
        made = UnixServer(tmp_path, "app:app", "--app-dir", str(USERS), **env)
    else:
        made = UnixServer(tmp_path, USERS / "users.c", "--db", url)
    with made:
        yield made


def test_c_answers_what_fastapi_and_asyncpg_answer(server, expected):
    for ours, theirs in zip(ask(server.client), expected, strict=True):
        assert ours == theirs


def test_python_answers_with_what_was_asked_for(expected):
    """So that the comparison is not one of errors."""
    statuses = {status for _, _, status, *_ in expected}
    assert statuses == {200, 201, 204, 404, 409, 422}
    listed = next(content for *_, content, _, _ in expected if b"drop table" in content)
    assert json.loads(listed)["name"] == INJECTIONS[0]


def test_transfers_at_the_same_time_lose_nothing(server):
    for name in "ab":
        made = server.client.post("/users", **user(name, f"{name}@x", score=1000))
        assert made.status_code == 201

    def hand(number: int) -> int:
        there, back = (1, 2) if number % 2 else (2, 1)
        change = body({"to": back, "amount": 1})
        return server.client.post(f"/users/{there}/transfer", **change).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        found = [*threads.map(hand, range(100))]
    # 409: a deadlock, or its like, for the third time.
    assert set(found) <= {200, 409} and found.count(200) > 20
    scores = [each["score"] for each in server.client.get("/users").json()]
    gained = sum(
        (-1 if number % 2 else 1)
        for number, status in enumerate(found)
        if status == 200
    )
    assert scores == [1000 + gained, 1000 - gained]
