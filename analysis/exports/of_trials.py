"""Tables with rows of whole trials: what became of each, its clocks, and what its records say went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from analysis.exports.exported import ExportedTrial
from analysis.exports.keys import KEYS, Of
from analysis.exports.table import Table, moment, number, text, whole
from analysis.model import TrialTimes


def _trials(trial: ExportedTrial) -> Iterator[Of]:
    yield Of(trial, trial.times.facts)


def entered_ns(trial: ExportedTrial, state: str) -> int | None:
    """When the controller entered a state of this trial, by the controller's wall clock; None where it did not."""
    entered = trial.times.facts.settings.get("entered")
    stamp = entered.get(state) if isinstance(entered, dict) else None
    return round(datetime.fromisoformat(stamp).timestamp() * 1000) * 10**6 if isinstance(stamp, str) else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _integer(trial: TrialTimes, name: str) -> int | None:
    value = trial.facts.settings.get(name)
    return value if isinstance(value, int) else None


def _first_ns(trial: ExportedTrial) -> int | None:
    return None if trial.zero_ns is None else trial.wall_ns(trial.zero_ns)


def _last_ns(trial: ExportedTrial) -> int | None:
    ends = [made.interval.end_ns for made in trial.times.rounds]
    return trial.wall_ns(max(ends)) if ends else None


TRIALS = Table(
    "trials",
    "one row a trial that was begun, attempts that were repeated among them",
    (
        *KEYS,
        text("outcome", "ok, invalid, or unfinished", lambda of: of.item.outcome),
        text("reason", "why it is not ok, in words", lambda of: of.item.reason),
        text("reasons_json", "the reasons of docs/validity.md with their details", lambda of: _json(of.item.reasons)),
        text("levels_json", "the level of each factor", lambda of: _json(of.item.settings.get("levels", {}))),
        whole("repetition", "", "which repetition of its cell", lambda of: _integer(of.trial.times, "repetition")),
        whole("attempt", "", "which attempt at the trial", lambda of: _integer(of.trial.times, "attempt")),
        whole("planned_rounds", "{round}", "rounds asked for", lambda of: of.item.rounds),
        whole("rounds", "{round}", "rounds in which a message was sent", lambda of: len(of.trial.times.rounds)),
        whole("nodes", "{host}", "clients", lambda of: len(of.item.nodes)),
        *moment(
            "prepared", "preparation began, by the controller's clock", lambda of: entered_ns(of.trial, "preparing")
        ),
        *moment("start", "first configure of the first round", lambda of: _first_ns(of.trial)),
        *moment("end", "end of the last round", lambda of: _last_ns(of.trial)),
        number(
            "max_residual_share",
            "1",
            "the largest share of a round that no phase explains",
            lambda of: max((made.residual_share for made in of.trial.times.rounds), default=None),
        ),
        number(
            "max_clock_error_s",
            "s",
            "the largest bound of a host's place on the axis; inf: nothing bounds it",
            lambda of: max((fit.error_s for fit in of.trial.times.clocks), default=None),
        ),
        whole("records", "{record}", "records read", lambda of: of.trial.times.records),
        whole("dropped_records", "{record}", "records that were lost", lambda of: of.trial.times.dropped_records),
    ),
    _trials,
)

CLOCKS = Table(
    "clocks",
    "one row a clock: how it was mapped onto the server host's",
    (
        *KEYS,
        text("host", "whose clock", lambda of: of.item.host),
        text("source", "management, requests, chrony, same clock, or none", lambda of: of.item.source),
        whole("exchanges", "{exchange}", "exchanges that count", lambda of: of.item.exchanges),
        number(
            "offset_s", "s", "the server's clock less this one, at the trial's start", lambda of: of.item.offset_s
        ),
        number("drift_ppm", "ppm", "how fast the two drift apart", lambda of: of.item.drift_ppm),
        number("error_s", "s", "bound of the mapping's error; inf: nothing bounds it", lambda of: of.item.error_s),
    ),
    lambda trial: (Of(trial, fit) for fit in trial.times.clocks),
)


def _notices(trial: ExportedTrial) -> Iterator[Of]:
    times = trial.times
    for said in times.faults:
        yield Of(trial, ("instrument", "", said))
    for host, role, reason in times.unreadable:
        yield Of(trial, ("unreadable", host, f"{role}: {reason}"))
    for host, reason in times.failed_captures:
        yield Of(trial, ("capture", host, reason))
    for name in times.cut_segments:
        yield Of(trial, ("cut", "", name))
    for hook in times.missing_hooks:
        yield Of(trial, ("hook", hook.host, f"{hook.role}: {hook.name}: {hook.reason}"))


NOTICES = Table(
    "notices",
    "what the instrument itself could not do or use in a trial",
    (
        *KEYS,
        text(
            "kind", "instrument, unreadable, capture, cut (a process ended mid-way), or hook", lambda of: of.item[0]
        ),
        text("host", "on which host; empty where the detail tells", lambda of: of.item[1]),
        text("detail", "what happened", lambda of: of.item[2]),
    ),
    _notices,
)
