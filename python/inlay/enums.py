"""Classes of C enums: IntEnum, in JSON by name, as native routes have them."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

_E = TypeVar("_E", bound="Enum")


class Enum(enum.IntEnum):
    """Base of the classes of C enums."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from inlay.schemas import enum_schema_of

        return enum_schema_of(cls)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            "type": "string",
            "title": cls.__name__,
            "enum": list(cls.__members__),
        }


def make(
    name: str, members: list[tuple[str, int]], module: str
) -> tuple[type[Enum], dict[int, Enum], dict[str, Enum]]:
    """The class, its members by value and by name."""
    taken = {member for member, _ in members if not _reserved(name, member)}
    renamed = []
    for member, value in members:
        if _reserved(name, member):
            while member in taken or _reserved(name, member):
                member += "_"
            taken.add(member)
        renamed.append((member, value))
    create: Any = Enum
    made = create(name, renamed, module=module, qualname=name)
    made.__doc__ = "A C enum."
    return made, {int(member): member for member in made}, dict(made.__members__)


def _reserved(cls: str, name: str) -> bool:
    """Names that `enum` keeps for itself."""
    sunder = len(name) > 2 and name[0] == name[-1] == "_" != name[1]
    private = name.startswith(f"_{cls}__") and not name.endswith("__")
    return name == "mro" or private or (sunder and name[-2] != "_")
