"""The campaign's own export: trial after trial, by a process of the lowest priority, never while a trial is timed.

It is ended before the next trial is checked and timed; its cursor keeps its place. At the campaign's end the rest is
delivered within `finish_s`. Whatever becomes of it, the campaign goes on: one line tells, and
`fedprobe export influxdb RUN_DIR` completes it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from testbed.sink.cursor import FOLDER
from testbed.sink.table import InfluxTable

LOWEST = 19
PATIENCE_S = 5.0
ENDS_S = 1.0
LOG, RESULT = "influxdb.log", "influxdb.result.json"


class Feed:
    """What a campaign's trials are exported by, for the length of a `with` block; without a table it does nothing."""

    def __init__(self, table: InfluxTable | None, run_dir: Path, say: Callable[[str], None]) -> None:
        self._table = table
        self._run_dir = run_dir
        self._folder = run_dir / FOLDER
        self._say = say
        self._told = ""
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()

    def begin(self) -> None:
        """Start exporting what has ended and is not there yet."""
        if self._table is None:
            return
        self.pause()
        try:
            self._child = self._started()
        except OSError as error:
            self._tell(f"not exported: {error}")

    def pause(self) -> None:
        """Returns when nothing is exported any more."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(ENDS_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        elif child.returncode != 0:
            self._tell(self._why())

    def finish(self) -> None:
        """Deliver the rest, in `finish_s` at most, and say what is there."""
        if self._table is None:
            return
        self.begin()
        if self._child is None:
            return
        try:
            code = self._child.wait(self._table.finish_s)
        except subprocess.TimeoutExpired:
            self.pause()
            self._say(
                f"influxdb: not all is there after {self._table.finish_s:g} s (influxdb.finish_s). To complete it: "
                f"fedprobe export influxdb {self._run_dir}"
            )
            return
        self._child = None
        result = self._result()
        if code == 0 and result:
            how = "read back" if result["verified"] else "not verified"
            self._say(f"influxdb: all trials are in {result['bucket']} at {result['url']}, written and {how}")
            return
        self._say(
            f"influxdb: not exported: {self._why()} The run is complete without it. To export it later: "
            f"fedprobe export influxdb {self._run_dir}"
        )

    def _started(self) -> subprocess.Popen[bytes]:
        self._folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "testbed.cli", "export", "influxdb", str(self._run_dir)]
        command += ["--pending", "--json", "--patience", f"{PATIENCE_S:g}"]
        with (self._folder / RESULT).open("wb") as result, (self._folder / LOG).open("wb") as log:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=result, stderr=log, start_new_session=True
            )
        os.setpriority(os.PRIO_PROCESS, child.pid, LOWEST)
        return child

    def _result(self) -> dict[str, Any]:
        try:
            found = json.loads((self._folder / RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _why(self) -> str:
        """The last thing that the export said."""
        result = self._result()
        if result:
            counts = (f"{result[name]} {name}" for name in ("missing", "different", "duplicates", "dead_letters"))
            return f"of {result['points']} points {', '.join(counts)}."
        try:
            said = (self._folder / LOG).read_text(encoding="utf-8", errors="replace").split()
        except OSError:
            said = []
        return " ".join(said).rpartition("fedprobe: ")[2] or "it was ended."

    def _tell(self, why: str) -> None:
        """Once for the same reason."""
        if why != self._told:
            self._told = why
            self._say(f"influxdb: {why} The campaign goes on; its end tries again.")
