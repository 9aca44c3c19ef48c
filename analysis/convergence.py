"""When a trial reached its target accuracy, and when it was to stop: in rounds, and in seconds.

Convergence time is the time from the first configure to the early-stopping decision, on the server's clock: to the
moment at which the score that decided was there. A trial that came to its end before is censored there, never
dropped. The rule is the campaign's (`[convergence]`), held against what the server recorded of each round's metrics:
so it is the same for every app, whether the app stops by itself or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from analysis.model import TrialTimes
from analysis.survival import CensoredMedian, censored_median

SETTING = "convergence"  # in a trial's settings
STOPPED_BY = "stopped-by-"  # begins the name of the metric by which an app tells that it ends the run, and why
SOURCES = ("server", "evaluate", "train")  # of several that score a round, the first decides


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A target, patience, or both: `metric` is larger for a better model, `target_accuracy` None is no target.

    `patience` rounds in a row without a score `min_delta` above the best before are the end; 0 is no patience rule.
    """

    metric: str = "accuracy"
    target_accuracy: float | None = None
    patience: int = 0
    min_delta: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The end of a scored round, `t_s` after the first configure; `reason` is "target", "patience" or the app's own.

    Without a reason nothing happened up to this moment, at which the watching ended: a censored time.
    """

    round: int
    t_s: float
    reason: str = ""

    @property
    def censored(self) -> bool:
        """Whether what was waited for had not come."""
        return not self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One trial by one rule. `target` and `stop` are None where the rule names no target, or neither.

    `app_stop` is the app's own decision, where it told one. `ended_early` says that fewer rounds were scored than the
    campaign asked for. `source` is whose score it is, `best` the largest of a trained model.
    """

    trial: str
    source: str
    best: float
    target: Moment | None
    stop: Moment
    app_stop: Moment | None
    ended_early: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeTo:
    """Rounds and seconds to one event over the trials of a network."""

    rounds: CensoredMedian
    seconds: CensoredMedian


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """The trials of one network under one rule; `unscored` are those in which no round has the metric.

    `target` is None where the rule has no target, `stop` where it has no patience, both where no trial is scored.
    """

    rule: Rule
    judged: Sequence[Judged]
    unscored: Sequence[str]
    target: TimeTo | None
    stop: TimeTo | None

    @property
    def stops(self) -> Mapping[str, int]:
        """How many trials were to stop, by reason."""
        return Counter(one.stop.reason for one in self.judged if not one.stop.censored)


def rule_of(trial: TrialTimes) -> Rule | None:
    """The rule that the trial's campaign stated; None where it stated none."""
    stated = trial.facts.settings.get(SETTING)
    if not isinstance(stated, Mapping):
        return None
    return Rule(**{item.name: stated[item.name] for item in fields(Rule) if item.name in stated})


def judged(trial: TrialTimes, rule: Rule) -> Judged | None:
    """When the trial reached what the rule asks for; None where no trained model has a score of that name."""
    source, course = _course(trial, rule.metric)
    trained = [(moment, score) for moment, score in course if moment.round > 0]
    if not trained:
        return None
    last = trained[-1][0]
    target = next((_because(moment, "target") for moment, score in trained if _is_reached(rule, score)), last)
    return Judged(
        trial=trial.facts.name,
        source=source,
        best=max(score for _, score in trained),
        target=None if rule.target_accuracy is None else target,
        stop=_stop(course, rule) or last,
        app_stop=app_stop(trial),
        ended_early=trial.facts.rounds is not None and last.round < trial.facts.rounds,
    )


def convergence_of(trials: Sequence[TrialTimes]) -> Convergence | None:
    """The convergence of one network's trials; None where they state no rule, or not all the same."""
    rules = {rule for trial in trials if (rule := rule_of(trial)) is not None}
    if len(rules) != 1:
        return None
    (rule,) = rules
    under = [trial for trial in trials if rule_of(trial) is not None]
    found = {trial.facts.name: judged(trial, rule) for trial in under}
    scored = [one for one in found.values() if one is not None]
    return Convergence(
        rule=rule,
        judged=scored,
        unscored=[name for name, one in found.items() if one is None],
        target=_time_to([one.target for one in scored if one.target is not None]),
        stop=_time_to([one.stop for one in scored]) if rule.patience else None,
    )


def _course(trial: TrialTimes, metric: str) -> tuple[str, list[tuple[Moment, float]]]:
    """Whose scores count, and each of them in order."""
    for source in SOURCES:
        found = [
            (Moment(round=number, t_s=t_s), metrics[metric])
            for (number, by, metrics), t_s in zip(trial.scores, trial.score_times_s, strict=True)
            if by == source and metric in metrics
        ]
        if any(moment.round > 0 for moment, _ in found):
            return source, sorted(found, key=lambda pair: pair[0].t_s)
    return "", []


def _is_reached(rule: Rule, score: float) -> bool:
    return rule.target_accuracy is not None and score >= rule.target_accuracy


def _stop(course: Sequence[tuple[Moment, float]], rule: Rule) -> Moment | None:
    """The first moment at which the rule ends a run. A score of fresh parameters ends none: gains count from it."""
    best, since = float("-inf"), 0
    for moment, score in course:
        improved = score > best + rule.min_delta
        best, since = (score, 0) if improved else (best, since + 1)
        if moment.round > 0 and _is_reached(rule, score):
            return _because(moment, "target")
        if rule.patience and since >= rule.patience:
            return _because(moment, "patience")
    return None


def _because(moment: Moment, reason: str) -> Moment:
    return Moment(round=moment.round, t_s=moment.t_s, reason=reason)


def app_stop(trial: TrialTimes) -> Moment | None:
    """The app's own decision to end the run, by a metric named `stopped-by-REASON`; None where it told none."""
    for (number, _, metrics), t_s in zip(trial.scores, trial.score_times_s, strict=True):
        for name, value in metrics.items():
            if name.startswith(STOPPED_BY) and value:
                return Moment(round=number, t_s=t_s, reason=name.removeprefix(STOPPED_BY))
    return None


def _time_to(moments: Sequence[Moment]) -> TimeTo | None:
    if not moments:
        return None
    reached = [moment for moment in moments if not moment.censored]
    censored = [moment for moment in moments if moment.censored]
    return TimeTo(
        rounds=censored_median([moment.round for moment in reached], [moment.round for moment in censored]),
        seconds=censored_median([moment.t_s for moment in reached], [moment.t_s for moment in censored]),
    )
