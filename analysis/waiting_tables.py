"""The page's tables of Flower's own waits: how much of a round they are, and one level of polling over another."""

from __future__ import annotations

import re
from collections.abc import Iterable

from analysis import formats
from analysis.compare import ROUNDS, compare
from analysis.levels import is_polling
from analysis.rows import TIMES
from analysis.summary import Summary
from analysis.tables import Row, Table
from analysis.waiting import waiting

NOTE = (
    "What the critical path of an average round waited for Flower's polls (wait_downlink, dispatch, wait_uplink, "
    "wait_collect). Stock polling is Flower as released; fast is the same Flower with each wait cut to 0.25 s."
)


def waiting_tables(summary: Summary) -> list[Table]:
    """The share of waiting and, where a run has several levels of polling, each over the first; those with rows."""
    made = [_share_table(summary), *(_over_table(summary, level) for level in summary.others)]
    return [table for table in made if table.rows]


def _share_table(summary: Summary) -> Table:
    levels = {summary.level: summary, **summary.others}
    rows = [
        Row(
            cells=[
                level,
                name,
                formats.seconds(of.wall_s),
                formats.seconds(of.waiting_s),
                formats.percent(of.share),
            ]
        )
        for level, made in levels.items()
        for name, of in waiting(made.measured).items()
    ]
    return Table(
        name="waiting",
        title="Flower's own waits",
        head=("levels", "network", "round, s", "waiting, s", "share"),
        rows=rows,
        note=NOTE,
        numbers=(2, 3, 4),
    )


def _over_table(summary: Summary, level: str) -> Table:
    return Table(
        name=f"waiting-{re.sub('[^a-z0-9]+', '-', level.lower())}",
        title=f"{level.capitalize()} polling over {summary.level}"
        if is_polling(level)
        else f"{level} over {summary.level}",
        head=("mean seconds", "network", level, summary.level, "ratio [95 %]"),
        rows=list(_over_rows(summary, level)),
        numbers=(2, 3, 4),
    )


def _over_rows(summary: Summary, level: str) -> Iterable[Row]:
    labels = {phase: label for label, phase in (*TIMES, *ROUNDS)}
    for item in compare(summary.others[level], summary):
        if item.phase in labels:
            times = [formats.seconds(item.ours.mean), formats.seconds(item.theirs.mean)]
            yield Row(
                cells=[labels[item.phase], item.interface, *times, formats.factor_with_interval(item.ratio)],
            )
