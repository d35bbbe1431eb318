"""Listening sockets, made once by the supervisor and handed to its workers."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import inherited, reuseport
from .config import Config


class BindError(Exception):
    """The address can't be listened on; the message says why."""


@dataclass(frozen=True)
class Address:
    """Where to listen: a host and port, the path of a Unix socket (one that
    begins with @ is abstract), or an inherited descriptor or its name."""

    host: str = ""
    port: int = -1
    path: str = ""
    fd: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        if self.fd:
            return f"fd://{self.fd}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def parse(text: str) -> Address:
    """HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH, unix:@NAME, fd://N, fd://NAME.

    Raises BindError.
    """
    if text.startswith("unix:"):
        path = text[5:]
        if path := path[2:] if path.startswith("//") else path:
            return Address(path=path)
    elif text.startswith("fd://"):
        if fd := text[5:]:
            return Address(fd=fd)
    else:
        found = re.fullmatch(r"(?:\[([^\[\]]*)\]|([^:\[\]]*)):(\d{1,5})", text)
        if found and int(found[3]) < 65536:
            return Address(host=found[1] or found[2] or "", port=int(found[3]))
    raise BindError(
        f'"{text}" is no address: write HOST:PORT, [IPV6]:PORT, unix:PATH, '
        "unix:@NAME or fd://NUMBER"
    )


def _addresses(config: Config, activated: inherited.Sockets) -> list[Address]:
    if config.bind:
        return [parse(text) for text in config.bind]
    if config.fd is not None:
        return [Address(fd=str(config.fd))]
    if config.uds is not None:
        return [Address(path=config.uds)]
    usual = (config.host, config.port) == (Config.host, Config.port)
    if usual and activated.fds:
        return [Address(fd=str(fd)) for fd in activated.fds]
    return [Address(host=config.host, port=config.port)]


class Listening:
    """Bound, listening sockets: one set for all slots, or one for each.

    A slot is one worker's place. With `reuse_port` each has TCP sockets of its
    own, opened in order, that stay with it when the worker is another one:
    who waits in their queues is served by that.
    """

    def __init__(
        self,
        sets: list[list[socket.socket]],
        config: Config,
        owned: dict[str, int],
        adopted: Sequence[socket.socket] = (),
    ) -> None:
        self._sets = sets
        self._adopted = adopted  # others may have them too
        self._config = config
        self._owned = owned  # path of a socket file -> its inode

    def __iter__(self) -> Iterator[socket.socket]:
        return iter(self._sets[0])

    def __len__(self) -> int:
        return len(self._sets[0])

    def of_slot(self, slot: int) -> list[socket.socket]:
        """The sockets of a slot; OSError when they can't be made."""
        if not self._config.reuse_port:
            return self._sets[0]
        while len(self._sets) <= slot:
            self._sets.append([self._sibling(sock) for sock in self])
        for sock in self:
            if reuseport.shared(sock):
                reuseport.use_all(sock)
        return self._sets[slot]

    def _sibling(self, sock: socket.socket) -> socket.socket:
        if not reuseport.shared(sock):
            return sock
        sibling = _new_tcp(sock.family, sock.proto, reuse_port=True)
        try:
            sibling.bind(sock.getsockname())
            _listen(sibling, self._config.backlog)
        except OSError:
            sibling.close()
            raise
        return sibling

    def empty_slot(self, slot: int) -> bool:
        """No new clients for this slot, the last one; are there sockets to be
        dropped once those that are on their way have arrived?"""
        if not self._config.reuse_port or len(self._sets) <= slot:
            return False
        for sock in self:
            if reuseport.shared(sock):
                reuseport.use_first(sock, slot)
        return True

    def drop_slots(self, count: int) -> None:
        """Close the sockets of all slots but the first `count`, whose workers
        have ended."""
        while len(self._sets) > max(count, 1):
            for sock in self._sets.pop():
                if sock not in self._sets[0]:
                    sock.close()

    def refuse(self) -> None:
        """No new clients from now on: all sockets are about to be closed, and
        nobody is to come between the last accept and that."""
        for sock in {sock for each in self._sets for sock in each}:
            if sock.family != socket.AF_UNIX and sock not in self._adopted:
                with contextlib.suppress(OSError):
                    reuseport.use_none(sock)

    def close(self) -> None:
        """Close them all, and remove the socket files that are still ours."""
        for sock in {sock for each in self._sets for sock in each}:
            sock.close()
        for path, inode in self._owned.items():
            with contextlib.suppress(OSError):
                if os.stat(path).st_ino == inode:
                    os.unlink(path)


