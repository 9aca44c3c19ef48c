"""How long received bytes lay in the kernel before the application read them.

A process on a busy machine reads late: a SuperLink was seen to read the last bytes of a model 90 ms after their
packet had come. That time is the application's and not the network's. The kernel knows when a connection's last
data packet came (TCP_INFO), on every event loop, with TLS as without, and counts it in ticks of its own.
Source: struct tcp_info in linux/tcp.h; tcp_get_info() in net/ipv4/tcp.c makes tcpi_last_data_recv of jiffies.
"""

from __future__ import annotations

import struct
import threading
from socket import IPPROTO_TCP, TCP_INFO, socket
from typing import Any

from instrument.clock import kernel_tick_ns

# eight bytes, then 32-bit words: the twelfth is tcpi_last_data_recv
_LAST_DATA_RECV = struct.Struct("=8x44xI")
_SIZE = _LAST_DATA_RECV.size
TICK_NS = kernel_tick_ns()
# a count of ticks is right to one of them: less than two may be nothing
LEAST_TICKS = 2


def tcp_info(connection: Any) -> bytes | None:
    """What the kernel says of this TCP socket now, for `age_ns`; None where it says nothing."""
    try:
        if isinstance(connection, socket):
            return connection.getsockopt(IPPROTO_TCP, TCP_INFO, _SIZE)
        return _OWN.by_number(connection.fileno())
    except Exception:  # no socket, or one that is closed, not TCP, or of a system without TCP_INFO
        return None


class _Own(threading.local):
    """The calling thread's way to ask by a descriptor's number, with memory for the answer.

    An event loop's transport has no socket of Python's: uvloop makes one for each question, which takes a second
    system call and three times as long.
    """

    def __init__(self) -> None:
        import ctypes

        self._answer = ctypes.create_string_buffer(_SIZE)
        self._length = ctypes.c_uint32(_SIZE)
        self._answer_at, self._length_at = ctypes.byref(self._answer), ctypes.byref(self._length)
        # with the interpreter's lock held, as `socket.getsockopt` does
        self._getsockopt = ctypes.PyDLL(None).getsockopt

    def by_number(self, number: int) -> bytes | None:
        """What the kernel says of this descriptor's TCP socket; None where it says less than is asked."""
        if self._getsockopt(number, IPPROTO_TCP, TCP_INFO, self._answer_at, self._length_at) != 0:
            return None
        return self._answer.raw if self._length.value == _SIZE else None


_OWN = _Own()


def age_ns(info: bytes | None) -> int | None:
    """How long before `tcp_info` the socket's last data packet had come, up to a tick; None where it is not told."""
    if info is None or len(info) < _SIZE:
        return None
    age_ms: int = _LAST_DATA_RECV.unpack(info)[0]
    return age_ms * 1_000_000


def late_ms(age_ns: int | None) -> int | None:
    """Whole milliseconds of an age; 0 where the kernel's ticks cannot tell it from nothing."""
    if age_ns is None:
        return None
    return age_ns // 1_000_000 if age_ns >= LEAST_TICKS * TICK_NS else 0
