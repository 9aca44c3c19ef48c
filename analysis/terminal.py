"""The report on a terminal: verdicts first, then one compact table, the ratios, and the paper's figures beside them.

80 columns suffice for three interfaces. Without a terminal the same lines come as plain text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from analysis import formats, paper
from analysis.baseline import Baseline
from analysis.baseline_rows import TITLE as BASELINE
from analysis.baseline_rows import baseline_rows
from analysis.compare import compare, comparison_table
from analysis.convergence_rows import TITLE as CONVERGENCE
from analysis.convergence_rows import convergence_rows, rule_words
from analysis.estimators import Estimate
from analysis.invalid_rows import TITLE as INVALID
from analysis.invalid_rows import invalid_rows
from analysis.levels import is_polling
from analysis.measured import Measured
from analysis.model import TrialTimes
from analysis.rows import RATIOS, TIMES, grouped
from analysis.selftest_cited import citation
from analysis.starvation_rows import TITLE as STARVATION
from analysis.starvation_rows import starvation_rows
from analysis.summary import Summary, every_trial
from analysis.sweep_rows import MAIN, TITLE, counts, refusals, sweep_rows
from analysis.verdicts import Verdict
from analysis.waiting import waiting

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

WIDTH = 80
STYLES = {"unfit": "bold red", "warn": "yellow", "info": "cyan"}


def print_summary(summary: Summary, console: Console | None = None) -> None:
    """Print a report to a console, by default one on standard output, at least 80 columns wide."""
    from rich.console import Console

    if console is None:
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=max(WIDTH, console.width), color_system=None)
    for part in _parts(summary):
        console.print(part)


def as_text(summary: Summary, *, width: int = WIDTH) -> str:
    """The report as plain text of a width."""
    from io import StringIO

    from rich.console import Console

    page = Console(file=StringIO(), width=width, color_system=None, highlight=False, force_terminal=False)
    print_summary(summary, page)
    assert isinstance(page.file, StringIO)
    return "\n".join(line.rstrip() for line in page.file.getvalue().splitlines()) + "\n"


def _parts(summary: Summary) -> Iterator[RenderableType]:
    measured = summary.measured
    yield _headline(summary)
    yield from _verdict_lines(summary.verdicts)
    yield from _failed_warm_ups(summary.trials)
    if any(invalid_rows(every_trial(summary))):
        yield _heading(INVALID)
        yield _invalid(every_trial(summary))
    if summary.selftest is not None:
        yield citation(summary.selftest)
    if measured.interfaces:
        yield _heading(f"A message and a round ({measured.kind} intervals)")
        yield _times(measured)
        yield _heading("What the critical path waited for")
        yield _shares(measured)
    if any(starvation_rows(measured)):
        yield _heading(f"{STARVATION} (≈: estimated from samples)")
        yield _starvation(measured)
    if any(convergence_rows(measured)):
        rules = dict.fromkeys(rule_words(of.rule) for of in measured.convergence.values())
        yield _heading(f"{CONVERGENCE}: {'; '.join(rules)}")
        yield _convergence(measured)
    if measured.sweep:
        yield _heading(f"{TITLE}: fixed + per MB + per object")
        if any(counts(measured)):
            yield _sweep(measured)
        yield from refusals(measured)
    if summary.baseline is not None and summary.baseline.links:
        yield _heading(f"{BASELINE}, and this run's transfers")
        yield _baseline(summary.baseline, summary.trials)
    if summary.others:
        yield _heading(_others_heading(summary))
        yield _waiting(summary)
        for level, other in summary.others.items():
            yield comparison_table(compare(other, summary), level, summary.level, f"{level} / {summary.level}")
    if measured.ratios:
        yield _heading("Network over network")
        yield _ratios(measured)
        yield from _paper_lines(measured)


def _others_heading(summary: Summary) -> str:
    if is_polling(summary.level):
        return "Flower's own waits, and what a round is like with them cut short"
    return f"The other combinations of levels, over {summary.level}"


def _headline(summary: Summary) -> str:
    measured = summary.measured
    rounds = sum(numbers.complete for numbers in measured.rounds.values())
    trials = sum(measured.trials.values())
    left_out = len(summary.trials) - trials
    words = f"{formats.count(trials, 'trial')}, {formats.count(rounds, 'complete round')} on "
    words += formats.listed(measured.interfaces) if measured.interfaces else "no interface"
    return words + (f" ({formats.count(left_out, 'trial')} left out)" if left_out else "")


def _verdict_lines(verdicts: Sequence[Verdict]) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column()
    for verdict in verdicts:
        words = Text(verdict.finding)
        words.append(f" Next: {verdict.next_step}", style="dim")
        table.add_row(Text(verdict.severity, style=STYLES[verdict.severity]), words)
    if not verdicts:
        table.add_row("good", "nothing to object to.")
    yield table


def _failed_warm_ups(trials: Sequence[TrialTimes]) -> Iterator[Text]:
    """Warm-ups that did not end well: no verdict names them, since no number was to come of them."""
    from rich.text import Text

    for trial in trials:
        if trial.facts.warmup and trial.facts.outcome != "ok":
            reason = trial.facts.reason or "no reason"
            yield Text(f"left out: warm-up {trial.facts.name} is {trial.facts.outcome}: {reason}")


def _invalid(trials: Sequence[TrialTimes]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("reason", no_wrap=True)
    table.add_column("trials", justify="right")
    table.add_column("which")
    for row in invalid_rows(trials):
        table.add_row(*row)
    return table


def _times(measured: Measured) -> Table:
    table = _table("seconds, mean ±95 %", measured.interfaces)
    for label, phase in TIMES:
        made = [measured.phases[name].get(phase) for name in measured.interfaces]
        if any(made):
            table.add_row(label, *[formats.mean_and_half_width(value) for value in made])
    table.add_section()
    rounds = [measured.rounds.get(name) for name in measured.interfaces]
    table.add_row("round, t_r", *[formats.mean_and_half_width(of.t_r if of else None) for of in rounds])
    table.add_row("round, wall", *[formats.mean_and_half_width(of.wall if of else None) for of in rounds])
    table.add_section()
    for side in ("uplink", "downlink"):
        spreads = [measured.over_bound.get(name, {}).get(side) for name in measured.interfaces]
        if any(spreads):
            table.add_row(f"{side} over its bound", *[formats.factor(of.mean if of else None) for of in spreads])
    counts = [measured.phases[name].get("uplink") for name in measured.interfaces]
    table.add_row(
        "n transfers / rounds",
        *[_counts(of, measured, name) for of, name in zip(counts, measured.interfaces, strict=True)],
    )
    return table


def _counts(uplink: Estimate | None, measured: Measured, name: str) -> str:
    rounds = measured.rounds.get(name)
    return f"{uplink.n if uplink else 0} / {rounds.complete if rounds else 0}"


def _shares(measured: Measured) -> Table:
    table = _table("share of wall time", measured.interfaces)
    for label, seconds in grouped(measured).items():
        if any(seconds.values()) or label == "residual":
            walls = [sum(measured.charged.get(name, {}).values()) for name in measured.interfaces]
            shares = [
                seconds.get(name, 0.0) / wall if wall else None
                for name, wall in zip(measured.interfaces, walls, strict=True)
            ]
            table.add_row(label, *[formats.percent(share) for share in shares])
    return table


def _starvation(measured: Measured) -> Table:
    table = _table("share of phase, mean", measured.interfaces)
    for phase, cells in starvation_rows(measured):
        table.add_row(phase, *cells)
    return table


def _convergence(measured: Measured) -> Table:
    table = _table("median, 95 %", measured.interfaces)
    for label, cells in convergence_rows(measured):
        table.add_row(label, *cells)
    return table


def _baseline(baseline: Baseline, trials: Sequence[TrialTimes]) -> Table:
    table = _table("medians over the nodes", baseline.networks)
    for label, cells in baseline_rows(baseline, trials):
        table.add_row(label, *cells)
    return table


def _sweep(measured: Measured) -> Table:
    table = _table("fit, ±95 %", list(measured.sweep))
    for title, rows in sweep_rows(measured, MAIN):
        table.add_row(title)
        for label, cells in rows:
            table.add_row(f"  {label}", *cells)
        table.add_section()
    for label, cells in counts(measured):
        table.add_row(label, *cells)
    return table


def _waiting(summary: Summary) -> Table:
    levels = {summary.level: summary, **summary.others}
    names = list(dict.fromkeys(name for made in levels.values() for name in made.measured.interfaces))
    table = _table("waiting for polls, of a round", names)
    for level, made in levels.items():
        found = waiting(made.measured)
        cells = [found.get(name) for name in names]
        words = [f"{formats.seconds(of.waiting_s)} s, {formats.percent(of.share)}" if of else "-" for of in cells]
        table.add_row(level, *words)
    return table


def _ratios(measured: Measured) -> Table:
    pairs = list(dict.fromkeys(pair for of in measured.ratios.values() for pair in of))
    table = _table("ratio [95 %]", pairs)
    for label, phase in RATIOS:
        besides = measured.ratios.get(phase, {})
        if besides:
            table.add_row(
                label,
                *[formats.factor_with_interval(besides[pair].ratio if pair in besides else None) for pair in pairs],
            )
    for label, phase in (("uplink bounds", "uplink_active"), ("downlink bounds", "downlink_active")):
        besides = measured.ratios.get(phase, {})
        bounds = [besides[pair].bound_ratio if pair in besides else None for pair in pairs]
        if any(bounds):
            table.add_row(label, *[formats.factor(bound) for bound in bounds], style="dim")
    table.add_row("paper's uplink", *[formats.factor(paper.UPLINK_RATIOS.get(pair)) for pair in pairs], style="dim")
    return table


def _paper_lines(measured: Measured) -> Iterator[str]:
    for claim in paper.claims(measured):
        if claim.unit == "share":
            ours = ", ".join(f"{formats.percent(share)} ({name})" for name, share in claim.ours.items())
            yield f"{claim.claim}: paper {formats.percent(claim.paper)}; here {ours}."
    yield f"{paper.SOURCE}: {paper.CAVEAT}"


def _heading(words: str) -> Text:
    from rich.text import Text

    return Text(f"\n{words}", style="bold")


def _table(first: str, columns: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    return table
