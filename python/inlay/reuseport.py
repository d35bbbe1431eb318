"""SO_REUSEPORT: which sockets of a group the kernel gives new clients to.

By itself it takes any, also one that is about to be closed, with whoever
waits in its queue. A classic BPF program says otherwise.
"""

from __future__ import annotations

import ctypes
import socket
import struct

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
    program = b"".join(
        struct.pack("=HBBI", *step)
        for step in (
            (0x20, 0, 0, _RANDOM),  # A = random
            (0x94, 0, 0, count),  # A %= count
            (0x16, 0, 0, 0),  # return A
        )
    )
    memory = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HP", len(program) // 8, ctypes.addressof(memory))
    sock.setsockopt(socket.SOL_SOCKET, _ATTACH, head)


def use_all(sock: socket.socket) -> None:
    """Undo `use_first`."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _DETACH, 0)
    except OSError:
        pass  # there was no such program
