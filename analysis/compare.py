"""One run over another: the ratio of each phase's means with its interval, network by network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.estimators import Estimate, Ratio, ratio_of_means
from analysis.formats import factor_with_interval, seconds
from analysis.measured import Measured
from analysis.rows import TIMES
from analysis.summary import Summary

if TYPE_CHECKING:
    from rich.table import Table

ROUNDS = (("round, t_r", "t_r"), ("round, wall", "wall"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One phase on one network: this run over the other. `differs` says that the interval leaves out 1."""

    interface: str
    phase: str
    ours: Estimate
    theirs: Estimate
    ratio: Ratio

    @property
    def differs(self) -> bool:
        """Whether the 95 % interval of the ratio leaves out 1; never where there is no interval."""
        interval = self.ratio.interval
        return interval is not None and not interval[0] <= 1 <= interval[1]


def compare(ours: Summary, theirs: Summary) -> list[Compared]:
    """Every phase that both runs have on the same network, in the order of the tables."""
    return [
        Compared(interface=name, phase=phase, ours=mine, theirs=other, ratio=ratio_of_means(mine, other))
        for name in ours.measured.interfaces
        if name in theirs.measured.phases
        for phase, mine in _estimates(ours.measured, name).items()
        if (other := _estimates(theirs.measured, name).get(phase)) is not None and mine.mean > 0 and other.mean > 0
    ]


def comparison_json(found: list[Compared]) -> dict[str, Any]:
    """`against.<interface>.<phase>.{ratio,ci95,ours_s,theirs_s,differs,kind}` of `fedprobe report --json`."""
    document: dict[str, Any] = {}
    for item in found:
        document.setdefault(item.interface, {})[item.phase] = {
            "ratio": item.ratio.ratio,
            "ci95": None if item.ratio.interval is None else list(item.ratio.interval),
            "ours_s": item.ours.mean,
            "theirs_s": item.theirs.mean,
            "differs": item.differs,
            "kind": item.ratio.kind,
        }
    return document


def comparison_table(
    found: list[Compared], ours: str = "this run", theirs: str = "the other", over: str = "this / other"
) -> Table:
    """The rows of the table of times, one over the other, for the terminal."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("mean seconds", no_wrap=True)
    for column in ("network", ours, theirs, f"{over} [95 %]"):
        table.add_column(column, justify="left" if column == "network" else "right", no_wrap=True)
    labels = {phase: label for label, phase in (*TIMES, *ROUNDS)}
    for item in found:
        if item.phase in labels:
            cells = [seconds(item.ours.mean), seconds(item.theirs.mean), factor_with_interval(item.ratio)]
            style = "bold" if item.differs else ""
            table.add_row(labels[item.phase], item.interface, *cells, style=style)
    return table


def _estimates(measured: Measured, name: str) -> dict[str, Estimate]:
    found = dict(measured.phases[name])
    rounds = measured.rounds.get(name)
    if rounds is not None:
        found["wall"] = rounds.wall
        if rounds.t_r is not None:
            found["t_r"] = rounds.t_r
    return found
