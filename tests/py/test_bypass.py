"""What native routes go past, and `inlay routes`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import uuid

import pytest
from inlay import _core, bypass, routes, serving
from inlay.config import Config
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


def test_only_what_is_answered_instead_is_hidden(module):
    native = module(
        """
        int64_t one(int64_t v) { return v; }
        INLAY_GET("/hide/one", one);
        int64_t user(int64_t id) { return id; }
        INLAY_GET("/hide/users/{id:int}", user);
        int64_t text(inlay_str name) { return (int64_t)name.len; }
        INLAY_GET("/hide/texts/{name}", text);
        int64_t first(void) { return 1; }
        INLAY_GET("/hide/texts/first", first);
        """
    ).__inlay__
    app = fastapi.FastAPI()
    guarded = {"dependencies": [fastapi.Depends(lambda: 1)]}
    for path in (
        "/hide/users/me", "/{rest:path}/export", "/hide/{a}-{b}", "/hide/{a:int}",
        "/hide/texts/first",
    ):  # fmt: skip
        app.get(path, **guarded)(lambda: 1)
    app.get("/hide/{later:path}")(lambda: 1)
    app.get("/hide/one", **guarded)(lambda: 1)  # never reached
    found = named(app, native)
    hides = {each.path: [entry.path for entry in each.hides] for each in found.values()}
    everything = "/hide/{later:path}"
    assert hides == {
        "/hide/one": [everything],
        "/hide/users/{id:int}": [everything],
        "/hide/texts/{name}": ["/{rest:path}/export", everything],
        "/hide/texts/first": ["/hide/texts/first", everything],
    }
    assert found["GET /hide/users/{id:int}"].problem() == ""
    assert "hides GET /hide/texts/first" in found["GET /hide/texts/first"].problem()


def test_unsure_is_said_but_not_refused(fast):
    from starlette.convertors import CONVERTOR_TYPES, StringConvertor

    CONVERTOR_TYPES["mine"] = StringConvertor()
    try:
        app = fastapi.FastAPI()
        path = "/bypass/users/{id:mine}"
        app.get(path, dependencies=[fastapi.Depends(lambda: 1)])(lambda: 1)
        user = named(app, fast.__inlay__)["GET /bypass/users/{id}"]
    finally:
        del CONVERTOR_TYPES["mine"]
    assert user.hides == () and user.problem() == user.text() == ""
    assert user.text(unsure=True).startswith(f"may hide GET {path} (")


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
def test_what_stands_around_routes(project):
    project.write(
        "around.c",
        """
        #include <inlay.h>
        void check(const inlay_request *request) { (void)request; }
        INLAY_BEFORE("/x/*", check);
        void note(const inlay_request *request) { (void)request; }
        INLAY_AFTER("/*", note);
        INLAY_LAYER("timeout", "/x/y", "3s");
        void show(const inlay_request *request) { (void)request; }
        INLAY_GET("/x/y", show);
        """,
    )
    ended = run(project, "routes", "around.c")
    text = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert text == [
        "layer /x/y native timeout I/O thread 3s",
        "guard /x/* native around.check I/O thread",
        "after /* native around.note I/O thread",
        "GET /x/y native around.show I/O thread",
    ], ended.stderr
    found = json.loads(run(project, "inspect", "around.c", "--json").stdout)
    assert {each["runs"] for each in found["functions"]} == {"routes only"}
    assert found["layers"] == [
        {"pattern": "/x/y", "layer": "timeout", "value": "3s", "where": "around.c:6"}
    ]


def warnings(app, **options):
    async def describe():
        served = serving.Serving(Config("-", **options), [])
        await served.start(app)
        try:
            return served.describe()["warnings"]
        finally:
            await served.stop()

    return asyncio.run(describe())


def test_warnings(monkeypatch, module):
    from starlette.middleware.gzip import GZipMiddleware

    app = fastapi.FastAPI()
    app.add_middleware(GZipMiddleware)
    names = ("Nope", "GZipMiddleware", "starlette.middleware.gzip.GZipMiddleware")
    monkeypatch.setattr(_core, "modules", list)
    assert warnings(app, lift_past=names) == [
        "--lift-past Nope: the application has no such middleware"
    ]
    made = module(
        """
        int64_t fetch(void) { return 1; }
        INLAY_ROUTE("GET,FETCH", "/warned/fetch", fetch);
        """
    ).__inlay__
    monkeypatch.setattr(_core, "modules", lambda: [made])
    (warned,) = warnings(app)
    assert warned.endswith(".c:3: FETCH is no method of RFC 9110 or RFC 5789")


@pytest.mark.slow
def test_nothing_is_served(project):
    """A C file alone without any route."""
    project.write("empty.c", "#include <inlay.h>\nint one(void) { return 1; }\n")
    project.write(
        "main.py",
        """
        import asyncio, sys
        from inlay import serving, target
        from inlay.config import Config

        async def main():
            config = Config("empty.c")
            served = serving.Serving(config, [])
            await served.start(target.load(config))
            print(served.describe()["warnings"])
            await served.stop()

        asyncio.run(main())
        """,
    )
    ended = subprocess.run(
        [sys.executable, "main.py"], cwd=project.folder, env=project.env,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ended.stdout == "['no native routes: every request is a 404']\n", (
        ended.stderr
    )


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
        return routes.overlap(routes.parse(one), routes.parse(other))

    assert both("/a/{x}", "/a/b") and both("/{x}/b", "/a/{y}")
    assert both("/a/{x:path}", "/a/") and both("/a/{x:path}", "/{y:path}")
    assert not both("/a/{x:path}", "/a") and not both("/a/{x}", "/a/")
    assert not both("/a", "/b") and not both("/a", "/a/b")
    assert both("/a/{x}.txt", "/a/{y}") and not both("/a/{x}.txt", "/a/{y:int}")
    assert not both("/one", "/{rest:path}/export") and not both("/one", "/{a}-{b}")
    assert both("/x/{a}", "/{rest:path}/export") and both("/{a}-{b}", "/1-{c:int}")
    assert not both("/{id:int}", "/me") and both("/{id:int}", "/17")
    assert both("/{x:float}", "/1.5") and not both("/{x:float}", "/1.")
    assert both("/{u:uuid}", f"/{uuid.UUID(int=1)}") and not both("/{u:uuid}", "/1")
    assert both("/{x:mine}", "/a") is None and not both("/b/{x:mine}", "/a")
    assert routes.overlap(routes.ANYTHING, routes.parse("/a")) is None
    covers = routes.covers
    assert covers(routes.parse("/a/{x}"), routes.parse("/a/b"))
    assert not covers(routes.parse("/a/{x}"), routes.parse("/a/"))
    assert not covers(routes.parse("/a/{x:int}"), routes.parse("/a/b"))
    assert covers(routes.parse("/{x:path}"), routes.parse("/a/{y}/c"))
    assert not covers(routes.parse("/a/b"), routes.parse("/a/{x}"))
    assert covers(routes.parse("/{x:float}"), routes.parse("/{y:int}"))
    assert covers(routes.parse("/{x}"), routes.parse("/{a}-{b}"))
    assert not covers(routes.parse("/{x:mine}"), routes.parse("/{x:mine}"))
    assert routes.parse("/a/{x}/{y:path}").text() == "/a/{p1}/{p2:path}"


# --- What the application has nothing for ---------------------------------------


def lacks(app, path="/bypass/count"):
    return routes.collect(app).lack(path)


def with_route(path, **more):
    app = fastapi.FastAPI(**more)
    app.add_api_route(path, lambda: 1, methods=["GET"])
    return app


def test_paths_that_the_application_lacks():
    from starlette.applications import Starlette
    from starlette.middleware.gzip import GZipMiddleware

    assert lacks(fastapi.FastAPI()) and lacks(Starlette())
    assert lacks(with_route("/bypass/counts"))
    assert lacks(with_route("/bypass/count/{n}"))
    zipped = fastapi.FastAPI()
    zipped.add_middleware(GZipMiddleware)
    assert lacks(zipped)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("/bypass/count", "/bypass/count"),
        ("/{a}/count", "/bypass/count"),
        ("/{a:path}", "/bypass/count"),
        ("/bypass/count", "/bypass/{a}"),
        ("/bypass/a/b", "/bypass/{a:path}"),
        # These would be redirected.
        ("/bypass/count/", "/bypass/count"),
        ("/bypass/count", "/bypass/count/"),
        ("/bypass", "/bypass/{a:path}"),
    ],
)
def test_paths_that_the_application_has(theirs, ours):
    assert not lacks(with_route(theirs), ours)


def test_paths_that_the_application_may_have():
    from starlette.exceptions import HTTPException
    from starlette.middleware.cors import CORSMiddleware
    from starlette.routing import Host

    class Own(fastapi.FastAPI):
        pass

    async def asgi(scope, receive, send):
        pass

    def wrapped(app):
        class Wrapper:
            def __init__(self):
                self.app = app

        return Wrapper()

    changes = [
        lambda app: app.mount("/bypass", fastapi.FastAPI()),
        lambda app: app.mount("/", asgi),
        lambda app: app.add_middleware(CORSMiddleware),
        lambda app: app.middleware("http")(asgi),
        lambda app: app.exception_handler(404)(asgi),
        lambda app: app.exception_handler(HTTPException)(asgi),
        lambda app: app.router.routes.append(Host("x.org", asgi)),
        lambda app: setattr(app.router, "default", asgi),
        lambda app: app.add_api_websocket_route("/bypass/count", asgi),
    ]
    for change in changes:
        app = fastapi.FastAPI()
        assert lacks(app)
        change(app)
        assert not lacks(app)
    for app in (Own(), asgi, wrapped(fastapi.FastAPI())):
        assert not lacks(app)


def test_methods_that_nobody_has(fast):
    """Native: POST /bypass/count, GET /bypass/users/{id}."""
    import httpx

    app = fastapi.FastAPI()
    app.add_api_route("/bypass/users/{id}", lambda id: id, methods=["DELETE"])
    wrong = {"detail": "Method Not Allowed"}

    @app.exception_handler(405)
    def never(request, error):
        raise AssertionError("it was not to be asked")

    with LiveServer(app) as server:
        # It has a handler: it is asked, and knows nothing.
        assert httpx.get(server.url + "/bypass/count").status_code == 404
    del app.exception_handlers[405]
    app.middleware_stack = None
    with LiveServer(app) as server, httpx.Client(base_url=server.url) as client:
        assert client.post("/bypass/count").json() == 3
        for method in ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "ANY"):
            answer = client.request(method, "/bypass/count", content=b"x" * 100)
            assert answer.status_code == 405
            assert answer.headers["allow"] == "POST"
            assert method == "HEAD" or answer.json() == wrong
        assert client.delete("/bypass/users/1").json() == "1"
        both = client.post("/bypass/users/1")
        assert (both.status_code, both.json()) == (405, wrong)
        assert set(both.headers["allow"].split(", ")) == {"GET", "HEAD", "DELETE"}
        assert client.get("/bypass/other").status_code == 404


GUARDS = """
    #include <inlay.h>
    void look(void) {}
    int64_t user(int64_t id) { return id; }
    INLAY_GET("/idle/users/{id}", user);
    INLAY_BEFORE("/idle/users/*", look);
    INLAY_BEFORE("/idle/users/7", look);
    INLAY_AFTER("/python/*", look);
    INLAY_BEFORE("/mounted/deep/*", look);
    INLAY_BEFORE("/docs", look);
    INLAY_BEFORE("/*", look);
    INLAY_BEFORE("/idle/us*", look);
    INLAY_BEFORE("/pythn/*", look);
    INLAY_BEFORE("/Python", look);
"""


def test_guards_of_no_path(module):
    app = fastapi.FastAPI()
    app.mount("/mounted", fastapi.FastAPI())

    @app.get("/python/{x}")
    def python(x: int) -> int:
        return x

    found = bypass.idle(routes.collect(app), [module(GUARDS).__inlay__])
    assert [line.partition(": ")[2] for line in found] == [
        'INLAY_BEFORE("/pythn/*", look) is for no path that there is',
        'INLAY_BEFORE("/Python", look) is for no path that there is',
    ]
