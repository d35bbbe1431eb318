"""Logging: lines in uvicorn's look, --log-config, and the access log's way into
Python's loggers.

Our loggers are `inlay.error` and `inlay.access`. A configuration that was made
for uvicorn works: when it has `uvicorn` or `uvicorn.error` and nothing of ours,
`inlay` becomes their child; `uvicorn.access` stands in for `inlay.access`.
docs/logging.md has the rules.
"""

from __future__ import annotations

import configparser
import copy
import importlib.util
import json
import logging
import logging.config
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Config

    _StreamHandler = logging.StreamHandler[Any]
else:
    _StreamHandler = logging.StreamHandler  # not generic before Python 3.11

TRACE = 5
LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}
_DEFAULT_LEVEL = "info"

_COLORS = {
    TRACE: 34,
    logging.DEBUG: 36,
    logging.INFO: 32,
    logging.WARNING: 33,
    logging.ERROR: 31,
    logging.CRITICAL: 91,
}
_STATUS_COLORS = {1: 97, 2: 32, 3: 33, 4: 31, 5: 91}
_ACCESS_FORMAT = '%(levelprefix)s %(client_addr)s - "%(request_line)s" %(status_code)s'

_UVICORN = ("uvicorn", "uvicorn.error")

logging.addLevelName(TRACE, "TRACE")
log = logging.getLogger("inlay.error")


class LogConfigError(ValueError):
    """A logging configuration that can't be used; the message says why."""


# --- Formatters ---------------------------------------------------------------


class DefaultFormatter(logging.Formatter):
    """uvicorn's: `%(levelprefix)s` is the level, padded, in colour if wanted."""

    stream = "stderr"

    def __init__(
        self,
        fmt: str | None = "%(levelprefix)s %(message)s",
        datefmt: str | None = None,
        style: Any = "%",
        use_colors: bool | None = None,
    ) -> None:
        super().__init__(fmt, datefmt, style, validate=False)
        if use_colors is None:
            use_colors = getattr(sys, self.stream).isatty()
        self.use_colors = use_colors

    def paint(self, text: str, color: int | None) -> str:
        if not self.use_colors or color is None:
            return text
        return f"\x1b[{color}m{text}\x1b[0m"

    def formatMessage(self, record: logging.LogRecord) -> str:
        record = copy.copy(record)
        name = record.levelname
        pad = " " * max(0, 8 - len(name))
        painted = self.paint(name, _COLORS.get(record.levelno))
        record.__dict__["levelprefix"] = f"{painted}:{pad}"
        self.fill(record)
        return super().formatMessage(record)

    def fill(self, record: logging.LogRecord) -> None:
        """Further names for the format."""


