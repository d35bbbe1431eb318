"""`--preload`: a process that imports the application once and forks off it.

It is this interpreter executed anew, without threads, event loop or listening
sockets: those come after the fork, in the workers. It forks twice, so that a
worker becomes a child of the supervisor, who adopts orphans.
"""

from __future__ import annotations

import gc
import os
import random
import socket
import sys
from dataclasses import replace
from typing import Any

from . import target, worker
from .config import EXIT_FAILED
from .control import Channel, Message
from .logs import log


def main() -> None:
    """Entry point; ends the process."""
    worker.end(_run(worker.begin()))


def _run(start: worker.Start) -> int:
    worker.name("inlay-zygote")
    channel = start.channel
    channel.send("begun")
    try:
        app = target.load(start.config)
    except target.TargetError as error:
        log.error("%s", error)
        return EXIT_FAILED
    except SystemExit as error:
        return worker.exit_code(error)
    _warn_of_threads()
    # What is there stays: the collector would write to pages that are shared.
    gc.collect()
    gc.freeze()
    channel.send("ready")
    while (messages := channel.receive()) is not None:
        for message in messages:
            forked = _fork(channel, message) if message["type"] == "fork" else None
            if forked is not None:
                channel.close()
                own = replace(start, channel=forked, number=message["number"])
                return worker.run(own, lambda: app)
    return 0


def _warn_of_threads() -> None:
    threads = len(os.listdir("/proc/self/task")) - 1
    if threads:
        log.warning(
            "--preload: the import of the application started threads (%d), "
            "which workers will not have; start them in its lifespan instead",
            threads,
        )


def _fork(channel: Channel, message: Message) -> Channel | None:
    """None in this process; in the worker, its channel."""
    sys.stdout.flush()
    sys.stderr.flush()
    (end,) = message["fds"]
    read, write = os.pipe()
    try:
        between = os.fork()
    except OSError as error:
        os.close(write)
        answer = str(error)
    else:
        if between == 0:
            os.close(read)
            _fork_again(write)
            return Channel(socket.socket(fileno=end))
        os.close(write)
        with os.fdopen(os.dup(read)) as pipe:
            answer = pipe.read()
        os.waitpid(between, 0)  # from now on the worker is the supervisor's
    os.close(read)
    os.close(end)
    pid = int(answer) if answer.isdecimal() else 0
    channel.send("forked", pid=pid, error="" if pid else answer or "it was killed")
    return None


def _fork_again(write: int) -> None:
    """Returns in the worker; the process in between ends here."""
    try:
        pid = os.fork()
    except OSError as error:
        os.write(write, str(error).encode())
        os._exit(1)
    if pid:
        os.write(write, str(pid).encode())
        os._exit(0)
    os.close(write)
    # `random` does so by itself; numpy's global generator does not.
    numpy: Any = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed(random.getrandbits(32))
