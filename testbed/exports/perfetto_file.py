"""Trials as one trace file, written event by event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.exports.perfetto import TraceMaker
from analysis.revision import revision
from testbed.exports.selection import Selection
from testbed.exports.target import replacing

NAME = "trace.perfetto.json"
MARK = b'{"otherData":{"written_by":"fedprobe'


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A trace file: how many events of each sort it holds; `thinned`: of how many readings a counter's value is."""

    path: Path
    counts: Mapping[str, int]
    thinned: Mapping[str, int]


def write_trace(folder: Path, selection: Selection) -> Written:
    """Write the trace of these trials into a folder. One trial is held in memory at a time."""
    path = folder / NAME
    maker = TraceMaker(len(selection.folders))
    about = {
        "written_by": "fedprobe " + " ".join(revision().values()),
        "campaign": selection.campaign,
        "clock": "the server host's wall clock, microseconds since 1970-01-01 UTC",
    }
    with replacing(path, MARK) as file:
        file.write(f'{{"otherData":{json.dumps(about, separators=(",", ":"))},\n"traceEvents":[\n')
        for trial in selection.trials():
            for event in maker.events(trial):
                file.write(json.dumps(event, separators=(",", ":"), allow_nan=False) + ",\n")
        names = [json.dumps(event, separators=(",", ":")) for event in maker.names()]
        file.write(",\n".join(names) + '\n],\n"displayTimeUnit":"ms"}\n')
    counts = {name: maker.written[name] for name in ("slices", "counters", "flows")}
    return Written(path=path, counts=counts, thinned=maker.thinned)
