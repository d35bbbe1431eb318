"""Native routes in the application's own OpenAPI document and /docs.

FastAPI answers /openapi.json from `app.openapi()`. That method is wrapped on
the instance, so that the document holds the native routes too, whatever other
customisation the application made.
"""

from __future__ import annotations

import json
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
    use for different schemas keeps the application's; the native one is
    renamed with a `Native` suffix.
    """
    merged = dict(document)
    merged["paths"] = dict(document.get("paths", {}))
    components = dict(document.get("components", {}))
    schemas = dict(components.get("schemas", {}))
    extra = native.get("components", {}).get("schemas", {})
    renamed = {
        name: f"{name}Native"
        for name, schema in extra.items()
        if name in schemas and schemas[name] != schema
    }
    for name, schema in extra.items():
        schemas[renamed.get(name, name)] = _renamed(schema, renamed)
    for path, operations in native.get("paths", {}).items():
        mine = {**merged["paths"].get(path, {})}
        mine.update(_renamed(operations, renamed))
        merged["paths"][path] = mine
    if schemas:
        components["schemas"] = schemas
    if components:
        merged["components"] = components
    return merged


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _renamed_ref(item, names) if key == "$ref" else _renamed(item, names)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value


def _renamed_ref(ref: Any, names: dict[str, str]) -> Any:
    prefix, _, name = str(ref).rpartition("/")
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


def install(app: Any, native: bytes) -> Document | None:
    """Add the native routes to the application's document; None: it has none."""
    owner = find_documented(app)
    if owner is None:
        return None
    document = Document(owner)
    document.update(native)
    return document
