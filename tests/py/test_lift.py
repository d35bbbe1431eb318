"""Endpoints of FastAPI that are C functions, answered without Python: the same
requests to two servers, one of which does not lift."""

from __future__ import annotations

import asyncio
import contextlib
import json

import httpx
import inlay
import pytest
from inlay import lift, routes
from inlay.testing import LiveServer

fastapi = pytest.importorskip("fastapi")

SOURCE = r"""
    #include <sys/prctl.h>

    enum color { red, green };
    INLAY_SLICE(ints, const int64_t);
    INLAY_SLICE(words, inlay_str);
    INLAY_OPTIONAL(maybe, int64_t);
    INLAY_ARRAY(reals, double);

    struct point { double x, y; };
    struct item { int64_t id; inlay_str name; maybe size; enum color color;
                  struct point at; };
    struct keyword { int64_t from; };

    /// Which thread runs this.
    inlay_str thread(void)
    {
        char *name = inlay_alloc(16);
        prctl(PR_GET_NAME, name);
        return (inlay_str){name, strlen(name)};
    }
    int64_t add(int64_t a, int64_t b) { return a + b; }
    INLAY_DEFAULT(add, b, 10);
    int64_t twice(int32_t n) { return 2 * (int64_t)n; }
    double half(double x) { return x / 2; }
    bool negate(bool x) { return !x; }
    inlay_str echo(inlay_str text) { return text; }
    inlay_html page(inlay_str text) { return text; }
    enum color other(enum color color) { return color == red ? green : red; }
    maybe least(ints numbers)
    {
        maybe least = {0, 0};
        for (size_t i = 0; i < numbers.len; i++)
            if (!least.has || numbers.ptr[i] < least.value)
                least = (maybe){true, numbers.ptr[i]};
        return least;
    }
    struct item same(struct item item) { return item; }
    struct item renamed(struct item item, inlay_str name)
    {
        item.name = name;
        return item;
    }
    double far(struct point one, struct point two) { return two.x - one.x; }
    reals steps(int64_t n)
    {
        reals out = inlay_array(reals, (size_t)(n > 0 ? n : 0));
        for (size_t i = 0; i < out.len; i++)
            out.ptr[i] = i / 4.0;
        return out;
    }
    void nothing(int64_t n) { (void)n; }
    int64_t fail(int64_t kind)
    {
        inlay_fail((int)kind, "kind %d", (int)kind);
        return 1;
    }
    int64_t keyword(struct keyword value) { return value.from; }
    inlay_bytes raw(void) { return (inlay_bytes){(const uint8_t *)"x", 1}; }
    inlay_str token(inlay_str token) { return token; }
    INLAY_HEADER(token, token, "x-token");
    int64_t later(int64_t n) { return n; }
    INLAY_ASYNC(later);
    int64_t rows(inlay_db *db) { return inlay_one(db, int64_t, "select 1"); }
    INLAY_DB(rows, db, "lift_nobody");
"""


@pytest.fixture(scope="module")
def fast(module):
    return module("#include <string.h>\n" + SOURCE, "lift_fast")


def make_app(fast, **options):
    app = fastapi.FastAPI(**options)
    app.get("/thread")(fast.thread)
    app.get("/add")(fast.add)
    app.get("/add/{a}")(fast.add)
    app.get("/int/{a:int}")(fast.add)
    app.get("/twice/{n}")(fast.twice)
    app.get("/half")(fast.half)
    app.get("/negate")(fast.negate)

    @app.get("/echo/me")
    async def me() -> str:
        return "python"

    app.get("/echo/{text}")(fast.echo)
    app.get("/echo/late")(me)  # never reached
    app.get("/files/{text:path}")(fast.echo)
    app.get("/page")(fast.page)
    app.get("/other/{color}")(fast.other)
    app.post("/least")(fast.least)
    app.get("/least")(fast.least)
    app.post("/items", status_code=201, tags=["items"])(fast.same)
    app.put("/items/{name}", deprecated=True)(fast.renamed)
    app.post("/far")(fast.far)
    app.get("/steps")(fast.steps)
    app.get("/token")(fast.token)
    app.delete("/nothing")(fast.nothing)
    app.delete("/nothing/204", status_code=204)(fast.nothing)
    app.get("/fail/{kind}")(fast.fail)
    app.api_route("/both", methods=["GET", "POST"])(fast.add)

    router = fastapi.APIRouter(prefix="/inner")
    router.get("/add")(fast.add)
    outer = fastapi.APIRouter()
    outer.include_router(router, prefix="/more")
    app.include_router(outer, prefix="/v1")

    sub = fastapi.FastAPI()
    sub.get("/add/{a}")(fast.add)
    sub.get("/thread")(fast.thread)
    app.mount("/sub", sub)
    app.get("/sub/late")(fast.thread)  # behind the mount
    return app


