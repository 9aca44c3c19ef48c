"""The run folder: what was asked, the plan, the manifest, and a folder for each trial with its state.

Every file is replaced at once and synced, so that a run killed at any moment leaves whole files, and each state
of a trial is on the disk before that state is entered.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from instrument.folders import made_folder, sync_folder, sync_folders
from testbed.errors import FedprobeError, UsageError
from testbed.states import BEGUN, MEASURED, State

CAMPAIGN, PLAN, MANIFEST, LOCK = "campaign.toml", "plan.json", "manifest.json", "lock"
ATTEMPT = ".attempt"
SPACE_NEEDED_BYTES = 200_000_000  # a demo's records and logs are about 30 MB; captures add about as much again


class RunFolderError(UsageError):
    """The run folder cannot be made or is not a run folder."""


class DiskFullError(FedprobeError):
    """There is not enough space to keep what would be measured."""


def default_folder(name: str) -> Path:
    """`runs/NAME-TIME` below the working directory, a new one for each second."""
    return Path("runs") / f"{name}-{datetime.now(tz=UTC).strftime('%Y%m%dT%H%M%SZ')}"


class RunFolder:
    """Paths and states of one run. `create` makes a new one; opening an existing folder changes nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @classmethod
    def create(cls, path: Path, campaign_file: Path) -> RunFolder:
        """A new run folder with the campaign file in it. Raises RunFolderError where something is there already."""
        return cls._made(path, campaign_file)

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """The folder of a run that was begun. Raises RunFolderError where it is none."""
        absent = [name for name in (CAMPAIGN, PLAN, MANIFEST) if not (path / name).is_file()]
        if absent:
            raise RunFolderError(
                f"{path} is not the folder of a run that was begun: {', '.join(absent)} is not there. Name a run "
                "folder, or begin anew: fedprobe run CAMPAIGN."
            )
        return cls(path)

    @classmethod
    def bare(cls, path: Path) -> RunFolder:
        """A new run folder without a campaign file: a self-test's. Raises RunFolderError as `create` does."""
        return cls._made(path, None)

    @classmethod
    def _made(cls, path: Path, campaign_file: Path | None) -> RunFolder:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunFolderError(
                f"{path} exists already and is never written over. Name another folder with --out, or leave it "
                "out: a new one is made for each run."
            )
        try:
            sync_folders(made_folder(path / "trials"))
            if campaign_file is not None:
                shutil.copyfile(campaign_file, path / CAMPAIGN)
        except OSError as error:
            raise RunFolderError(
                f"{path}: cannot be made: {error.strerror}. Name a writable folder with --out."
            ) from error
        folder = cls(path)
        folder.check_space()
        return folder

    def check_space(self) -> None:
        """Raises DiskFullError where the disk has less than a trial may need."""
        free = shutil.disk_usage(self.path).free
        if free < SPACE_NEEDED_BYTES:
            raise DiskFullError(
                f"{self.path}: {free / 1e6:.0f} MB free, a trial may need {SPACE_NEEDED_BYTES / 1e6:.0f} MB. "
                "Make room, or name a folder on another disk with --out."
            )

    @property
    def report(self) -> Path:
        """Where the report is written."""
        return self.path / "report"

    def trial(self, name: str) -> TrialFolder:
        """The folder of one trial."""
        return TrialFolder(self.path / "trials" / name)

    def trials(self) -> list[TrialFolder]:
        """The trials that were begun, in order, and the attempts at them that were set aside."""
        return [TrialFolder(path) for path in sorted((self.path / "trials").iterdir()) if path.is_dir()]

    def attempts(self, name: str) -> list[TrialFolder]:
        """The attempts at a trial that were set aside, in order: each turned out invalid and was repeated."""
        found = [(number, one) for one in self.trials() if (number := _attempt(one.path.name, name)) is not None]
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]

    def set_aside(self, name: str) -> None:
        """Give a trial's folder the name of an attempt, `NAME.attempt1` and so on, so that it can be repeated.

        Its trial.json tells the new name before the folder has it: cut off between, this is done again.
        """
        trial = self.trial(name)
        aside = trial.path.with_name(f"{name}{ATTEMPT}{trial.attempt}")
        trial.add(name=aside.name, repeated=True)
        trial.path.rename(aside)
        _sync(aside.parent)

    def write(self, name: str, document: Any) -> None:
        """Write one of the run's JSON documents."""
        write_json(self.path / name, document)

    def accept(self, changes: Sequence[str], *, campaign: str, premises: Mapping[str, Any]) -> None:
        """Go on with what has changed, and record that: in manifest.json, the former campaign file beside the new."""
        document = self.read(MANIFEST)
        accepted = list(document.get("accepted_changes", []))
        former = self.path / f"campaign.{len(accepted)}.toml"
        shutil.copyfile(self.path / CAMPAIGN, former)
        settled = sorted(one.path.name for one in self.trials() if one.ended)
        accepted.append({"at": _now(), "trials_before": settled, "changes": list(changes)})
        write_text(self.path / CAMPAIGN, campaign)
        self.write(MANIFEST, {**document, "premises": premises, "accepted_changes": accepted})

    def read(self, name: str) -> dict[str, Any]:
        """One of the run's JSON documents. Raises RunFolderError where it is damaged."""
        return read_json(self.path / name)


