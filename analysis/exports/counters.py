"""What a trace shows of a trial as counters: processor use, and the bytes of each interface as a rate.

A reading tells of the time since the reading before it, so its value stands from that one on; at a trial's last
reading each counter falls to 0, where nothing was read any more. Interfaces without a byte are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from analysis.exports.exported import ExportedTrial
from instrument.records import Sample

UTILIZATION = "system_cpu_utilization"
RATES = {"interface_rx_bytes": "received", "interface_tx_bytes": "sent"}
NS_A_US = 1000


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one counter of one host, each from its moment (µs since the epoch) on.

    `merged` is how many readings one value is the mean of: 1 where nothing was thinned.
    """

    host: str
    name: str
    points: Sequence[tuple[int, float]]
    merged: int = 1


@dataclass(frozen=True, slots=True)
class _Read:
    at_ns: int
    values: Mapping[str, int | float]


def counters(trial: ExportedTrial, most: int) -> Iterator[Series]:
    """The counters of a trial, each of at most `most` values."""
    for (host, subject), reads in _reads(trial).items():
        for name, values in (
            ("CPU utilization", _shares(reads)),
            *((f"{subject} {word} (bytes/s)", _rates(reads, metric)) for metric, word in RATES.items()),
        ):
            if any(value for _, _, value in values):
                merged = -(-len(values) // most)
                yield Series(host, name, _points(_thinned(values, merged)), merged)


def _reads(trial: ExportedTrial) -> dict[tuple[str, str], list[_Read]]:
    """The readings of each host's subject that have one of these metrics, in the order of time."""
    found: dict[tuple[str, str], list[_Read]] = defaultdict(list)
    if trial.records is None:
        return found
    wanted = {UTILIZATION, *RATES}
    for segment, sample in trial.records.of(Sample):
        if wanted & sample.values.keys():
            at_ns, _ = trial.moment(segment, sample.mono_ns)
            found[segment.header.host, sample.subject].append(_Read(at_ns, sample.values))
    return {key: sorted(reads, key=lambda read: read.at_ns) for key, reads in sorted(found.items())}


def _shares(reads: Sequence[_Read]) -> list[tuple[int, int, float]]:
    return [
        (before.at_ns, read.at_ns, float(read.values[UTILIZATION]))
        for before, read in pairwise(reads)
        if UTILIZATION in read.values
    ]


def _rates(reads: Sequence[_Read], metric: str) -> list[tuple[int, int, float]]:
    """Bytes a second between two readings; 0 where the counter went back: its interface was made anew."""
    return [
        (
            before.at_ns,
            read.at_ns,
            max(0.0, (read.values[metric] - before.values[metric]) * 1e9 / (read.at_ns - before.at_ns)),
        )
        for before, read in pairwise(one for one in reads if metric in one.values)
        if read.at_ns > before.at_ns
    ]


def _thinned(values: Sequence[tuple[int, int, float]], merged: int) -> list[tuple[int, int, float]]:
    """Every `merged` values as their mean over time."""
    if merged <= 1:
        return list(values)
    found = []
    for place in range(0, len(values), merged):
        group = values[place : place + merged]
        length = sum(end - start for start, end, _ in group)
        mean = sum((end - start) * value for start, end, value in group) / length if length else 0.0
        found.append((group[0][0], group[-1][1], mean))
    return found


def _points(values: Sequence[tuple[int, int, float]]) -> list[tuple[int, float]]:
    return [*((start // NS_A_US, value) for start, _, value in values), (values[-1][1] // NS_A_US, 0.0)]
