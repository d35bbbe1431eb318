"""Classes of C types as fields, bodies and answers of pydantic and FastAPI."""

from pathlib import Path

import pytest

pydantic = pytest.importorskip("pydantic")
fastapi = pytest.importorskip("fastapi")
testclient = pytest.importorskip("fastapi.testclient")

SOURCE = Path(__file__).with_name("values.c")


@pytest.fixture(scope="module")
def c(module):
    return module(SOURCE.read_text(), "values_pydantic")


ITEM = {
    "name": "abc",
    "color": "GREEN",
    "letter": "z",
    "data": "AP8=",
    "matrix": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
    "corners": [{"x": 1.0, "y": 2.0}, {"x": 3.0, "y": 4.0}],
    "numbers": [1, 2, 3],
    "note": None,
    "lines": ["ab", "cde"],
    "tint": None,
}


def test_both_ways(c):
    adapter = pydantic.TypeAdapter(c.item)
    item = adapter.validate_python(ITEM)
    assert type(item) is c.item and item.color is c.color.GREEN
    assert item.data == b"\0\xff" and item.corners[1] == c.point(3.0, 4.0)
    assert c.echo_item(item) == item
    assert adapter.dump_python(item, mode="json") == ITEM
    assert adapter.validate_json(adapter.dump_json(item)) == item
    assert adapter.validate_python(item) is item
    assert adapter.dump_python(item)["color"] is c.color.GREEN


@pytest.mark.parametrize(
    "field, value, kind, loc",
    [
        ("name", "12345678", "string_too_long", ()),
        ("name", "äöüß", "string_too_long", ()),
        ("letter", "", "string_too_short", ()),
        ("letter", "ab", "string_too_long", ()),
        ("letter", "é", "string_too_long", ()),
        ("color", "red", "enum", ()),
        ("color", 5, "enum", ()),
        ("tint", "red", "enum", ()),
        ("data", "?", "bytes_invalid_encoding", ()),
        ("data", "ä", "bytes_invalid_encoding", ()),
        ("numbers", [1, 2], "too_short", ()),
        ("numbers", [1] * 4, "too_long", ()),
        ("numbers", [1, 2, 32768], "less_than_equal", (2,)),
        ("numbers", [1, 2, -32769], "greater_than_equal", (2,)),
        ("matrix", [[1, 2, 3], [4, 5]], "too_short", (1,)),
        ("lines", ["ab", "abcd"], "string_too_long", (1,)),
        ("corners", [{"x": 1, "y": 2}, {"x": 1}], "missing", (1, "y")),
    ],
)
def test_what_c_has_no_room_for(c, field, value, kind, loc):
    with pytest.raises(pydantic.ValidationError) as caught:
        pydantic.TypeAdapter(c.item).validate_python({**ITEM, field: value})
    (error,) = caught.value.errors()
    assert error["type"] == kind and error["loc"] == (field, *loc)


def test_unknown_enum_message(c):
    with pytest.raises(pydantic.ValidationError) as caught:
        pydantic.TypeAdapter(c.color).validate_python("PINK")
    assert caught.value.errors()[0]["msg"] == (
        "Input should be 'RED', 'GREEN', 'BLUE' or 'AZURE'"
    )


def test_structs_that_hold_themselves(c):
    adapter = pydantic.TypeAdapter(c.node)
    made = adapter.validate_json('{"value":1,"next":{"value":2}}')
    assert made == c.node(1, c.node(2, None))
    assert adapter.dump_python(made) == {"value": 1, "next": {"value": 2, "next": None}}
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_python({"value": 2**63})


def test_as_a_field(c):
    class Model(pydantic.BaseModel):
        item: c.item
        color: c.color = c.color.RED
        nodes: list[c.node] = []

    made = Model(item=ITEM, color="BLUE", nodes=[{"value": 1}])
    assert made.color is c.color.BLUE and made.nodes == [c.node(1)]
    assert Model.model_validate_json(made.model_dump_json()) == made
    assert made.model_dump(mode="json")["color"] == "BLUE"


def test_schema(c):
    schema = pydantic.TypeAdapter(c.item).json_schema()
    fields = schema["properties"]
    assert schema["$defs"]["color"] == {
        "type": "string",
        "title": "color",
        "enum": ["RED", "GREEN", "BLUE", "AZURE"],
    }
    assert fields["color"] == {"$ref": "#/$defs/color"}
    assert fields["name"]["maxLength"] == 7
    assert fields["numbers"]["minItems"] == fields["numbers"]["maxItems"] == 3
    assert fields["numbers"]["items"]["maximum"] == 32767
    assert fields["data"]["contentEncoding"] == "base64"
    assert "tint" not in schema["required"] and "note" in schema["required"]


def test_fastapi(c):
    app = fastapi.FastAPI()

    @app.post("/item")
    def echo(item: c.item) -> c.item:
        return c.echo_item(item)

    @app.get("/color")
    def color(v: c.color) -> c.color:
        return c.echo_color(v)

    app.get("/double")(c.echo_double)
    client = testclient.TestClient(app)
    answer = client.post("/item", json=ITEM)
    assert answer.status_code == 200 and answer.json() == ITEM
    answer = client.post("/item", json={**ITEM, "numbers": [1, 2, 2**20]})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "numbers", 2]
    assert client.get("/color", params={"v": "BLUE"}).json() == "BLUE"
    assert client.get("/color", params={"v": "PINK"}).status_code == 422
    assert client.get("/double", params={"v": "1.5"}).json() == 1.5
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["color"]["enum"] == ["RED", "GREEN", "BLUE", "AZURE"]
    assert "item" in schemas and "point" in schemas
