"""Struct classes as dataclasses: dataclasses.asdict, replace, fields."""

from __future__ import annotations

from typing import Any

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


class _Signature:
    """What inspect, and so FastAPI's Depends(), sees of the constructor."""

    def __get__(self, instance: object, owner: type[Struct]) -> object:
        if owner is Struct:
            raise AttributeError("__signature__")
        import inspect

        own = class_of(owner)
        if owner.__init__ is not own.__init__:
            raise AttributeError("__signature__")  # a subclass's own constructor
        kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters: list[inspect.Parameter] = []
        for name in own.__match_args__:
            default: Any = inspect.Parameter.empty
            if name in own.__inlay_optional__:
                default = None
            elif parameters and parameters[-1].default is None:
                # Python can't say that one behind an optional is required.
                kind = inspect.Parameter.KEYWORD_ONLY
            annotation = own.__annotations__[name]
            parameters.append(
                inspect.Parameter(name, kind, default=default, annotation=annotation)
            )
        return inspect.Signature(parameters)


def install() -> None:
    for name in ("__dataclass_fields__", "__dataclass_params__"):
        setattr(Struct, name, _FromDataclass(name))
    setattr(Struct, "__signature__", _Signature())  # noqa: B010
