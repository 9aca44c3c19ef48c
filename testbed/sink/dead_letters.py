"""Lines that a database refuses, kept in the run folder with what it said of them.

RUN_DIR/exports/influxdb-ID.refused/TRIAL.jsonl, a JSON object a line: line, status, said.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from testbed.sink.cursor import FOLDER
from testbed.sink.delivery import Refused
from testbed.sink.target import Target


class DeadLetters:
    """Those of one trial in one database; each line once."""

    def __init__(self, run_dir: Path, target: Target, trial: str) -> None:
        self.path = run_dir / FOLDER / f"influxdb-{target.id}.refused" / f"{trial}.jsonl"
        self._held: dict[str, Refused] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def lines(self) -> set[str]:
        """The refused lines."""
        return set(self._held)

    @property
    def first(self) -> Refused | None:
        """One of them; None: there is none."""
        return next(iter(self._held.values()), None)

    def add(self, refused: Iterable[Refused]) -> None:
        """Keep those too."""
        fresh = {one.line: one for one in refused if one.line not in self._held}
        if not fresh:
            return
        self._held |= fresh
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("w", encoding="utf-8") as file:
            for one in self._held.values():
                said = {"line": one.line, "status": one.status, "said": one.said}
                file.write(json.dumps(said, ensure_ascii=False) + "\n")

    def forget_earlier(self) -> None:
        """Remove what an earlier export kept: nothing is refused now."""
        if not self._held:
            self.path.unlink(missing_ok=True)
