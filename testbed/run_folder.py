"""The run folder: what was asked, the plan, the manifest, and a folder for each trial with its state.

Every file is replaced at once and synced, so that a run killed at any moment leaves whole files, and each state
of a trial is on the disk before that state is entered.
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from instrument.folders import made_folder, sync_folder, sync_folders
from testbed.errors import FedprobeError, UsageError

State = Literal["planned", "starting", "running", "stopping", "fetching", "storing", "done"]
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
                shutil.copyfile(campaign_file, path / "campaign.toml")
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
        """The trials that were begun, in order."""
        return [TrialFolder(path) for path in sorted((self.path / "trials").iterdir()) if path.is_dir()]

    def write(self, name: str, document: Any) -> None:
        """Write plan.json or manifest.json."""
        write_json(self.path / name, document)


class TrialFolder:
    """One trial's folder; `facts` is the content of its trial.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spool = path / "spool"
        self.logs = path / "logs"
        self.records = path / "records"
        self.captures = path / "pcap"
        self.facts: dict[str, Any] = self._read()

    def enter(self, state: State, **facts: Any) -> None:
        """Write down that the trial now enters a state, with facts learned until here."""
        sync_folders(made_folder(self.path))
        stamp = datetime.now(tz=UTC).isoformat(timespec="milliseconds")
        entered = {**self.facts.get("entered", {}), state: stamp}
        self.facts = {**self.facts, **facts, "state": state, "entered": entered}
        write_json(self.path / "trial.json", self.facts)

    def add(self, **facts: Any) -> None:
        """Write down facts without changing the state."""
        self.facts = {**self.facts, **facts}
        write_json(self.path / "trial.json", self.facts)

    def _read(self) -> dict[str, Any]:
        file = self.path / "trial.json"
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def write_json(path: Path, document: Any) -> None:
    """Replace a file by a document, whole or not at all, and on the disk when this returns."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=2, ensure_ascii=False, default=str)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)
