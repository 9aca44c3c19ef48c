"""The JSON document of a report: keys that scripts read, full precision, nothing that is not finite."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from analysis import paper
from analysis.baseline import baseline_json
from analysis.compare import compare, comparison_json
from analysis.convergence_json import convergence_json
from analysis.estimators import Estimate, Ratio
from analysis.invalid import is_valid, reasons_of, validity_json
from analysis.measured import Beside, Measured
from analysis.model import ClockFit, LinkRates, TrialTimes
from analysis.round_numbers import RoundNumbers, Stragglers
from analysis.rules.records import first_difference
from analysis.samples import by_interface, interface_of, is_usable
from analysis.selftest_cited import cited
from analysis.summary import Summary, every_trial
from analysis.sweep_json import sweep_json
from analysis.waiting import waiting

SCHEMA = 1
KIND_NOTES = {
    "within-run": "95 % t interval over the rounds of one trial: says nothing about repeatability",
    "between-trials": "95 % t interval over the means of repeated trials",
}
SCORES = ("accuracy", "acc")


def to_json(summary: Summary) -> dict[str, Any]:
    """The document of `fedprobe report --json`, ready for json.dumps(allow_nan=False)."""
    measured = summary.measured
    return {
        "schema": SCHEMA,
        "made_by": dict(summary.revision),
        "kind": measured.kind,
        "intervals": KIND_NOTES[measured.kind],
        "interfaces": measured.interfaces,
        "verdicts": [dataclasses.asdict(verdict) for verdict in summary.verdicts],
        "phases": {
            name: {phase: estimate_json(made) for phase, made in of.items()} for name, of in measured.phases.items()
        },
        "ratios": {phase: _besides(of) for phase, of in measured.ratios.items()},
        "starvation": {
            name: {phase: dataclasses.asdict(found) for phase, found in of.items()}
            for name, of in measured.starvation.items()
        },
        "over_bound": {
            name: {side: _renamed(dataclasses.asdict(spread)) for side, spread in of.items()}
            for name, of in measured.over_bound.items()
        },
        "bounds": {
            name: {side: estimate_json(made) for side, made in of.items()} for name, of in measured.bounds.items()
        },
        **({"convergence": convergence_json(measured)} if measured.convergence else {}),
        "polling": _polling(summary),
        "selftest": cited(summary.selftest),
        "baseline": baseline_json(summary.baseline, summary.trials),
        "share": {name: measured.share(name) for name in measured.charged},
        "round": {name: _round(measured, name, of) for name, of in measured.rounds.items()},
        "definitions": _definitions(measured),
        **({"sweep": sweep_json(measured)} if measured.sweep else {}),
        "stragglers": {name: _stragglers(of) for name, of in measured.stragglers.items()},
        "paper": {
            "source": paper.SOURCE,
            "caveat": paper.CAVEAT,
            "claims": [dataclasses.asdict(claim) for claim in paper.claims(measured)],
        },
        "messages": _messages(summary.trials),
        "models": _models(summary.trials),
        "accuracy": {name: curves for name in measured.interfaces if (curves := accuracy(summary.trials, name))},
        "clocks": [_clock(trial, clock) for trial in every_trial(summary) for clock in trial.clocks],
        "validity": validity_json(every_trial(summary)),
        "trials": [_trial(trial) for trial in every_trial(summary)],
    }


def _polling(summary: Summary) -> dict[str, Any]:
    """What a round waits for Flower's polls, by level and network; of several levels, each over the first."""
    levels = {summary.level: summary, **summary.others}
    found: dict[str, Any] = {
        "headline": summary.level,
        "levels": {
            level: {
                name: {
                    "wall_s": of.wall_s,
                    "waiting_s": of.waiting_s,
                    "waiting_share": of.share,
                    "waiting_by_phase_s": dict(of.by_phase_s),
                }
                for name, of in waiting(made.measured).items()
            }
            for level, made in levels.items()
        },
    }
    for level, other in summary.others.items():
        found[f"{level}/{summary.level}"] = comparison_json(compare(other, summary))
    return found


def estimate_json(made: Estimate) -> dict[str, Any]:
    """An estimate of a time in seconds; `ci95_s` is [low, high], or null where one group leaves no interval."""
    return {
        "median_s": made.median,
        "mean_s": made.mean,
        "ci95_s": _pair(made.interval),
        "n": made.n,
        "groups": made.groups,
        "kind": made.kind,
    }


def accuracy(trials: Sequence[TrialTimes], interface: str) -> list[dict[str, Any]]:
    """The accuracy of each usable trial of an interface over seconds since its first configure."""
    curves = []
    for _, trial in by_interface(trials).get(interface, []):
        points = [
            {"round": number, "source": source, "t_s": seconds, **{name: metrics[name] for name in sorted(metrics)}}
            for (number, source, metrics), seconds in zip(trial.scores, trial.score_times_s, strict=False)
        ]
        if points:
            curves.append({"trial": trial.facts.name, "score": score_name(trial), "points": points})
    return curves


def score_name(trial: TrialTimes) -> str:
    """The metric that stands for accuracy: the first whose name says so; empty where none does."""
    names = sorted({name for _, _, metrics in trial.scores for name in metrics})
    exact = next((name for name in SCORES if name in names), "")
    return exact or next((name for name in names if "acc" in name.lower()), "")


