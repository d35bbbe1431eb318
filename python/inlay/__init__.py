"""Inlay sets C into Python web applications.

`import inlay` turns the import hook on: from then on `import fast` finds
`fast.c` beside the application, compiles it and loads it.
"""

from inlay._core import (
    Conflict,
    Denied,
    Error,
    Function,
    Internal,
    Invalid,
    NoMemory,
    NotFound,
    NotImplemented,
    Overflow,
    Struct,
    Timeout,
    Unauthorized,
    Unavailable,
)
from inlay.errors import CacheError, CompileError
from inlay.importer import install
from inlay.structs import install as _install_structs

__all__ = [
    "CacheError",
    "CompileError",
    "Conflict",
    "Denied",
    "Error",
    "Function",
    "Internal",
    "Invalid",
    "NoMemory",
    "NotFound",
    "NotImplemented",
    "Overflow",
    "Struct",
    "Timeout",
    "Unauthorized",
    "Unavailable",
    "install",
]

_install_structs()
install()


def __getattr__(name: str) -> str:
    """`__version__`, looked up only when asked for: imports stay fast."""
    if name == "__version__":
        from importlib.metadata import version

        return version("inlay")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
