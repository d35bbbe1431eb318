"""INLAY_RANGE and its like: in calls from Python, in routes, in schemas.

The same requests to C and to FastAPI with Field(…) get the same answers.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

import pytest

from .compare import JSON, Twin, same
from .server import UnixServer

SOURCE = r"""
    #include <string.h>
    INLAY_SLICE(ints, int64_t);
    INLAY_SLICE(words, inlay_str);
    INLAY_OPTIONAL(maybe_int, int32_t);
    INLAY_OPTIONAL(maybe_date, inlay_date);
    struct user {
        uint8_t age;
        inlay_str name;
        double score;
        words tags;
        maybe_int rank;
        maybe_date born;
    };
    INLAY_RANGE(struct user, age, 0, 150);
    INLAY_LENGTH(struct user, name, 1, 5);
    INLAY_PATTERN(struct user, name, "^[a-zé]+$");
    INLAY_RANGE(struct user, score, 0.5, 1e20);
    INLAY_LENGTH(struct user, tags, 1, 2);
    INLAY_PATTERN(struct user, tags, "^x");
    INLAY_RANGE(struct user, rank, -1, INLAY_NONE);
    INLAY_STRICT(struct user);
    static const char *check(const struct user *user)
    {
        return user->age == 13 ? "13 is \"bad\"" : NULL;
    }
    INLAY_CHECK(struct user, check);
    INLAY_SLICE(users, struct user);
    struct team { struct user lead; users rest; };
    struct user echo_user(struct user user) { return user; }
    struct team echo_team(struct team team) { return team; }
    const struct user *same_user(const struct user *user) { return user; }
    int64_t first(int64_t count, ints list) { return list.len ? list.ptr[0] : count; }
    INLAY_RANGE(first, count, 1, INLAY_NONE);
    INLAY_RANGE(first, list, 0, 9);
    INLAY_LENGTH(first, list, 1, 3);
    inlay_str greet(inlay_str name) { return name; }
    INLAY_LENGTH(greet, name, 2, INLAY_NONE);
    INLAY_PATTERN(greet, name, "(?<=a)b|^c");
    int64_t plain(int64_t count) { return count; }
    static int64_t find(int64_t count, inlay_uuid id, inlay_date day, words tag)
    {
        return count + (int64_t)tag.len + day.day + id.bytes[0];
    }
    INLAY_RANGE(find, count, 1, 9);
    INLAY_LENGTH(find, tag, INLAY_NONE, 2);
    INLAY_PATTERN(find, tag, "^a");
    INLAY_GET("/find/{id}", find);
    INLAY_POST("/user", echo_user);
    INLAY_POST("/team", echo_team);
    static int64_t two(struct user user, ints list) { return user.age + list.len; }
    INLAY_RANGE(two, list, 0, 9);
    INLAY_POST("/two", two);
