"""Inlay sets C into Python web applications.

`import inlay` turns the import hook on: from then on `import fast` finds
`fast.c` beside the application, compiles it and loads it.
"""

from typing import TYPE_CHECKING, Any

from inlay._core import (
    Array,
    Call,
    Conflict,
    Denied,
    Error,
    Function,
    Internal,
    Invalid,
    NoMemory,
    NotFound,
    Object,
    Overflow,
    Struct,
    Timeout,
    Unauthorized,
    Unavailable,
    run_in_pool,
)

# Not in __all__, where it would hide the builtin of that name.
from inlay._core import NotImplemented as NotImplemented
from inlay.errors import CacheError, CompileError, answer_error
from inlay.importer import allow, install, load_built
from inlay.pool import PoolStats, configure_pool, pool_stats
from inlay.structs import install as _install_structs

if TYPE_CHECKING:
    from inlay.embed import Config, Server, run
    from inlay.statements import db

__all__ = [
    "Array",
    "Call",
    "CacheError",
    "CompileError",
    "Config",
    "Conflict",
    "Denied",
    "Error",
    "Function",
    "Internal",
    "Invalid",
    "NoMemory",
    "NotFound",
    "Object",
    "Overflow",
    "PoolStats",
    "Server",
    "Struct",
    "Timeout",
    "Unauthorized",
    "Unavailable",
    "allow",
    "answer_error",
    "configure_pool",
    "db",
    "install",
    "load_built",
    "pool_stats",
    "run",
    "run_in_pool",
]

_install_structs()
install()


def __getattr__(name: str) -> Any:
    """What is looked up only when asked for: imports stay fast."""
    if name == "__version__":
        from importlib.metadata import version

        return version("inlay")
    if name in ("Config", "Server", "run"):
        from inlay import embed

        return getattr(embed, name)
    if name == "db":
        from inlay.statements import db

        return db
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
