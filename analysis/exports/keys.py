"""The columns that every table begins with: which trial a row is of, and whether its numbers may be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.exports.exported import ExportedTrial
from analysis.exports.table import Column, flag, text
from analysis.samples import interface_of


@dataclass(frozen=True, slots=True)
class Of:
    """What a row is made of: something of a trial, with the trial."""

    trial: ExportedTrial
    item: Any


# a partition of a Parquet file tells these two, so the file leaves them out
PARTITIONS = ("campaign", "trial")
KEYS: tuple[Column, ...] = (
    text("campaign", "the campaign's name", lambda of: of.trial.campaign),
    text("trial", "the trial's name, as its folder's", lambda of: of.trial.name),
    text(
        "interface",
        "the trial's network, and after ' under ' the fault that it ran under, as in the report",
        lambda of: interface_of(of.trial.times),
    ),
    flag("valid", "whether nothing speaks against the trial", lambda of: of.trial.times.facts.outcome == "ok"),
    flag("warmup", "whether the trial is a warm-up", lambda of: of.trial.times.facts.warmup),
)