POINT = {"x": 1, "y": 2.5}
ITEM = {"id": 7, "name": "bolt", "color": "green", "at": POINT}


def requests():
    """Method, path, and what goes with it."""
    for query in ("a=1&b=2", "a=1", "", "a=x", "a=1.0", "a=1.5", "a=%2B5", "a= 7",
                  "a=1&a=2", "a=9223372036854775808", "a=1&b=", "a=1_0", "c=1",
                  "a=-0", "a=%00", "a=%ff"):  # fmt: skip
        yield "GET", f"/add?{query}", {}
    for path in ("/add/5", "/add/-5", "/add/x", "/add/", "/add/5/", "/add//5",
                 "/add/%35", "/add/5%2F", "/add/5%0A", "/add/5?b=x", "/int/5",
                 "/int/007", "/int/-5", "/int/5.0", "/int/99999999999999999999",
                 "/twice/3000000000", "/twice/2147483647", "/twice/%20", "/both?a=1",
                 "/thread/", "/nowhere", "/"):  # fmt: skip
        yield "GET", path, {}
    for value in ("1", "1.5", "1e400", "nan", "inf", "0x10", "-0.0", "1e16", "1e-7",
                  "123456789.123456789", "0.1", "3e22"):  # fmt: skip
        yield "GET", f"/half?x={value}", {}
    for value in ("true", "0", "yes", "off", "TRUE", "2", ""):
        yield "GET", f"/negate?x={value}", {}
    for value in ("me", "late", "you", "%C3%A9", "a%2Fb", "%22%5C", "%00", "%FF", "",
                  "a%0Ab", "%F0%9F%98%80", "..", "%2e%2e"):  # fmt: skip
        yield "GET", f"/echo/{value}", {}
        yield "GET", f"/files/{value}", {}
        yield "GET", f"/page?text={value}", {}
    yield "GET", "/token?token=query", {"headers": {"x-token": "header"}}
    yield "GET", "/files/a/b/c", {}
    yield "GET", "/files", {}
    for value in ("red", "green", "blue", "0", "RED"):
        yield "GET", f"/other/{value}", {}
    for body in ([3, 1, 2], [], [1.0, "2"], ["x", 1.5], {}, None, 1, [True]):
        yield "POST", "/least", {"json": body}
        yield "GET", "/least", {"json": body}
    for text in ("[1", "", "[1]x", "\xff", "[1e400]", "[NaN]", " [1] "):
        for kind in ("application/json", "application/x+json", "text/plain", ""):
            yield (
                "POST",
                "/least",
                {
                    "content": text.encode("latin-1"),
                    "headers": {"content-type": kind} if kind else {},
                },
            )
    yield "POST", "/least", {"content": iter([b"[1,", b"2]"]), "headers": {
        "content-type": "application/json"}}  # fmt: skip
    yield "POST", "/least", {"content": b"[1]", "headers": {
        "content-type": "application/json", "content-encoding": "gzip"}}  # fmt: skip
    for change in ({}, {"size": 5}, {"size": None}, {"id": "8"}, {"id": "x"},
                   {"name": 1}, {"color": "blue"}, {"color": 1}, {"at": {"x": 1}},
                   {"more": 1}, {"at": {"x": 1e308, "y": 1e-320}}, {"id": 2**63},
                   {"name": "\u20ac\x00\u2028"}):  # fmt: skip
        yield "POST", "/items", {"json": {**ITEM, **change}}
        yield "PUT", "/items/new%20name", {"json": {**ITEM, **change}}
    yield "PUT", "/items/x", {}
    yield "POST", "/far", {"json": {"one": POINT, "two": POINT}}
    yield "POST", "/far", {"json": {"one": POINT}}
    yield "POST", "/far", {"json": POINT}
    for value in ("0", "3", "-1", "x"):
        yield "GET", f"/steps?n={value}", {}
        yield "DELETE", f"/nothing?n={value}", {}
        yield "DELETE", f"/nothing/204?n={value}", {}
    for kind in range(1, 12):
        yield "GET", f"/fail/{kind}", {}
    for method in ("HEAD", "POST", "OPTIONS", "PUT", "PATCH", "BREW"):
        yield method, "/add?a=1", {}
        yield method, "/items", {}
        yield method, "/both?a=1", {}
    for path in ("/v1/more/inner/add?a=1", "/v1/more/inner/add", "/v1/inner/add?a=1",
                 "/sub/add/3", "/sub/add/x", "/sub", "/sub/", "/sub/late",
                 "/openapi.json", "/docs"):  # fmt: skip
        yield "GET", path, {}


