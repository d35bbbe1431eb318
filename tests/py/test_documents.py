"""Native routes in an application's own OpenAPI document."""

from __future__ import annotations

from typing import Any

from inlay.openapi import merge


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
