"""Reads a run folder for the live view, again and again: each finished trial once, nothing is changed there."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from instrument.clock import SystemClock
from testbed.run_folder import ATTEMPT, CAMPAIGN, LOCK, PLAN, RunFolderError
from testbed.terminal_codes import without_terminal_codes
from testbed.watch.live_document import Live, read_live
from testbed.watch.overview import Overview, TrialFacts, overview

FRESH_S = 4.0
"""A controller that wrote so lately runs: its lock is not touched."""


class RunReader:
    """Looks at one run folder. Raises RunFolderError at once where it is none."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir() or not any((folder / name).is_file() for name in (CAMPAIGN, PLAN)):
            what = "has no campaign.toml and no plan.json" if folder.is_dir() else "is not there"
            raise RunFolderError(
                f"{folder} is not the folder of a run: it {what}. Name the folder that `fedprobe run` printed or was "
                "given with --out."
            )
        self.folder = folder
        self._clock = SystemClock()
        self._plan: dict[str, Any] | None = None
        self._plan_stamp = 0
        self._known: dict[str, tuple[int, TrialFacts]] = {}
        self._written = 0.0
        self._written_ns = 0  # when the present live.json was first seen here: the controller's clock may be another

    def look(self) -> Overview:
        """The run as of now."""
        live = read_live(self.folder)
        now = self._now(live)
        controlled = (live is not None and not live.ended and now - live.written < FRESH_S) or is_held(self.folder)
        return overview(self._read_plan(), self._trials(), live, now=now, controlled=controlled)

    def seen_by_controller(self, live: Live) -> Overview:
        """The run as of now, by the controller itself."""
        seen = overview(self._read_plan(), self._trials(), live, now=live.written, controlled=True)
        return replace(seen, said=())  # they stand above

    def _now(self, live: Live | None) -> float:
        """The controller's time: its last stamp and what has passed here since; at first both clocks count as one."""
        here_ns, wall = self._clock.mono_ns(), self._clock.wall_ns() / 1e9
        if live is None:
            return wall
        if live.written != self._written:
            first = self._written_ns == 0
            self._written, self._written_ns = live.written, here_ns
            if first:  # it may have lain there for long, or one of the clocks is wrong
                self._written_ns -= int(abs(wall - live.written) * 1e9)
        return live.written + (here_ns - self._written_ns) / 1e9

    def _read_plan(self) -> dict[str, Any] | None:
        file = self.folder / PLAN
        try:
            stamp = file.stat().st_mtime_ns
            if stamp != self._plan_stamp:
                self._plan, self._plan_stamp = plan_of(json.loads(file.read_text(encoding="utf-8"))), stamp
        except (OSError, ValueError, TypeError, KeyError):
            return self._plan
        return self._plan

    def _trials(self) -> list[TrialFacts]:
        found: list[TrialFacts] = []
        try:
            paths = sorted((self.folder / "trials").iterdir())
        except OSError:
            return found
        for path in paths:
            file = path / "trial.json"
            try:
                stamp = file.stat().st_mtime_ns
                if self._known.get(path.name, (0, None))[0] != stamp:
                    self._known[path.name] = stamp, facts_of(path.name, json.loads(file.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError, AttributeError):
                continue
            found.append(self._known[path.name][1])
        return found


def plan_of(document: dict[str, Any]) -> dict[str, Any]:
    """What the view needs of a plan.json; one of an earlier fedprobe tells each trial's name, and the rounds of none.

    Raises TypeError or KeyError where it is no plan. Pure.
    """
    trials = [{"block": None, "rounds": None, **trial, "name": str(trial["name"])} for trial in document["trials"]]
    return {"campaign": str(document.get("campaign", "")), "trials": trials}


def facts_of(folder: str, document: dict[str, Any]) -> TrialFacts:
    """What the view shows of a trial.json. Pure."""
    return TrialFacts(
        name=folder,
        state=str(document.get("state", "")),
        outcome=str(document.get("outcome", "")),
        reason=without_terminal_codes(str(document.get("reason", ""))),
        interface=str(document.get("interface", "")),
        rounds=int(document.get("rounds", 0)),
        attempt_of=ATTEMPT in folder,
        wall_s=document.get("wall_s"),
        begun=str(document.get("entered", {}).get("preparing", "")),
    )


def is_held(folder: Path) -> bool:
    """Whether a process has the run folder (`testbed.run_lock`). The lock is tried for a moment and let go of."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
