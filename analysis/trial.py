"""A trial's records made into numbers: everything that the report says of one trial starts here."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from analysis import store
from analysis.bounds import with_bounds
from analysis.breakdown import rounds
from analysis.faults import effects
from analysis.hooks import missing_hooks
from analysis.joins import JoinedMessage, joined, last_run, runs
from analysis.load import Records, load_spools
from analysis.messages import message_times, with_node_busy
from analysis.model import CaptureCounts, LinkRates, MessageTimes, RoundTimes, TrialFacts, TrialTimes
from analysis.starvation import Readings, with_waits
from analysis.timeline import TimelineError, axis_of
from instrument.flower.priority import PRIORITY
from instrument.polling import FAST_WAIT_S, polling_of
from instrument.records import Capture, Fault, Model, RecordError, Sample, Score, Serve, Sleep, Span
from instrument.spool import SpoolError

LOOPBACK = ("127.0.0.1", "::1")
UNUSABLE = (SpoolError, store.StoreError, RecordError, TimelineError)  # what records can be that say nothing
_OF_A_KIND = {"name": str, "interface": str, "outcome": str, "reason": str}
CAPTURE = "collectors.capture"  # where a collector's fault says that a packet capture failed


class TrialError(ValueError):
    """A trial's folder does not hold what analysis needs."""


def analyse(records: Records, facts: TrialFacts, *, read_waits: Callable[[], Readings] | None = None) -> TrialTimes:
    """Everything that can be said of one trial. Of several runs in one spool the last is taken, which a fault says.

    `read_waits` gives how long processes waited for a core where those samples were not loaded.
    Raises TimelineError where the server host left no records.
    """
    axis = axis_of(records)
    run_id = last_run(records)
    pairs = joined(records, run_id)
    messages = with_bounds(with_node_busy([message_times(message, axis) for message in pairs]), facts.link)
    messages = with_waits(messages, pairs, records, axis, read_waits)
    made = rounds(list(zip(pairs, messages, strict=True)), axis)
    if records.unreadable:
        made = [_without_guesses(each, messages) for each in made]
    scores = _of_run(records, pairs, Score)
    return TrialTimes(
        facts=facts,
        messages=messages,
        rounds=made,
        clocks=axis.fits,
        scores=[(score.round, score.source, score.metrics) for _, score in scores],
        score_times_s=_since_start([(axis.of(segment).at(score.mono_ns)) for segment, score in scores], made),
        models={model.round: model.sha256 for _, model in _of_run(records, pairs, Model)},
        evaluate_server_s=[
            (span.end_mono_ns - span.start_mono_ns) / 1e9
            for _, span in _of_run(records, pairs, Span)
            if span.name == "evaluate_server"
        ],
        faults=[*_faults(records), *_other_runs(records, run_id)],
        effects=effects(records, axis, pairs, made),
        missing_hooks=missing_hooks(records),
        cut_segments=[*(segment.name for segment in records.segments if segment.cut), *records.empty],
        unreadable=_unreadable(records),
        captures=[
            CaptureCounts(
                host=segment.header.host,
                interface=capture.interface,
                packets=capture.packets,
                dropped=capture.dropped,
            )
            for segment, capture in records.of(Capture)
        ],
        failed_captures=_faults_of(records, CAPTURE),
        refused_priorities=_faults_of(records, PRIORITY),
        dropped_records=sum(segment.end.dropped for segment in records.segments if segment.end is not None),
        records=records.count,
        sleeps_s=_sums((sleep.where, sleep.end_mono_ns - sleep.start_mono_ns) for _, sleep in records.of(Sleep)),
        collector_cost_s=_sums((sample.collector, sample.cost_ns) for _, sample in records.of(Sample)),
        collector_cpu_s=_sums(
            (segment.header.host, round(segment.end.cpu_s * 1e9))
            for segment in records.role("collector")
            if segment.end is not None and segment.end.cpu_s is not None
        ),
        collector_late_s=_worst((sample.collector, sample.late_ns) for _, sample in records.of(Sample)),
    )


def load_trial(folder: Path) -> TrialTimes:
    """Analyse one trial of a campaign: its `trial.json`, and its records as Parquet or, failing that, as spool.

    A trial whose records cannot be used is invalid, for that reason where the runner gave none: it must not cost the
    campaign its report.
    Raises TrialError for a folder that is no trial.
    """
    return read_trial(folder)[0]


def read_trial(folder: Path) -> tuple[TrialTimes, Records | None]:
    """What `load_trial` makes, and the records that it was made of; None where they cannot be read."""
    facts = trial_facts(folder / "trial.json")
    stored = folder / "records"
    records: Records | None = None
    try:
        records = store.load(stored) if stored.is_dir() else load_spools(folder / "spool")
        return analyse(records, facts), records
    except UNUSABLE as error:
        return unusable(facts, error, () if records is None else _unreadable(records)), records


def unusable(facts: TrialFacts, error: Exception, unreadable: Sequence[tuple[str, str, str]] = ()) -> TrialTimes:
    """A trial of whose records nothing can be said: invalid for that reason where the runner gave none."""
    if facts.outcome == "ok":
        missing = {"reason": "records missing", "detail": str(error)}
        facts = replace(facts, outcome="invalid", reason=str(error), reasons=[missing])
    return TrialTimes(
        facts=replace(facts, reason=facts.reason or str(error)),
        messages=(),
        rounds=(),
        clocks=(),
        unreadable=unreadable,
    )


