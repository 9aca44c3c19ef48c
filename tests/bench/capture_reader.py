"""How fast captures are read: beside scapy's dissection of the same packets, and a million of them."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

COMPARED_PACKETS = 100_000
DISSECTED_PACKETS = 10_000  # scapy takes 0.16 ms for each: of the same file only so many
LONG_PACKETS = 1_000_000
PORT = 8000
EXCHANGE_PACKETS = 2_000  # an upload of 2.8 MB, half of them acknowledgements, and its response
_SNAP_BYTES = 96
_HEADER_BYTES = 66


def read_rate_ratio(folder: Path) -> dict[str, float]:
    """`ratio`: scapy's time for a packet over ours; `read_s`, `transfers_s`: of a million packets.

    `transfers_s` is the time from packets to transfers, which comes on top of the reading.
    """
    from scapy.layers.inet import TCP
    from scapy.layers.l2 import Ether  # noqa: F401  (without it scapy takes frames for raw bytes)
    from scapy.utils import PcapReader

    from collectors.packets import Packet, read_segments, transfers_on_wire

    short = written(folder / "short.pcap", COMPARED_PACKETS)
    read_segments(short)  # scapy's import, the file in memory
    ours_s = min(seconds(lambda: read_segments(short)) for _ in range(3)) / COMPARED_PACKETS
    with PcapReader(str(short)) as reader:
        theirs_s = seconds(lambda: [one[TCP].seq for one in islice(reader, DISSECTED_PACKETS)]) / DISSECTED_PACKETS

    long = written(folder / "long.pcap", LONG_PACKETS)
    packets: list[Packet] = []
    read_s = seconds(lambda: packets.extend(read_segments(long)))
    assert len(packets) == LONG_PACKETS
    transfers_s = seconds(lambda: transfers_on_wire(packets, server_port=PORT))
    return {
        "ratio": round(theirs_s / ours_s, 1),
        "read_s": round(read_s, 2),
        "transfers_s": round(transfers_s, 2),
        "packets": LONG_PACKETS,
    }


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def written(path: Path, count: int) -> Path:
    """A capture of four clients' uploads, each packet from a template with its own numbers and stamp."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, _SNAP_BYTES, 1))
        sent = [1] * 4
        answered = [1] * 4
        for number in range(count):
            client, turn = number % 4, number // 4 % EXCHANGE_PACKETS
            by_client = turn % 2 == 0
            payload_bytes = 1448 if by_client else 300 if turn == EXCHANGE_PACKETS - 1 else 0
            ends = (40_000 + client, PORT) if by_client else (PORT, 40_000 + client)
            numbers = (sent[client], answered[client]) if by_client else (answered[client], sent[client])
            file.write(_record(number, ends, numbers, payload_bytes, client))
            (sent if by_client else answered)[client] += payload_bytes
    return path


def _record(number: int, ends: tuple[int, int], numbers: tuple[int, int], payload_bytes: int, client: int) -> bytes:
    addresses = (bytes([10, 0, 0, 1]), bytes([10, 0, 0, 10 + client]))
    source, target = addresses if ends[0] == PORT else addresses[::-1]
    ip = struct.pack("!BxHxxxxBBxx4s4s", 0x45, 52 + payload_bytes, 64, 6, source, target)
    tcp = struct.pack("!HHIIBBHxxxx12x", *ends, *(one % 2**32 for one in numbers), 0x80, 0x10, 500)
    frame = bytes(12) + b"\x08\x00" + ip + tcp + b"x" * min(payload_bytes, _SNAP_BYTES - _HEADER_BYTES)
    stamp = divmod(number * 76_923, 10**9)  # 13 k packets a second
    return struct.pack("<IIII", 1_700_000_000 + stamp[0], stamp[1], len(frame), _HEADER_BYTES + payload_bytes) + frame
