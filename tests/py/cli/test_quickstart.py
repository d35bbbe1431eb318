"""The quick start, as the README has it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart"


@pytest.fixture(scope="module")
def numbers() -> list[int]:
    return [0, 1, -1, 7, 10**9, 2**63 - 1, -(2**63), 123456789]


@pytest.fixture
def server(inlay_run):
    return inlay_run("app:app", app_dir=QUICKSTART)


def test_every_way_gives_the_same(server, numbers):
    answers = [
        httpx.post(f"{server.url}/process-numbers{suffix}", json={"numbers": numbers})
        for suffix in ("", "-c", "-py")
    ]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].json()["original_count"] == len(numbers)
    assert answers[0].text == answers[1].text == answers[2].text

    for query in ("", "?a=3&b=4", "?a=-7", "?b=0"):
        texts = {
            server.get(f"/sum-squares{suffix}{query}").text
            for suffix in ("", "-c", "-py")
        }
        assert len(texts) == 1
    assert server.get("/sum-squares").json() == {"a": 5, "b": 10, "sum_of_squares": 125}


def test_bad_input_reads_as_fastapi_says_it(server):
    for query in ("?a=x", "?a=1.5&b=", "?a=1&a=y"):
        native = server.get(f"/sum-squares{query}")
        python = server.get(f"/sum-squares-py{query}")
        assert native.status_code == python.status_code == 422
        assert native.json() == python.json()
    for body in ({}, {"numbers": [1, "x", None, 1.5]}, [], {"numbers": 3}):
        native = httpx.post(f"{server.url}/process-numbers", json=body)
        python = httpx.post(f"{server.url}/process-numbers-py", json=body)
        assert native.status_code == python.status_code == 422
        assert native.json() == python.json()


def test_errors_of_the_c_function(server):
    big = 2**62
    native = server.get(f"/sum-squares?a={big}")
    assert native.status_code == 422
    assert "too large" in native.json()["detail"]
    python = server.get(f"/sum-squares-c?a={big}")
    assert python.status_code == 500
    assert "too large" in python.json()["detail"]


def test_python_routes_and_methods(server):
    assert server.get("/").json()["served_by"] == "FastAPI"
    assert server.get("/items/3").json() == {"item_id": 3, "q": None}
    assert server.get("/nothing").status_code == 404
    # The application does not know that path.
    refused = httpx.put(f"{server.url}/sum-squares")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert httpx.put(f"{server.url}/items/3").status_code == 405
    head = httpx.head(f"{server.url}/sum-squares")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == "35"


def test_native_routes_in_the_document(server):
    document = server.get("/openapi.json").json()
    native = document["paths"]["/sum-squares"]["get"]
    python = document["paths"]["/sum-squares-py"]["get"]
    assert [p["name"] for p in native["parameters"]] == ["a", "b"]
    assert native["parameters"][0]["schema"]["default"] == 5
    assert set(native["responses"]) == set(python["responses"]) == {"200", "422"}
    assert "requestBody" in document["paths"]["/process-numbers"]["post"]
    from openapi_spec_validator import validate

    validate(document)
    assert "swagger" in server.get("/docs").text.lower()


def test_without_a_compiler_python_routes_go_on(inlay_run, tmp_path):
    server = inlay_run(
        "app:app",
        app_dir=QUICKSTART,
        env={"CC": "/nonexistent-cc", "INLAY_CACHE_DIR": str(tmp_path / "cache")},
    )
    answer = server.get("/sum-squares-c")
    assert answer.status_code == 501
    assert "fast.c is not available" in answer.json()["detail"]
    assert server.get("/sum-squares-py").status_code == 200
    assert server.get("/sum-squares").status_code == 404
