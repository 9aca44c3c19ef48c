"""Run folders of made-up trials, with samples of every kind and of kinds that should not be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from synthetic import Incident, Scene
from writers import MS, SERVER, Host, Writer, hosts

from analysis import store
from analysis.load import Records, SegmentRecords
from instrument.records import Applied, Sample, Score, Span, encode

SECOND = 1000 * MS
PROCESS = {"process_cpu_time_s": 0.25, "process_memory_rss_bytes": 4096, "process_run_queue_wait_s": 1e-05}
LINK = {"interface_rx_bytes": 2**62, "interface_tx_bytes": 0}
SUBJECTS: Mapping[str, Mapping[str, float]] = {
    "host": {"system_cpu_utilization": 0.5, "system_memory_usage_bytes": 7, "disk_free_bytes": 123456789012},
    "all": {"process_count": 3},
    "flower-supernode:100": PROCESS,
    "flwr-clientapp:301": PROCESS,
    "flwr-clientapp:302": PROCESS,
    'fire fox,=":77': {"other_cpu_time_s": 12.0},
    "wlan0": LINK,
    "lo": LINK,
    "dock er0": LINK,
}


def made_records(*, seed: int = 1, samples: int = 3, nodes: int = 2, at: int = 0) -> Records:
    """A scene of two rounds, one of them with an error, and each host's samples; all begins at `at`."""
    of = hosts(nodes, shift_s=4321)
    scene = Scene(nodes=of, seed=seed, rounds=2, incidents=(Incident(node="pi1", kind="error", round=2),))
    found = [_scored(segment) for segment in scene.records().segments]
    found += [collector(host, sampled(host, SUBJECTS, samples)) for host in (SERVER, *of)]
    moved = [replace(one, header=replace(one.header, wall_ns=one.header.wall_ns + at)) for one in found]
    return Records(segments=tuple(sorted(moved, key=lambda one: one.name)))


def sampled(host: Host, subjects: Mapping[str, Mapping[str, float]], count: int) -> list[Sample]:
    """Samples of these subjects, all of one look at the same moment."""
    return [
        Sample(
            collector="made",
            subject=subject,
            scheduled_mono_ns=host.reads(tick * SECOND),
            mono_ns=host.reads(tick * SECOND) + 1234,
            late_ns=1234,
            cost_ns=7,
            values=dict(values),
        )
        for tick in range(5, 5 + count)
        for subject, values in subjects.items()
    ]


def collector(host: Host, samples: Iterable[Sample], *, pid: int = 67) -> SegmentRecords:
    """A collector's segment."""
    return Writer(host=host, role="collector", pid=pid, born_ns=0, records=list(samples)).segment()


def _scored(segment: SegmentRecords) -> SegmentRecords:
    if segment.header.role != "flwr-serverapp":
        return segment
    more = (
        Score(round=1, mono_ns=9 * SECOND, source="train", metrics={"train-loss": 3.5}),
        Score(round=1, mono_ns=9 * SECOND, source="server", metrics={"accuracy": 0.5, "loss": 2.0}),
        Span(name="evaluate_server", start_mono_ns=8 * SECOND, end_mono_ns=9 * SECOND, round=1),
        Applied(
            fault="cut",
            does="cut",
            phase="applied",
            target="pi1, pi2",
            start_mono_ns=6 * SECOND,
            end_mono_ns=6 * SECOND + MS,
            since="run",
            since_s=1.0,
            detail='ip link set "wlan0" down\\',
        ),
    )
    return replace(segment, records=(*segment.records, *more))


def write_trial(run_dir: Path, name: str, records: Records | None, *, stored: bool = True, **facts: object) -> Path:
    """One trial of a run folder."""
    folder = run_dir / "trials" / name
    folder.mkdir(parents=True)
    body = {"name": name, "campaign": "a campaign", "interface": "wifi", "repetition": 1, "outcome": "ok", **facts}
    (folder / "trial.json").write_text(json.dumps(body), encoding="utf-8")
    if records is not None and stored:
        store.write(records, folder / "records")
    elif records is not None:
        write_spool(folder / "spool", records)
    return folder


def write_spool(folder: Path, records: Records) -> Path:
    """The records as spool files, none of which has a trailer."""
    folder.mkdir(parents=True, exist_ok=True)
    for segment in records.segments:
        lines = [encode(record) for record in (segment.header, *segment.records)]
        (folder / f"{segment.name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def write_manifest(run_dir: Path) -> None:
    """An inventory in which wlan0 is of WiFi, and of management on the server."""
    run_dir.mkdir(parents=True, exist_ok=True)
    node = {"interfaces": {"wifi": {"device": "wlan0"}}, "management": {"device": "wlan0"}}
    server = {"name": "server", "role": "server", "management": {"device": "wlan0"}}
    inventory = {"hosts": [server, *({"name": f"pi{place}", **node} for place in (1, 2))]}
    (run_dir / "manifest.json").write_text(json.dumps({"inventory": inventory}), encoding="utf-8")
