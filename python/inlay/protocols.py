"""What a slice takes besides sequences, for type checkers and stubs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Union

if TYPE_CHECKING:
    from typing import TypeAlias

    from typing_extensions import Buffer


class ArrayInterface(Protocol):
    """numpy's, whose arrays are known as buffers from Python 3.12 on only."""

    @property
    def __array_interface__(self) -> Any: ...


class ArrowArray(Protocol):
    """An array of pyarrow, polars, …"""

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]: ...


class ArrowStream(Protocol):
    """One in chunks."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


Items: TypeAlias = Union["Buffer", ArrayInterface, ArrowArray, ArrowStream]  # noqa: UP007
