"""What `inlay ctl` can ask of a supervisor; docs/commands.md says it in words."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from . import __version__, quarantine, sockets
from .console import Answer, ConsoleError

if TYPE_CHECKING:
    from .supervisor import Supervisor

_WORKERS_MOST = 1024


class Commands:
    """The requests of a console, carried out on the supervisor's thread."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._known = {
            "status": self._status,
            "routes": self._routes,
            "databases": self._databases,
            "native-off": self._native_off,
            "native-on": self._native_on,
            "quarantine": self._quarantine,
            "lift": self._lift,
            "reload": self._reload,
            "workers": self._workers,
        }

    def obey(self, request: Answer) -> Answer:
        """Raises ConsoleError and ValueError."""
        command = self._known.get(str(request.get("command")))
        if command is None:
            names = ", ".join(self._known)
            raise ConsoleError(
                f'there is no command "{request.get("command")}"; there are {names}'
            )
        if self._supervisor.stopping:
            raise ConsoleError("the server is shutting down")
        return command(request)

    def _status(self, request: Answer) -> Answer:
        supervisor = self._supervisor
        now = time.monotonic()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "target": supervisor.config.target,
            "listening": [sockets.name(sock) for sock in supervisor.listening],
            "slots": supervisor.roster.slots,
            "workers": [
                {
                    "pid": worker.pid,
                    "state": _state(worker),
                    "seconds": round(now - worker.started, 1),
                }
                for worker in supervisor.roster.workers
            ],
            "native_off": supervisor.quarantine.off,
            "quarantined": supervisor.quarantine.routes,
        }

    def _routes(self, request: Answer) -> Answer:
        cases = self._supervisor.quarantine.cases
        return {
            "routes": [
                {
                    **route,
                    "state": self._supervisor.quarantine.state(route),
                    "crashes": case.crashes if case else 0,
                }
                for route in self._all()
                for case in [cases.get(quarantine.name(route))]
            ]
        }

    def _databases(self, request: Answer) -> Answer:
        """Those that a worker had when it was ready, and those that came later."""
        supervisor = self._supervisor
        known = {each["name"]: each for each in supervisor.about.get("databases", [])}
        counted = supervisor.metrics.databases()
        return {
            "databases": [
                _database(
                    name, known.get(name), counted.get(name), supervisor.roster.slots
                )
                for name in {**known, **counted}
            ]
        }

    def _all(self) -> list[Answer]:
        """Native routes, and endpoints that were lifted."""
        about = self._supervisor.about
        lifted = [{**route, "lifted": True} for route in about.get("lifted_routes", [])]
        return [*about.get("native", []), *lifted]

    def _native_off(self, request: Answer) -> Answer:
        pattern = quarantine.check(_text(request, "pattern"))
        off = self._supervisor.quarantine
        off.turn_off(pattern)
        return {"native_off": off.off, "routes": self._about(pattern)}

    def _native_on(self, request: Answer) -> Answer:
        pattern = quarantine.check(_text(request, "pattern"))
        off = self._supervisor.quarantine
        if not off.turn_on(pattern):
            there = ", ".join(off.off) or "nothing"
            raise ConsoleError(f"{pattern} is not off; off is: {there}")
        return {"native_off": off.off, "routes": self._about(pattern)}

    def _about(self, pattern: str) -> list[str]:
        return [
            quarantine.name(route)
            for route in self._all()
            if quarantine.matches(pattern, route["methods"], route["path"])
        ]

    def _quarantine(self, request: Answer) -> Answer:
        cases = self._supervisor.quarantine.cases
        return {
            "quarantined": [
                {"route": route, "since": case.since, "crashes": case.crashes,
                 "last": case.last}
                for route, case in cases.items()
                if case.since
            ]
        }  # fmt: skip

    def _lift(self, request: Answer) -> Answer:
        route = _text(request, "route")
        lifted = self._supervisor.quarantine.lift(route)
        if not lifted and route != quarantine.ALL:
            there = ", ".join(self._supervisor.quarantine.routes) or "nothing"
            raise ConsoleError(f"{route} is not quarantined; quarantined is: {there}")
        return {"lifted": lifted}

    def _reload(self, request: Answer) -> Answer:
        if self._supervisor.config.dev:
            raise ConsoleError("a server that follows its sources reloads by itself")
        self._supervisor.reload()
        return {}

    def _workers(self, request: Answer) -> Answer:
        change = request.get("change")
        if not isinstance(change, int) or isinstance(change, bool) or not change:
            raise ConsoleError('"change" is how many workers more, or less: 1, -1')
        roster = self._supervisor.roster
        wanted = roster.slots + change
        if self._supervisor.config.dev:
            raise ConsoleError("a server that follows its sources has one worker")
        if not 1 <= wanted <= _WORKERS_MOST:
            raise ConsoleError(f"there can't be {wanted} workers")
        for _ in range(abs(change)):
            if change > 0:
                roster.more()
            else:
                roster.fewer()
        return {"slots": roster.slots}


def _state(worker: Any) -> str:
    if worker.stopping:
        return "stopping"
    if worker.serving:
        return "serving"
    return "spare" if worker.ready else "starting"


def _database(
    name: str, known: Answer | None, counted: dict[str, int] | None, workers: int
) -> Answer:
    count: Counter[str] = Counter(counted)
    return {
        "name": name,
        "url": known["url"] if known else None,
        "max": known["max"] * workers if known else None,
        "open": count["connections"],
        "in_use": count["busy"],
        "idle": max(0, count["connections"] - count["busy"]),
        "held": count["held"],
        "waiting": count["waiting"],
        "statements": count["statements"],
        "failed": count["errors"],
        "connect_failures": count["failed"],
        "pool_timeouts": count["timeouts"],
        "lost": count["lost"],
    }


def _text(request: Answer, key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not value:
        raise ConsoleError(f'"{key}" is missing')
    return value
