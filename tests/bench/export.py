"""What exporting a run to a local influxd costs: by the product's own command, in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from testbed.errors import FedprobeError
from tests.bench.many_points import make_run
from tests.bench.table import Row, machine, markdown
from tests.servers.influxd import Influxd

LEAST_PER_S = 100_000
MOST_MB = 300
POINTS, TRIALS = 10_000_000, 20
QUICK_POINTS, QUICK_TRIALS = 500_000, 2
BEGIN, END = "<!-- export -->", "<!-- end of export -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """Points a second, written (reading and formatting them included) and read back; the most memory it had."""

    points: int
    written_per_s: float
    read_back_per_s: float
    peak_mb: float
    missing: int

    @property
    def ok(self) -> bool:
        """Whether it is as promised."""
        return self.written_per_s >= LEAST_PER_S and self.peak_mb <= MOST_MB and not self.missing


def measure(folder: Path, *, quick: bool) -> ExportResult:
    """Make a run, export it, and ask the process what it took. Raises FedprobeError where it cannot."""
    points, trials = (QUICK_POINTS, QUICK_TRIALS) if quick else (POINTS, TRIALS)
    make_run(folder / "run", points=points, trials=trials)
    server = Influxd(folder / "influxd")
    server.start()
    try:
        return _exported(folder, server.url)
    finally:
        server.stop()


def _exported(folder: Path, url: str) -> ExportResult:
    command = [sys.executable, "-m", "testbed.cli", "export", "influxdb", str(folder / "run"), "--json"]
    command += ["--url", url, "--bucket", "bench", "--create"]
    with (folder / "result.json").open("wb") as result:
        child = subprocess.Popen(command, stdout=result)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise FedprobeError(f"the export ended with {child.returncode}; its message is above.")
    found = json.loads((folder / "result.json").read_text())
    return ExportResult(
        points=found["points"],
        written_per_s=found["points"] / sum(trial["write_s"] for trial in found["trials"]),
        read_back_per_s=found["points"] / sum(trial["read_s"] for trial in found["trials"]),
        peak_mb=usage.ru_maxrss / 1024,
        missing=found["missing"] + found["different"] + found["duplicates"],
    )


def rows(found: ExportResult) -> list[Row]:
    """Its part of the table."""
    n = f"{found.points:,}"
    return [
        Row(
            name="points a second into a local influxd, read from the run folder and formatted",
            value=f"{found.written_per_s:,.0f}",
            limit=f"≥ {LEAST_PER_S:,}",
            n=n,
            ok=found.written_per_s >= LEAST_PER_S,
        ),
        Row(name="points a second read back and compared", value=f"{found.read_back_per_s:,.0f}", n=n),
        Row(
            name="most memory of the exporting process, MB",
            value=f"{found.peak_mb:.0f}",
            limit=f"≤ {MOST_MB}",
            n=n,
            ok=found.peak_mb <= MOST_MB,
        ),
        Row(
            name="points missing, different or there twice afterwards",
            value=str(found.missing),
            limit="0",
            n=n,
            ok=not found.missing,
        ),
    ]


def document(found: ExportResult) -> dict[str, float | int]:
    """The figures for a script."""
    return {name: round(value, 1) for name, value in asdict(found).items()}


def part(found: ExportResult) -> str:
    """Its part of the page."""
    return f"""{BEGIN}
## Exporting to a database

Written by `make bench`, or alone by `python -m tests.bench --only export`; do not edit. {machine()}.

{markdown(rows(found))}
`fedprobe export influxdb` of a run of {found.points:,} points, nearly all of them samples, to an influxd 1.6 on the
same processors.
{END}
"""


def with_part(text: str, fresh: str) -> str:
    """The page with this part in place of its former one, or at its end."""
    former = re.compile(rf"{BEGIN}.*?{END}\n", re.DOTALL)
    return former.sub(lambda _: fresh, text) if former.search(text) else f"{text.rstrip()}\n\n{fresh}"
