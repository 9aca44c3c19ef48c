"""Capture files of both kinds, so that tests choose byte order, clock resolution, snap length and interfaces.

Sources: draft-ietf-opsawg-pcap, section 4; draft-ietf-opsawg-pcapng, section 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

SECTION, INTERFACE, SIMPLE, STATISTICS, ENHANCED = 0x0A0D0D0A, 1, 3, 5, 6


def pcap_file(
    link_type: int,
    packets: Iterable[tuple[int, bytes]],
    *,
    order: str = "<",
    nano: bool = True,
    snaplen: int = 1 << 18,
) -> bytes:
    """A classic file; packets are (ns, bytes on the wire)."""
    unit_ns = 1 if nano else 1000
    magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    parts = [struct.pack(order + "IHHIIII", magic, 2, 4, 0, 0, snaplen, link_type)]
    for wall_ns, data in packets:
        kept = data[:snaplen]
        seconds, rest_ns = divmod(wall_ns, 10**9)
        parts += [struct.pack(order + "IIII", seconds, rest_ns // unit_ns, len(kept), len(data)), kept]
    return b"".join(parts)


@dataclass(frozen=True)
class PcapngWriter:
    """Blocks in one byte order; `resolution` is the exponent of 10 that a tick is a second's part of."""

    order: str = "<"
    resolution: int = 9

    def block(self, kind: int, body: bytes) -> bytes:
        padded = body + bytes(-len(body) % 4)
        length = struct.pack(self.order + "I", len(padded) + 12)
        return struct.pack(self.order + "I", kind) + length + padded + length

    def section(self) -> bytes:
        return self.block(SECTION, struct.pack(self.order + "IHHq", 0x1A2B3C4D, 1, 0, -1))

    def interface(self, link_type: int, snaplen: int = 96) -> bytes:
        option = struct.pack(self.order + "HHB3x", 9, 1, self.resolution) + bytes(4)
        return self.block(INTERFACE, struct.pack(self.order + "HHI", link_type, 0, snaplen) + option)

    def packet(self, ticks: int, data: bytes, snaplen: int = 96, interface: int = 0) -> bytes:
        kept = data[:snaplen]
        head = struct.pack(self.order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(kept), len(data))
        return self.block(ENHANCED, head + kept)

    def simple(self, data: bytes) -> bytes:
        return self.block(SIMPLE, struct.pack(self.order + "I", len(data)) + data[:96])

    def statistics(self) -> bytes:
        return self.block(STATISTICS, struct.pack(self.order + "III", 0, 0, 0))

    def file(self, link_type: int, packets: Iterable[tuple[int, bytes]]) -> bytes:
        """One section, one interface, packets as (ticks, bytes), and the interface's statistics."""
        blocks = [self.packet(ticks, data) for ticks, data in packets]
        return b"".join([self.section(), self.interface(link_type), *blocks, self.statistics()])
