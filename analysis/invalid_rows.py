"""The invalid trials for people: rows of the terminal's table, and the table of the page."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import formats
from analysis.invalid import by_reason, is_valid
from analysis.model import TrialTimes
from analysis.tables import Row, Table

TITLE = "Invalid trials, by reason"


def invalid_rows(trials: Sequence[TrialTimes]) -> list[tuple[str, str, str]]:
    """Reason, how many trials, and which; empty where all are valid."""
    return [(reason, f"{len(names)}", formats.listed(names)) for reason, names in by_reason(trials).items()]


def invalid_table(trials: Sequence[TrialTimes]) -> Table:
    """The same on the page; without rows where all are valid."""
    invalid = sum(not is_valid(trial) for trial in trials)
    return Table(
        name="invalid",
        title=TITLE,
        note=f"{invalid} of {formats.count(len(trials), 'trial')} invalid and in no number. A trial counts under "
        "each of its reasons; the facts, and the limits that were passed, are in the table of trials.",
        head=["reason", "trials", "which"],
        rows=[Row(cells=row) for row in invalid_rows(trials)],
        numbers=(1,),
    )