def _besides(pairs: Mapping[str, Beside]) -> dict[str, Any]:
    found = {}
    for pair, beside in pairs.items():
        found[pair] = _ratio(beside.ratio)
        if beside.bound_ratio is not None:
            found[pair]["bound_ratio"] = beside.bound_ratio
    return found


def _ratio(made: Ratio) -> dict[str, Any]:
    return {"ratio": made.ratio, "ci95": _pair(made.interval), "kind": made.kind}


def _pair(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _renamed(spread: dict[str, Any]) -> dict[str, Any]:
    return {{"low": "min", "high": "max"}.get(key, key): value for key, value in spread.items()}


def _round(measured: Measured, name: str, rounds: RoundNumbers) -> dict[str, Any]:
    found: dict[str, Any] = {
        "wall_s": rounds.wall.mean,
        "wall_ci95_s": _pair(rounds.wall.interval),
        "residual_share": rounds.residual_share,
        "uplink_share_of_wall": measured.share(name).get("uplink", 0.0),
        "active_share_of_wall": dict(rounds.active_share),
        "complete": rounds.complete,
        "recorded": rounds.recorded,
        "n": rounds.wall.n,
        "trials": measured.trials[name],
        "kind": rounds.wall.kind,
    }
    if rounds.t_r is not None:
        found |= {"t_r_s": rounds.t_r.mean, "t_r_ci95_s": _pair(rounds.t_r.interval)}
    if rounds.uplink_over_t_r is not None:
        found["uplink_over_t_r"] = rounds.uplink_over_t_r
    return found


def _definitions(measured: Measured) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: {definition: estimate_json(made) for definition, made in of.items()}
        for name, of in measured.definitions.items()
    }
    found["ratios"] = {
        pair: {definition: _ratio(made) for definition, made in of.items()}
        for pair, of in measured.definition_ratios.items()
    }
    return found


def _stragglers(found: Stragglers) -> dict[str, Any]:
    node, share = found.most
    document = {"rounds_by_node": dict(found.counts), "rounds": found.rounds, "most": node, "most_share": share}
    return document if found.stretch is None else {**document, "slowest_over_median": found.stretch}


def _messages(trials: Sequence[TrialTimes]) -> dict[str, Any]:
    every = [(trial, message) for trial in trials for message in trial.messages]
    return {
        "total": len(every),
        "complete": sum(message.outcome == "ok" and not message.missing for _, message in every),
        "by_interface": dict(sorted(Counter(interface_of(trial) for trial, _ in every).items())),
        "by_function": dict(sorted(Counter(message.function for _, message in every).items())),
        "by_outcome": dict(sorted(Counter(message.outcome for _, message in every).items())),
    }


def _models(trials: Sequence[TrialTimes]) -> dict[str, Any]:
    found: dict[str, dict[str, str]] = {}
    for trial in trials:
        if is_usable(trial) and trial.models:
            digests = {str(number): digest for number, digest in sorted(trial.models.items())}
            found.setdefault(interface_of(trial), digests)
    if not found:
        return {}
    first = first_difference(trials)
    models: dict[str, Any] = {"identical": first is None, "by_interface": found}
    return models if first is None else {**models, "first_difference": first}


def _clock(trial: TrialTimes, clock: ClockFit) -> dict[str, Any]:
    found = {"trial": trial.facts.name, "interface": interface_of(trial), **dataclasses.asdict(clock)}
    return {key: value if _is_finite(value) else None for key, value in found.items()}


def _trial(trial: TrialTimes) -> dict[str, Any]:
    facts = trial.facts
    complete = [made for made in trial.rounds if made.complete]
    return {
        "name": facts.name,
        "interface": interface_of(trial),
        "outcome": facts.outcome,
        "reason": facts.reason,
        "valid": is_valid(trial),
        "reasons": [{"reason": reason, "detail": detail} for reason, detail in reasons_of(trial)],
        "warmup": facts.warmup,
        "compared": is_usable(trial),
        "nodes": list(facts.nodes) or sorted({message.node for message in trial.messages}),
        "rounds": len(trial.rounds),
        "complete_rounds": len(complete),
        "wall_s": [made.wall_s for made in trial.rounds],
        "t_r_s": [made.t_r_s for made in trial.rounds],
        "messages": len(trial.messages),
        "records": trial.records,
        "dropped_records": trial.dropped_records,
        "cut_segments": list(trial.cut_segments),
        "unreadable": [dict(zip(("host", "role", "reason"), file, strict=True)) for file in trial.unreadable],
        "captures": [dataclasses.asdict(capture) for capture in trial.captures],
        "failed_captures": [dict(zip(("host", "reason"), failed, strict=True)) for failed in trial.failed_captures],
        "refused_priorities": [
            dict(zip(("host", "reason"), refused, strict=True)) for refused in trial.refused_priorities
        ],
        "faults": list(trial.faults),
        "effects": [dataclasses.asdict(effect) for effect in trial.effects],
        "sleeps_s": dict(trial.sleeps_s),
        "checks": [dict(check) for check in facts.checks],
        "link": _link(facts.link),
        "emulator": dict(facts.emulator),
        "settings": dict(facts.settings),
    }


def _link(link: LinkRates | None) -> dict[str, Any] | None:
    return None if link is None else dataclasses.asdict(link)


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
