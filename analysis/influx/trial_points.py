"""A trial as a whole as points: trial, clock, fault, and fl_round."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

from analysis.document import score_name
from analysis.influx.draft import Draft
from analysis.influx.labels import SERVER, Labels, place_in_plan
from analysis.influx.message_points import round_fields
from analysis.influx.schema import charged_field
from analysis.influx.source import Source
from analysis.invalid import is_valid, reasons_of
from analysis.model import RoundTimes

SOURCES = ("server", "evaluate", "train")  # of several that score a round, the first counts, as in convergence


def trial(source: Source, labels: Labels) -> Iterator[Draft]:
    """The one point of the trial, at its start."""
    times, facts = source.times, source.facts
    complete = [made for made in times.rounds if made.complete and made.charges]
    errors = [fit.error_s for fit in times.clocks]
    yield Draft(
        "trial",
        labels.tags("trial", node=labels.server, role=SERVER),
        start_ns(source),
        {
            "outcome": facts.outcome,
            "valid": is_valid(times),
            "reasons": "; ".join(": ".join(filter(None, pair)) for pair in reasons_of(times)),
            **{name: facts.settings.get(name) for name in ("wall_s", "rounds_s", "conducting_s")},
            "rounds": len(times.rounds),
            "records": times.records,
            "dropped_records": times.dropped_records,
            "max_residual_share": max((made.residual_share for made in complete), default=None),
            "max_clock_error_s": _bound(max(errors, default=math.inf)),
            "order": place_in_plan(facts),
            "rep": facts.settings.get("repetition"),
            "trial": facts.name,
            "warmup": facts.warmup,
        },
    )


def clocks(source: Source, labels: Labels) -> Iterator[Draft]:
    """One for each clock of each host."""
    for fit in source.times.clocks:
        known = math.isfinite(fit.error_s)
        yield Draft(
            "clock",
            labels.tags("clock", node=fit.host, role=labels.role_of(fit.host)),
            start_ns(source),
            {
                "offset_s": fit.offset_s if known else None,
                "drift_ppm": fit.drift_ppm if known else None,
                "error_s": _bound(fit.error_s),
                "exchanges": fit.exchanges,
                "source": fit.source,
                "trial": source.facts.name,
            },
        )


def faults(source: Source, labels: Labels) -> Iterator[Draft]:
    """One for each time that a fault was applied to a host, or missed; at the trial's start where it is not known."""
    rounds = source.times.rounds
    for effect in source.times.effects:
        known = effect.start_s is not None and bool(rounds)
        undone = effect.undone_s is not None and effect.start_s is not None
        moment = rounds[0].interval.start_ns + round((effect.start_s or 0.0) * 1e9) if known else None
        yield Draft(
            "fault",
            labels.tags("fault", node=effect.host, role=labels.role_of(effect.host)),
            start_ns(source) if moment is None else source.wall.at(moment),
            {
                "fault": effect.fault,
                "does": effect.does,
                "state": effect.phase,
                "detail": effect.detail,
                "duration_s": (effect.undone_s or 0.0) - (effect.start_s or 0.0) if undone else None,
                "noticed_s": effect.noticed_s,
                "delay_s": effect.delay_s,
                "wasted_s": effect.wasted_s,
                "round": effect.round,
                "trial": source.facts.name,
            },
        )


def rounds(source: Source, labels: Labels) -> Iterator[Draft]:
    """One for each round, of the server."""
    scores = _scores(source)
    for made in source.times.rounds:
        yield Draft(
            "fl_round",
            labels.tags("fl_round", node=labels.server, role=SERVER),
            source.wall.at(made.interval.start_ns),
            {
                "duration_s": made.wall_s,
                "t_r_s": made.t_r_s,
                "residual_share": made.residual_share if made.charges else None,
                "straggler": made.straggler or None,
                "complete": made.complete,
                **_clients(source, made),
                **scores.get(made.round, {}),
                **round_fields(source, made.round),
                **_charged(made),
            },
        )


def _charged(made: RoundTimes) -> Mapping[str, float]:
    total: dict[str, int] = defaultdict(int)
    for charge in made.charges:
        total[charged_field(charge.phase)] += charge.interval.end_ns - charge.interval.start_ns
    return {name: ns / 1e9 for name, ns in total.items()}


def _clients(source: Source, made: RoundTimes) -> Mapping[str, int]:
    """How many clients were asked in a round, by whether all of their messages ended well."""
    well: dict[str, bool] = {}
    for message in source.times.messages:
        if message.round == made.round:
            well[message.node] = well.get(message.node, True) and message.outcome == "ok"
    return {"clients_ok": sum(well.values()), "clients_failed": len(well) - sum(well.values())}


def _scores(source: Source) -> Mapping[int, Mapping[str, object]]:
    """Accuracy and loss of each round, by the first source that scored one."""
    accuracy = score_name(source.times)
    names = {name for _, _, metrics in source.times.scores for name in metrics}
    loss = "loss" if "loss" in names else min((name for name in names if "loss" in name.lower()), default="")
    found: dict[int, dict[str, object]] = {}
    for by in SOURCES:
        for number, scored_by, metrics in source.times.scores:
            scored = {name: metrics[of] for name, of in (("accuracy", accuracy), ("loss", loss)) if of in metrics}
            if scored_by == by and scored and number not in found:
                found[number] = {**scored, "score_source": by}
    return found


def _bound(error_s: float) -> float | None:
    return error_s if math.isfinite(error_s) else None


def start_ns(source: Source) -> int:
    """When a trial began: its server host's first process, else what trial.json says of its first state, else 0."""
    axis = source.wall.axis
    if axis is not None:
        own = [segment.header for segment in source.records.segments if segment.header.clock == axis.clock]
        return source.wall.of(axis.clock).at(min(header.mono_ns for header in own))
    entered = source.facts.settings.get("entered")
    told = [_unix_ns(moment) for moment in entered.values()] if isinstance(entered, Mapping) else []
    walls = [segment.header.wall_ns for segment in source.records.segments]
    return min((moment for moment in told if moment is not None), default=min(walls, default=0))


def _unix_ns(moment: object) -> int | None:
    try:
        return round(datetime.fromisoformat(str(moment)).timestamp() * 1000) * 1_000_000
    except ValueError:
        return None
