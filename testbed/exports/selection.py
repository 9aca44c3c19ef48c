"""The trials of a run folder that an export is of, read one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import UsageError
from testbed.validation import nearest

if TYPE_CHECKING:
    from analysis.exports.exported import ExportedTrial


@dataclass(frozen=True, slots=True)
class Selection:
    """A run folder, its campaign's name, and the folders of the trials to be exported, in the campaign's order."""

    run: Path
    campaign: str
    folders: Sequence[Path]

    def trials(self) -> Iterator[ExportedTrial]:
        """Each trial with its analysis; one is held at a time. Raises UsageError for a damaged trial.json."""
        from analysis.exports.exported import read_exported
        from analysis.trial import TrialError

        for folder in self.folders:
            try:
                yield read_exported(folder, self.campaign)
            except TrialError as error:
                raise UsageError(f"{error}. Name the other trials with --trial.") from error


def selected(run: Path, names: Sequence[str] = ()) -> Selection:
    """The trials of these names, or all that were begun. Raises UsageError where there are none."""
    if not (run / "trials").is_dir():
        reason = "there is no such folder" if not run.is_dir() else "it has no folder trials/"
        raise UsageError(f"{run} is not a run folder: {reason}. Name the folder that fedprobe run printed.")
    begun = sorted(path for path in (run / "trials").iterdir() if (path / "trial.json").is_file())
    if not begun:
        raise UsageError(f"{run}: no trial was begun there, so there is nothing to export. Carry out the run first.")
    known = {path.name: path for path in begun}
    for name in names:
        if name not in known:
            raise UsageError(f"{run} has no trial {name!r}. {nearest(name, known)}")
    chosen = [path for path in begun if not names or path.name in names]
    check_trials(chosen)
    return Selection(run=run, campaign=_campaign(run), folders=chosen)


def check_trials(folders: Iterable[Path]) -> None:
    """Look at every trial.json before anything is written.

    Raises UsageError for a damaged one, and for two trials of one name, which nothing would tell apart afterwards.
    """
    from analysis.trial import TrialError, trial_facts

    found: dict[str, Path] = {}
    for folder in folders:
        try:
            name = trial_facts(folder / "trial.json").name
        except TrialError as error:
            raise UsageError(f"{error}. Name the other trials with --trial.") from error
        if (first := found.setdefault(name, folder)) != folder:
            raise UsageError(
                f"{first} and {folder} both say that they are trial {name}, as where a folder was copied. Move one "
                "of them away, or name the trials with --trial."
            )


def _campaign(run: Path) -> str:
    """The campaign's name by its plan; the folder's own where there is none, as of a self-test."""
    try:
        name = json.loads((run / "plan.json").read_text(encoding="utf-8")).get("campaign")
    except (OSError, ValueError, AttributeError):
        name = None
    return name if isinstance(name, str) and name else run.resolve().name
