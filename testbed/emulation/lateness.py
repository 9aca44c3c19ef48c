"""How late a delayer let packets go: a histogram it writes, and the difference of two of them for a trial.

Standard library only: the delayer imports it.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_BUCKETS_PER_OCTAVE = 4
_OCTAVES = 24
_FIRST_EDGE_NS = 976.5625  # 2 ms, up to which a delay counts as kept, is 2**11 of it and so an edge itself
# upper edges in ns from 1 us to 16.4 s, each 19 % above the one before; one bucket more for what is later
EDGES_NS = tuple(
    round(_FIRST_EDGE_NS * 2 ** (step / _BUCKETS_PER_OCTAVE)) for step in range(_OCTAVES * _BUCKETS_PER_OCTAVE + 1)
)
BUCKETS = len(EDGES_NS) + 1


def bucket(lateness_ns: int) -> int:
    """Index of the bucket of a lateness; bucket i holds what is above EDGES_NS[i-1] and up to EDGES_NS[i]."""
    return bisect_left(EDGES_NS, lateness_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a delayer has done since it started. Times are of the machine's CLOCK_MONOTONIC."""

    pid: int
    scheduler: str  # "fifo", or "other" where the system refused it
    written_mono_ns: int  # at most 1 s ago while the delayer lives
    packets: int  # let go after their delay
    dropped: int  # lost on purpose
    overruns: int  # times the kernel queue ran over: packets were lost that should not be
    sum_ns: int
    max_ns: int
    counts: tuple[int, ...]

    def write(self, path: Path) -> None:
        """Replace the file at once, so that a reader never sees half of it."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self)), encoding="ascii")
        fresh.replace(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    """Lateness of the packets between two snapshots. None: no packet passed. Quantiles are bucket edges (+19 %)."""

    packets: int
    dropped: int
    overruns: int
    mean_ns: float | None
    p99_ns: int | None
    max_ns: int | None


def read_snapshot(path: Path) -> Snapshot:
    """The snapshot in a delayer's file. Raises OSError or ValueError where there is none."""
    found = json.loads(path.read_text(encoding="ascii"))
    return Snapshot(**{**found, "counts": tuple(found["counts"])})


def between(before: Snapshot, after: Snapshot) -> Lateness:
    """What happened from one snapshot to a later one of the same delayer. Raises ValueError for two delayers."""
    if before.pid != after.pid or after.packets < before.packets:
        raise ValueError(
            f"the delayer was replaced between two snapshots (pid {before.pid}, then {after.pid}): "
            "the trial ran partly without its delay. Repeat the trial."
        )
    counts = [late - early for early, late in zip(before.counts, after.counts, strict=True)]
    packets = after.packets - before.packets
    return Lateness(
        packets=packets,
        dropped=after.dropped - before.dropped,
        overruns=after.overruns - before.overruns,
        mean_ns=(after.sum_ns - before.sum_ns) / packets if packets else None,
        p99_ns=_edge(counts, 0.99, after.max_ns),
        max_ns=_edge(counts, 1.0, after.max_ns),
    )


def _edge(counts: Sequence[int], quantile: float, max_ns: int) -> int | None:
    wanted = quantile * sum(counts)
    seen = 0
    for index, count in enumerate(counts):
        seen += count
        if count and seen >= wanted:
            return min(EDGES_NS[index], max_ns) if index < len(EDGES_NS) else max_ns
    return None
