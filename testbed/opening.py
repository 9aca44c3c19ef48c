"""Begins a run in its folder, opens it again to be resumed, and keeps others away meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from analysis.selftest_cited import FILE as SELFTEST_FILE
from testbed import premises
from testbed.errors import UsageError
from testbed.manifest import manifest
from testbed.plan import plan_document
from testbed.prepared import Prepared, prepare
from testbed.run_folder import CAMPAIGN, LOCK, MANIFEST, PLAN, RunFolder, RunFolderError
from testbed.run_lock import held
from testbed.selftest.results import newest


class ChangedError(UsageError):
    """What a run stands on has changed since it began."""


@contextmanager
def alone_in_folder(folder: RunFolder) -> Iterator[None]:
    """No other process works at the run meanwhile. Raises InUseError."""
    with held(folder.path / LOCK, f"run folder {folder.path}"):
        yield


def begin(prepared: Prepared, folder: RunFolder) -> None:
    """Write down what is to be done and what it stands on, before anything is."""
    begun = {
        "begun": datetime.now().astimezone().isoformat(timespec="seconds"),
        "campaign_file": str(prepared.file.resolve()),
        "premises": premises_now(prepared),
    }
    folder.write(MANIFEST, {**manifest(prepared.inventory, prepared.profiles), **begun})
    if (selftest := newest()) is not None:
        folder.write(SELFTEST_FILE, selftest)
    folder.write(PLAN, plan_document(prepared.campaign, prepared.trials))  # last: from here on it can be resumed


def reopen(path: Path, *, accepted: bool) -> tuple[Prepared, RunFolder]:
    """The run in a folder, to be carried on.

    Raises RunFolderError where it is none, and ChangedError, with the differences, where what it stands on has
    changed and that is not `accepted`; what is accepted is recorded in manifest.json.
    """
    folder = RunFolder.existing(path)
    document = folder.read(MANIFEST)
    if not document.keys() >= {"begun", "campaign_file", "premises"}:
        raise RunFolderError(
            f"{path}: its {MANIFEST} does not say what the run stands on: it was begun by a fedprobe that could not "
            "resume. Begin anew: fedprobe run CAMPAIGN."
        )
    names = {trial["name"] for trial in folder.read(PLAN)["trials"]}
    file = Path(document["campaign_file"])
    whole = prepare(file, copy=None if file.exists() else folder.path / CAMPAIGN)
    prepared = whole.limited_to(names)
    now = premises_now(prepared)
    if changed := premises.changes(document["premises"], now):
        if not accepted:
            raise ChangedError(premises.refusal(path, changed))
        prepared = _as_accepted(whole, names)
        folder.accept(changed, campaign=prepared.text, premises=premises_now(prepared))
        folder.write(PLAN, plan_document(prepared.campaign, prepared.trials))
    return prepared, folder


def _as_accepted(whole: Prepared, names: set[str]) -> Prepared:
    """The plan of a changed campaign: what was planned, and what is new; a budget is not asked again."""
    known = {slot.trial.name for slot in whole.every_slot}
    return whole.limited_to(known if known - names else names & known)


def premises_now(prepared: Prepared) -> Mapping[str, Any]:
    """What the run stands on, as of now."""
    if prepared.inventory is not None:
        testbeds = [premises.of_inventory(prepared.inventory)]
    else:
        used = dict.fromkeys(planned.testbed_key for planned in prepared.trials)
        testbeds = [premises.emulated(prepared.testbeds[key]) for key in used]
    apps = dict.fromkeys(prepared.app_of(planned) for planned in prepared.trials)
    return premises.premises(prepared.text, apps, [planned.name for planned in prepared.trials], testbeds)
