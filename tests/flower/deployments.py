"""Real Flower deployments on loopback, and what their probes wrote of a run."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from instrument.records import Record
from instrument.spool import SegmentFile, read_segment, spool_files
from testbed.inventory import Security
from testbed.loopback import Form, Loopback, RunConfig, RunStatus

NODES = 2
ROUNDS = 2
DISTURBANCE = Path(__file__).parent / "disturbance"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one deployment: what Flower said of it, its logs, and the segments of its spool."""

    status: RunStatus
    logs: Path
    spool: Path
    port: int
    segments: list[SegmentFile]

    def role(self, role: str) -> list[SegmentFile]:
        return [segment for segment in self.segments if segment.header.role == role]

    def of(self, kind: type[Record], role: str = "") -> Iterator[tuple[SegmentFile, Record]]:
        """Every record of a kind, with the segment that it is in."""
        for segment in self.segments:
            if role in {"", segment.header.role}:
                yield from ((segment, record) for record in segment.records if isinstance(record, kind))

    def models(self) -> list[tuple[str, str, str]]:
        """Round, accuracy and SHA-256 of each global model, out of the app's own log."""
        text = "".join(path.read_text(errors="replace") for path in self.logs.glob("run-*.log"))
        return re.findall(r"global_model round=(\d+) accuracy=([\d.]+) .*sha256=([0-9a-f]{64})", text)


def launcher(spool: Path) -> list[str]:
    return [sys.executable, "-m", "testbed.cli", "instrument", "--out", str(spool), "--"]


def port_of(segment: SegmentFile) -> int:
    """The port that a SuperLink or a SuperNode listens on."""
    argv = segment.header.argv
    return int(argv[argv.index("--port") + 1])


def run_app(
    folder: Path,
    app: Path,
    config: RunConfig,
    variables: Mapping[str, str] | None = None,
    *,
    nodes: int = NODES,
    form: Form = "subprocess",
    security: Security = "none",
) -> Run:
    spool = folder / "spool"
    with Loopback(nodes, folder, launcher(spool), variables, form=form, security=security) as deployment:
        port = int(deployment.address.rpartition(":")[2])
        status = deployment.run(app, config, timeout_s=240)
    return Run(status=status, logs=folder / "logs", spool=spool, port=port, segments=segments_of(spool))


def segments_of(spool: Path) -> list[SegmentFile]:
    return [read_segment(path) for path in spool_files(spool)]


def disturbed(repository: Path, changes: Mapping[str, object], reached: Path | None = None) -> dict[str, str]:
    """The environment in which `disturbance/sitecustomize.py` makes these changes, by role."""
    return {
        "PYTHONPATH": f"{DISTURBANCE}:{repository}",
        "DISTURBANCE": json.dumps(changes),
        **({"DISTURBANCE_REACHED": str(reached)} if reached is not None else {}),
    }
