"""`inlay run routes.c`: examples/alone, a server without an application."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.slow

ALONE = Path(__file__).parents[3] / "examples" / "alone"


@pytest.fixture
def server(inlay_run):
    return inlay_run("routes.c", app_dir=ALONE)


def test_notes(server):
    made = httpx.post(server.url + "/notes", json={"title": "Buy milk"})
    assert made.status_code == 201
    assert made.headers["location"] == "/notes/0"
    assert made.json() == {"id": 0, "title": "Buy milk", "done": False}
    assert httpx.put(server.url + "/notes/0/done").json()["done"] is True
    assert server.get("/notes/0").json()["done"] is True
    assert server.get("/notes?limit=1").json() == [
        {"id": 0, "title": "Buy milk", "done": True}
    ]
    missing = server.get("/notes/1")
    assert (missing.status_code, missing.json()) == (404, {"detail": "no note 1"})
    empty = httpx.post(server.url + "/notes", json={"title": ""})
    assert empty.status_code == 422
    assert empty.json()["detail"][0]["loc"] == ["body", "title"]
    assert server.get("/notes?limit=0").status_code == 422


def test_what_it_says_itself(server):
    assert server.get("/nowhere").json() == {"detail": "Not Found"}
    wrong = httpx.delete(server.url + "/notes")
    assert wrong.status_code == 405
    assert {"GET", "POST"} <= set(wrong.headers["allow"].split(", "))
    assert server.get("/notes/").status_code == 307
    assert httpx.options(server.url + "/notes").status_code == 204
    assert {"/notes", "/notes/{id}"} <= set(server.get("/openapi.json").json()["paths"])
    assert "html" in server.get("/docs").headers["content-type"]
    assert server.stop() == 0


def test_with_curl(server):
    """As the comment in the file has it."""
    done = subprocess.run(
        ["curl", "-s", "-H", "content-type: application/json", "-d",
         '{"title": "Buy milk"}', f"{server.url}/notes"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert '"title":"Buy milk"' in done.stdout
