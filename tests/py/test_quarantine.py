"""Patterns of native routes, and who answers in their place."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from inlay import ctl, quarantine, routes
from inlay.config import Config
from inlay.options import OptionError, check
from starlette.applications import Starlette
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles


@pytest.mark.parametrize(
    ("pattern", "methods", "path", "is_it"),
    [
        ("/users", "GET", "/users", True),
        ("/users", "GET", "/users/{id}", False),
        ("/users/*", "GET", "/users/{id}", True),
        ("/users/*", "GET", "/users", True),
        ("/users/*", "GET", "/usersx", False),
        ("/users*", "GET", "/usersx", True),
        ("*", "GET", "/", True),
        ("GET *", "POST", "/", False),
        ("GET /users", "GET", "/users", True),
        ("GET /users", "GET,HEAD", "/users", True),
        ("POST,GET /users", "GET", "/users", True),
        ("POST /users", "GET,HEAD", "/users", False),
    ],
)
def test_matches(pattern, methods, path, is_it):
    assert quarantine.check(pattern) == pattern
    assert quarantine.matches(pattern, methods, path) is is_it


@pytest.mark.parametrize(
    "pattern", ["", "users", "get /x", "GET", "GET  /x", "/x y", "/*/x", "GET users"]
)
def test_no_pattern(pattern):
    with pytest.raises(ValueError, match="no pattern"):
        quarantine.check(pattern)
    with pytest.raises(OptionError, match="--native-off"):
        check(Config("app:app", native_off=(pattern,)))


@pytest.mark.parametrize("path", ["", "@name"])
def test_no_control(path):
    with pytest.raises(OptionError, match="--control"):
        check(Config("app:app", control=path))


def nothing(request):
    pass


APP = Starlette(
    routes=[
        Route("/users/{user_id:int}", nothing, methods=["GET"]),
        Route("/users/me", nothing, methods=["DELETE"]),
        Mount("/sub", Router([Route("/deep/{name}", nothing)])),
        Mount("/other", lambda scope, receive, send: None),
        Mount("/files", StaticFiles(directory=".")),
        WebSocketRoute("/ws", nothing),
    ]
)


def native(methods, path):
    return {"methods": methods, "path": path, "module": "fast", "function": "f"}


@pytest.mark.parametrize(
    ("methods", "path", "has"),
    [
        ("GET", "/users/{id}", True),
        ("GET", "/users/{id:int}", True),
        ("GET", "/users/7", True),
        ("GET", "/users/me", False),  # no number
        ("POST", "/users/{id}", False),
        ("DELETE", "/users/{id}", False),  # of one user only
        ("GET,POST", "/users/{id}", True),
        ("GET", "/users", False),
        ("GET", "/sub/deep/{x}", True),
        ("GET", "/sub/{x}", False),
        ("GET", "/other/{rest:path}", True),
        ("GET", "/files/{name}", False),
        ("WEBSOCKET", "/ws", True),
        ("GET", "/ws", False),
    ],
)
def test_has_twin(methods, path, has):
    route = native(methods, path)
    assert quarantine.has_twin(routes.collect(APP), route) is has
    assert not quarantine.has_twin(routes.collect(FastAPI(openapi_url=None)), route)
    assert not quarantine.has_twin(None, route)


@pytest.mark.parametrize(
    ("python", "c", "has"),
    [
        ("/{rest:path}/export", "/one", False),
        ("/{a}-{b}", "/one", False),
        ("/{a}-{b}", "/o-ne", True),
        ("/{a:int}", "/one", False),
        ("/{a:int}", "/{a}", True),
        ("/{rest:path}/export", "/x/{a}", False),
    ],
)
def test_twins_match_exactly(python, c, has):
    app = FastAPI(openapi_url=None)
    app.get(python)(lambda: 1)
    assert quarantine.has_twin(routes.collect(app), native("GET", c)) is has


def test_unknown_applications():
    async def app(scope, receive, send):
        pass

    assert quarantine.has_twin(routes.collect(app), native("GET", "/x"))


def test_same_function(module):
    """An endpoint that is the same C is no help; another one is."""
    made = module(
        """
        int64_t f(void) { return 1; }
        INLAY_GET("/x", f);
        int64_t g(void) { return 2; }
        """
    )
    app = FastAPI(openapi_url=None)
    app.get("/x")(made.f)
    route = {**native("GET", "/x"), "module": made.__name__}
    assert not quarantine.has_twin(routes.collect(app), route)
    assert quarantine.has_twin(routes.collect(app), {**route, "function": "g"})


def test_modes():
    here = [native("GET", "/users/{id}"), native("GET", "/alone")]
    lifted = [native("GET", "/sub/deep/{x}")]
    twins = routes.collect(APP)

    def modes(off, quarantined):
        found = quarantine.modes(here, lifted, twins, off, quarantined)
        return [found[route["methods"], route["path"]] for route in here + lifted]

    on, through, refused = quarantine.ON, quarantine.PASS, quarantine.REFUSE
    assert modes([], []) == [on, on, on]
    assert modes(["*"], []) == [through, refused, through]
    assert modes([], ["GET /users/{id}"]) == [through, on, on]
    # What was lifted out of the application is the same C there.
    assert modes([], ["GET /sub/deep/{x}"]) == [on, on, refused]
    assert modes(["*"], ["GET /sub/deep/{x}"]) == [through, refused, refused]
    for what in (quarantine.GUARD, quarantine.HOOK):
        found = quarantine.modes(here, [], twins, [], [f"{what} /users/*"])
        assert found[what, "/users/*"] == refused


def test_reports_in_pieces():
    import os

    reports = quarantine.Reports()
    try:
        assert reports.take() == []
        os.write(reports.write_end, b"12\tSIGSEGV\tGET /x\tf\t/a.c:1\n13\tSIG")
        (first,) = reports.take()
        assert (first.pid, first.route) == (12, "GET /x")
        assert str(first) == "SIGSEGV in GET /x -> f() at /a.c:1"
        os.write(reports.write_end, b"FPE\t\tg\t\nnonsense\n")
        (second,) = reports.take()
        assert str(second) == "SIGFPE in g"
    finally:
        reports.close()


@pytest.mark.parametrize(
    ("options", "until"),
    [
        ({}, "a restart"),
        ({"dev": True}, "new code or a restart"),
        ({"control": "/c"}, "`inlay ctl quarantine lift` or a restart"),
    ],
)
def test_what_ends_it(options, until, caplog):
    class Counting:
        def crashed(self, route):
            pass

        def quarantined(self, route, state):
            pass

    config = Config("app:app", quarantine_crashes=1, **options)
    crash = quarantine.Crash.parse(
        b"7\tSIGSEGV\tGET /x\tf\twhile its result was written"
    )
    quarantine.Quarantine(config, Counting(), lambda: None).on_crash(crash)
    assert f"GET /x is quarantined in all workers, until {until}: " in caplog.text
    assert "SIGSEGV in GET /x -> f() while its result was written (1" in caplog.text


def test_ctl_counts():
    answer = {"version": "1", "pid": 2, "target": "a", "listening": [], "slots": 1}
    workers = [{"pid": 3, "state": "serves", "seconds": 1}]
    lists = {"native_off": [], "quarantined": []}
    lines = ctl._status({**answer, "workers": workers, **lists})
    assert "  1 worker, of 1 that is to serve:" in lines
    lines = ctl._status({**answer, "slots": 2, "workers": 2 * workers, **lists})
    assert "  2 workers, of 2 that are to serve:" in lines
