"""How long earlier trials took, from the trial.json files of a run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from testbed.design.factors import DesignError

_ROUNDS = ("running", "run")  # the state in which a trial's rounds are


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierTrial:
    """A trial that ended well: what it was, its seconds in all and in its rounds; `size_bytes` is its folder's."""

    interface: str
    polling: str
    clients: int
    rounds: int
    levels: Mapping[str, Any]
    all_s: float
    rounds_s: float
    size_bytes: int

    @property
    def round_s(self) -> float:
        """Seconds of one of its rounds."""
        return self.rounds_s / self.rounds

    @property
    def around_s(self) -> float:
        """Seconds before its first round and after its last."""
        return self.all_s - self.rounds_s


def earlier_trials(run_folder: Path) -> list[EarlierTrial]:
    """The trials of a run that ended well. Raises DesignError where the folder has none."""
    files = sorted((run_folder / "trials").glob("*/trial.json"))
    found = [trial for file in files if (trial := _read(file)) is not None]
    if not found:
        raise DesignError(
            f"--from {run_folder}: no trial there that ended well ({len(files)} were begun). Name a run folder with "
            "trials, or leave --from out."
        )
    return found


def _read(file: Path) -> EarlierTrial | None:
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        times = _seconds_by_state(facts["entered"])
        if facts["outcome"] != "ok":
            return None
        settings = facts.get("settings", {})
        return EarlierTrial(
            interface=facts["interface"],
            polling=settings.get("polling", "stock"),
            clients=len(facts["nodes"]),
            rounds=int(facts["rounds"]),
            levels=settings.get("levels", {}),
            all_s=sum(times.values()),
            rounds_s=sum(times.get(state, 0.0) for state in _ROUNDS) or sum(times.values()),
            size_bytes=sum(one.stat().st_size for one in file.parent.rglob("*") if one.is_file()),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a trial that was cut short, or of another version: it tells no time


def _seconds_by_state(entered: Mapping[str, str]) -> dict[str, float]:
    """How long a trial was in each state, by the stamps at which it entered them."""
    order: Sequence[tuple[str, datetime]] = sorted(
        ((state, datetime.fromisoformat(stamp)) for state, stamp in entered.items()), key=lambda one: one[1]
    )
    following = [*order[1:], *order[-1:]]
    return {
        state: (after - stamp).total_seconds() for (state, stamp), (_, after) in zip(order, following, strict=True)
    }
