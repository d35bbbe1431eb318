"""Listening sockets that others have made: systemd's (sd_listen_fds(3)), --fd."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass

_FIRST = 3  # SD_LISTEN_FDS_START


@dataclass(frozen=True)
class Sockets:
    """What systemd has passed: descriptors, and a name for each."""

    fds: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


def take(environ: MutableMapping[str, str] = os.environ) -> Sockets:
    """Those of this process; the variables go, they are not for workers."""
    pid = environ.pop("LISTEN_PID", "")
    count = environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return Sockets()
    fds = range(_FIRST, _FIRST + int(count))
    for fd in fds:
        os.set_inheritable(fd, False)
    return Sockets(tuple(fds), tuple(names) if len(names) == len(fds) else ())


def adopt(which: str, activated: Sockets, backlog: int) -> list[socket.socket]:
    """The socket of a descriptor, or those of a name. OSError.

    One that listens keeps its own backlog.
    """
    if which.isdecimal():
        fds = [int(which)]
    else:
        fds = [
            fd
            for fd, name in zip(activated.fds, activated.names, strict=False)
            if name == which
        ]
        if not fds:
            given = ", ".join(activated.names) or "none"
            raise OSError(
                errno.ENOENT,
                f"systemd has passed no socket of that name, but: {given}",
            )
    return [_adopt(fd, backlog) for fd in fds]


def _adopt(fd: int, backlog: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=fd)
    except OSError as error:
        reason = {
            errno.EBADF: f"descriptor {fd} is not open",
            errno.ENOTSOCK: f"descriptor {fd} is not a socket",
        }
        if error.errno not in reason:
            raise
        raise OSError(error.errno, reason[error.errno]) from None
    try:
        _check(sock, fd)
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.listen(backlog)
    except OSError:
        sock.detach()
        raise
    sock.setblocking(False)
    sock.set_inheritable(False)
    return sock


def _check(sock: socket.socket, fd: int) -> None:
    if sock.type != socket.SOCK_STREAM:
        raise OSError(errno.EINVAL, f"descriptor {fd} is not a stream socket")
    if sock.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        raise OSError(
            errno.EINVAL, f"descriptor {fd} is neither a TCP nor a Unix socket"
        )
    try:
        sock.getpeername()
    except OSError:
        return
    raise OSError(
        errno.EINVAL,
        f"descriptor {fd} is a connection; systemd's unit needs Accept=no",
    )
