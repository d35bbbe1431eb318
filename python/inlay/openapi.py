"""Native routes in the application's own OpenAPI document and /docs.

FastAPI answers /openapi.json from `app.openapi()`. That method is wrapped on
the instance, so that the document holds the native routes too, whatever other
customisation the application made. Starlette's documents are made by a
SchemaGenerator of the application's own: there the class is wrapped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


def find_documented(app: Any) -> Any | None:
    """The object with an `openapi()` behind any number of ASGI wrappers."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen:
        seen.add(id(app))
        if callable(getattr(app, "openapi", None)):
            return app
        app = getattr(app, "app", None)
    return None


def merge(document: dict[str, Any], native: dict[str, Any]) -> dict[str, Any]:
    """`document` with the native paths and schemas; neither is changed.

    A native operation stands before the application's own for the same path
    and method, as it does when a request is routed. A schema name that both
    use for one shape is there once; for different ones the application's is
    kept, and the native one is renamed with a `Native` suffix.
    """
    merged = dict(document)
    merged["paths"] = dict(document.get("paths", {}))
    components = dict(document.get("components", {}))
    schemas = dict(components.get("schemas", {}))
    extra = native.get("components", {}).get("schemas", {})
    renamed = _clashes(schemas, extra)
    for name, schema in extra.items():
        if name in renamed or name not in schemas:
            schemas[renamed.get(name, name)] = _renamed(schema, renamed)
    paths = native.get("paths", {})
    known = {
        operation.get("operationId")
        for path, item in merged["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and method not in paths.get(path, {})
    }
    for path, operations in paths.items():
        mine = {**merged["paths"].get(path, {})}
        for method, operation in _renamed(operations, renamed).items():
            mine[method] = _with_own_id(operation, known)
        merged["paths"][path] = mine
    if schemas:
        components["schemas"] = schemas
    if components:
        merged["components"] = components
    return merged


def _with_own_id(operation: dict[str, Any], known: set[Any]) -> dict[str, Any]:
    """An operationId is there once in a document."""
    name = operation["operationId"]
    if name not in known:
        return operation
    return {**operation, "operationId": f"{name}_native"}


# What says nothing of which values are right.
_ANNOTATIONS = frozenset({"format", "title", "description"})
# What C's widest integers have anyway: pydantic says so, as floats.
_WIDEST = {"minimum": (-(2.0**63),), "maximum": (2.0**63, 2.0**64)}


def _shape(schema: Any, names: bool = False) -> Any:
    """The schema without remarks; `names`: its keys are names of properties."""
    if isinstance(schema, list):
        return [_shape(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _shape(value, key in ("properties", "$defs") and not names)
        for key, value in schema.items()
        if names or not (key in _ANNOTATIONS or _is_widest(schema, key))
    }


def _is_widest(schema: dict[str, Any], key: str) -> bool:
    value = schema[key]
    return (
        key in _WIDEST
        and schema.get("type") == "integer"
        and isinstance(value, (int, float))
        and float(value) in _WIDEST[key]
    )


def _clashes(schemas: dict[str, Any], extra: dict[str, Any]) -> dict[str, str]:
    """New names of native schemas whose own ones mean something else."""
    renamed: dict[str, str] = {}

    def rename(name: str) -> None:
        new = f"{name}Native"
        while new in schemas or new in extra:
            new += "_"
        renamed[name] = new

    for name, schema in extra.items():
        if name in schemas and _shape(schemas[name]) != _shape(schema):
            rename(name)
    # Who refers to a renamed one is another one too.
    again = bool(renamed)
    while again:
        again = False
        for name, schema in extra.items():
            if name in schemas and name not in renamed:
                if _renamed(schema, renamed) != schema:
                    rename(name)
                    again = True
    return renamed


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _renamed_ref(item, names)
            if key == "$ref" and isinstance(item, str)
            else _renamed(item, names)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value


def _renamed_ref(ref: str, names: dict[str, str]) -> str:
    prefix, _, name = ref.rpartition("/")
    return f"{prefix}/{names[name]}" if name in names else ref


class Document:
    """The application's document with the native routes in it."""

    def __init__(self, owner: Any) -> None:
        self._original: Callable[[], dict[str, Any]] = owner.openapi
        self._routes: dict[str, Any] = {}
        # What was merged last, and from what: it is merged once.
        self._known: tuple[Any, Any, dict[str, Any]] | None = None
        owner.openapi = self._merged

    def update(self, native: bytes) -> None:
        """These are the native routes from now on."""
        self._routes = json.loads(native)

    def _merged(self) -> dict[str, Any]:
        document, routes, known = self._original(), self._routes, self._known
        if not routes.get("paths"):
            return document
        # FastAPI hands out one cached document.
        if known is None or known[0] is not document or known[1] is not routes:
            known = self._known = (document, routes, merge(document, routes))
        return known[2]


class Generated:
    """Documents of Starlette's SchemaGenerator, with the native routes in them;
    one for the process, as the class is."""

    def __init__(self, generator: Any) -> None:
        original = generator.get_schema
        self._routes: dict[str, Any] = {}

        def get_schema(this: Any, routes: Any) -> dict[str, Any]:
            document: dict[str, Any] = original(this, routes=routes)
            return merge(document, self._routes) if self._routes else document

        get_schema.inlay = self  # type: ignore[attr-defined]
        generator.get_schema = get_schema

    def update(self, native: bytes) -> None:
        """These are the native routes from now on."""
        self._routes = json.loads(native)


def install(app: Any, native: bytes) -> Document | Generated | None:
    """Add the native routes to the application's document; None: it has none."""
    owner = find_documented(app)
    schemas = sys.modules.get("starlette.schemas")
    document: Document | Generated
    if owner is not None:
        document = Document(owner)
    elif schemas is not None:
        generator = schemas.SchemaGenerator
        document = getattr(generator.get_schema, "inlay", None) or Generated(generator)
    else:
        return None
    document.update(native)
    return document
