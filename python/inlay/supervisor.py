"""The parent of the workers: it binds, starts, watches, replaces and stops them.

It never imports the application. A worker is this interpreter executed anew
(so each has its own address layout), or forked by a zygote that is. roster.py
decides which there are to be; here is what makes that change: signals, what
children say, and how they end.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections import deque

from . import banner, sockets
from .child import Child, Children, describe_exit
from .commands import Commands
from .config import EXIT_FAILED, Config
from .console import Console
from .control import Message
from .health import Health, Worker
from .logs import log
from .metrics import Metrics
from .notify import Notifier
from .preload import Launcher, Preloader, Zygote
from .quarantine import Quarantine, Reports
from .roster import Roster
from .sockets import BindError, Listening

_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR2,
)


class Supervisor:
    """Runs `config.workers` workers on `listening` until told to stop."""

    def __init__(self, config: Config, listening: Listening) -> None:
        self.config = config
        self.listening = listening
        self.children = Children(self._on_message, self._on_exit)
        self.children.adopts = os.getpid() == 1 and not config.dev
        self.notifier = Notifier()
        self.console = Console(config, Commands(self).obey)
        self.metrics = Metrics(config)
        self.reports = Reports()
        self.quarantine = Quarantine(config, self.metrics, self._tell_of_routes)
        self.health = Health(
            config, lambda worker, why: self.roster.renew(worker, why, "memory")
        )
        self.launcher = self._make_launcher()
        self.roster = Roster(
            config, listening, self.children, self.launcher, self.metrics
        )
        self.children.watch(self.reports.read_end, self._take_reports)
        self.children.watch(self.console.fileno(), self.console.turn)
        self.roster.on_start = self._tell_of_routes_to
        self.reloading = False
        self.stopping = False
        self.announced = False
        self.about: Message = {}  # what a worker says of the application
        self.signals: deque[int] = deque()
        self.exit_code = 0

    def _make_launcher(self) -> Launcher:
        inherited = {
            "stacks": self.health.stacks.write,
            "crashes": self.reports.write_end,
            **self.metrics.inherited,
        }
        preload = self.config.preload and not self.config.dev
        kind = Preloader if preload else Launcher
        return kind(self.config, self.children, len(self.listening), inherited)

    # --- The loop ------------------------------------------------------------

    def run(self) -> int:
        """Serve until a signal; the process's exit status."""
        numbers = [*_SIGNALS, *([signal.SIGCHLD] if self.children.adopts else [])]
        # It may come in the middle of anything: acted on in the next turn.
        self.children.take_signals(numbers, lambda n, _: self.signals.append(n))
        try:
            due = 0.0
            while not self.stopping or self.children.all:
                now = time.monotonic()
                self.children.turn(None if due == math.inf else max(0.0, due - now))
                due = self._turn()
        finally:
            self.children.close()
            self.health.stacks.close()
            self.reports.close()
            self.console.close()
            self.metrics.close()
        return self.exit_code

    def _turn(self) -> float:
        """What is to be done now; when to look again."""
        while self.signals:
            self._on_signal(self.signals.popleft())
        due = [self.health.look(self.children.all), self.children.next_kill()]
        if not self.stopping:
            self.roster.settle()
            self._look_at_reload()
            due.append(self.roster.next_look(time.monotonic()))
        self._tell_systemd()
        if self.notifier.interval is not None:
            due.append(time.monotonic() + self.notifier.interval)
        return min(due)

    def wake(self) -> None:
        """Begin the next turn now; from any thread."""
        self.children.wake()

    def _tell_systemd(self) -> None:
        serving = self.roster.serving
        state = "stopping" if self.stopping else "restarting" if self.reloading else ""
        text = f"{serving} of {self.roster.slots} workers serve"
        self.notifier.status(text + (state and f", {state}"))
        self.notifier.sign_of_life(serving > 0 or self.stopping)

    # --- Signals -------------------------------------------------------------

    def _on_signal(self, number: int) -> None:
        if number in (signal.SIGINT, signal.SIGTERM):
            if not self.stopping:
                self._stop()
            elif number == signal.SIGINT:
                # As uvicorn: a second Ctrl-C does not wait any longer.
                log.warning("Stopping at once")
                for child in self.children.all:
                    child.signal(signal.SIGKILL)
        elif self.stopping:
            return
        elif number == signal.SIGHUP:
            self.reload()
        elif number == signal.SIGUSR2:
            self.quarantine.toggle()
        elif number == signal.SIGTTIN:
            self.roster.more()
        elif number == signal.SIGTTOU:
            self.roster.fewer()

    def _stop(self) -> None:
        self.stopping = True
        log.info("Shutting down")
        self.notifier.send("STOPPING=1")
        # No new connection is queued for workers that no longer accept.
        self.listening.refuse()
        self.listening.close()
        for child in self.children.all:
            child.stop(self.roster.patience)
            if isinstance(child, Zygote):
                child.channel.end()

    # --- SIGHUP --------------------------------------------------------------

    def reload(self) -> None:
        """A new worker for each, one by one; each old one stops when its
        successor serves."""
        log.info("Restarting workers")
        self.reloading = True
        self.notifier.reloading()
        if not isinstance(self.launcher, Preloader):
            self.roster.renew_all()
            return
        try:
            self.launcher.renew()  # the rest when that is ready
        except OSError as error:
            log.error("The application can't be imported: %s", error)
            self._end_reload()

    def _look_at_reload(self) -> None:
        """Is it done?"""
        coming = isinstance(self.launcher, Preloader) and self.launcher.renewing
        if self.reloading and not coming and not self.roster.to_renew:
            log.info("All workers have been replaced")
            self.roster.drop_old_spares()
            self._end_reload()

    def _end_reload(self) -> None:
        if self.reloading:
            self.reloading = False
            self.notifier.send("READY=1")

    def _keep_old(self, child: Child, code: int) -> None:
        """What was to take over can't: what there is goes on."""
        log.error(
            "The new %s %s before it was ready: the old code goes on",
            child,
            describe_exit(code),
        )
        self.roster.to_renew.clear()
        self._end_reload()

    # --- What children say ----------------------------------------------------

    def _on_message(self, child: Child, message: Message) -> None:
        kind = message["type"]
        if kind == "ready":
            child.ready = True
            log.debug("%s is ready", child)
        if isinstance(child, Worker):
            self._on_worker(child, message)
        elif isinstance(child, Zygote) and kind == "ready":
            assert isinstance(self.launcher, Preloader)
            if self.launcher.on_ready(child) and self.reloading:
                self.roster.renew_all()

    def _on_worker(self, worker: Worker, message: Message) -> None:
        kind = message["type"]
        if kind == "ready":
            self.about = message
            self.metrics.spare(worker)
        elif kind == "serving":
            self.roster.on_serving(worker)
            if not self.announced and not self.stopping and self.roster.complete:
                self._announce()
        elif kind == "pong":
            worker.ping_sent = None
            if message["stuck"] and not worker.stopping:
                self.health.on_stuck(worker, message["stuck"])
        elif kind == "spent":
            self.roster.renew(worker, message["reason"], "max_requests")

    def _announce(self) -> None:
        self.announced = True
        banner.show(self.config, list(self.listening), self.about)
        self.quarantine.warn_of_strays(
            [*self.about["native"], *self.about["lifted_routes"]]
        )
        self.metrics.show()
        self.notifier.send("READY=1")

    # --- Routes that are not to run -------------------------------------------

    def _take_reports(self) -> None:
        hung = {child.pid for child in self.children.all if child.aborted}
        for crash in self.reports.take():
            if crash.pid not in hung:  # it was us who ended it
                self.quarantine.on_crash(crash)

    def _tell_of_routes(self) -> None:
        for worker in self.roster.workers:
            self._tell_of_routes_to(worker)

    def _tell_of_routes_to(self, worker: Worker) -> None:
        worker.channel.send("switch", **self.quarantine.message())

    # --- How children end ------------------------------------------------------

    def _on_exit(self, child: Child, code: int) -> None:
        self._take_reports()  # it comes before the end that it explains
        if isinstance(child, Worker):
            self.metrics.ended(child)
        if isinstance(child, Zygote):
            self._on_zygote_exit(child, code)
        elif self.stopping:
            told = (0, -signal.SIGKILL, 0 if child.ready else -signal.SIGTERM)
            if code not in told and self.exit_code == 0:
                self.exit_code = code if code > 0 else EXIT_FAILED
        elif isinstance(child, Worker) and (child.aborted or not child.stopping):
            if child.ready:
                self._replace(child, code)
            elif self.announced:
                self._on_failed_start(child, code)
            else:
                # The very first start: a mistake, not an accident.
                self._fail(child, code)

    def _on_zygote_exit(self, zygote: Zygote, code: int) -> None:
        assert isinstance(self.launcher, Preloader)
        failed = self.launcher.on_exit(zygote)
        if zygote.stopping or self.stopping:
            return
        if not failed:
            log.error("%s %s; starting another one", zygote, describe_exit(code))
        elif self.announced:
            self._keep_old(zygote, code)
        else:
            self._fail(zygote, code)

    def _fail(self, child: Child, code: int) -> None:
        if code < 0:
            log.error("%s %s while starting", child, describe_exit(code))
        self.exit_code = code if code > 0 else EXIT_FAILED
        self._stop()

    def _on_failed_start(self, worker: Worker, code: int) -> None:
        if self.reloading and worker.generation == self.roster.generation:
            self._keep_old(worker, code)
            self.roster.pause()
        else:
            self._replace(worker, code)

    def _replace(self, worker: Worker, code: int) -> None:
        died = "signal" if code < 0 else "exit"
        self.metrics.restarted("hung" if worker.aborted else died)
        log.error("%s %s; replacing it", worker, describe_exit(code))
        self.roster.pause(time.monotonic() - worker.started if worker.ready else 0.0)


def supervise(config: Config) -> int:
    """Serve by workers until a signal; the process's exit status."""
    kind = Supervisor
    if config.dev or config.reload:
        from .dev import DevSupervisor  # which needs watchfiles

        kind = DevSupervisor
    try:
        with contextlib.ExitStack() as on_error:
            listening = sockets.bind(config)
            on_error.callback(listening.close)
            supervisor = kind(config, listening)
            on_error.pop_all()
    except BindError as error:  # of the metrics' port too
        log.error("%s", error)
        return EXIT_FAILED
    return supervisor.run()
