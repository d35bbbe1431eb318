"""Hot swap in a worker of `inlay dev`: new C in a running server."""

from __future__ import annotations

import contextlib
import importlib
import struct
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from inlay import _core, cache, importer, recipe
from inlay.control import Message
from inlay.errors import CacheError

if TYPE_CHECKING:
    from inlay.serving import Serving


def loaded() -> list[Message]:
    """The native modules of this process: name, file, and all it is made of."""
    found: list[Message] = []
    for native in _core.modules():
        module = sys.modules.get(native.name)
        source = getattr(module, "__file__", None)
        if source:
            files = [source, native.path]
            if recipe.language(source):
                with contextlib.suppress(CacheError):
                    files = cache.Entry(source).sources()
            found.append({"name": native.name, "source": source, "files": files})
    return found


def swap(name: str, serving: Serving) -> Message:
    """Reload the module, then its routes; what happened, as a message.

    A failing load changes nothing. Connections are not touched: requests
    that run end in the code that they began with.
    """
    started = time.perf_counter()
    report: Message = {"module": name, "error": None, "restart": ""}
    importer.swapping.add(name)
    try:
        module = sys.modules[name]
        native, before = module.__inlay__, _signatures(module)
        importlib.reload(module)
        after = _signatures(module)
        replaced = serving.replace_native()
    except Exception as error:
        report["error"] = str(error) or type(error).__name__
        return report
    finally:
        importer.swapping.discard(name)
    changed = {f for f in before if after.get(f) != before[f]}
    if not replaced:
        report["restart"] = "its guards need a new worker"
    else:
        for endpoint in _endpoints(serving.app, name):
            if endpoint in changed:
                report["restart"] = f"{endpoint} has other parameters or results"
        swapped = module.__inlay__ is not native and not report["restart"]
        if swapped and has_variables(native.path):
            importer.tell_of_reset(str(module.__file__))
    report["native"] = serving.server.native_routes()
    report["modules"] = loaded()
    report["ms"] = round((time.perf_counter() - started) * 1000, 1)
    return report


# What compilers, and inlay.h, make of their own accord.
_NOT_OURS = (b"_", b"inlay_", b"completed.")
_OBJECT, _TLS, _SYMBOLS = 1, 6, 2  # STT_OBJECT, STT_TLS, SHT_SYMTAB
_VARIABLES = (b".data", b".bss", b".tdata", b".tbss")


def has_variables(path: str) -> bool:
    """Has a shared object variables of its own that can be written to? True if
    that can't be seen."""
    try:
        with open(path, "rb") as file:
            return _has_variables(file.read())
    except (OSError, struct.error, IndexError, StopIteration):
        return True


def _has_variables(elf: bytes) -> bool:
    """Of an ELF file of 64 bits, as all that Inlay runs on have (elf(5))."""

    def text(section: tuple[int, ...], at: int) -> bytes:
        begin = section[4] + at
        return elf[begin : elf.index(b"\0", begin)]

    (table,) = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    sections = [
        struct.unpack_from("<IIQQQQIIQQ", elf, table + i * size) for i in range(count)
    ]
    symbols = next(section for section in sections if section[1] == _SYMBOLS)
    for at in range(symbols[4], symbols[4] + symbols[5], symbols[9]):
        name, info, _, index = struct.unpack_from("<IBBH", elf, at)
        if (
            info & 15 in (_OBJECT, _TLS)
            and index < count
            and text(sections[names], sections[index][0]) in _VARIABLES
            and not text(sections[symbols[6]], name).startswith(_NOT_OURS)
        ):
            return True
    return False


def _signatures(module: Any) -> dict[str, str]:
    return {
        name: str(value.__signature__)
        for name, value in module.__inlay__.namespace.items()
        if isinstance(value, _core.Function)
    }


def _endpoints(app: Any, name: str) -> Iterator[str]:
    """Functions of the module that are endpoints of the application.

    Frameworks read an endpoint's signature once, when it is registered: such
    an application has to begin anew when the signature changes.
    """
    for route in _routes(app, depth=0):
        endpoint = getattr(route, "endpoint", None)
        if isinstance(endpoint, _core.Function) and endpoint.__module__ == name:
            yield endpoint.__name__


def _routes(app: Any, depth: int) -> Iterator[Any]:
    if depth > 8:
        return
    for route in getattr(app, "routes", None) or ():
        yield route
        yield from _routes(route, depth + 1)
    wrapped = getattr(app, "app", None)
    if wrapped is not None:
        yield from _routes(wrapped, depth + 1)
