"""TARGET of `inlay run` -> the ASGI application, imported in the worker.

`module:attribute` (the attribute may be dotted), or a C file, which is
served without an ASGI application.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from . import built, recipe
from .config import Config
from .errors import CompileError
from .logs import log

ASGIApp = Callable[..., Any]


class TargetError(Exception):
    """TARGET can't be served; the message says what to do."""


def add_app_dir(app_dir: str) -> None:
    """Put the application's folder first on the module path."""
    path = os.path.abspath(app_dir or ".")
    if path not in sys.path[:1]:
        sys.path.insert(0, path)


def load(config: Config) -> ASGIApp | None:
    """The application as an ASGI 3 callable; None for a C file.

    Raises TargetError, whose message holds the traceback when the import
    itself failed.
    """
    import inlay  # noqa: F401 - the import hook

    if config.problem:
        raise TargetError(config.problem)
    if recipe.language(config.target):
        _load_c(config)
        return None
    module_name, _, attribute = config.target.partition(":")
    if not module_name or not attribute:
        raise TargetError(
            f'"{config.target}" is not a target: write "module:attribute", '
            'for example "app:app", or the path of a C file'
        )
    if module_name.endswith(".py") or "/" in module_name:
        folder, file = os.path.split(module_name.removesuffix(".py"))
        raise TargetError(
            f'"{module_name}" is a path, not a module: write "{file}:{attribute}"'
            + (f" and --app-dir {folder}" if folder else "")
        )
    add_app_dir(config.app_dir)
    found = _attribute(_import(module_name, config), module_name, attribute)
    return prepare(found, config)


def prepare(found: Any, config: Config) -> ASGIApp:
    """An object of the program as an ASGI 3 callable; raises TargetError."""
    if config.factory:
        found = _call_factory(found, config.target)
    elif inspect.isfunction(found) and not inspect.signature(found).parameters:
        log.warning(
            '"%s" takes no parameters: it is called as a factory; --factory says so',
            config.target,
        )
        found = _call_factory(found, config.target)
    if not callable(found):
        raise TargetError(
            f'"{config.target}" is {type(found).__name__}, not an ASGI application'
        )
    if _is_wsgi(found):
        raise TargetError(
            f'"{config.target}" takes two arguments: it seems to be a WSGI '
            "application, which is not served; wrap it, for example with "
            "a2wsgi.WSGIMiddleware(app)"
        )
    if config.interface == "asgi3":
        return found  # type: ignore[no-any-return]
    return _asgi3(found, config.interface == "asgi2")


def _load_c(config: Config) -> None:
    for folder in (".", config.app_dir or "."):
        path = os.path.abspath(os.path.join(folder, config.target))
        if os.path.isfile(path):
            break
    else:
        raise TargetError(f"there is no file {config.target}")
    add_app_dir(os.path.dirname(path))
    _import(os.path.splitext(os.path.basename(path))[0], config, path)


def _import(name: str, config: Config, source: str = "") -> Any:
    try:
        if source:
            _refuse_other(name, source)
        return importlib.import_module(name)
    except TargetError:
        raise
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            folder = os.path.abspath(config.app_dir or ".")
            raise TargetError(
                f'there is no module "{name}" (looked in {folder} first; '
                "--app-dir names another folder)"
            ) from None
        raise TargetError(_failed(name)) from None
    except ImportError as error:
        # Of a C file it says where and what: in the compiler's words, or ours.
        if isinstance(error, CompileError) or recipe.language(str(error.path)):
            raise TargetError(str(error)) from None
        raise TargetError(_failed(name)) from None
    except Exception:
        raise TargetError(_failed(name)) from None


def _refuse_other(name: str, source: str) -> None:
    """Before it is imported: would `import name` be another file?

    That one is not replaced by ours, as others need it: say so instead.
    """
    if name in sys.modules:
        found = getattr(sys.modules[name], "__file__", None)
    else:
        spec = importlib.util.find_spec(name)
        if spec is None:
            return  # the import says why
        found = spec.origin
    if found and os.path.exists(found):
        own = source
        if found.endswith(".py") and built.is_shim(found):
            own = os.path.splitext(source)[0] + ".py"
        if os.path.exists(own) and os.path.samefile(found, own):
            return
    raise TargetError(
        f"{source} can't be served: Python has another module called {name}"
        + (f" ({found})" if found else "")
        + ": give the file another name"
    )


def _failed(name: str) -> str:
    return f'importing "{name}" failed:\n\n{traceback.format_exc()}'


def _attribute(module: Any, module_name: str, attribute: str) -> Any:
    found = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise TargetError(
                f'module "{module_name}" has no attribute "{attribute}"'
            ) from None
    return found


def _call_factory(factory: Any, target: str) -> Any:
    try:
        return factory()
    except Exception:
        raise TargetError(
            f'the factory "{target}" failed:\n\n{traceback.format_exc()}'
        ) from None


def _is_wsgi(app: Any) -> bool:
    """Can it be called with environ and start_response, but not as ASGI?"""
    if inspect.isclass(app):
        return False
    try:
        signature = inspect.signature(app)
        signature.bind(0, 0)
    except (TypeError, ValueError):
        return False
    try:
        signature.bind(0, 0, 0)
    except TypeError:
        return True
    return False


def _asgi3(app: Any, double: bool) -> ASGIApp:
    """The app itself, or an ASGI 2 one (called in two steps) as ASGI 3."""
    if double:
        pass
    elif inspect.isclass(app):
        double = hasattr(app, "__await__") is False
    elif inspect.isfunction(app) or inspect.ismethod(app):
        double = len(inspect.signature(app).parameters) == 1
    else:
        double = False
    if not double:
        return app  # type: ignore[no-any-return]

    async def asgi2(scope: Any, receive: Any, send: Any) -> None:
        await app(scope)(receive, send)

    return asgi2
