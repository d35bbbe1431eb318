"""INLAY_STATE and INLAY_PROVIDE: who is called, when, how often, in what order."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .server import UnixServer

SOURCE = Path(__file__).parent / "guarded" / "provided.c"
ALICE = {"x-token": "alice"}


class Server(UnixServer):
    """Of provided.c, with what its states have noted."""

    def __init__(self, folder: Path, *options: str, **env: str) -> None:
        self.notes = folder / "notes"
        super().__init__(folder, SOURCE, *options, PROVIDED_LOG=str(self.notes), **env)

    def noted(self) -> list[str]:
        return self.notes.read_text().splitlines()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("provided")) as made:
        yield made


def test_states_are_opened_in_order_and_closed_in_reverse(tmp_path) -> None:
    with Server(tmp_path) as server:
        assert server.noted() == ["open config", "open store"]
    assert server.noted() == [
        "open config",
        "open store",
        "close store",
        "close config",
    ]


def test_a_state_per_worker_shared_by_threads(tmp_path) -> None:
    with Server(tmp_path, "--io-threads", "2") as server, ThreadPoolExecutor(4) as pool:

        def some(_: int) -> list[int]:
            with server.new_client() as client:
                return [client.post("/hit").json() for _ in range(25)]

        hits = sorted(n for part in pool.map(some, range(4)) for n in part)
    assert hits == list(range(1, 101))
    assert server.noted().count("open store") == 1


@pytest.mark.parametrize(
    ("env", "text"),
    [
        (
            "PROVIDED_FAIL",
            "INLAY_STATE: open_store has failed: the disk of store is full",
        ),
        ("PROVIDED_NULL", "INLAY_STATE: open_store has returned NULL"),
    ],
)
def test_a_state_that_cannot_be_opened(tmp_path, env: str, text: str) -> None:
    server = Server(tmp_path, **{env: "1"})
    assert server.process.wait(60) != 0
    log = server.logged()
    assert text in log
    assert "provided.c:" in log
    # What was open already is closed.
    assert server.noted() == ["open config", "open store", "close config"]


def test_a_default_of_a_state(server) -> None:
    assert server.client.get("/limit").json() == 7


def test_providers_run_once_per_request(server) -> None:
    before = server.client.get("/me", headers=ALICE).json()
    after = server.client.get("/me", headers=ALICE).json()
    assert before["name"] == after["name"] == "alice@7"
    for found in (before, after):
        assert found["session"] == found["again"]
    assert after["session"] == before["session"] + 1
    assert after["user"] == before["user"] + 1


def test_what_a_guard_has_made_is_not_made_again(server) -> None:
    before = server.client.get("/me", headers=ALICE).json()
    guarded = server.client.get("/guarded/me", headers=ALICE)
    found = guarded.json()
    assert found["session"] == found["again"] == before["session"] + 1
    assert found["user"] == before["user"] + 1
    assert guarded.headers["x-session"] == str(found["session"])


def test_an_error_in_a_provider_ends_the_request(server) -> None:
    for path in ("/me", "/guarded/me"):
        found = server.client.get(path)
        # The hook of the second one needs the session as well.
        if path == "/me":
            assert (found.status_code, found.json()) == (
                401,
                {"detail": "who are you?"},
            )
        else:
            assert found.status_code == 500
    denied = server.client.get("/guarded/me", headers={"x-token": "xenia"})
    assert (denied.status_code, denied.json()) == (403, {"detail": "not you"})


def test_null_is_a_value(server) -> None:
    first = server.client.get("/maybe").json()
    second = server.client.get("/maybe?there=1").json()
    assert (first["found"], second["found"]) == (False, True)
    assert second["calls"] == first["calls"] + 1


def test_a_provider_with_a_part_of_the_path(server) -> None:
    assert server.client.get("/items/5").json() == "item 5"
    assert server.client.get("/items?id=6").json() == "item 6"
    missing = server.client.get("/items/101")
    assert (missing.status_code, missing.json()) == (404, {"detail": "no item 101"})
    wrong = server.client.get("/items/x")
    assert wrong.status_code == 422
    assert wrong.json()["detail"][0]["loc"] == ["path", "id"]
    absent = server.client.get("/items").json()["detail"]
    assert [(e["type"], e["loc"]) for e in absent] == [("missing", ["query", "id"])]


def test_providers_that_wait(server) -> None:
    assert server.client.get("/waited").json() == 1
    assert server.client.get("/pooled").json() == 2


def test_from_python(module) -> None:
    made = module(SOURCE.read_text(), name="provided_for_python")
    assert made.plus(1, 2) == 3
    for name, why in {
        "hit": r"its parameter 'store' \(struct store \*\) is what an INLAY_STATE",
        "me": r"its parameter 'user' \(const struct user \*\) is what an INLAY_STATE",
        "session": r"session\(\) answers requests: its parameter 'store'",
    }.items():
        function = getattr(made, name)
        for args in ((), (1,), (None, None, None)):
            with pytest.raises(TypeError, match=why):
                function(*args)
    assert not hasattr(made, "store")


def test_from_python_a_request(module) -> None:
    made = module("""
        int64_t wait_for(inlay_request *request, int64_t n)
        {
            (void)request;
            return n;
        }
        int64_t talk(inlay_socket *socket)
        {
            (void)socket;
            return 0;
        }
        INLAY_ASYNC(wait_for);
    """)
    with pytest.raises(TypeError, match=r"is the request that it works on"):
        made.wait_for(1, 2)
    with pytest.raises(TypeError, match=r"is the WebSocket that it works on"):
        made.talk()


def test_inspect() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "inlay", "inspect", str(SOURCE), "--json"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = json.loads(text)
    provides = {p["gives"]: p for p in found["provides"]}
    assert provides["store"]["function"] == "open_store"
    assert provides["store"]["lives"] == "per worker"
    assert provides["user"]["lives"] == "per request"
    assert provides["slow"]["runs"] == "coroutine"
    assert provides["pooled"]["runs"] == "pool"
    assert [(g["pattern"], g["when"], g["function"]) for g in found["guards"]] == [
        ("/guarded/*", "before", "only_users"),
        ("/guarded/*", "after", "stamp"),
        ("/maybe", "before", "look_at_maybe"),
    ]
