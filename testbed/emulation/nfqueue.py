"""The kernel's packet queue (NFQUEUE) as messages on a netlink socket. Standard library only.

A packet stays in the kernel; user space gets its id and its first 20 bytes (the IPv4 header), and answers with
a verdict. Source: linux/netfilter/nfnetlink_queue.h, linux/netfilter/nfnetlink.h.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

ACCEPT = 1
DROP = 0
_NETLINK_NETFILTER = 12
_SOL_NETLINK = 270
_NETLINK_NO_ENOBUFS = 5
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER_BYTES = 8 << 20
_QUEUE_PACKETS = 20_000
_HEADER_BYTES = 20  # of IPv4: what is copied of each packet
_NLM_F_REQUEST = 1
_NLM_F_ACK = 4
_SUBSYSTEM_QUEUE = 3 << 8
_TYPE_PACKET = _SUBSYSTEM_QUEUE | 0
_TYPE_VERDICT = _SUBSYSTEM_QUEUE | 1
_TYPE_CONFIG = _SUBSYSTEM_QUEUE | 2
_ATTRIBUTE_PACKET_HEADER = 1
_ATTRIBUTE_VERDICT_HEADER = 2
_CONFIG_COMMAND = 1
_CONFIG_PARAMETERS = 2
_CONFIG_QUEUE_MAX_PACKETS = 3
_COMMAND_BIND = 1
_COPY_PACKET = 2
_NLMSG_ERROR = 2

# netlink header (length, type, flags, sequence, port), netfilter header (family, version, queue), verdict attribute
_VERDICT = struct.Struct("=IHHII BB2s HH4s4s")
_VERDICT_NUMBERS = {ACCEPT: ACCEPT.to_bytes(4, "big"), DROP: DROP.to_bytes(4, "big")}
_TYPE_AT = struct.Struct("=H")


class Packet(NamedTuple):
    """A packet that waits in the kernel. Ids and addresses stay in network byte order: they are only keys here."""

    queue: bytes  # 2 bytes
    packet_id: bytes  # 4 bytes
    addresses: bytes  # 8 bytes: source and destination


def parse(message: bytes) -> Packet | None:
    """The packet of a kernel message; None for any other message.

    The kernel puts the packet header attribute first (bytes 20 to 31) and the copied 20 bytes last.
    """
    if len(message) < 52 or _TYPE_AT.unpack_from(message, 4)[0] != _TYPE_PACKET:
        return None
    return Packet(message[18:20], message[24:28], message[-8:])


def verdict(packet: Packet, number: int) -> bytes:
    """The message that lets a packet go (ACCEPT) or ends it (DROP)."""
    return _VERDICT.pack(
        _VERDICT.size, _TYPE_VERDICT, _NLM_F_REQUEST, 0, 0, 0, 0, packet.queue,
        12, _ATTRIBUTE_VERDICT_HEADER, _VERDICT_NUMBERS[number], packet.packet_id,
    )  # fmt: skip


def queue_bytes(number: int) -> bytes:
    """A queue's number as packets carry it."""
    return number.to_bytes(2, "big")


def open_queues(numbers: Iterable[int]) -> socket.socket:
    """A socket bound to the queues of this network namespace. Raises OSError where the kernel refuses."""
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    try:
        link.bind((0, 0))
        _grow_receive_buffer(link)
        for number in numbers:
            for attribute in _configuration():
                _ask(link, number, attribute)
    except BaseException:
        link.close()
        raise
    return link


def _grow_receive_buffer(link: socket.socket) -> None:
    try:
        link.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
    except PermissionError:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
    with contextlib.suppress(OSError):
        link.setsockopt(_SOL_NETLINK, _NETLINK_NO_ENOBUFS, 0)


def _configuration() -> tuple[bytes, ...]:
    command = struct.pack("=BBH", _COMMAND_BIND, 0, 0)
    parameters = struct.pack(">IB", _HEADER_BYTES, _COPY_PACKET)
    return (
        _attribute(_CONFIG_COMMAND, command),
        _attribute(_CONFIG_PARAMETERS, parameters),
        _attribute(_CONFIG_QUEUE_MAX_PACKETS, struct.pack(">I", _QUEUE_PACKETS)),
    )


def _attribute(kind: int, value: bytes) -> bytes:
    padding = b"\0" * (-len(value) % 4)
    return struct.pack("=HH", 4 + len(value), kind) + value + padding


def _ask(link: socket.socket, queue: int, attribute: bytes) -> None:
    body = struct.pack("=BB", 0, 0) + queue_bytes(queue) + attribute
    header = struct.pack("=IHHII", 16 + len(body), _TYPE_CONFIG, _NLM_F_REQUEST | _NLM_F_ACK, 0, 0)
    link.send(header + body)
    answer = link.recv(4096)
    kind, status = _TYPE_AT.unpack_from(answer, 4)[0], struct.unpack_from("=i", answer, 16)[0]
    if kind == _NLMSG_ERROR and status < 0:
        raise OSError(-status, f"the kernel refused packet queue {queue}")
