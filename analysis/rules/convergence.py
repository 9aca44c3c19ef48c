"""What may be said of rounds and time to a target: nothing where no trial came there, less where runs were ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.convergence import Convergence, rule_of
from analysis.formats import count, listed, seconds
from analysis.measured import Measured
from analysis.model import TrialTimes
from analysis.samples import by_interface
from analysis.verdicts import Verdict


def all_censored(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """No trial came there: all that is known is how long it was waited for."""
    for name, found in measured.convergence.items():
        for event, to in (("the target", found.target), ("a stop", found.stop)):
            if to is not None and not to.rounds.reached:
                best = max(one.best for one in found.judged)
                yield Verdict(
                    severity="warn",
                    rule="all_censored",
                    finding=f"{name}: {_none_of(to.rounds.n)} came to {event} ({_asked(found, event)}; the best "
                    f"score was {best:.4g}): of the time to it only this is known, that it is more than "
                    f"{seconds(min(_watched(found, event)))} s.",
                    next_step="Give the trials more rounds, or ask for less in [convergence] of the campaign file.",
                )


def _none_of(trials: int) -> str:
    return "the only trial never" if trials == 1 else f"none of {trials} trials"


def _asked(found: Convergence, event: str) -> str:
    rule = found.rule
    if event == "the target":
        return f"{rule.metric} {rule.target_accuracy:g}"
    return f"{count(rule.patience, 'round')} without a gain of {rule.min_delta:g}"


def _watched(found: Convergence, event: str) -> list[float]:
    return [one.target.t_s if event == "the target" and one.target else one.stop.t_s for one in found.judged]


def unscored(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Trials whose server recorded no score of the name that the campaign gives."""
    for name, found in measured.convergence.items():
        if found.unscored:
            placed = [trial for _, trial in by_interface(trials)[name] if trial.facts.name in found.unscored]
            names = sorted({key for trial in placed for _, _, metrics in trial.scores for key in metrics})
            yield Verdict(
                severity="warn",
                rule="unscored",
                finding=f"{name}: no round of {count(len(placed), 'trial')} ({listed(list(found.unscored))}) has a "
                f"score {found.rule.metric!r}; " + (f"there are {listed(names)}." if names else "there are none."),
                next_step="Set convergence.metric to the name under which the app's strategy returns its accuracy."
                if names
                else "Let the app's strategy return metrics, by its evaluate_fn or aggregate_evaluate.",
            )


def ended_before_target(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Censored because training brought no more: such a trial might never have come there."""
    for name, found in measured.convergence.items():
        ended = [one.trial for one in found.judged if one.target and one.target.censored and one.ended_early]
        if ended:
            yield Verdict(
                severity="warn",
                rule="ended_before_target",
                finding=f"{name}: {count(len(ended), 'trial')} ({listed(ended)}) ended before all rounds and without "
                "the target. The estimate takes them for trials that would have reached it as the others did.",
                next_step="Read it as the time of those that converge; or set patience = 0 in [workload.settings], "
                "so that the app trains all rounds while [convergence] still says when patience ended.",
            )


def different_rules(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Times to different targets have no common median."""
    for name, placed in by_interface(trials).items():
        rules = {rule for _, trial in placed if (rule := rule_of(trial)) is not None}
        if len(rules) > 1:
            yield Verdict(
                severity="warn",
                rule="different_rules",
                finding=f"{name}: its trials state {len(rules)} different rules of convergence: no time to target "
                "is given.",
                next_step="Compare trials of one rule: one [convergence] for the whole campaign.",
            )


RULES = (all_censored, unscored, ended_before_target, different_rules)
