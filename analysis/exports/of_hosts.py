"""Tables with rows of hosts: what collectors sampled, and what faults the campaign applied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.exports.exported import ExportedTrial
from analysis.exports.keys import KEYS, Of
from analysis.exports.table import Column, Table, moment, number, text, whole
from analysis.model import FaultEffect
from instrument.metrics import METRICS, Metric
from instrument.records import Sample


@dataclass(frozen=True, slots=True)
class _Sampled:
    """One sample of one host, and where it lies on the server's wall clock."""

    trial: ExportedTrial
    host: str
    sample: Sample
    at_ns: int
    error_s: float


def _samples(trial: ExportedTrial) -> Iterator[_Sampled]:
    if trial.records is not None:
        for segment, sample in trial.records.of(Sample):
            yield _Sampled(trial, segment.header.host, sample, *trial.moment(segment, sample.mono_ns))


def _metric(metric: Metric) -> Column:
    make = whole if metric.type is int else number
    return make(metric.name, metric.unit, metric.description, lambda row: row.sample.values.get(metric.name))


def _unregistered(row: _Sampled) -> str | None:
    others = {name: value for name, value in row.sample.values.items() if name not in METRICS}
    return json.dumps(others, sort_keys=True) if others else None


SAMPLES = Table(
    "samples",
    "one row a reading of a collector; columns of other collectors are empty",
    (
        *KEYS,
        text("host", "the host", lambda row: row.host),
        text("collector", "the collector", lambda row: row.sample.collector),
        text("subject", "what was read: host, an interface, ROLE:PID, or all", lambda row: row.sample.subject),
        *moment("at", "when", lambda row: row.at_ns),
        number("clock_error_s", "s", "bound of that moment's error; inf: nothing bounds it", lambda row: row.error_s),
        number("late_s", "s", "how long after its schedule", lambda row: row.sample.late_ns / 1e9),
        number("cost_s", "s", "how long the reading took", lambda row: row.sample.cost_ns / 1e9),
        *(_metric(metric) for metric in METRICS.values()),
        text("unregistered_json", "values whose names this fedprobe does not have", _unregistered),
    ),
    _samples,
)


def fault_ns(trial: ExportedTrial, since_first_s: float | None) -> int | None:
    """A fault's moment as ns since the epoch; None where it has no place on the axis."""
    if since_first_s is None or trial.zero_ns is None:
        return None
    return trial.wall_ns(trial.zero_ns + round(since_first_s * 1e9))


def _duration_s(effect: FaultEffect) -> float | None:
    if effect.start_s is None or effect.undone_s is None:
        return None
    return effect.undone_s - effect.start_s


FAULTS = Table(
    "faults",
    "one row each time that a fault of the campaign was applied to a host, or missed",
    (
        *KEYS,
        text("fault", "its name in the campaign file", lambda of: of.item.fault),
        text("does", "what it does", lambda of: of.item.does),
        text("host", "to which host", lambda of: of.item.host),
        text("phase", "applied or missed", lambda of: of.item.phase),
        text("detail", "what was done", lambda of: of.item.detail),
        text("since", "what its schedule counts from", lambda of: of.item.since),
        number("since_s", "s", "when it was asked for, from there", lambda of: of.item.since_s),
        *moment("start", "when it was applied", lambda of: fault_ns(of.trial, of.item.start_s)),
        number("duration_s", "s", "until it was undone", lambda of: _duration_s(of.item)),
        whole("round", "", "the round in which it began", lambda of: of.item.round),
        number("noticed_s", "s", "until the ServerApp had an error reply", lambda of: of.item.noticed_s),
        text("error_codes", "Flower's", lambda of: " ".join(str(code) for code in of.item.error_codes)),
        text("lost_rounds", "rounds from then on that are not complete", lambda of: " ".join(map(str, of.item.lost))),
        number(
            "delay_s", "s", "by how much the slowest round that it touched was longer", lambda of: of.item.delay_s
        ),
        number("wasted_s", "s", "lives of ClientApps whose reply never counted", lambda of: of.item.wasted_s),
    ),
    lambda trial: (Of(trial, effect) for effect in trial.times.effects),
)
