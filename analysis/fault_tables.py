"""The table of the faults that a campaign asked for: when each was applied, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import formats
from analysis.model import FaultEffect, TrialTimes
from analysis.tables import Row, Table


def faults_table(trials: Sequence[TrialTimes]) -> Table:
    """A row for each time that a fault was applied to a host; no rows where no campaign asked for any."""
    return Table(
        name="faults",
        title="Faults that were asked for",
        note="Seconds. Applied and undone count from the trial's first configure. Noticed is how long Flower took "
        "until the ServerApp had an error reply for that host. Lost are rounds from then on that are not complete. "
        "Later is the slowest round that the fault touched less the median of those that no fault touched. Wasted "
        "adds up the lives of ClientApps there whose reply never counted.",
        head=[
            *("trial", "fault", "host", "applied", "undone", "in round"),
            *("noticed", "codes", "lost", "later", "wasted"),
        ],
        rows=[Row(cells=_cells(trial, effect)) for trial in trials for effect in trial.effects],
        numbers=(3, 4, 5, 6, 9, 10),
    )


def _cells(trial: TrialTimes, effect: FaultEffect) -> list[str]:
    return [
        trial.facts.name,
        f"{effect.fault}: {effect.does}\n{effect.phase}: {effect.detail}",
        effect.host,
        formats.seconds(effect.start_s) if effect.phase == "applied" else formats.NOTHING,
        formats.seconds(effect.undone_s),
        formats.NOTHING if effect.round is None else f"{effect.round}",
        formats.seconds(effect.noticed_s),
        ", ".join(map(str, effect.error_codes)) or formats.NOTHING,
        ", ".join(map(str, effect.lost)) or formats.NOTHING,
        formats.seconds(effect.delay_s),
        formats.seconds(effect.wasted_s),
    ]
