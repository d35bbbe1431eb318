"""TOML, read by what the running Python has for it."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def parse_toml(text: str) -> dict[str, Any]:
    """Raises ValueError."""
    name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    settings: dict[str, Any] = importlib.import_module(name).loads(text)
    return settings
