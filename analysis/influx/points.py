"""A stored run as points: what is exported, and what a server is compared with afterwards.

The order is always the same: trial after trial by their names; of a trial `trial`, `clock`, `fault`, `fl_round`,
`fl_phase`, `fl_transfer`, each node after node in order of time, then host after host what was sampled there.
One trial is in memory at a time, without its samples, and some thousands of those.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from analysis.influx import message_points, trial_points
from analysis.influx.chunk import AT_ONCE, Chunk
from analysis.influx.draft import Draft
from analysis.influx.labels import Labels, labels_of, networks_of
from analysis.influx.left_out import LeftOut
from analysis.influx.line_protocol import series
from analysis.influx.point import Point
from analysis.influx.sample_points import sample_chunks
from analysis.influx.source import Source, extent_ns, source_of, trial_folders
from analysis.influx.typed import typed_point
from analysis.influx.unique import InAnyOrder, InOrder, Moved

MADE_BY = (
    trial_points.trial,
    trial_points.clocks,
    trial_points.faults,
    trial_points.rounds,
    message_points.phases,
    message_points.transfers,
)


def points_of(
    run_dir: Path, trials: Iterable[str] | None = None, *, left_out: LeftOut | None = None
) -> Iterator[Point]:
    """Every point of a run folder, or of those of its trials that are named; also of a plain spool folder.

    What no field can hold is counted in `left_out`. Raises TrialError for a name that is no trial, or a trial.json
    that cannot be read, and SpoolError where a spool folder holds nothing.
    """
    return (point for chunk in chunks_of(run_dir, trials, left_out=left_out) for point in chunk.points())


def chunks_of(
    run_dir: Path, trials: Iterable[str] | None = None, *, left_out: LeftOut | None = None
) -> Iterator[Chunk]:
    """The same points in chunks, which give their lines faster than `line` does one by one."""
    counted = LeftOut() if left_out is None else left_out
    chosen = set(trial_folders(run_dir, trials))
    for folder, moved in _in_turn(trial_folders(run_dir), chosen):
        if folder in chosen:
            yield from _of_trial(run_dir, folder, moved, counted)
        else:
            for _ in _of_trial(run_dir, folder, moved, LeftOut()):
                pass


def _in_turn(folders: list[Path], chosen: set[Path]) -> Iterator[tuple[Path, Moved | None]]:
    """The trials to go through: those chosen, and before them those whose moments theirs must keep clear of."""
    over = _lying_over(folders)
    moved: dict[Path, Moved] = defaultdict(InAnyOrder)
    last = {group: folder for folder, group in over.items() if folder in chosen}
    for folder in folders:
        group = over.get(folder)
        if group is not None and group in last and folder <= last[group]:
            yield folder, moved[group]
        elif folder in chosen:
            yield folder, None


def _lying_over(folders: list[Path]) -> dict[Path, Path]:
    """Trials that lie over each other in wall time (a clock was set back, a folder was copied), by the first of each.

    Trials follow each other, so there are none as a rule.
    """
    extents = sorted((*extent_ns(folder), folder) for folder in folders)
    groups: list[list[Path]] = []
    reached = -1
    for first_ns, last_ns, folder in extents:
        if last_ns < first_ns:
            continue
        if groups and first_ns <= reached:
            groups[-1].append(folder)
        else:
            groups.append([folder])
        reached = max(reached, last_ns)
    return {folder: min(group) for group in groups if len(group) > 1 for folder in group}


def _of_trial(run_dir: Path, folder: Path, moved: Moved | None, left_out: LeftOut) -> Iterator[Chunk]:
    source = source_of(folder)
    labels = labels_in(run_dir, source)
    if moved is None:
        moved = InAnyOrder() if source.has_two_collectors else InOrder()
    for make in MADE_BY:
        yield from _made(source, make(source, labels), moved, left_out)
    yield from sample_chunks(source, labels, moved, left_out)


def labels_in(run_dir: Path, source: Source) -> Labels:
    """The labels of a trial of a run folder."""
    manifest = _manifest(run_dir / "manifest.json")
    return labels_of(
        source.facts, server=source.server or _server_of(manifest), networks=networks_of(manifest, source.facts)
    )


def _manifest(path: Path) -> Mapping[str, object]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def _server_of(manifest: Mapping[str, object]) -> str:
    inventory = manifest.get("inventory")
    hosts = inventory.get("hosts", []) if isinstance(inventory, dict) else []
    return next((str(host.get("name")) for host in hosts if host.get("role") == "server"), "")


def _made(source: Source, drafts: Iterable[Draft], moved: Moved, left_out: LeftOut) -> Iterator[Chunk]:
    """The points of one measurement, node after node, in order of time."""
    by_node: dict[str, list[Point]] = defaultdict(list)
    for draft in sorted(drafts, key=lambda one: one.time_ns):
        point = typed_point(draft.measurement, draft.tags, draft.time_ns, draft.values, left_out)
        if point is not None:
            free_ns = moved.of(series(point))(draft.time_ns)
            placed = Point(point.measurement, point.tags, free_ns, point.fields)
            by_node[dict(point.tags)["node"]].append(placed)
    for node in sorted(by_node):
        points = by_node[node]
        for start in range(0, len(points), AT_ONCE):
            part = points[start : start + AT_ONCE]
            yield Chunk(source.facts.name, part[0].measurement, node, part)
