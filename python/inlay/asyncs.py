"""What makes a native function a coroutine function for those who ask."""

from __future__ import annotations

import asyncio.coroutines
import inspect
import sys
from typing import Any


def marks() -> dict[str, Any]:
    """The attributes by which inspect, asyncio and Starlette know one.

    From 3.12 on inspect has a mark for it. Before, it looks at the flags of a
    function's code, and takes for a function what has these four attributes.
    """

    async def call() -> None: ...

    found: dict[str, Any]
    if sys.version_info >= (3, 12):

        def marked() -> None: ...

        found = dict(vars(inspect.markcoroutinefunction(marked)))
    else:
        found = {
            "__code__": call.__code__,
            "__defaults__": None,
            "__kwdefaults__": None,
        }
    # asyncio's own, which it asks for besides inspect's; gone one day.
    mark = getattr(asyncio.coroutines, "_is_coroutine", None)
    if mark is not None:
        found["_is_coroutine"] = mark
    return found
