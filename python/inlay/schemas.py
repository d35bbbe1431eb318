"""Struct classes as pydantic sees them: bodies and answers in FastAPI."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from pydantic_core import core_schema

from inlay.structs import class_of

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

    from inlay._core import Struct


# References of the classes that are being described: one may hold itself.
_described: ContextVar[tuple[str, ...]] = ContextVar("described", default=())


def core_schema_of(cls: type[Struct], handler: GetCoreSchemaHandler) -> CoreSchema:
    """Like a dataclass: named fields, of which optional ones may be absent."""
    reference = f"{cls.__module__}.{cls.__qualname__}:{id(cls)}"
    described = _described.get()
    if reference in described:
        return core_schema.definition_reference_schema(reference)
    token = _described.set((*described, reference))
    try:
        fields = [_field(cls, name, handler) for name in cls.__match_args__]
    finally:
        _described.reset(token)
    return core_schema.dataclass_schema(
        cls,
        core_schema.dataclass_args_schema(cls.__qualname__, fields),
        list(cls.__match_args__),
        cls_name=cls.__qualname__,
        ref=reference,
        slots=True,
    )


def _field(
    cls: type[Struct], name: str, handler: GetCoreSchemaHandler
) -> core_schema.DataclassField:
    schema = handler.generate_schema(class_of(cls).__annotations__[name])
    if name in cls.__inlay_optional__:
        schema = core_schema.with_default_schema(schema, default=None)
    return core_schema.dataclass_field(name, schema)
