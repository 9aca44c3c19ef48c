"""The rate of a link over time, from a file. Pure but for reading it.

Two forms. A CSV with the header `time_s,downlink_bit_per_s,uplink_bit_per_s`: a row holds from its time until the
next row's, the last one as long as the one before it. Packet-delivery traces of Mahimahi, one file per direction:
each line is a time in whole ms at which one full packet can be delivered (1500 bytes, 1504 as Mahimahi counts it), a
packet here being a full Ethernet frame of 1514 bytes; the last line is the trace's length. Both begin again at their
end. Source: mm-link(1), R. Netravali et al., "Mahimahi: Accurate Record-and-Replay for HTTP", USENIX ATC 2015.
"""

from __future__ import annotations

import csv
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from testbed.emulation.shaping import FRAME_BYTES
from testbed.errors import UsageError

COLUMNS = ("time_s", "downlink_bit_per_s", "uplink_bit_per_s")
DIRECTIONS = ("downlink", "uplink")
_FRAME_BITS = FRAME_BYTES * 8


class TraceError(UsageError):
    """A trace file is missing or holds what no trace can."""


@dataclass(frozen=True, slots=True)
class Course:
    """What one direction has carried by a time: bits at points in ns; the last point is the period's end.

    `stepped`: bits arrive at their point at once, as deliveries do; else evenly from the point before.
    """

    times_ns: Sequence[int]
    bits: Sequence[float]
    stepped: bool

    @property
    def period_ns(self) -> int:
        """After so long it begins again."""
        return self.times_ns[-1]

    def mean_bit_per_s(self, begin_ns: int, end_ns: int) -> float:
        """The mean rate from one moment after the beginning up to another."""
        return (self._carried(end_ns) - self._carried(begin_ns)) * 1e9 / (end_ns - begin_ns)

    def _carried(self, moment_ns: int) -> float:
        rounds, within_ns = divmod(moment_ns, self.period_ns)
        return rounds * self.bits[-1] + self._carried_in_period(within_ns)

    def _carried_in_period(self, moment_ns: int) -> float:
        after = bisect_left(self.times_ns, moment_ns)
        if after == 0:
            return 0.0
        if self.stepped:
            return self.bits[after - 1]
        share = (moment_ns - self.times_ns[after - 1]) / (self.times_ns[after] - self.times_ns[after - 1])
        return self.bits[after - 1] + share * (self.bits[after] - self.bits[after - 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTrace:
    """Both directions of a trace."""

    downlink: Course
    uplink: Course

    @property
    def period_s(self) -> float:
        """The longer of both periods."""
        return max(self.downlink.period_ns, self.uplink.period_ns) / 1e9


def load_trace(files: Sequence[Path]) -> RateTrace:
    """One CSV file, or the downlink's and the uplink's file of a Mahimahi trace. Raises TraceError."""
    texts = [_text(path) for path in files]
    if len(files) == 1:
        return parse_csv(texts[0], files[0])
    if len(files) == 2:
        down, up = (parse_deliveries(text, path) for text, path in zip(texts, files, strict=True))
        return RateTrace(downlink=down, uplink=up)
    raise TraceError(f"{len(files)} trace files: expected one CSV, or downlink and uplink of a Mahimahi trace.")


def parse_csv(text: str, source: Path) -> RateTrace:
    """A CSV of rates. Raises TraceError."""
    reader = csv.DictReader(text.splitlines())
    rows = list(reader)
    if not rows or tuple(reader.fieldnames or ()) != COLUMNS:
        raise TraceError(f"{source}: expected the header {','.join(COLUMNS)} and a row or more. Correct the file.")
    found = [_row(row, number, source) for number, row in enumerate(rows, start=2)]
    times_s = [row["time_s"] for row in found]
    if times_s[0] != 0 or any(later <= earlier for earlier, later in pairwise(times_s)):
        raise TraceError(f"{source}: time_s must begin at 0 and grow from row to row. Correct the file.")
    held_s = [later - earlier for earlier, later in pairwise(times_s)]
    held_s.append(held_s[-1] if held_s else 1.0)
    ends_s = [*times_s, times_s[-1] + held_s[-1]]
    return RateTrace(
        downlink=_even(ends_s, [row["downlink_bit_per_s"] for row in found], held_s),
        uplink=_even(ends_s, [row["uplink_bit_per_s"] for row in found], held_s),
    )


def parse_deliveries(text: str, source: Path) -> Course:
    """One direction of a Mahimahi trace. Raises TraceError."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or not all(line.isascii() and line.isdigit() for line in lines):
        raise TraceError(f"{source}: expected a whole number of milliseconds on each line. Correct the file.")
    times_ms = [int(line) for line in lines]
    if times_ms != sorted(times_ms) or times_ms[-1] == 0:
        raise TraceError(f"{source}: times must not go back, and the last one must be above 0. Correct the file.")
    carried = [_FRAME_BITS * n for n in range(1, len(lines) + 1)]
    return Course([time * 1_000_000 for time in times_ms], carried, stepped=True)


def _even(ends_s: Sequence[float], rates: Sequence[float], held_s: Sequence[float]) -> Course:
    carried = accumulate((rate * held for rate, held in zip(rates, held_s, strict=True)), initial=0.0)
    return Course([round(end * 1e9) for end in ends_s], list(carried), stepped=False)


def _row(row: Mapping[str | None, str | None], number: int, source: Path) -> dict[str, float]:
    try:
        values = {name: float(row[name] or "") for name in COLUMNS}
    except ValueError:
        values = {}
    if None in row or not values or not all(math.isfinite(one) and one >= 0 for one in values.values()):
        raise TraceError(f"{source}, line {number}: expected three numbers of 0 or more. Correct that line.")
    return values


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: cannot be read: {error}. Name a trace file.") from error
