"""How far a run is in a database: in the run folder, written after each success and never before.

RUN_DIR/exports/influxdb-ID.json: for each trial how many of its points were acknowledged, in their fixed order. `of`
says what the points were made of: where that has changed, the trial begins anew, which overwrites what is there.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from testbed.run_folder import RunFolderError, read_json, write_json
from testbed.sink.target import Target

FOLDER = "exports"


class Cursor:
    """The cursor of one run in one database."""

    def __init__(self, run_dir: Path, target: Target) -> None:
        self.path = run_dir / FOLDER / f"influxdb-{target.id}.json"
        self._run_dir = run_dir
        self._document = self._read() or {"url": target.url, "bucket": target.bucket, "org": target.org, "trials": {}}

    def written(self, trial: str) -> int:
        """How many of a trial's first points were acknowledged."""
        known = self._document["trials"].get(trial, {})
        return int(known.get("written", 0)) if known.get("of") == self._of(trial) else 0

    def settled(self, trial: str) -> bool:
        """Whether all of it was acknowledged and then found there, or cannot be looked for."""
        known = self._document["trials"].get(trial, {})
        return bool(known.get("settled")) and known.get("of") == self._of(trial)

    def advance(self, trial: str, written: int, *, settled: bool = False) -> None:
        """Note that so many of its first points were acknowledged."""
        self._document["trials"][trial] = {"of": self._of(trial), "written": written, "settled": settled}
        self.path.parent.mkdir(exist_ok=True)
        write_json(self.path, self._document)

    def _of(self, trial: str) -> str:
        told = (self._run_dir / "trials" / trial / "trial.json").read_bytes()
        return hashlib.sha256(told + version("fedprobe").encode()).hexdigest()[:16]

    def _read(self) -> dict[str, Any] | None:
        """None where there is none, or none that can be used: all is then written again, which changes nothing."""
        try:
            found = read_json(self.path)
        except RunFolderError:
            return None
        trials = found.get("trials")
        is_whole = isinstance(trials, dict) and all(isinstance(one, dict) for one in trials.values())
        return found if is_whole else None