class AccessFormatter(DefaultFormatter):
    """uvicorn's: `client_addr`, `request_line` and `status_code` of a record
    of the access log."""

    stream = "stdout"

    def fill(self, record: logging.LogRecord) -> None:
        args = record.args
        if not isinstance(args, tuple) or len(args) != 5:
            return  # in another --access-log-format it is a text
        client, method, path, version, status = args
        number = int(str(status))
        try:
            phrase = HTTPStatus(number).phrase
        except ValueError:
            phrase = ""
        record.__dict__.update(
            client_addr=client,
            request_line=self.paint(f"{method} {path} HTTP/{version}", 1),
            status_code=self.paint(
                f"{number} {phrase}", _STATUS_COLORS.get(number // 100)
            ),
        )


class _LineFormatter(logging.Formatter):
    """In place of an AccessFormatter: a record whose message is a whole line,
    in another --access-log-format, has none of the arguments that takes."""

    def __init__(self, fields: logging.Formatter) -> None:
        super().__init__()
        self.fields = fields

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            return self.fields.format(record)
        return super().format(record)


def _takes_fields(formatter: logging.Formatter | None) -> bool:
    """Is it uvicorn's AccessFormatter, or ours?"""
    return any(
        kind.__name__ == "AccessFormatter"
        and kind.__module__ in ("uvicorn.logging", __name__)
        for kind in type(formatter).__mro__
    )


class _Stderr(_StreamHandler):
    """The handler of the server's own messages."""

    def __init__(self, config: Config) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(DefaultFormatter(use_colors=config.use_colors))
        # Children of "uvicorn" come here too; the access log goes its own way.
        self.addFilter(lambda record: record.name != "uvicorn.access")


# --- Configuration ------------------------------------------------------------


def configure(config: Config) -> None:
    """Set the server's loggers up; the application's own are not ours."""
    ours = logging.getLogger("inlay")
    ours.handlers[:] = []
    ours.parent = logging.root
    _release()
    if config.log_config is not None:
        ours.propagate = True
        ours.setLevel(logging.NOTSET)
        _apply(config.log_config)
        _adopt(ours)
        # Levels are the configuration's affair, unless one was asked for.
        if config.log_level != _DEFAULT_LEVEL:
            log.setLevel(LEVELS[config.log_level])
        return
    # Applications made for uvicorn write to its loggers.
    names = ["inlay"] if _configured(*_UVICORN) else ["inlay", "uvicorn"]
    handler = _Stderr(config)
    for logger in map(logging.getLogger, names):
        logger.handlers[:] = [handler]
        logger.setLevel(LEVELS[config.log_level])
        logger.propagate = False


def _release() -> None:
    """The logger "uvicorn" as it was before an earlier configure()."""
    logger = _known("uvicorn")
    if logger is not None and any(isinstance(h, _Stderr) for h in logger.handlers):
        logger.handlers[:] = []
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


def pack(value: Mapping[str, Any]) -> str:
    """A dictionary for dictConfig as the text that `Config.log_config` takes."""
    try:
        return json.dumps(value)
    except TypeError as error:
        raise LogConfigError(
            f"log_config: {error}; write it as a file, and classes as text"
        ) from None


def flush() -> None:
    """Everything logged so far is written."""
    logger: logging.Logger | None = log
    while logger is not None:
        for handler in logger.handlers:
            handler.flush()
        logger = logger.parent if logger.propagate else None


def _apply(source: str) -> None:
    """Configure logging from a file, or from JSON."""
    name = "log_config" if source.startswith("{") else f"--log-config {source}"
    try:
        if source.startswith("{"):
            logging.config.dictConfig(_own(json.loads(source)))
        elif source.endswith(".json"):
            with open(source, encoding="utf-8") as file:
                logging.config.dictConfig(_own(json.load(file)))
        elif source.endswith((".yaml", ".yml")):
            logging.config.dictConfig(_own(_read_yaml(source)))
        else:
            parser = configparser.RawConfigParser()
            with open(source, encoding="utf-8") as file:
                parser.read_file(file)
            _own_sections(parser)
            logging.config.fileConfig(parser, disable_existing_loggers=False)
    except LogConfigError:
        raise
    except Exception as error:  # whatever handlers and formatters raise
        reason = f"{error} ({error.__cause__})" if error.__cause__ else str(error)
        raise LogConfigError(f"{name}: {reason or type(error).__name__}") from error


def _read_yaml(path: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise LogConfigError(
            f"--log-config {path}: PyYAML is not installed (pip install pyyaml); "
            "a .json or .ini file needs nothing"
        ) from None
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def _stand_in(name: Any) -> Any:
    """uvicorn's formatters are here too, so that it need not be installed."""
    if isinstance(name, str) and name.startswith("uvicorn.logging."):
        if importlib.util.find_spec("uvicorn") is None:
            return name.replace("uvicorn.logging", __name__)
    return name


def _own(settings: Any) -> dict[str, Any]:
    if not isinstance(settings, dict):
        raise LogConfigError("--log-config: there is no mapping at its top")
    formatters = settings.get("formatters")
    for formatter in (formatters or {}).values():
        for key in ("()", "class"):
            if isinstance(formatter, dict) and key in formatter:
                formatter[key] = _stand_in(formatter[key])
    return settings


def _own_sections(parser: configparser.RawConfigParser) -> None:
    for section in parser.sections():
        if section.startswith("formatter_") and parser.has_option(section, "class"):
            parser.set(section, "class", _stand_in(parser.get(section, "class")))


def _known(name: str) -> logging.Logger | None:
    """The logger of that name, if anybody has touched it."""
    found = logging.root.manager.loggerDict.get(name)
    return found if isinstance(found, logging.Logger) else None


def _configured(*names: str) -> bool:
    return any(
        logger is not None
        and bool(logger.handlers or logger.level or not logger.propagate)
        for logger in map(_known, names)
    )


def _adopt(ours: logging.Logger) -> None:
    """Under uvicorn's loggers, when those are configured and ours are not."""
    if _configured(*_UVICORN) and not _configured("inlay", "inlay.error"):
        ours.parent = logging.getLogger("uvicorn.error")


# --- The access log -----------------------------------------------------------


def access(config: Config) -> dict[str, Any]:
    """The keywords of `_core.Server` about the access log.

    It goes to stdout without Python, unless its logger was configured: by
    --log-config (then handlers of the root count too, as in uvicorn) or by the
    application (handlers or filters of its own).
    """
    if not config.access_log:
        return {"access_format": ""}
    logger = _access_logger()
    if logger is not None and (logger.disabled or logger.level > logging.INFO):
        return {"access_format": ""}
    if config.log_config is not None:
        logger = logger or logging.getLogger("inlay.access")
        if not logger.isEnabledFor(logging.INFO):
            return {"access_format": ""}
        wanted = logger.hasHandlers()
    else:
        wanted = logger is not None and bool(logger.handlers or logger.filters)
    if logger is None or not wanted:
        return {"access_format": config.access_log_format}
    if config.log_config is None and not logger.handlers:
        _write_to_stdout(logger, config)
    fields = config.access_log_format == "uvicorn"
    if not fields:
        _expect_lines(logger)
    return {
        "access_format": "fields" if fields else config.access_log_format,
        "access_sink": _sink(logger, fields),
    }


def _expect_lines(logger: logging.Logger) -> None:
    """What handlers of the logger get are no longer uvicorn's fields."""
    above: logging.Logger | None = logger
    while above is not None:
        for handler in above.handlers:
            if handler.formatter is not None and _takes_fields(handler.formatter):
                handler.setFormatter(_LineFormatter(handler.formatter))
        above = above.parent if above.propagate else None


def _access_logger() -> logging.Logger | None:
    for name in ("inlay.access", "uvicorn.access"):
        logger = _known(name)
        if logger is not None and (
            _configured(name) or logger.filters or logger.disabled
        ):
            return logger
    return None


def _write_to_stdout(logger: logging.Logger, config: Config) -> None:
    """For one that was given nothing but filters."""
    handler = logging.StreamHandler(sys.stdout)
    if config.access_log_format == "uvicorn":
        handler.setFormatter(
            AccessFormatter(_ACCESS_FORMAT, use_colors=config.use_colors)
        )
    logger.addHandler(handler)
    logger.propagate = False
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def _sink(logger: logging.Logger, fields: bool) -> Callable[[str], None]:
    """Takes whole lines of C's access log."""

    def plain(text: str) -> None:
        for line in text[:-1].split("\n"):
            logger.info("%s", line)

    def split(text: str) -> None:
        for line in text[:-1].split("\n"):
            client, method, path, version, status = line.split("\t")
            if method != "WebSocket":
                logger.info(
                    '%s - "%s %s HTTP/%s" %d',
                    client,
                    method,
                    path,
                    version,
                    int(status),
                )
            elif status == "101":
                log.info('%s - "WebSocket %s" [accepted]', client, path)
            else:
                log.info('%s - "WebSocket %s" %d', client, path, int(status))

    return split if fields else plain
