"""Run folders of synthetic trials: real records, stored as a campaign stores them, of which every phase is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthetic import Incident, Scene
from writers import MS, hosts

from analysis import store
from analysis.load import Records, SegmentRecords
from instrument.records import Applied, End, Sample, Segment

NASTY = 'pi, "3"\nnür'


def made_run(folder: Path, *, campaign: str = "made", trials: int = 2) -> Path:
    """A run of some trials on two hosts with clocks of their own, one invalid, and one without any records."""
    (folder / "trials").mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps({"campaign": campaign}), encoding="utf-8")
    for place in range(trials):
        scene = Scene(nodes=hosts(2, shift_s=1000), seed=place, rounds=3, kinds=("train", "evaluate"))
        records = with_samples(scene.records(), later_ns=place * 600_000 * MS)
        write_trial(folder, f"{place:03d}-5g-r{place + 1}", records, campaign=campaign)
    bad = Scene(nodes=hosts(2, shift_s=1000), seed=9, incidents=(Incident(node="pi2", kind="killed"),)).records()
    outcome = {"outcome": "invalid", "reason": NASTY, "reasons": [{"reason": "node lost", "detail": "pi2"}]}
    write_trial(folder, f"{trials:03d}-5g-r9", with_samples(bad, later_ns=10**13), campaign=campaign, facts=outcome)
    unfinished = {
        "outcome": "unfinished",
        "reason": "the run ended",
        "entered": {"preparing": "2026-01-02T03:04:05.000+00:00"},
    }
    write_trial(folder, f"{trials + 1:03d}-5g-r10", None, campaign=campaign, facts=unfinished)
    return folder


def write_trial(
    run: Path, name: str, records: Records | None, *, campaign: str, facts: Mapping[str, Any] | None = None
) -> None:
    """A trial's folder with what a runner says of it."""
    folder = run / "trials" / name
    folder.mkdir()
    stated = {"name": name, "campaign": campaign, "interface": "5g", "rounds": 3, "nodes": ["pi1", "pi2"]}
    (folder / "trial.json").write_text(json.dumps({**stated, **(facts or {})}), encoding="utf-8")
    if records is not None:
        store.write(records, folder / "records")


def with_samples(records: Records, *, later_ns: int, samples: int = 23) -> Records:
    """The same records with a collector on every host, and the server's wall clock so much later.

    Its samples are a second apart: processor use of 1/4, and 1000 bytes a second on an interface.
    """
    collectors = [
        _collector(segment, samples)
        for segment in records.segments
        if segment.header.role in {"flower-superlink", "flower-supernode"}
    ]
    moved = [
        replace(one, header=replace(one.header, wall_ns=one.header.wall_ns + 1_800_000_000 * 10**9 + later_ns))
        for one in [*records.segments, *collectors]
    ]
    return replace(records, segments=tuple(sorted(moved, key=lambda one: one.name)))


def _collector(segment: SegmentRecords, samples: int) -> SegmentRecords:
    header: Segment = replace(segment.header, role="collector", pid=7)
    found: list[Any] = []
    for place in range(samples):
        at = header.mono_ns + 5_000 * MS + place * 1000 * MS
        for subject, values in (
            ("host", {"system_cpu_utilization": 0.25}),
            ("wwan0", {"interface_rx_bytes": place * 1000, "interface_tx_bytes": 0}),
        ):
            found.append(
                Sample(
                    collector="host" if subject == "host" else "interfaces",
                    subject=subject,
                    scheduled_mono_ns=at,
                    mono_ns=at,
                    late_ns=0,
                    cost_ns=1000,
                    values=values,
                )
            )
    if header.host == "server":
        at = header.mono_ns + 6_000 * MS
        for phase, moment in (("applied", at), ("undone", at + 500 * MS)):
            found.append(
                Applied(
                    fault="outage",
                    does="cut",
                    phase=phase,
                    target="pi1",
                    start_mono_ns=moment,
                    end_mono_ns=moment,
                    since="run",
                    since_s=1.0,
                )
            )
    name = f"{header.host}-collector-7"
    return SegmentRecords(
        name=name,
        header=header,
        records=tuple(found),
        end=End(records=len(found), sha256="", mono_ns=header.mono_ns + 60_000 * MS),
    )
