"""Classes of C types as pydantic sees them: bodies and answers in FastAPI.

What does not fit into C is refused here, so that it is a 422 of the client
and not an exception of the call.
"""

from __future__ import annotations

import base64
import binascii
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic_core import (
    PydanticCustomError,
    PydanticKnownError,
    SchemaError,
    SchemaValidator,
    core_schema,
)

from inlay.structs import class_of

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

    from inlay._core import Array, Struct
    from inlay.enums import Enum

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
    own = class_of(cls)
    behaviour: Literal["forbid"] | None = "forbid" if own.__inlay_strict__ else None
    schema = core_schema.dataclass_schema(
        cls,
        core_schema.dataclass_args_schema(
            cls.__qualname__, fields, extra_behavior=behaviour
        ),
        list(cls.__match_args__),
        cls_name=cls.__qualname__,
        ref=reference,
        slots=True,
    )
    if not own.__inlay_rules__:
        return schema
    # The rest, as INLAY_CHECK: what pydantic has no word for.
    reference = schema.pop("ref")
    return core_schema.no_info_after_validator_function(
        own.__inlay_verify__, schema, ref=reference
    )


def array_schema_of(
    cls: type[Array[Any]], source: Any, handler: GetCoreSchemaHandler
) -> CoreSchema:
    """Answers only: an Array is what C made, in JSON an array of its elements."""
    items: CoreSchema = core_schema.any_schema()
    if arguments := get_args(source):
        items = handler.generate_schema(arguments[0])
    elements = core_schema.list_schema(items)
    return core_schema.json_or_python_schema(
        elements,
        core_schema.is_instance_schema(cls),
        serialization=core_schema.plain_serializer_function_ser_schema(
            cls.tolist, return_schema=elements
        ),
    )


def _field(
    cls: type[Struct], name: str, handler: GetCoreSchemaHandler
) -> core_schema.DataclassField:
    own = class_of(cls)
    schema = handler.generate_schema(own.__annotations__[name])
    schema = _bounded(schema, own.__inlay_bounds__[name])
    schema = _within(schema, own.__inlay_constraints__.get(name, {}))
    if name in cls.__inlay_optional__:
        schema = core_schema.with_default_schema(schema, default=None)
    return core_schema.dataclass_field(name, schema)


def _bounded(schema: CoreSchema, bounds: list[tuple[int, int | None]]) -> CoreSchema:
    """The schema of a field, with the limits of what C has room for."""
    made: dict[str, Any] = {**schema}
    kind = made["type"]
    if kind == "nullable":
        made["schema"] = _bounded(made["schema"], bounds)
    elif kind == "list" and bounds:
        (least, most), *rest = bounds
        if most is not None:
            made.update(min_length=least, max_length=most)
        made["items_schema"] = _bounded(made["items_schema"], rest)
    elif kind == "int" and bounds:
        made["ge"], made["le"] = bounds[0]
    elif kind == "str" and bounds:
        return _text(*bounds[0])
    elif kind == "bytes":
        return _base64()
    return made


def _within(schema: CoreSchema, rules: dict[str, Any]) -> CoreSchema:
    """The schema of a field within INLAY_RANGE and its like."""
    made: dict[str, Any] = {**schema}
    kind = made["type"]
    if not rules:
        return schema
    if kind in ("nullable", "function-after", "function-before"):
        made["schema"] = _within(made["schema"], rules)
    elif kind == "list":
        length = {"min_length", "max_length"} & rules.keys()
        made.update({name: rules[name] for name in length})
        rest = {name: rules[name] for name in rules.keys() - length}
        made["items_schema"] = _within(made["items_schema"], rest)
    else:
        made.update({name: rules[name] for name in rules.keys() - {"pattern"}})
        if "pattern" in rules:
            made.update(_pattern(rules["pattern"]))
    return made


def _pattern(pattern: str) -> dict[str, Any]:
    """PCRE2 knows more than Rust's regex: then only C looks for it, in the end."""
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:
        return {"metadata": {"pydantic_js_updates": {"pattern": pattern}}}
    return {"pattern": pattern}


def _text(least: int, most: int | None) -> CoreSchema:
    """char and char[N]: the length counts bytes of UTF-8."""

    def check(text: str) -> str:
        if most is not None and len(text.encode()) > most:
            raise PydanticCustomError(
                "string_too_long",
                "String should have at most {max_length} bytes",
                {"max_length": most},
            )
        return text

    schema = core_schema.str_schema(min_length=least, max_length=most)
    return core_schema.no_info_after_validator_function(check, schema)


def _base64() -> CoreSchema:
    """Bytes, which are base64 in JSON."""

    def decode(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise PydanticKnownError(
                "bytes_invalid_encoding",
                {"encoding": "base64", "encoding_error": str(error)},
            ) from None

    def encode(value: bytes) -> str:
        return base64.b64encode(value).decode()

    return core_schema.no_info_before_validator_function(
        decode,
        core_schema.bytes_schema(),
        metadata={"pydantic_js_functions": [_base64_json]},
        serialization=core_schema.plain_serializer_function_ser_schema(
            encode, return_schema=core_schema.str_schema(), when_used="json"
        ),
    )


def _base64_json(schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    """As native routes describe it."""
    return {
        "type": "string",
        "contentEncoding": "base64",
        "contentMediaType": "application/octet-stream",
    }


def enum_schema_of(cls: type[Enum]) -> CoreSchema:
    """A member or its name; in JSON the name."""
    names = dict(cls.__members__)
    quoted = [repr(name) for name in names]
    expected = " or ".join(filter(None, [", ".join(quoted[:-1]), *quoted[-1:]]))

    def find(value: object) -> object:
        if type(value) is cls:
            return value
        if isinstance(value, str) and value in names:
            return names[value]
        raise PydanticKnownError("enum", {"expected": expected})

    def name_of(value: Enum) -> str | int:
        # C may have given an int that no name stands for.
        return value.name if type(value) is cls else value

    return core_schema.no_info_plain_validator_function(
        find,
        ref=f"{cls.__module__}.{cls.__qualname__}:{id(cls)}",
        serialization=core_schema.plain_serializer_function_ser_schema(
            name_of, when_used="json"
        ),
    )
