"""A bounded sender of UDP datagrams and their receiver, which congest a network on purpose.

    python -m testbed.emulation.background send 10.78.3.1 --bit-per-s 5000000 --count sent.json
    python -m testbed.emulation.background receive 10.78.3.1 --count received.json

A datagram is a full frame of 1514 bytes, to the discard port (RFC 863), which nobody answers. Both write what they
have counted twice a second. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from instrument.clock import SystemClock

PORT = 9
FRAME_BYTES = 1514
_DATAGRAM = bytes(FRAME_BYTES - 14 - 20 - 8)  # less the headers of Ethernet, IPv4 and UDP
_TICK_NS = 5_000_000
_TICKS_BEHIND = 3  # what a sender that was held up makes up for, and no more
_WRITE_EVERY_NS = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Frames sent or received so far, at a moment of the machine's CLOCK_MONOTONIC."""

    mono_ns: int
    frames: int

    def write(self, path: Path) -> None:
        """Replace the file at once, so that a reader never sees half of it."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)), encoding="ascii")
        fresh.replace(path)


def read_count(path: Path) -> Count:
    """The count in a file. Raises OSError or ValueError where there is none."""
    return Count(**json.loads(path.read_text(encoding="ascii")))


def rate_bit_per_s(before: Count, after: Count) -> float:
    """The mean rate of frames between two counts."""
    return (after.frames - before.frames) * FRAME_BYTES * 8e9 / (after.mono_ns - before.mono_ns)


def frames_due(elapsed_ns: int, bit_per_s: int) -> int:
    """How many frames a rate has sent after a time. Pure."""
    return elapsed_ns * bit_per_s // (FRAME_BYTES * 8 * 1_000_000_000)


def send(address: str, bit_per_s: int, count: Path) -> NoReturn:
    """Send for ever. What a sender that was held up for long could not send is left out."""
    clock = SystemClock()
    begin_ns = written_ns = clock.mono_ns()
    frames = skipped = 0
    most_at_once = max(2, frames_due(_TICKS_BEHIND * _TICK_NS, bit_per_s))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        while True:
            now_ns = clock.mono_ns()
            due = frames_due(now_ns - begin_ns, bit_per_s) - frames - skipped
            skipped += max(0, due - most_at_once)
            for _ in range(min(due, most_at_once)):
                outward.sendto(_DATAGRAM, (address, PORT))
                frames += 1
            if now_ns - written_ns >= _WRITE_EVERY_NS or written_ns == begin_ns:
                Count(mono_ns=now_ns, frames=frames).write(count)
                written_ns = now_ns
            clock.sleep_until_mono_ns(now_ns + _TICK_NS)


def receive(address: str, count: Path) -> NoReturn:
    """Receive for ever."""
    clock = SystemClock()
    frames = written_ns = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inward:
        inward.bind((address, PORT))
        inward.settimeout(_WRITE_EVERY_NS / 1e9)
        while True:
            now_ns = clock.mono_ns()
            if now_ns - written_ns >= _WRITE_EVERY_NS:
                Count(mono_ns=now_ns, frames=frames).write(count)
                written_ns = now_ns
            try:
                inward.recv(len(_DATAGRAM))
                frames += 1
            except TimeoutError:
                continue


def send_command(address: str, bit_per_s: int, count: Path) -> list[str]:
    """The program and options that run `send`."""
    return [*_program(), "send", address, "--bit-per-s", str(bit_per_s), "--count", str(count)]


def receive_command(address: str, count: Path) -> list[str]:
    """The program and options that run `receive`."""
    return [*_program(), "receive", address, "--count", str(count)]


def _program() -> list[str]:
    return [sys.executable, "-m", "testbed.emulation.background"]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run until a signal ends it."""
    parser = argparse.ArgumentParser(prog="testbed.emulation.background", description="congest a network")
    parser.add_argument("role", choices=("send", "receive"))
    parser.add_argument("address", help="to send to, or to receive at")
    parser.add_argument("--bit-per-s", type=int, default=0)
    parser.add_argument("--count", required=True, type=Path, metavar="FILE")
    asked = parser.parse_args(arguments)
    if asked.role == "send":
        send(asked.address, asked.bit_per_s, asked.count)
    receive(asked.address, asked.count)


if __name__ == "__main__":
    main()
