"""SO_REUSEPORT: which sockets of a group the kernel gives new clients to.

By itself it takes any, also one that is about to be closed, with whoever
waits in its queue. A classic BPF program says otherwise; also of a socket that
is alone.
"""

from __future__ import annotations

import ctypes
import socket
import struct

_FILTER = 26  # SO_ATTACH_FILTER
_ATTACH = 51  # SO_ATTACH_REUSEPORT_CBPF
_DETACH = 68  # SO_DETACH_REUSEPORT_BPF
_RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM


def shared(sock: socket.socket) -> bool:
    """May others bind the same address?"""
    return (
        sock.family != socket.AF_UNIX
        and sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) != 0
    )


def use_first(sock: socket.socket, count: int) -> None:
    """New clients of the group of `sock` go to the first `count` sockets, in
    the order in which they began to listen; one of them, by lot."""
    _attach(
        sock,
        _ATTACH,
        (0x20, 0, 0, _RANDOM),  # A = random
        (0x94, 0, 0, count),  # A %= count
        (0x16, 0, 0, 0),  # return A
    )


def use_all(sock: socket.socket) -> None:
    """Undo `use_first`."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
    except OSError:
        pass  # there was no such program


def use_none(sock: socket.socket) -> None:
    """No more new clients for this one, which is to be closed soon: they ask
    again after a second. Who waits in its queue can be accepted."""
    _attach(sock, _FILTER, (0x06, 0, 0, 0))  # keep 0 bytes of each packet


def _attach(sock: socket.socket, kind: int, *steps: tuple[int, int, int, int]) -> None:
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    memory = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HP", len(steps), ctypes.addressof(memory))
    sock.setsockopt(socket.SOL_SOCKET, kind, head)
