"""Struct classes as dataclasses: dataclasses.asdict, replace, fields."""

from __future__ import annotations

from inlay._core import Struct


def class_of(cls: type[Struct]) -> type[Struct]:
    """The class of a C struct, of a subclass that Python made of it as well."""
    return next(c for c in cls.__mro__ if "__inlay_record__" in vars(c))


class _FromDataclass:
    """An attribute of dataclasses, made when somebody asks a class for it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type[Struct]) -> object:
        if owner is Struct:
            raise AttributeError(self.name)
        import dataclasses

        owner = class_of(owner)
        fields: list[tuple[str, object, object]] = []
        for name in owner.__match_args__:
            if name in owner.__inlay_optional__:
                default = dataclasses.field(default=None)
            else:
                default = dataclasses.field()
            fields.append((name, owner.__annotations__[name], default))
        twin = dataclasses.make_dataclass(owner.__name__, fields, kw_only=True)
        value = getattr(twin, self.name)
        setattr(owner, self.name, value)
        return value


def install() -> None:
    for name in ("__dataclass_fields__", "__dataclass_params__"):
        setattr(Struct, name, _FromDataclass(name))
