"""What conducting a trial costs: its wall time without its rounds. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from analysis.load import Records
from instrument.records import Span

OF_A_ROUND = ("configure", "aggregate")


def rounds_s(records: Records) -> float:
    """The rounds' wall times added up, in seconds: each from its first configure to its last aggregate."""
    spans: dict[int, list[Span]] = defaultdict(list)
    for segment in records.role("flwr-serverapp"):
        for span in segment.of(Span):
            if span.name in OF_A_ROUND and span.round is not None:
                spans[span.round].append(span)
    lengths_ns = (max(s.end_mono_ns for s in of) - min(s.start_mono_ns for s in of) for of in spans.values())
    return sum(lengths_ns) / 1e9


def steps_s(entered: Mapping[str, str]) -> dict[str, float]:
    """How long a trial was in each state, in seconds; its last state has no end yet."""
    moments = [(state, datetime.fromisoformat(stamp)) for state, stamp in entered.items()]
    return {state: (after - at).total_seconds() for (state, at), (_, after) in pairwise(moments)}


def costs(entered: Mapping[str, str], records: Records | None) -> dict[str, Any]:
    """What trial.json holds of it: `wall_s` from its first step to the present one, `rounds_s`, `conducting_s`."""
    steps = {state: length for state, length in steps_s(entered).items() if state != "planned"}
    wall_s = sum(steps.values())
    in_rounds_s = rounds_s(records) if records is not None else 0.0
    return {
        "steps_s": steps,
        "wall_s": round(wall_s, 3),
        "rounds_s": round(in_rounds_s, 3),
        "conducting_s": round(wall_s - in_rounds_s, 3),
    }
