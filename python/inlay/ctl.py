"""`inlay ctl`: an answer of the supervisor, for people or for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import click

from . import console
from .console import Answer


def run(path: str, request: Answer, as_json: bool) -> None:
    """Ask the server at `path`, and print what it says."""
    try:
        answer = console.ask(path, request)
    except console.ConsoleError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    for line in _SHOWN[request["command"]](answer):
        click.echo(line)


def _status(answer: Answer) -> list[str]:
    workers = answer["workers"]
    lines = [
        f"Inlay {answer['version']}, process {answer['pid']}: {answer['target']}",
        *(f"  on {name}" for name in answer["listening"]),
        f"  {_count(len(workers), 'worker')}, of {answer['slots']} that "
        f"{'is' if answer['slots'] == 1 else 'are'} to serve:",
    ]
    for worker in workers:
        state, seconds = worker["state"], worker["seconds"]
        lines.append(f"    {worker['pid']:<8} {state}, for {_lasting(seconds)}")
    lines += [f"  off: {pattern}" for pattern in answer["native_off"]]
    lines += [f"  quarantined: {route}" for route in answer["quarantined"]]
    return lines


def _routes(answer: Answer) -> list[str]:
    rows = [
        [
            route["methods"],
            route["path"],
            route["state"],
            f"{route['module']}.{route['function']}",
            _count(route["crashes"], "crash", "crashes") if route["crashes"] else "",
        ]
        for route in answer["routes"]
    ]
    return _columns(rows) or ["There are no native routes"]


def _databases(answer: Answer) -> list[str]:
    rows = [
        [
            each["name"],
            each["url"] or "-",
            f"{each['open']} of {each['max'] or '?'} connections open",
            f"{each['in_use']} in use",
            f"{each['idle']} idle",
            f"{each['waiting']} waiting",
            _count(each["statements"], "statement"),
            ", ".join(
                f"{each[key]} {what}"
                for key, what in _FAILURES.items()
                if each[key] or key == "failed"
            ),
        ]
        for each in answer["databases"]
    ]
    return _columns(rows) or ["There are no databases"]


_FAILURES = {
    "failed": "failed",
    "pool_timeouts": "without a connection in time",
    "connect_failures": "failed to connect",
    "lost": "broke off",
}


def _changed(answer: Answer) -> list[str]:
    routes = answer["routes"]
    about = ", ".join(routes) if routes else "no route that there is"
    return [f"It is about {about}", f"Off: {', '.join(answer['native_off']) or '-'}"]


def _quarantine(answer: Answer) -> list[str]:
    rows = [
        [
            case["route"],
            f"since {_moment(case['since'])}",
            _count(case["crashes"], "crash", "crashes"),
            f"last {case['last']}",
        ]
        for case in answer["quarantined"]
    ]
    return _columns(rows) or ["Nothing is quarantined"]


def _lifted(answer: Answer) -> list[str]:
    return [f"Lifted: {route}" for route in answer["lifted"]] or ["Nothing to lift"]


def _workers(answer: Answer) -> list[str]:
    verb = "is" if answer["slots"] == 1 else "are"
    return [f"There {verb} to be {_count(answer['slots'], 'worker')}"]


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"


_SHOWN: dict[str, Callable[[Answer], list[str]]] = {
    "status": _status,
    "routes": _routes,
    "databases": _databases,
    "native-off": _changed,
    "native-on": _changed,
    "quarantine": _quarantine,
    "lift": _lifted,
    "reload": lambda answer: ["Workers are being replaced, one by one"],
    "workers": _workers,
}


def _columns(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            text.ljust(width) for text, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _lasting(seconds: Any) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
