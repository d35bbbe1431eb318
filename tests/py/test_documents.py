"""Native routes in an application's own OpenAPI document."""

from __future__ import annotations

import importlib
from typing import Any

import httpx
import pytest
from inlay.openapi import merge
from inlay.testing import LiveServer

from .compare import TWINS


def native(schemas: dict[str, Any], **paths: Any) -> dict[str, Any]:
    return {"paths": paths, "components": {"schemas": schemas}}


def app(schemas: dict[str, Any], paths: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"paths": paths or {}, "components": {"schemas": schemas}}


def integer(**more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"id": {"type": "integer", **more}}}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_same_shape_is_one_schema():
    ours = {**integer(format="int64"), "title": "user"}
    theirs = {**integer(title="Id"), "title": "User", "description": "A user."}
    merged = merge(app({"user": theirs}), native({"user": ours}))
    assert merged["components"]["schemas"] == {"user": theirs}


def test_bounds_of_64_bits_are_none():
    """pydantic is told them, and writes them as floats."""
    whole = integer(maximum=9.223372036854776e18, minimum=-9.223372036854776e18)
    merged = merge(app({"user": whole}), native({"user": integer(format="int64")}))
    assert merged["components"]["schemas"] == {"user": whole}
    theirs = integer(maximum=2147483647.0)
    merged = merge(app({"user": theirs}), native({"user": integer()}))
    assert merged["components"]["schemas"]["userNative"] == integer()


def test_names_of_properties_are_no_remarks():
    """A field may be called `format`."""
    ours = {"properties": {"format": {"type": "string"}}}
    theirs = {"properties": {"title": {"type": "string"}}}
    merged = merge(app({"x": theirs}), native({"x": ours}))
    assert merged["components"]["schemas"] == {"x": theirs, "xNative": ours}


def test_others_are_renamed_with_all_that_refer_to_them():
    schemas = {"user": integer(maximum=5), "order": {"items": ref("user")}}
    operation = {"operationId": "a", "responses": ref("order")}
    merged = merge(
        app({"user": integer(), "order": {"items": ref("user")}, "userNative": {}}),
        native(schemas, **{"/orders": {"get": operation}}),
    )
    found = merged["components"]["schemas"]
    assert found["order"] == {"items": ref("user")} and found["user"] == integer()
    assert found["orderNative"] == {"items": ref("userNative_")}
    assert found["userNative_"] == integer(maximum=5)
    assert merged["paths"]["/orders"]["get"]["responses"] == ref("orderNative")


def test_operation_ids_are_unique():
    mine = {"/x": {"get": {"operationId": "a"}, "post": {"operationId": "b"}}}
    merged = merge(
        app({}, mine),
        native({}, **{"/x": {"get": {"operationId": "a"}},
                      "/y": {"get": {"operationId": "b"}}}),
    )  # fmt: skip
    assert merged["paths"]["/x"]["get"]["operationId"] == "a"
    assert merged["paths"]["/y"]["get"]["operationId"] == "b_native"
    assert mine["/x"]["get"] == {"operationId": "a"}


# --- The same routes in C and in FastAPI -------------------------------------------


def without_widths(part: Any) -> Any:
    """C's integers and reals have a width, which FastAPI does not tell."""
    if isinstance(part, list):
        return [without_widths(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: without_widths(value)
        for key, value in part.items()
        if key != "format" or value not in ("int64", "double")
    }


def native_document() -> Any:
    """Of a process of its own: here are other native routes as well."""
    with LiveServer(str(TWINS / "sources.c"), process=True) as server:
        return httpx.get(server.url + "/openapi.json").json()


@pytest.mark.slow
def test_twins_have_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TWINS))
    theirs = importlib.import_module("sources_twin").app.openapi()
    ours = without_widths(native_document())
    # The file's name; and Python could not call this function like its class.
    ours["info"]["title"] = theirs["info"]["title"]
    operation = ours["paths"]["/every/{p}"]["post"]
    operation["operationId"] = "in_every_place_every__p__post"
    operation["summary"] = "In Every Place"
    for name, schema in theirs["components"]["schemas"].items():
        assert ours["components"]["schemas"][name] == schema
    for path, item in theirs["paths"].items():
        assert ours["paths"][path] == item
    assert ours == theirs
