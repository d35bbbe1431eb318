"""What a server is started with: one frozen record, from the command line to
the workers.

Times are seconds, sizes are bytes. Names are uvicorn's wherever uvicorn has
one. `to_json` and `from_json` carry a record from the supervisor to a worker.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Config:
    """Every setting of `inlay run`, with its default."""

    target: str
    host: str = "127.0.0.1"
    port: int = 8000
    uds: str | None = None
    app_dir: str = ""
    factory: bool = False
    dev: bool = False  # `inlay dev`: swap and replace on change
    problem: str = ""  # served as text instead of TARGET, in dev
    workers: int = 1
    io_threads: int = 1
    loop: str = "auto"
    lifespan: str = "auto"
    root_path: str = ""
    backlog: int = 2048
    log_level: str = "info"
    access_log: bool = True
    use_colors: bool | None = None
    server_header: bool = True
    date_header: bool = True

    timeout_keep_alive: float = 5.0
    timeout_header: float = 10.0
    timeout_body: float = 30.0
    timeout_write: float = 60.0
    timeout_graceful_shutdown: float = 10.0

    limit_head_bytes: int = 64 * KIB
    limit_header_count: int = 100
    limit_trailer_bytes: int = 16 * KIB
    limit_body_bytes: int = 0
    limit_native_body_bytes: int = 8 * MIB
    limit_request_memory: int = 64 * MIB
    limit_connections: int = 65_536
    body_window: int = 64 * KIB
    write_window: int = 64 * KIB

    def to_json(self) -> str:
        """All fields as one JSON object."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Config:
        """The record that `to_json` wrote."""
        return cls(**json.loads(text))

    @property
    def address(self) -> str:
        """Where clients reach it, for people: a URL or a socket's path."""
        if self.uds is not None:
            return f"unix:{self.uds}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"
