"""What native routes go past, and `inlay routes`."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys

import pytest
from inlay import bypass, routes
from inlay.testing import LiveServer, StartError

fastapi = pytest.importorskip("fastapi")

SOURCE = """
    int64_t user(int64_t id) { return id; }
    INLAY_GET("/bypass/users/{id}", user);
    int64_t count(void) { return 3; }
    INLAY_POST("/bypass/count", count);
"""


@pytest.fixture(scope="module")
def fast(module):
    return module(SOURCE)


def named(app, native):
    return {
        f"{each.methods} {each.path}": each
        for each in bypass.find(routes.collect(app), [native])
    }


def test_names(fast):
    from starlette.middleware.gzip import GZipMiddleware

    app = fastapi.FastAPI(dependencies=[fastapi.Depends(lambda: 1)])
    app.add_middleware(GZipMiddleware)

    @app.get("/bypass/users/me")
    def me() -> int:
        return 1

    @app.delete("/bypass/users/{id}")
    def delete(id: int) -> int:
        return 1

    app.mount("/static", fastapi.FastAPI())
    found = named(app, fast.__inlay__)
    user = found["GET /bypass/users/{id}"]
    assert user.skips == ("GZipMiddleware", "1 dependency of the application")
    assert [entry.path for entry in user.hides] == ["/bypass/users/me"]
    assert user.line() == (
        "GET /bypass/users/{id} bypasses GZipMiddleware, 1 dependency of the "
        f"application; hides GET /bypass/users/me ({__name__}.test_names.<locals>.me)"
    )
    assert "INLAY_REPLACES(user)" in user.problem()
    assert found["POST /bypass/count"].hides == ()
    assert found["POST /bypass/count"].problem() == ""


def test_nothing_is_bypassed(fast):
    found = named(fastapi.FastAPI(), fast.__inlay__)
    assert all(each.text() == "" for each in found.values())


GUARDED = """
    import {name}
    from fastapi import Depends, FastAPI

    app = FastAPI()

    @app.get("/{name}/x", dependencies=[Depends(lambda: 1)])
    def guarded() -> str:
        return "python"

    @app.get("/{name}/y")
    def free() -> str:
        return "python"
"""
NATIVE = """
    #include <inlay.h>
    int64_t x(void) {{ return 1; }}
    INLAY_GET("/{name}/x", x);
    int64_t y(void) {{ return 2; }}
    INLAY_GET("/{name}/y", y);
    {more}
"""


def run(project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "inlay", *arguments],
        cwd=project.folder,
        env=project.env,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.slow
def test_refused_unless_it_replaces(project):
    project.write("one.c", NATIVE.format(name="one", more=""))
    project.write("app.py", GUARDED.format(name="one"))
    ended = run(project, "run", "app:app", "--port", "0")
    assert ended.returncode == 1
    assert "one.c:3: GET /one/x hides GET /one/x (app.guarded)" in ended.stderr
    listed = run(project, "routes", "app:app")
    assert listed.returncode == 1 and "INLAY_REPLACES(x)" in listed.stderr

    project.write("one.c", NATIVE.format(name="one", more="INLAY_REPLACES(x);"))
    listed = run(project, "routes", "app:app", "--json")
    assert listed.returncode == 0, listed.stderr
    rows = json.loads(listed.stdout)
    assert [row["answered"] for row in rows if row["path"].startswith("/one")] == [
        "native", "native", "ASGI", "ASGI",
    ]  # fmt: skip
    assert rows[0]["runs"] == "I/O thread" and rows[0]["function"] == "one.x"
    assert rows[0]["remark"] == "hides GET /one/x (app.guarded)"


@pytest.mark.slow
def test_routes_command(project):
    project.write(
        "two.c",
        """
        #include <inlay.h>
        int64_t add(int64_t a, int64_t b) { return a + b; }
        int64_t wait(void) { return 1; }
        INLAY_ASYNC(wait);
        INLAY_GET("/wait", wait);
        """,
    )
    project.write(
        "app.py",
        """
        from contextlib import asynccontextmanager
        import two
        from fastapi import FastAPI
        from fastapi.middleware.gzip import GZipMiddleware

        @asynccontextmanager
        async def lifespan(app):
            app.get("/late")(two.add)
            print("started")
            yield
            print("stopped")

        app = FastAPI(lifespan=lifespan, openapi_url=None)
        app.add_middleware(GZipMiddleware)
        app.get("/add")(two.add)
        app.mount("/sub", FastAPI(openapi_url=None))
        """,
    )
    listed = run(project, "routes", "app:app")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.startswith("started\nstopped\n")
    text = [" ".join(line.split()) for line in listed.stdout.splitlines()]
    assert "GET /wait native two.wait pool bypasses GZipMiddleware" in text
    gzip = "starlette.middleware.gzip.GZipMiddleware stands before it"
    assert any(f"GET /add not lifted two.add Python {gzip}" in line for line in text)
    assert any(line.startswith("* /sub ASGI FastAPI Python mount") for line in text)
    listed = run(project, "routes", "app:app", "--lift-past", "GZipMiddleware")
    text = [" ".join(line.split()) for line in listed.stdout.splitlines()]
    assert "GET /add lifted two.add I/O thread" in text
    assert "GET /late lifted two.add I/O thread" in text
    options = ("--lifespan", "off", "--no-lift", "--lift-past", "GZipMiddleware")
    listed = run(project, "routes", "app:app", *options)
    assert "/late" not in listed.stdout and "Python  --no-lift" in listed.stdout


@pytest.mark.slow
def test_routes_of_a_c_file(project):
    project.write("one.c", NATIVE.format(name="one", more=""))
    rows = json.loads(run(project, "routes", "one.c", "--json").stdout)
    assert [row["path"] for row in rows] == ["/one/x", "/one/y"]
    assert run(project, "routes", "nowhere:app").returncode == 1


def test_server_refuses(fast):
    app = fastapi.FastAPI()
    app.get("/bypass/users/me", dependencies=[fastapi.Depends(lambda: 1)])(lambda: 1)
    with (
        pytest.raises(StartError, match="INLAY_REPLACES"),
        contextlib.ExitStack() as stack,
    ):
        stack.enter_context(LiveServer(app))


def test_patterns():
    def both(one, other):
        return routes.overlap(routes.parse(one).segments, routes.parse(other).segments)

    assert both("/a/{x}", "/a/b") and both("/{x}/b", "/a/{y}")
    assert both("/a/{x:path}", "/a/") and both("/a/{x:path}", "/{y:path}")
    assert not both("/a/{x:path}", "/a") and not both("/a/{x}", "/a/")
    assert not both("/a", "/b") and not both("/a", "/a/b")
    assert both("/a/{x}.txt", "/a/{y:int}")
    covers = routes.covers
    assert covers(routes.parse("/a/{x}"), routes.parse("/a/b"))
    assert not covers(routes.parse("/a/{x}"), routes.parse("/a/"))
    assert not covers(routes.parse("/a/{x:int}"), routes.parse("/a/b"))
    assert covers(routes.parse("/{x:path}"), routes.parse("/a/{y}/c"))
    assert not covers(routes.parse("/a/b"), routes.parse("/a/{x}"))
    assert routes.parse("/a/{x}/{y:path}").text() == "/a/{p1}/{p2:path}"
