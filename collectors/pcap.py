"""Capture files: scapy reads the file's records, `segments` reads the records, about 4 us a packet together.

scapy brings both byte orders, micro- and nanosecond stamps, pcapng and gzip; of scapy only `scapy.utils` is
imported, and only where a file is read (none of its layers, which take seconds and look at this host's routes).
Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from collectors.errors import CaptureError
from collectors.segments import LINK_TYPES, Packet, segment

_FILE_HEADER_BYTES, _RECORD_HEADER_BYTES, _BLOCK_HEADER_BYTES = 24, 16, 8
_LONGEST_RECORD_BYTES = 0xFFFF  # scapy gives no more of a record, which is more than its headers


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFile:
    """A capture, read: its TCP segments in file order, and how much of the file is none.

    `unread_packets` are records without a whole TCP header: other protocols, fragments, cut or malformed packets,
    packets without a stamp. `torn_bytes` is what follows the last whole record: tcpdump was killed, or the file is
    damaged there (of a gzip file that ends too early at least 1: how much is missing, nobody knows).
    """

    packets: list[Packet]
    unread_packets: int
    torn_bytes: int


def read_segments(path: Path) -> list[Packet]:
    """The TCP segments of a capture file, in file order. Raises CaptureError for what is no such file."""
    return read_capture(path).packets


def read_capture(path: Path) -> CaptureFile:
    """A capture file, with what could not be read of it. Raises CaptureError for what is no such file."""
    from scapy.error import Scapy_Exception
    from scapy.utils import RawPcapNgReader, RawPcapReader

    open_reader: Any = RawPcapReader  # takes an open file too, which its annotation does not say
    try:
        with path.open("rb") as stream, _without_scapys_warnings():
            try:
                reader = open_reader(stream)
            except Scapy_Exception as error:
                raise CaptureError(_no_capture(path)) from error
            with reader:
                return _of_blocks(reader, path) if isinstance(reader, RawPcapNgReader) else _of_records(reader, path)
    except OSError as error:
        raise CaptureError(f"cannot read {path}: {error.strerror or error}") from error


def _of_records(reader: Any, path: Path) -> CaptureFile:
    """A classic file: 16 bytes before each record."""
    link_type = _checked(reader.linktype & 0xFFFF, path)  # the upper half tells of Ethernet's checksum
    unit_ns = 1 if reader.nano else 1000
    packets: list[Packet] = []
    records, position = 0, _FILE_HEADER_BYTES
    for record, (seconds, fraction, frame_bytes, kept) in reader:
        if len(record) < min(kept, _LONGEST_RECORD_BYTES):
            break
        records += 1
        position += _RECORD_HEADER_BYTES + kept
        packet = segment(record, frame_bytes, link_type, seconds * 1_000_000_000 + fraction * unit_ns)
        if packet is not None:
            packets.append(packet)
    stream = reader.f
    cut = _ends_too_early(stream)
    return CaptureFile(
        packets=packets,
        unread_packets=records - len(packets),
        torn_bytes=max(stream.tell() - position, int(cut)),
    )


def _of_blocks(reader: Any, path: Path) -> CaptureFile:
    """A pcapng file: blocks, of which some are packets, each of one of the file's interfaces."""
    stream = reader.f
    packets: list[Packet] = []
    records, position = 0, 0
    for record, about in reader:
        records += 1
        position = stream.tell()
        link_type = _checked(about.linktype, path)
        if about.tshigh is None:
            continue
        ticks = about.tshigh << 32 | about.tslow
        packet = segment(record, about.wirelen, link_type, ticks * 1_000_000_000 // about.tsresol)
        if packet is not None:
            packets.append(packet)
    return CaptureFile(
        packets=packets,
        unread_packets=records - len(packets),
        torn_bytes=_torn_block_bytes(stream, position, reader.endian),
    )


def _torn_block_bytes(stream: IO[bytes], position: int, byte_order: str) -> int:
    """What follows the last whole block after `position`; all of it where scapy gave up before the file's end."""
    try:
        if stream.read(1):
            stream.seek(position)
            return len(stream.read())
        stream.seek(position)
        rest = stream.read()
    except EOFError:
        return 1
    at = 0
    while at + _BLOCK_HEADER_BYTES <= len(rest):
        length = struct.unpack_from(byte_order + "I", rest, at + 4)[0]
        if length < _BLOCK_HEADER_BYTES + 4 or at + length > len(rest):
            break
        at += length
    return len(rest) - at


def _ends_too_early(stream: IO[bytes]) -> bool:
    """Read to the end; whether a gzip stream lacks its own."""
    try:
        while stream.read(1 << 20):
            pass
    except (EOFError, OSError):
        return True
    return False


def _checked(link_type: int, path: Path) -> int:
    if link_type not in LINK_TYPES:
        raise CaptureError(
            f"{path} has link type {link_type}, which is not read. Capture on an Ethernet, WiFi or modem device."
        )
    return link_type


def _no_capture(path: Path) -> str:
    start = path.read_bytes()[:4]
    if not start:
        return f"{path} is no capture file: it is empty. tcpdump was ended before it wrote; capture again."
    return (
        f"{path} is no capture file: it starts with {start.hex()} and has no whole header of pcap or pcapng. "
        "tcpdump -w writes one."
    )


@contextmanager
def _without_scapys_warnings() -> Iterator[None]:
    """scapy says on stderr that a record is cut, which `torn_bytes` tells."""
    logger = logging.getLogger("scapy.runtime")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
