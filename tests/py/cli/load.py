"""Clients that ask without a pause, and count every request that fails."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter


class Load:
    """`with Load(port) as load:` half of the clients keep their connections.

    `answers` counts bodies; `failures` says how requests failed, `refused`
    how many connections were.
    """

    def __init__(self, port: int, clients: int = 8, path: str = "/") -> None:
        self.port = port
        self.path = path
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self.refused = 0
        self.done = threading.Event()
        self.asked = [0] * clients  # by each, answered or not
        self.threads = [
            threading.Thread(target=self._ask, args=(number,), daemon=True)
            for number in range(clients)
        ]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        self.wait(lambda: self.total >= 2 * len(self.threads))
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join(30)

    @property
    def total(self) -> int:
        return sum(self.answers.copy().values())

    def wait(self, condition, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.answers, self.failures)
            time.sleep(0.01)

    def go_on(self) -> None:
        """Until each has asked some more."""
        before = self.asked.copy()
        self.wait(
            lambda: all(
                now >= then + 5 for now, then in zip(self.asked, before, strict=True)
            )
        )

    def _ask(self, number: int) -> None:
        keep = number % 2 == 0
        connection: http.client.HTTPConnection | None = None
        while not self.done.is_set():
            if connection is None:
                connection = http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=20
                )
                try:
                    connection.connect()
                except OSError:
                    self.refused += 1
                    connection = None
                    time.sleep(0.01)
                    continue
            self.asked[number] += 1
            try:
                connection.request("GET", self.path)
                answer = connection.getresponse()
                body = answer.read().decode()
                if answer.status != 200:
                    raise http.client.HTTPException(f"status {answer.status}")
                self.answers[body] += 1
                if keep and not answer.will_close:
                    continue
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            connection.close()
            connection = None