SEEN = ("content-type", "content-length", "allow", "location")


def ask(client, method, path, more):
    if hasattr(more.get("content"), "__next__"):
        more = {**more, "content": iter(list(more["content"]))}
    request = client.build_request(method, path, **more)
    answer = client.send(request)
    seen = {name: answer.headers.get(name) for name in SEEN}
    if seen["location"]:
        seen["location"] = seen["location"].replace(str(client.base_url.port), "PORT")
    if seen["allow"]:
        seen["allow"] = ", ".join(sorted(seen["allow"].split(", ")))
    return answer.status_code, seen, answer.content


@contextlib.contextmanager
def two_servers(make):
    """Clients of a server that lifts, and of one that does not."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                httpx.Client(
                    base_url=stack.enter_context(
                        LiveServer(make(), lift=wanted, log_level="critical")
                    ).url
                )
            )
            for wanted in (True, False)
        ]


@pytest.mark.parametrize("handled", [False, True])
def test_same_answers(fast, handled):
    def make():
        app = make_app(fast)
        if handled:
            app.add_exception_handler(inlay.Error, inlay.answer_error)
            app.mount  # noqa: B018
        return app

    count = 0
    with two_servers(make) as (lifting, plain):
        assert lifting.get("/thread").json() == "inlay-io-0"
        assert plain.get("/thread").json() != "inlay-io-0"
        for (method, path, more), (_, _, again) in zip(
            requests(), requests(), strict=True
        ):
            count += 1
            first = ask(lifting, method, path, more)
            assert first == ask(plain, method, path, again), (method, path, more)
    assert count > 200


def decisions(app, past=()):
    """Path -> "" or why it is not lifted, of endpoints that are C."""
    return {
        each.entry.path: each.reason for each in lift.decide(routes.collect(app), past)
    }


def test_what_is_lifted(fast):
    found = decisions(make_app(fast))
    not_lifted = {path: reason for path, reason in found.items() if reason}
    assert set(not_lifted) == {"/sub/late"}
    assert "comes before it" in not_lifted["/sub/late"]
    assert "/v1/more/inner/add" in found and "/sub/add/{a}" in found


def reason(app, path="/x"):
    return decisions(app)[path]


def test_functions_that_are_not(fast):
    app = fastapi.FastAPI()
    app.post("/keyword")(fast.keyword)
    app.get("/raw")(fast.raw)
    app.get("/later")(fast.later)
    app.get("/float/{x:float}")(fast.half)
    app.get("/mixed/{text}.txt")(fast.echo)
    app.get("/unknown/{nobody}")(fast.thread)
    found = decisions(app)
    assert all(found.values()), found
    assert "another way" in found["/keyword"] and "ASYNC" in found["/later"]


def test_options_that_prevent_it(fast):
    app = fastapi.FastAPI()
    everything = {
        "/none": {"response_model": None},
        "/other": {"response_model": float},
        "/some": {"response_model_exclude_none": True},
        "/class": {"response_class": fastapi.responses.PlainTextResponse},
        "/needs": {"dependencies": [fastapi.Depends(lambda: 1)]},
    }
    for path, options in everything.items():
        app.get(path, **options)(fast.add)
    app.get("/fine", response_model=int, status_code=202, tags=["x"])(fast.add)
    found = decisions(app)
    assert found.pop("/fine") == ""
    assert all(found.values()), found


class Route(fastapi.routing.APIRoute):
    pass


class App(fastapi.FastAPI):
    async def __call__(self, scope, receive, send):
        await super().__call__(scope, receive, send)


def test_surroundings_that_prevent_it(fast):
    from starlette.middleware.gzip import GZipMiddleware

    plain = fastapi.FastAPI
    apps = {
        "dependencies": plain(dependencies=[fastapi.Depends(lambda: 1)]),
        "debug": plain(debug=True),
        "__call__": App(),
        "GZipMiddleware": plain(),
        "handler for 500": plain(exception_handlers={500: None}),
        "handler for LookupError": plain(exception_handlers={LookupError: None}),
        "handler for Error": plain(exception_handlers={inlay.Error: None}),
        "type Route": plain(),
        "response class": plain(
            default_response_class=fastapi.responses.PlainTextResponse
        ),
    }
    apps["type Route"].router.route_class = Route
    apps["GZipMiddleware"].add_middleware(GZipMiddleware)
    for text, app in apps.items():
        app.get("/x")(fast.add)
        assert text in reason(app), text
    assert decisions(apps["GZipMiddleware"], ("GZipMiddleware",))["/x"] == ""
    wrapped = GZipMiddleware(fastapi.FastAPI())
    wrapped.app.get("/x")(fast.add)
    assert "GZipMiddleware" in reason(wrapped)
    harmless = {404: None, fastapi.HTTPException: None, KeyError: None}
    app = fastapi.FastAPI(exception_handlers=harmless)
    app.get("/x")(fast.add)
    assert reason(app) == ""


def test_order(fast):
    """What was registered before, and matches too, answers."""
    app = fastapi.FastAPI()
    app.add_api_route("/a/{text}/c", fast.echo)
    app.add_api_route("/a/b/{text}", fast.page)
    app.mount("/mounted", fastapi.FastAPI())
    app.add_api_route("/mounted/{text}", fast.echo)
    app.add_route("/all/{rest:path}", lambda request: fastapi.Response("all"))
    app.add_api_route("/all/{text}", fast.echo)
    found = decisions(app)
    assert found["/a/{text}/c"] == found["/a/b/{text}"] == ""
    assert found["/mounted/{text}"] and found["/all/{text}"]
    everything = fastapi.FastAPI()
    everything.host("a.example", fastapi.FastAPI())
    everything.add_api_route("/x", fast.add)
    app.router.routes.append(everything)
    with two_servers(lambda: app) as clients:
        for path in ("/a/x/c", "/a/b/c", "/a/b/x", "/mounted/x", "/all/x"):
            one, other = (ask(client, "GET", path, {}) for client in clients)
            assert one == other, path


def test_root_path(fast):
    def make():
        return make_app(fast, root_path="/api")

    found = decisions(make())
    assert found["/add"] == "" and "root_path" in found["/sub/add/{a}"]
    with two_servers(make) as clients:
        for path in ("/add?a=1", "/api/add?a=1", "/api", "/api/thread", "/sub/add/1"):
            one, other = (ask(client, "GET", path, {}) for client in clients)
            if "thread" not in path:
                assert one == other, path


def test_decided_after_start_up(fast):
    @contextlib.asynccontextmanager
    async def lifespan(app):
        app.get("/thread")(fast.thread)
        yield

    app = fastapi.FastAPI(lifespan=lifespan)
    with LiveServer(app) as server:
        assert httpx.get(f"{server.url}/thread").json() == "inlay-io-0"


def test_what_the_server_refuses(fast):
    """One that C can't bind does not keep others from being lifted."""
    app = fastapi.FastAPI()
    app.get("/token")(fast.token)
    app.get("/rows")(fast.rows)
    app.get("/thread")(fast.thread)
    server = inlay._core.Server(app, [], loop=asyncio.new_event_loop())
    found = lift.decide(routes.collect(app))
    lift.apply(server, found)
    assert [bool(each.reason) for each in found] == [True, True, False]
    assert "INLAY_HEADER" in found[0].reason
    assert "lift_nobody" in found[1].reason


def test_documents_agree(fast):
    """Lifting changes nothing in the application's document."""
    with two_servers(lambda: make_app(fast)) as clients:
        one, other = (client.get("/openapi.json").json() for client in clients)
    assert one == other
    assert one["paths"]["/items"]["post"]["tags"] == ["items"]
    assert json.dumps(one).count("operationId") > 20