"""


@pytest.fixture(scope="module")
def c(module):
    return module(SOURCE, "constraints")


USER = {"age": 1, "name": "ab", "score": 1.0, "tags": ["x"], "rank": None, "born": None}


@pytest.mark.parametrize(
    "field, value, words",
    [
        ("age", 151, "must be at most 150, got 151"),
        ("name", "", "must have at least 1 character, got ''"),
        ("name", "abcdef", "must have at most 5 characters, got 'abcdef'"),
        ("name", "Ab", r"must match the pattern '\^\[a-zé\]\+\$', got 'Ab'"),
        ("name", "ab\n", "must match the pattern"),
        ("score", 0.25, "must be at least 0.5, got 0.25"),
        ("score", 1e21, r"must be at most 1e\+20, got 1e\+21"),
        ("score", float("nan"), r"must be at most 1e\+20, got nan"),
        ("tags", [], "must have at least 1 item, got 0"),
        ("tags", ["x"] * 3, "must have at most 2 items, got 3"),
        ("rank", -2, "must be at least -1, got -2"),
    ],
)
def test_fields(c, field, value, words):
    with pytest.raises(ValueError, match=rf"user\(\): parameter '{field}': {words}"):
        c.user(**{**USER, field: value})
    user = c.user(**USER)
    setattr(user, field, value)
    place = rf"echo_user\(\): parameter 'user'.{field}: {words}"
    for each in (user, {**USER, field: value}):
        with pytest.raises(ValueError, match=place):
            c.echo_user(each)
    with pytest.raises(ValueError, match=rf"parameter 'user'.{field}: {words}"):
        c.same_user(user)
    team = {"lead": USER, "rest": [USER, {**USER, field: value}]}
    with pytest.raises(ValueError, match=rf"'team'.rest\[1\].{field}: {words}"):
        c.echo_team(team)


def test_what_is_fine(c):
    user = c.user(**USER)
    assert c.echo_user(user) == user == c.echo_user(USER) == c.same_user(user)
    for field, value in (("age", 150), ("age", 0), ("name", "é" * 5), ("rank", -1)):
        assert getattr(c.echo_user({**USER, field: value}), field) == value
    assert c.plain(-5) == -5


def test_items(c):
    with pytest.raises(ValueError, match=r"'tags'\[1\]: must match the pattern '\^x'"):
        c.user(**{**USER, "tags": ["x", "y"]})
    assert c.first(1, [0, 9]) == 0
    for list_, words in [
        ([1, 10], r"'list'\[1\]: must be at most 9"),
        ([-1], r"'list'\[0\]: must be at least 0"),
        ([], "'list': must have at least 1 item, got 0"),
        (memoryview(b"\1" * 32).cast("q"), "'list': must have at most 3 items, got 4"),
    ]:
        with pytest.raises(ValueError, match=words):
            c.first(1, list_)
    with pytest.raises(ValueError, match="'count': must be at least 1, got 0"):
        c.first(0, [1])


def test_patterns(c):
    assert c.greet("xab") == "xab" and c.greet("cd") == "cd"
    with pytest.raises(ValueError, match="must match the pattern"):
        c.greet("xb")
    with pytest.raises(ValueError, match="must have at least 2 characters"):
        c.greet("c")


def test_strict_and_check(c):
    with pytest.raises(ValueError, match="'user': unexpected field 'extra'"):
        c.echo_user({**USER, "extra": 1})
    with pytest.raises(ValueError, match='^13 is "bad"$'):
        c.user(**{**USER, "age": 13})
    with pytest.raises(ValueError, match=r"parameter 'user': 13 is \"bad\""):
        c.echo_user({**USER, "age": 13})
    with pytest.raises(TypeError, match="parameter 'age': expected int, got str"):
        c.user(**{**USER, "age": "1"})


def test_pydantic(c):
    pydantic = pytest.importorskip("pydantic")
    adapter = pydantic.TypeAdapter(c.user)
    bad = {"age": 151, "name": "Ab", "score": 0.1, "tags": ["x", "y"], "rank": -2}
    with pytest.raises(pydantic.ValidationError) as caught:
        adapter.validate_python(bad)
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [
        (("age",), "less_than_equal"),
        (("name",), "string_pattern_mismatch"),
        (("score",), "greater_than_equal"),
        (("tags", 1), "string_pattern_mismatch"),
        (("rank",), "greater_than_equal"),
    ]
    with pytest.raises(pydantic.ValidationError, match="13 is"):
        adapter.validate_python({**USER, "age": 13})
    with pytest.raises(pydantic.ValidationError, match="extra"):
        adapter.validate_python({**USER, "extra": 13})
    assert adapter.validate_python(USER) == c.user(**USER)
    fields = adapter.json_schema()["properties"]
    assert fields["age"]["maximum"] == 150 and fields["age"]["minimum"] == 0
    assert fields["name"]["pattern"] == "^[a-zé]+$"
    assert fields["tags"]["maxItems"] == 2
    assert fields["tags"]["items"]["pattern"] == "^x"


def test_errors_name_the_record(module):
    with pytest.raises(ImportError, match=r"\.c:3: INLAY_RANGE\(f, a\): f has no"):
        module("int f(int b) { return b; }\nINLAY_RANGE(f, a, 0, 1);")
    with pytest.raises(ImportError, match=r"\.c:3: INLAY_PATTERN\(f, b\): missing"):
        module('int f(inlay_str b) { return b.len; }\nINLAY_PATTERN(f, b, "(");')


# --- Routes ------------------------------------------------------------------


@pytest.fixture(scope="module")
def twin():
    fastapi = pytest.importorskip("fastapi")
    pydantic = pytest.importorskip("pydantic")
    Field, Query, Body = pydantic.Field, fastapi.Query, fastapi.Body

    class User(pydantic.BaseModel):
        model_config = {"extra": "forbid"}
        age: int = Field(ge=0, le=150)
        name: str = Field(min_length=1, max_length=5, pattern="^[a-zé]+$")
        score: float = Field(ge=0.5, le=1e20)
        tags: list[Annotated[str, Field(pattern="^x")]] = Field(
            min_length=1, max_length=2
        )
        rank: int | None = Field(None, ge=-1)
        born: date | None = None

        @pydantic.model_validator(mode="after")
        def check(self):
            if self.age == 13:
                raise ValueError('13 is "bad"')
            return self

    class Team(pydantic.BaseModel):
        lead: User
        rest: list[User]

    app = fastapi.FastAPI()

    def find(
        count: Annotated[int, Query(ge=1, le=9)],
        id: UUID,
        day: date,
        tag: Annotated[list[Annotated[str, Query(pattern="^a")]], Query(max_length=2)],
    ) -> int:
        return count + len(tag) + day.day + id.bytes[0]

    def two(
        user: User, list: Annotated[list[Annotated[int, Field(ge=0, le=9)]], Body()]
    ) -> int:
        return user.age + len(list)

    # The annotations are of this function: nobody could look them up later.
    scope = {**globals(), **locals()}
    for function in (find, two):
        function.__annotations__ = {
            name: eval(text, scope) for name, text in function.__annotations__.items()
        }
    app.get("/find/{id}")(find)
    app.post("/two")(two)

    def echo_user(user):
        return user

    echo_user.__annotations__ = {"user": User, "return": User}
    app.post("/user")(echo_user)

    def echo_team(team):
        return team

    echo_team.__annotations__ = {"team": Team, "return": Team}
    app.post("/team")(echo_team)
    made = Twin(app)
    yield made
    made.close()


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    folder = tmp_path_factory.mktemp("constraints")
    path = folder / "routes.c"
    path.write_text(f"#include <inlay.h>\n{SOURCE}")
    with UnixServer(folder, path) as server:
        yield server.client


ID = "01000000-0000-0000-0000-000000000000"
QUERIES = [
    f"/find/{ID}?count=1&day=2026-11-21&tag=a&tag=ab",
    f"/find/{ID}?count=0&day=2026-11-21&tag=a&tag=b",
    f"/find/{ID}?count=10&day=2026-11-31&tag=a&tag=b&tag=c",
    f"/find/{ID}?count=99999999999999999999&day=20&tag=a",
    f"/find/{ID}?count=-99999999999999999999&day=&tag=",
    f"/find/{ID}?count=x&day=1795219200&tag=",
    f"/find/{ID}x?count=5&day=2026-11-21T00:00:00Z&tag=a",
    "/find/x?count=5&day=2026-11-21T10:00&tag=a&tag=a&tag=a",
    "/find/%7B01000000-0000-0000-0000-000000000000%7D?count=5&day=2026-11-21&tag=a",
]
BODIES = [
    "{}",
    "[]",
    '{"age":1,"name":"ab","score":1,"tags":["x"]}',
    '{"age":1,"name":"é","score":"0.5","tags":["x","xy"],"rank":-1,"born":"2026-11-21"}',
    '{"age":13,"name":"ab","score":1,"tags":["x"],"born":86400}',
    '{"age":13,"name":"","score":1,"tags":["x"]}',
    '{"age":13,"name":"ab","score":1,"tags":["x"],"b":1,"a":{"c":[1]},"b":2}',
    '{"age":151,"name":"abcdef","score":0.4999,"tags":[],"rank":-2,"born":"x"}',
    '{"age":300,"name":"ab\\n","score":1e300,"tags":["x","x","x"],"rank":3000000000}',
    '{"age":-1,"name":"A\\"","score":-1,"tags":["x","y"],"rank":"-2","born":1.5}',
    '{"age":"151","name":5,"score":null,"tags":["y","z"],"rank":[]}',
    '{"age":1.5,"name":"a\\u0000","score":[],"tags":"x","rank":{},"born":{}}',
]


@pytest.mark.slow
def test_queries_as_fastapi(native, twin):
    for query in QUERIES:
        same(native, twin, "GET", query)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["/user", "/team", "/two"])
def test_bodies_as_fastapi(native, twin, shape):
    good = BODIES[2]
    for body in BODIES:
        if shape == "/team":
            body = f'{{"lead":{good},"rest":[{body},{good},{body}]}}'
        elif shape == "/two":
            body = f'{{"user":{body},"list":[0,10,-1]}}'
        # uint8_t and int32_t have limits of their own, which FastAPI's have not.
        if "3000000000" in body:
            body = body.replace("3000000000", "3")
        same(native, twin, "POST", shape, JSON, body.encode())


@pytest.mark.slow
def test_openapi(native, twin):
    ours = native.get("/openapi.json").json()
    theirs = twin.app.openapi()
    mine = ours["components"]["schemas"]["user"]
    assert mine["additionalProperties"] is False
    for name, schema in theirs["components"]["schemas"]["User"]["properties"].items():
        each = mine["properties"][name]
        for key in ("minimum", "maximum", "minLength", "maxLength", "pattern"):
            assert each.get(key) == schema.get(key), (name, key)
        assert each.get("minItems") == schema.get("minItems")
    parameters = {
        each["name"]: each["schema"]
        for each in ours["paths"]["/find/{id}"]["get"]["parameters"]
    }
    assert parameters["count"]["minimum"] == 1 and parameters["count"]["maximum"] == 9
    assert parameters["id"]["format"] == "uuid"
    assert parameters["day"]["format"] == "date"
    assert parameters["tag"]["maxItems"] == 2
    assert parameters["tag"]["items"]["pattern"] == "^a"
