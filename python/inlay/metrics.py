"""`--metrics-port`: the supervisor's page for Prometheus.

Workers count in memory that they share with the supervisor, whose own small
C server renders it: no worker is asked, so one that hangs or has died does not
hide the others. docs/metrics.md says what is counted.
"""

from __future__ import annotations

import dataclasses
import platform
from typing import Any, Protocol

from . import __version__, sockets
from .config import Config
from .logs import log

_SLOTS_MOST = 4096
_INHERITED = "metrics"


def _slots(config: Config) -> int:
    """Room for workers: SIGTTIN makes more, successors start beside them."""
    return min(_SLOTS_MOST, 64 + 4 * (config.workers + config.spare))


def settings(config: Config, inherited: dict[str, int], number: int) -> dict[str, int]:
    """For `_core.Server` of a worker, which is to count in slot `number`."""
    if _INHERITED not in inherited or number >= _slots(config):
        return {}
    return {
        "metrics_fd": inherited[_INHERITED],
        "metrics_slot": number,
        "metrics_requests": config.metrics_port is not None,
    }


class Measured(Protocol):
    """A worker, as far as it concerns us."""

    number: int
    pid: int


class Metrics:
    """All workers' memory and the page; with --control and no port the memory
    alone, for databases; or nothing.

    Raises BindError. `inherited` are descriptors that workers need, by name.
    """

    def __init__(self, config: Config) -> None:
        self.inherited: dict[str, int] = {}
        self._core: Any = None
        self._room = 0
        self._listening: sockets.Listening | None = None
        if config.metrics_port is None and config.control is None:
            return
        from . import _core

        if config.metrics_port is not None:
            self._listening = _bind(config, config.metrics_port)
        self._room = _slots(config)
        self._core = _core.Metrics(
            self._room,
            config.io_threads,
            version=__version__,
            python=platform.python_version(),
        )
        if self._listening is not None:
            self._core.serve([sock.fileno() for sock in self._listening])
        self.inherited[_INHERITED] = self._core.fd

    def show(self) -> None:
        """Log where it is, beside the banner."""
        for sock in self._listening or ():
            log.info("Metrics on %s/metrics", sockets.name(sock))

    def databases(self) -> dict[str, dict[str, int]]:
        """What all workers have counted of each, by name."""
        return {} if self._core is None else self._core.databases()

    def started(self, worker: Measured) -> None:
        """Its process runs."""
        if worker.number < self._room:
            self._core.started(worker.number, worker.pid)

    def spare(self, worker: Measured) -> None:
        """It has started up, and waits for a place to serve in."""
        if worker.number < self._room:
            self._core.spare(worker.number)

    def serving(self, worker: Measured) -> None:
        """It accepts clients."""
        if worker.number < self._room:
            self._core.ready(worker.number)

    def ended(self, worker: Measured) -> None:
        """Its process is gone; what it counted stays in the totals."""
        if worker.number < self._room:
            self._core.give_back(worker.number)

    def restarted(self, reason: str) -> None:
        """Another worker takes the place of one: exit, signal, hung, memory,
        max_requests or reload."""
        if self._core is not None:
            self._core.restarted(reason)

    def crashed(self, route: str) -> None:
        """A native route, or a guard, has crashed."""
        if self._core is not None:
            self._core.route_crashed(route)

    def quarantined(self, route: str, state: bool) -> None:
        """It does not run any more, or does again."""
        if self._core is not None:
            self._core.route_quarantined(route, state)

    def close(self) -> None:
        if self._core is not None:
            self._core.close()
            self._core = None
            self._room = 0
        if self._listening is not None:
            self._listening.close()


def _bind(config: Config, port: int) -> sockets.Listening:
    host = config.metrics_host
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    own = dataclasses.replace(config, bind=(address,), reuse_port=False)
    return sockets.bind(own)
