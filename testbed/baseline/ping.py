"""Reads what ping prints, in the C locale. Pure.

Source of the format: ping(8) of iputils, and busybox's, which counts from 0 and writes `seq`.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from testbed.errors import FedprobeError

_REPLY = re.compile(r"bytes from .*?\b(?:icmp_)?seq=(\d+) .*?time=([\d.]+) ms( \(DUP!\))?\s*$")
_STATISTICS = re.compile(r"^(\d+) packets transmitted, (\d+) (?:packets )?received\b", re.MULTILINE)


class PingError(FedprobeError):
    """ping sent nothing, or was ended before it could count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pings:
    """What came of a number of echo requests. `round_trips_ns` are of the first answer to each, in order.

    `duplicates` are further answers to requests that were answered; answers on lines that cannot be read are in
    `received` alone.
    """

    sent: int
    received: int
    duplicates: int
    round_trips_ns: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A summary of pings in seconds; the times are None where no request was answered."""

    sent: int
    received: int
    lost_ratio: float
    duplicates: int
    min_s: float | None
    median_s: float | None
    mean_s: float | None
    p95_s: float | None
    max_s: float | None


def parse(text: str) -> Pings:
    """The replies and the counts. Raises PingError with ping's own words where it counted nothing."""
    counted = _STATISTICS.search(text)
    if counted is None:
        said = " ".join(text.split())[-200:]
        raise PingError(f"ping told no statistics: {said or 'it printed nothing'}")
    replies = [found for line in text.splitlines() if (found := _REPLY.search(line))]
    first: dict[int, int] = {}
    for reply in replies:
        first.setdefault(int(reply[1]), round(float(reply[2]) * 1e6))
    return Pings(
        sent=int(counted[1]),
        received=int(counted[2]),
        duplicates=sum(reply[3] is not None for reply in replies),
        round_trips_ns=list(first.values()),
    )


def latency(pings: Pings) -> Latency:
    """The summary. The 95th percentile is the smallest round trip that 95 % do not exceed (nearest rank)."""
    times_s = sorted(ns / 1e9 for ns in pings.round_trips_ns)
    return Latency(
        sent=pings.sent,
        received=pings.received,
        lost_ratio=1 - pings.received / pings.sent if pings.sent else 0.0,
        duplicates=pings.duplicates,
        min_s=times_s[0] if times_s else None,
        median_s=statistics.median(times_s) if times_s else None,
        mean_s=statistics.fmean(times_s) if times_s else None,
        p95_s=times_s[-(len(times_s) * 5 // 100) - 1] if times_s else None,
        max_s=times_s[-1] if times_s else None,
    )