def load_spool(*folders: Path) -> TrialTimes:
    """Analyse the spool folders that `fedprobe instrument` wrote on one or several hosts.

    Raises SpoolError where there is nothing to analyse: no spool file that can be read, or none of the server's.
    """
    records = load_spools(*folders)
    name = ", ".join(folder.name for folder in folders)
    try:
        return analyse(records, spool_facts(name, records))
    except TimelineError as error:
        raise SpoolError("\n  ".join([str(error), *(file.reason for file in records.unreadable)])) from error


def spool_facts(name: str, records: Records) -> TrialFacts:
    """What spool files tell of a trial that no runner conducted."""
    return TrialFacts(name=name, interface=_interface(records), settings=_waits(records))


def _waits(records: Records) -> dict[str, object]:
    """Which waits the processes ran with, by their own headers: as the runner says it of a trial."""
    levels = {polling_of(segment.header.settings) for segment in records.segments}
    return {"polling": "fast", "fast_waits_s": FAST_WAIT_S} if "fast" in levels else {}


def trial_facts(path: Path) -> TrialFacts:
    """What the runner wrote of a trial; keys that TrialFacts does not have are kept in its settings."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrialError(f"{path.parent} is no trial: {path.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise TrialError(f"{path} is not JSON, as after a full disk: {error}") from error
    if not isinstance(body, dict):
        raise TrialError(f"{path} is not a JSON object")
    return _facts(path, body)


def _facts(path: Path, body: Mapping[str, Any]) -> TrialFacts:
    names = {item.name for item in fields(TrialFacts)}
    known = {key: value for key, value in body.items() if key in names}
    others = {key: value for key, value in body.items() if key not in names}
    link = known.get("link")
    try:
        known["link"] = None if link is None else LinkRates(**link)
        facts = TrialFacts(**{**known, "settings": {**others, **known.get("settings", {})}})
    except TypeError as error:
        raise TrialError(f"{path} is not what this version of fedprobe writes: {error}") from error
    for name, kind in _OF_A_KIND.items():
        if not isinstance(value := getattr(facts, name), kind):
            raise TrialError(f"{path} is not what fedprobe writes: {name} is {value!r}")
    return facts


def _interface(records: Records) -> str:
    """ "loopback" where every node spoke to the SuperLink on this host alone, else "unknown"."""
    peers = {
        serve.peer
        for segment in records.role("flower-superlink")
        for serve in segment.of(Serve)
        if "fleet" in serve.path
    }
    return "loopback" if peers and peers <= set(LOOPBACK) else "unknown"


def _of_run(records: Records, pairs: Sequence[JoinedMessage], kind: type[Any]) -> list[tuple[Any, Any]]:
    """The records of one kind of the ServerApps that dispatched these messages."""
    names = {message.server_side.server_app.name for message in pairs}
    return [(segment, record) for segment, record in records.of(kind) if segment.name in names]


def _since_start(moments_ns: Iterable[int], made: Sequence[RoundTimes]) -> list[float]:
    start_ns = made[0].interval.start_ns if made else 0
    return [(moment - start_ns) / 1e9 for moment in moments_ns]


def _faults(records: Records) -> list[str]:
    """What the instrument could not do, captures and priorities apart: those have places of their own."""
    return [
        f"{segment.header.host} {segment.header.role} {segment.header.pid}: {fault.where}: {fault.error}"
        for segment, fault in records.of(Fault)
        if fault.where not in {CAPTURE, PRIORITY}
    ]


def _faults_of(records: Records, where: str) -> list[tuple[str, str]]:
    """Host and reason of each fault of that place."""
    return [(segment.header.host, fault.error) for segment, fault in records.of(Fault) if fault.where == where]


def _unreadable(records: Records) -> list[tuple[str, str, str]]:
    return [(file.host, file.role, file.reason) for file in records.unreadable]


def _without_guesses(made: RoundTimes, messages: Sequence[MessageTimes]) -> RoundTimes:
    """A round without what one client decides for all, where a message ended well and its records cannot be read."""
    unseen = any(message.round == made.round and message.outcome == "ok" and message.missing for message in messages)
    return replace(made, t_r_s=None, charges=(), critical_nodes=(), straggler="") if unseen else made


def _other_runs(records: Records, run_id: str | None) -> list[str]:
    others = [run for run in runs(records) if run != run_id]
    return [f"these records hold {len(others) + 1} runs: only the last, {run_id}, is analysed"] if others else []


def _sums(pairs: Iterable[tuple[str, int]]) -> dict[str, float]:
    sums: dict[str, int] = defaultdict(int)
    for name, ns in pairs:
        sums[name] += ns
    return {name: total / 1e9 for name, total in sorted(sums.items())}


def _worst(pairs: Iterable[tuple[str, int]]) -> dict[str, float]:
    worst: dict[str, int] = {}
    for name, ns in pairs:
        worst[name] = max(worst.get(name, ns), ns)
    return {name: late / 1e9 for name, late in sorted(worst.items())}
