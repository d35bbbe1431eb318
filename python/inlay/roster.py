"""Which workers there are, and which there should be.

Every worker begins as a spare; one that is ready is given a slot, a place
among those that serve, and with it the listening sockets. Which workers are
started, given a slot or retired follows from how things are (`settle`),
whatever it was that changed them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from .child import Children
from .config import Config
from .health import Worker
from .logs import log
from .metrics import Metrics
from .preload import Launcher
from .sockets import Listening

_BACKOFF_FIRST = 0.1
_BACKOFF_MOST = 5.0
_STABLE_AFTER = 5.0  # seconds a worker must live to end the back-off
_KILL_MARGIN = 5.0  # seconds past the graceful deadline before SIGKILL
_ARRIVAL = 1.0  # seconds in which clients of a closing socket have connected


class Roster:
    """The workers of a supervisor. `config` is what new ones are given."""

    def __init__(
        self,
        config: Config,
        listening: Listening,
        children: Children,
        launcher: Launcher,
        metrics: Metrics,
    ) -> None:
        self.config = config
        self.launcher = launcher
        self.slots = config.workers
        self.generation = 0  # of the application's code
        self.to_renew: deque[Worker] = deque()  # one at a time
        self.not_before = 0.0  # no worker is started before
        self.on_start: Callable[[Worker], None] = lambda worker: None
        self._listening = listening
        self._children = children
        self._metrics = metrics
        self._closing: dict[int, float] = {}  # slots to be given up: when
        self._leaving: Worker | None = None  # the last one that was succeeded
        self._backoff = _BACKOFF_FIRST

    # --- How things are --------------------------------------------------------

    @property
    def workers(self) -> list[Worker]:
        return [child for child in self._children.all if isinstance(child, Worker)]

    @property
    def patience(self) -> float:
        """Seconds a worker has for its end."""
        return self.config.timeout_graceful_shutdown + _KILL_MARGIN

    @property
    def serving(self) -> int:
        """How many accept clients, and will go on to."""
        return sum(w.serving and not w.stopping for w in self.workers)

    @property
    def complete(self) -> bool:
        """Do all serve that should?"""
        holders = [w for w in self.workers if _holds_slot(w)]
        return not self.vacant() and all(w.serving for w in holders)

    def vacant(self) -> list[int]:
        """Slots without a worker."""
        held = {w.slot for w in self.workers if _holds_slot(w)}
        return [slot for slot in range(self.slots) if slot not in held]

    def _spares(self) -> list[Worker]:
        return [w for w in self.workers if w.slot is None and not w.stopping]

    def next_look(self, now: float) -> float:
        """When `settle` has to be called, if nothing happens."""
        moments = [self.not_before, self.launcher.not_before, *self._closing.values()]
        return min((m for m in moments if m > now), default=float("inf"))

    # --- What is wanted --------------------------------------------------------

    def more(self) -> None:
        self._closing.pop(self.slots, None)
        self.slots += 1
        log.info("There are to be %d workers", self.slots)

    def fewer(self) -> None:
        if self.slots <= 1:
            log.info("There is one worker only: no fewer")
            return
        self.slots -= 1
        log.info("There are to be %d workers", self.slots)
        wait = _ARRIVAL if self._listening.empty_slot(self.slots) else 0.0
        self._closing[self.slots] = time.monotonic() + wait

    def renew_all(self) -> None:
        """There is new code: another worker for each, one by one."""
        self.generation += 1
        for worker in self._spares():
            # One that is starting may have read the old code already.
            if not worker.ready:
                worker.retire(self.patience)
        self.to_renew = deque(w for w in self.workers if _holds_slot(w))

    def renew(self, worker: Worker, why: str, reason: str) -> None:
        """Another one in its place, as soon as that is ready."""
        if worker not in self.to_renew and _holds_slot(worker):
            worker.reason = reason
            log.info("%s %s: replacing it", worker, why)
            self.to_renew.append(worker)

    def drop_old_spares(self) -> None:
        """Those with older code than the workers have."""
        for worker in self._spares():
            if worker.generation < self.generation:
                worker.retire(self.patience)

    def pause(self, lived: float = 0.0) -> None:
        """A worker could not be started, or ended after `lived` seconds: start
        none for a while, each time longer."""
        if lived >= _STABLE_AFTER:
            self._backoff = _BACKOFF_FIRST
            return
        self.not_before = time.monotonic() + self._backoff
        self._backoff = min(self._backoff * 2, _BACKOFF_MOST)

    # --- What is to be done ------------------------------------------------------

    def settle(self) -> None:
        """From how things are to how they should be, as far as that goes now."""
        self._close_slots()
        self.launcher.prepare()
        # New code first; if there is none, better old code than no service.
        ready = sorted(
            (w for w in self._spares() if w.ready), key=lambda w: -w.generation
        )
        for slot in self.vacant():
            if ready:
                self._give(ready.pop(0), slot)
        self._renew(ready)
        self._populate()

    def on_serving(self, worker: Worker) -> None:
        """It accepts clients: whoever had its slot before may go."""
        worker.serving = True
        self._metrics.serving(worker)
        for other in self.workers:
            if other is not worker and other.slot == worker.slot and not other.stopping:
                other.retire(self.patience)
                self._metrics.restarted(other.reason)
                self._leaving = other

    def _give(self, worker: Worker, slot: int) -> None:
        """Have it serve: it gets the sockets, and says when it accepts."""
        try:
            sockets = self._listening.of_slot(slot)
        except OSError as error:
            log.error("No socket for another worker: %s", error)
            self.pause()
            return
        worker.slot = slot
        worker.channel.send("serve", [sock.fileno() for sock in sockets])

    def _next_to_renew(self) -> Worker | None:
        while self.to_renew and not _holds_slot(self.to_renew[0]):
            self.to_renew.popleft()
        # One by one: the one before has to be gone.
        if not self.to_renew or not (self._leaving is None or self._leaving.gone):
            return None
        return self.to_renew[0]

    def _has_successor(self, old: Worker) -> bool:
        return any(
            w is not old and w.slot == old.slot and not w.stopping for w in self.workers
        )

    def _renew(self, ready: list[Worker]) -> None:
        old = self._next_to_renew()
        if old is None or old.slot is None or self._has_successor(old):
            return
        for worker in ready:
            if worker.generation == self.generation:
                self._give(worker, old.slot)
                return

    def _populate(self) -> None:
        """Start workers for what is not filled; end those for whom there is
        no use."""
        spares = self._spares()
        current = [w for w in spares if w.generation == self.generation]
        old = len(spares) - len(current)
        wanted = len(self.vacant()) + max(0, self.config.spare - old)
        renewed = self._next_to_renew()
        if renewed is not None and not self._has_successor(renewed):
            wanted += 1
        for worker in current[wanted:]:
            worker.retire(self.patience)
        for _ in range(wanted - len(current)):
            if time.monotonic() < self.not_before or not self.launcher.ready:
                break
            self._start()

    def _start(self) -> None:
        used = {w.number for w in self.workers}
        number = next(n for n in range(len(used) + 1) if n not in used)
        try:
            worker = self.launcher.launch(self.config, number)
        except OSError as error:
            self.pause()
            log.error(
                "A worker can't be started: %s. Trying again in %.1f s",
                error,
                self.not_before - time.monotonic(),
            )
            return
        worker.number = number
        worker.generation = self.generation
        self._metrics.started(worker)
        self.on_start(worker)

    def _close_slots(self) -> None:
        now = time.monotonic()
        for slot, moment in list(self._closing.items()):
            if now < moment:
                continue
            holders = [w for w in self.workers if w.slot == slot]
            for worker in holders:
                worker.retire(self.patience)
            if not holders:
                del self._closing[slot]
                if not self._closing:
                    self._listening.drop_slots(self.slots)


def _holds_slot(worker: Worker) -> bool:
    return worker.slot is not None and not worker.stopping
