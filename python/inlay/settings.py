"""Config -> the keywords of `_core.Server`: sizes in bytes, times in milliseconds."""

from __future__ import annotations

import math
import tempfile
from typing import Any

from . import logs
from .config import Config

# Of the same name and unit on both sides.
_PLAIN = (
    "root_path",
    "docs",
    "io_threads",
    "date_header",
    "server_header",
    "headers",
    "health_path",
    "request_id",
    "server_timing",
    "proxy_headers",
    "proxy_protocol",
    "static_index",
    "static_max_age",
    "compress",
    "compress_min_size",
    "compress_types",
    "ws_per_message_deflate",
    "body_window",
    "write_window",
)
# limit_x -> x
_LIMITS = (
    "head_bytes",
    "header_count",
    "trailer_bytes",
    "body_bytes",
    "native_body_bytes",
    "form_bytes",
    "form_fields",
    "form_files",
    "form_field_bytes",
    "form_file_memory",
    "request_memory",
    "body_rate",
    "connections",
    "address_connections",
    "concurrency",
    "queue",
)
# timeout_x, in seconds -> x_timeout
_TIMEOUTS = ("header", "body", "write", "request", "queue")


def milliseconds(seconds: float) -> int:
    """Whole ones; never 0, which means no timeout, for a time above 0."""
    return math.ceil(seconds * 1000)


def of(config: Config) -> dict[str, Any]:
    """What the C server is told."""
    return {**_but_access(config), **logs.access(config)}


def check(config: Config) -> None:
    """Have C read what it is to be told, and forget it again; raises
    ValueError and OSError, which say what is wrong."""
    from . import _core  # after `inlay` itself

    told = _but_access(config)
    told["io_threads"] = 1
    # Also what is of no use by itself.
    told["compress"] = config.compress or ("gzip",)
    told["access_format"] = config.access_log_format
    _core.check_settings(**told)


def _but_access(config: Config) -> dict[str, Any]:
    return {
        **{name: getattr(config, name) for name in _PLAIN},
        **{name: getattr(config, f"limit_{name}") for name in _LIMITS},
        **{
            f"{name}_timeout": milliseconds(getattr(config, f"timeout_{name}"))
            for name in _TIMEOUTS
        },
        # 0 keeps no connection, as in uvicorn; elsewhere it is no timeout.
        "keep_alive_timeout": milliseconds(config.timeout_keep_alive) or 1,
        "log_level": logs.LEVELS[config.log_level],
        "trusted": _split(config.forwarded_allow_ips),
        "layers": _layers(config),
        "static_mounts": config.static,
        "form_folder": tempfile.gettempdir(),
        "websockets": config.ws != "none",
        "ws_message_bytes": config.ws_max_size,
        "ws_queue": config.ws_max_queue,
        "watchdog": milliseconds(config.watchdog),
        "ws_ping_interval": milliseconds(config.ws_ping_interval),
        "ws_ping_timeout": milliseconds(config.ws_ping_timeout),
    }


def _layers(config: Config) -> list[str]:
    """As C reads them: "NAME PATTERN VALUE"."""
    layers = [
        f"{name} {_placed(text)}"
        for name, texts in (
            ("rate-limit", config.rate_limit),
            ("concurrency", config.concurrency),
            ("timeout", config.timeout),
            ("accept", config.accept),
        )
        for text in texts
    ]
    if config.cors_origin:
        lists = (
            ("method", config.cors_method),
            ("header", config.cors_header),
            ("expose-header", config.cors_expose_header),
        )
        words = [
            *config.cors_origin,
            *(f"{name}={','.join(items)}" for name, items in lists if items),
            *(["credentials"] if config.cors_credentials else []),
            f"max-age={config.cors_max_age}",
        ]
        layers.append(f"cors /* {' '.join(words)}")
    return layers


def _placed(text: str) -> str:
    """ "/login=5/minute" -> "/login 5/minute"; without a path it is of all."""
    if not text.startswith("/"):
        return f"/* {text}"
    pattern, _, value = text.partition("=")
    return f"{pattern.strip()} {value.strip()}"


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
