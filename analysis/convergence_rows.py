"""Rounds and time to the target, for people: the rows of the terminal's table, and the tables of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from analysis import formats
from analysis.convergence import Convergence, Judged, Moment, Rule, TimeTo
from analysis.measured import Measured
from analysis.survival import CensoredMedian
from analysis.tables import Row, Table

TITLE = "Convergence"
NEVER = "not reached"


def rule_words(rule: Rule) -> str:
    """`accuracy ≥ 0.9; stop after 3 rounds without a gain of 0.01`."""
    target = "" if rule.target_accuracy is None else f"{rule.metric} ≥ {rule.target_accuracy:g}"
    gain = f"{formats.count(rule.patience, 'round')} without a gain of {rule.min_delta:g}"
    if not rule.patience:
        return target
    return f"{target}; stop there or after {gain}" if target else f"stop after {gain} in {rule.metric}"


def convergence_rows(measured: Measured) -> Iterator[tuple[str, list[str]]]:
    """A label and a cell for each interface."""
    found = [measured.convergence.get(name) for name in measured.interfaces]
    told: list[TimeTo | None] = []
    for event, to_of in _EVENTS:
        every = [None if one is None else to_of(one) for one in found]
        if any(every) and every != told:
            told = every
            yield f"rounds to {event}", [_cell(to, lambda of: of.rounds, _round) for to in every]
            yield f"time to {event}, s", [_cell(to, lambda of: of.seconds, formats.seconds) for to in every]
            yield "  came there, of trials", [_came(to) for to in every]


_EVENTS: Sequence[tuple[str, Callable[[Convergence], TimeTo | None]]] = (
    ("target", lambda one: one.target),
    ("stop", lambda one: one.stop),
)


def convergence_tables(measured: Measured) -> list[Table]:
    """By network, and every trial with the moment at which it came there or was given up."""
    rules = dict.fromkeys(rule_words(one.rule) for one in measured.convergence.values())
    by_network = Table(
        name="convergence",
        title=TITLE,
        note=f"Asked for: {'; '.join(rules)}. From the first configure to the moment at which the deciding score was "
        "there, on the server's clock. Medians after Kaplan and Meier with their 95 % intervals: a trial that ended "
        "before is censored, so it counts as longer than it was watched, and there are no means. ∞: an open end.",
        head=["", *measured.interfaces],
        rows=[
            Row(cells=[label.strip(), *cells], look="soft" if label.startswith(" ") else "")
            for label, cells in convergence_rows(measured)
        ],
        numbers=range(1, 1 + len(measured.interfaces)),
    )
    each = Table(
        name="converged",
        title="Convergence, trial by trial",
        note="The best score of a trained model, and when the rule was met; the app's own decision, where it told.",
        head=["trial", "network", "score by", "best", "target", "stop", "app's stop"],
        rows=[
            Row(cells=_trial_cells(name, found, one))
            for name, found in measured.convergence.items()
            for one in found.judged
        ],
        numbers=(3,),
    )
    return [table for table in (by_network, each) if table.rows]


def _trial_cells(name: str, found: Convergence, one: Judged) -> list[str]:
    return [
        one.trial,
        name,
        one.source,
        f"{one.best:.4f}",
        _moment(one.target),
        _moment(one.stop if found.rule.patience else None),
        _moment(one.app_stop),
    ]


def _moment(moment: Moment | None) -> str:
    if moment is None:
        return formats.NOTHING
    when = f"round {moment.round}, {formats.seconds(moment.t_s)} s"
    return f"not by {when}" if moment.censored else f"{when} ({moment.reason})"


def _came(to: TimeTo | None) -> str:
    return formats.NOTHING if to is None else f"{to.rounds.reached} of {to.rounds.n}"


def _cell(to: TimeTo | None, of: Callable[[TimeTo], CensoredMedian], words: Callable[[float], str]) -> str:
    if to is None:
        return formats.NOTHING
    made = of(to)
    median = NEVER if made.median is None else words(made.median)
    if made.interval is None:
        return median
    low, high = made.interval
    return f"{median} [{words(0.0) if low is None else words(low)}, {'∞' if high is None else words(high)}]"


def _round(value: float) -> str:
    return f"{value:g}"
