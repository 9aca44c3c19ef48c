"""What a record costs on the average over those of real rounds: each kind's cost, by how many of it there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from instrument.flower.serve import OBJECT_PATH
from instrument.records import Record, Rpc, Serve
from instrument.spool import read_segment, spool_files
from tests.bench.arms import Arm
from tests.bench.intervals import Estimate


def counted(arm: Arm) -> Counter[str]:
    """How many records of each kind that the hot path's figures name the Flower processes of an arm have written."""
    one, found = arm.deployment, Counter[str]()
    for host in one.hosts:
        for path in spool_files(Path(one.folder(host, "spool"))):
            segment = read_segment(path)
            if segment.header.role != "collector":
                found.update(map(cost_of, segment.records))
    return found


def cost_of(record: Record) -> str:
    """The figure that says what a record cost; a span's for those that are made of fewer clock readings."""
    if isinstance(record, Rpc):
        return "rpc_asking" if record.late_ms is not None else "rpc"
    if isinstance(record, Serve):
        return "serve_asking" if record.path.endswith(OBJECT_PATH) else "serve"
    return "span"


def average(cost_us: Mapping[str, Estimate], counts: Mapping[str, int]) -> Estimate:
    """Microseconds a record. Its interval adds up those of the kinds, as if all of them erred to one side."""
    total = sum(counts.values())

    def weighed(end: str) -> float | None:
        values = {name: getattr(cost_us[name], end) for name in counts}
        if None in values.values():
            return None
        return sum(count * values[name] for name, count in counts.items()) / total

    return Estimate(value=weighed("value") or 0.0, low=weighed("low"), high=weighed("high"), n=total)