def _attempt(folder: str, trial: str) -> int | None:
    """Which attempt at a trial a folder holds; None: it is another trial's, or its last attempt."""
    number = folder.removeprefix(f"{trial}{ATTEMPT}")
    return int(number) if number != folder and number.isdigit() else None


class TrialFolder:
    """One trial's folder; `facts` is the content of its trial.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spool = path / "spool"
        self.logs = path / "logs"
        self.records = path / "records"
        self.captures = path / "pcap"
        self.facts: dict[str, Any] = self._read()

    @property
    def state(self) -> State | None:
        """The state that was entered last; None: none was."""
        return self.facts.get("state")

    @property
    def attempt(self) -> int:
        """Which attempt at the trial this is, from 1."""
        return int(self.facts.get("attempt", 1))

    @property
    def begun(self) -> bool:
        """Whether anything was done on a host."""
        return self.state in BEGUN

    @property
    def measured(self) -> bool:
        """Whether what is left to do needs no measuring anew."""
        return self.state in MEASURED

    @property
    def ended(self) -> bool:
        """Whether it is done, valid or not."""
        return self.state == "done"

    @property
    def valid(self) -> bool:
        """Whether it is done and nothing speaks against it."""
        return self.ended and self.facts.get("outcome") == "ok"

    @property
    def interrupted(self) -> bool:
        """Whether it is invalid because its controller or its user ended it."""
        return any(one["reason"] == "interrupted" for one in self.facts.get("reasons", []))

    def enter(self, state: State, **facts: Any) -> None:
        """Write down that the trial now enters a state, with facts learned until here."""
        sync_folders(made_folder(self.path))
        entered = {**self.facts.get("entered", {}), state: _now()}
        self.facts = {**self.facts, **facts, "state": state, "entered": entered}
        write_json(self.path / "trial.json", self.facts)

    def forget(self, name: str) -> None:
        """Leave a fact out from the next state on."""
        self.facts = {key: fact for key, fact in self.facts.items() if key != name}

    def add(self, **facts: Any) -> None:
        """Write down facts without changing the state."""
        self.facts = {**self.facts, **facts}
        write_json(self.path / "trial.json", self.facts)

    def _read(self) -> dict[str, Any]:
        file = self.path / "trial.json"
        return read_json(file) if file.exists() else {}


def _now() -> str:
    return datetime.now(tz=UTC).isoformat(timespec="milliseconds")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object in a file. Raises RunFolderError where it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}. Begin anew: fedprobe run CAMPAIGN.") from error
    if not isinstance(found, dict):
        raise RunFolderError(f"{path} is not a JSON object. Begin anew: fedprobe run CAMPAIGN.")
    return found


def write_json(path: Path, document: Any) -> None:
    """Replace a file by a document, whole or not at all, and on the disk when this returns."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace a file by a text, as `write_json`."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_below(folder: Path) -> None:
    """Have everything below a folder on the disk: what is then said of it must be true after a power cut."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
