"""C functions as endpoints of FastAPI, on any server."""

import functools

import inlay
import pytest

fastapi = pytest.importorskip("fastapi")
testclient = pytest.importorskip("fastapi.testclient")

SOURCE = """
    /// Sum of two squares.
    ///
    /// Long description.
    int64_t sum_squares(int64_t a, int64_t b) { return a * a + b * b; }
    INLAY_DEFAULT(sum_squares, b, 10);

    INLAY_OPTIONAL(maybe, int64_t);
    INLAY_SLICE(ints, int64_t);

    inlay_str greet(inlay_str name, maybe times)
    {
        if (name.len == 0)
            inlay_fail(INLAY_NOT_FOUND, "nobody");
        return inlay_format("%.*s %d", (int)name.len, name.ptr,
                            times.has ? (int)times.value : -1);
    }
    int64_t total(ints numbers)
    {
        int64_t sum = 0;
        for (size_t i = 0; i < numbers.len; i++)
            sum += numbers.ptr[i];
        return sum;
    }

    struct point { double x, y; };
    struct line { struct point from, to; inlay_str name; };
    struct point middle(struct line line)
    {
        return (struct point){(line.from.x + line.to.x) / 2,
                              (line.from.y + line.to.y) / 2};
    }
    struct point origin(void) { return (struct point){0, 0}; }
"""


@pytest.fixture(scope="module")
def fast(module):
    return module(SOURCE, "fastapi_fast")


@pytest.fixture(scope="module")
def client(fast):
    app = fastapi.FastAPI()
    app.get("/sum")(fast.sum_squares)
    app.get("/greet/{name:path}")(fast.greet)
    app.post("/total")(fast.total)
    app.get("/partial")(functools.partial(fast.sum_squares, 2))
    app.post("/middle")(fast.middle)
    app.get("/origin")(fast.origin)

    @app.exception_handler(inlay.Error)
    def failed(request, error):
        return fastapi.responses.JSONResponse({"detail": str(error)}, error.status)

    return testclient.TestClient(app)


def test_scalars(client):
    assert client.get("/sum?a=3&b=4").json() == 25
    assert client.get("/sum?a=3").json() == 109
    answer = client.get("/sum?a=x")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "a"]
    assert client.get("/partial?b=1").json() == 5


def test_path_and_optional(client):
    assert client.get("/greet/ann?times=2").json() == "ann 2"
    assert client.get("/greet/ann").json() == "ann -1"
    answer = client.get("/greet/")
    assert answer.status_code == 404 and answer.json() == {"detail": "nobody"}


def test_body(client):
    assert client.post("/total", json=[1, 2, 3]).json() == 6
    assert client.post("/total", json=["x"]).status_code == 422


def test_struct(client):
    body = {"from_": {"x": 0, "y": 0}, "to": {"x": 2, "y": 4}, "name": "n"}
    answer = client.post("/middle", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"x": 1.0, "y": 2.0}
    assert client.get("/origin").json() == {"x": 0.0, "y": 0.0}
    answer = client.post("/middle", json={**body, "to": {"x": "no"}})
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["detail"]] == [
        ["body", "to", "x"],
        ["body", "to", "y"],
    ]


def test_openapi(client):
    document = client.get("/openapi.json").json()
    sum_squares = document["paths"]["/sum"]["get"]
    assert sum_squares["summary"] == "Sum Squares"
    assert sum_squares["description"].startswith("Sum of two squares.")
    assert [p["name"] for p in sum_squares["parameters"]] == ["a", "b"]
    assert sum_squares["parameters"][1]["schema"]["default"] == 10
    assert document["components"]["schemas"]["point"]["required"] == ["x", "y"]
