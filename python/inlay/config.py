"""What a server is started with: one frozen record, from the command line to
the workers.

Times are seconds, sizes are bytes. Names are uvicorn's wherever uvicorn has
one. `to_json` and `from_json` carry a record from the supervisor to a worker.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

KIB = 1024
MIB = 1024 * KIB

# What a process ends with, besides 0.
EXIT_FAILED = 1
EXIT_STARTUP = 3  # as uvicorn: the application's start-up failed


@dataclass(frozen=True)
class Config:
    """Every setting of `inlay run`, with its default."""

    target: str
    # Where
    host: str = "127.0.0.1"
    port: int = 8000
    uds: str | None = None
    uds_permissions: int = 0o666
    fd: int | None = None  # inherited, listening
    bind: tuple[str, ...] = ()  # HOST:PORT, unix:PATH, fd://N; instead of the above
    reuse_port: bool = False  # a socket for each worker, not one for all
    backlog: int = 2048
    # What
    app_dir: str = ""
    factory: bool = False
    interface: str = "auto"
    loop: str = "auto"
    lifespan: str = "auto"
    ws: str = "auto"  # "none": WebSockets are not served
    root_path: str = ""
    env_file: str | None = None
    docs: bool = True  # /openapi.json and /docs, without an application
    lift: bool = True  # endpoints that are C are answered without Python
    lift_past: tuple[str, ...] = ()  # middleware that they may go past
    dev: bool = False  # `inlay dev`: swap and replace on change
    problem: str = ""  # served as text instead of TARGET, in dev
    # Processes and threads
    workers: int = 1
    spare: int = 0  # workers that wait, started, for another one's end
    preload: bool = False  # import once, fork workers off that
    io_threads: int = 1
    reload: bool = False
    reload_dirs: tuple[str, ...] = ()
    reload_includes: tuple[str, ...] = ()
    reload_excludes: tuple[str, ...] = ()
    reload_delay: float = 0.25
    limit_max_requests: int = 0  # then a worker is replaced; 0: never
    limit_max_requests_jitter: int = 0  # up to so many more
    limit_memory: int = 0  # resident bytes of a worker, likewise
    timeout_worker_healthcheck: float = 30.0  # a loop that hangs; 0: for ever
    timeout_graceful_shutdown: float = 10.0
    native_off: tuple[str, ...] = ()  # patterns of native routes that don't run
    quarantine_crashes: int = 3  # of one route, then it does not run; 0: never
    quarantine_window: float = 600.0  # seconds in which they count
    control: str | None = None  # Unix socket for `inlay ctl`
    watchdog: float = 0.1  # seconds that C may hold an I/O thread; 0: any
    # Databases
    # "URL", "name=URL"; they have passwords, so they are shown nowhere.
    db: tuple[str, ...] = field(default=(), repr=False)
    db_min_size: int = 0  # connections of a worker that stay
    db_max_size: int = 10
    db_pool_timeout: float = 10.0  # for a connection; then 503
    db_statement_timeout: float = 30.0  # 0: any time
    db_statement_cache: int = 256  # prepared, per connection; 0: none
    # Log and metrics
    log_level: str = "info"
    log_config: str | None = None
    access_log: bool = True
    access_log_format: str = "uvicorn"  # combined, json, or %(name)s text
    use_colors: bool | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    health_path: str = ""  # answered by the I/O thread; "": none
    request_id: bool = False  # x-request-id is made, logged, sent back
    server_timing: bool = False
    # Headers, proxies
    server_header: bool = True
    date_header: bool = True
    headers: tuple[str, ...] = ()  # "Name: value", of every answer
    proxy_headers: bool = True
    forwarded_allow_ips: str = "127.0.0.1,::1"
    proxy_protocol: bool = False  # every connection begins with its header
    # Layers: before everybody who answers
    cors_origin: tuple[str, ...] = ()  # none: no cross-origin headers
    cors_method: tuple[str, ...] = ("GET",)
    cors_header: tuple[str, ...] = ()
    cors_expose_header: tuple[str, ...] = ()
    cors_credentials: bool = False
    cors_max_age: int = 600  # seconds that a preflight's answer is kept
    rate_limit: tuple[str, ...] = ()  # "100/minute", "/login=5/minute"
    concurrency: tuple[str, ...] = ()  # "/report=2"
    timeout: tuple[str, ...] = ()  # "/report=3s"
    accept: tuple[str, ...] = ()  # "/report=text/csv text/html"
    # Files and encoding
    static: tuple[str, ...] = ()  # "/path=folder"
    static_index: str = "index.html"
    static_max_age: int = -1  # seconds of cache-control; -1: no such header
    compress: tuple[str, ...] = ()  # of zstd, br, gzip
    compress_min_size: int = 1024
    compress_types: tuple[str, ...] = (
        "text/*",
        "application/json",
        "application/javascript",
        "application/xml",
        "application/wasm",
        "application/*+json",
        "application/*+xml",
        "image/svg+xml",
    )
    # WebSocket
    ws_max_size: int = 16 * MIB
    ws_max_queue: int = 32
    ws_ping_interval: float = 20.0
    ws_ping_timeout: float = 20.0
    ws_per_message_deflate: bool = True
    # Timeouts
    timeout_keep_alive: float = 5.0
    timeout_header: float = 10.0
    timeout_body: float = 30.0
    timeout_write: float = 60.0
    timeout_request: float = 0.0  # from the head to the answer's begin
    timeout_queue: float = 10.0  # in the queue of limit_queue
    # Limits
    limit_head_bytes: int = 64 * KIB
    limit_header_count: int = 100
    limit_trailer_bytes: int = 16 * KIB
    limit_body_bytes: int = 0
    limit_native_body_bytes: int = 8 * MIB
    limit_form_bytes: int = 64 * MIB  # a form to a native route, with its files
    limit_form_fields: int = 1000
    limit_form_files: int = 1000
    limit_form_field_bytes: int = 1 * MIB
    limit_form_file_memory: int = 1 * MIB  # larger files go to disk
    limit_request_memory: int = 64 * MIB
    limit_body_rate: int = 240  # bytes a second that a body must come with
    limit_connections: int = 65_536
    limit_address_connections: int = 0
    limit_concurrency: int = 0  # requests of the application at once; then 503
    limit_queue: int = 0  # requests that wait for that instead
    body_window: int = 64 * KIB
    write_window: int = 256 * KIB

    def to_json(self) -> str:
        """All fields as one JSON object."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Config:
        """The record that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = tuple(value)
        return cls(**values)

    @property
    def address(self) -> str:
        """Where clients reach it, for people: a URL or a socket's path."""
        if self.uds is not None:
            return f"unix:{self.uds}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"