def name(sock: socket.socket) -> str:
    """Where clients reach it: a URL, or the path of a Unix socket."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        text = os.fsdecode(name)
        return f"unix:@{text[1:]}" if text.startswith("\0") else f"unix:{text}"
    return str(Address(host=name[0], port=name[1]))


def bind(config: Config) -> Listening:
    """Sockets for the configured addresses, else those of systemd.

    A host name that stands for several addresses gets one socket for each.
    Raises BindError.
    """
    owned: dict[str, int] = {}
    sockets: list[socket.socket] = []
    adopted: list[socket.socket] = []
    with contextlib.ExitStack() as on_error:
        on_error.callback(lambda: Listening([sockets], config, owned).close())
        activated = inherited.take()
        for address in _addresses(config, activated):
            before = len(sockets)
            _bind(address, config, activated, sockets, owned)
            if address.fd:
                adopted += sockets[before:]
        on_error.pop_all()
    return Listening([sockets], config, owned, adopted)


def _bind(
    address: Address,
    config: Config,
    activated: inherited.Sockets,
    sockets: list[socket.socket],
    owned: dict[str, int],
) -> None:
    try:
        if address.fd:
            sockets += inherited.adopt(address.fd, activated, config.backlog)
        elif address.path:
            sockets.append(_bind_unix(address.path, config, owned))
        else:
            sockets += _bind_tcp(address, config)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        advice = _advice(address, getattr(error, "errno", None))
        raise BindError(
            f"cannot listen on {address}: {reason}{advice and f' ({advice})'}"
        ) from error


def _advice(address: Address, code: int | None) -> str:
    where = "socket" if address.path else "port"
    if code == errno.EADDRINUSE:
        return f"`ss -lp` shows who has it; stop that or choose another {where}"
    if code == errno.EACCES and 0 < address.port < 1024:
        return (
            "ports below 1024 take CAP_NET_BIND_SERVICE; choose another, or let "
            "systemd pass the socket"
        )
    if code == errno.EADDRNOTAVAIL:
        return "no network interface of this machine has that address"
    if code in (socket.EAI_NONAME, socket.EAI_AGAIN) and not address.path:
        return "the host name is not known here"
    if code in (errno.ENOENT, errno.EACCES) and address.path:
        return f"is there a folder {os.path.dirname(address.path) or '.'} to write to?"
    return ""


def _new_tcp(family: int, proto: int, reuse_port: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM, proto)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return sock


def _bind_tcp(where: Address, config: Config) -> list[socket.socket]:
    found = socket.getaddrinfo(
        where.host or None,
        where.port,
        type=socket.SOCK_STREAM,
        flags=socket.AI_PASSIVE,
    )
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    with contextlib.ExitStack() as on_error:
        for family, _, proto, _, address in dict.fromkeys(found):
            try:
                sock = _new_tcp(family, proto, config.reuse_port)
            except OSError as error:
                # A kernel without IPv6, where the name has both.
                if error.errno != errno.EAFNOSUPPORT:
                    raise
                absent = error
                continue
            on_error.callback(sock.close)
            if where.port == 0 and sockets:
                # One port for all addresses: the first one chose it.
                address = (address[0], sockets[0].getsockname()[1], *address[2:])
            sock.bind(address)
            _listen(sock, config.backlog)
            sockets.append(sock)
        if absent is not None and not sockets:
            raise absent
        on_error.pop_all()
    return sockets


def _bind_unix(path: str, config: Config, owned: dict[str, int]) -> socket.socket:
    abstract = path.startswith("@")
    if not abstract:
        _remove_left_over(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind("\0" + path[1:] if abstract else path)
        if not abstract:
            owned[path] = os.stat(path).st_ino
            # Nobody can connect before it listens.
            os.chmod(path, config.uds_permissions)
        _listen(sock, config.backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_left_over(path: str) -> None:
    """A socket file that nobody listens on is left from a killed server."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError(errno.EEXIST, "it exists and is not a socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            if probe.connect_ex(path) == errno.ECONNREFUSED:
                os.unlink(path)


def _listen(sock: socket.socket, backlog: int) -> None:
    sock.listen(backlog)
    sock.setblocking(False)
