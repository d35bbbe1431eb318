"""Listening sockets, bound once by the supervisor and shared by its workers."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from .config import Config


class BindError(Exception):
    """The address can't be listened on; the message says why."""


def bind(config: Config) -> list[socket.socket]:
    """Bound, listening and inheritable sockets for the configured address.

    A host name that stands for several addresses gets one socket for each.
    Raises BindError.
    """
    try:
        if config.uds is not None:
            return [_bind_unix(config.uds, config.backlog)]
        return _bind_tcp(config.host, config.port, config.backlog)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BindError(f"cannot listen on {config.address}: {reason}") from error


def _bind_tcp(host: str, port: int, backlog: int) -> list[socket.socket]:
    found = socket.getaddrinfo(
        host or None,
        port,
        type=socket.SOCK_STREAM,
        flags=socket.AI_PASSIVE,
    )
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as on_error:
        for family, kind, proto, _, address in dict.fromkeys(found):
            sock = socket.socket(family, kind, proto)
            on_error.callback(sock.close)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if port == 0 and sockets:
                # One port for all addresses: the first one chose it.
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            sock.bind(address)
            _listen(sock, backlog)
            sockets.append(sock)
        on_error.pop_all()
    return sockets


def _bind_unix(path: str, backlog: int) -> socket.socket:
    # A socket file that nobody listens on is left from a killed server.
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError(errno.EEXIST, "it exists and is not a socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            if probe.connect_ex(path) == errno.ECONNREFUSED:
                os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        os.chmod(path, 0o666)
        _listen(sock, backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _listen(sock: socket.socket, backlog: int) -> None:
    sock.listen(backlog)
    sock.setblocking(False)
    sock.set_inheritable(True)
