"""What was fetched of a trial: `fetched.json` in its folder names every file with its length, digest and state.

It is written when the files are on this machine's disk, and before anything is deleted on a host.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from instrument.spool import NoHeaderError, SchemaError, SpoolError, read_segment
from testbed.held import HeldFile, account
from testbed.run_folder import write_json

FILE = "fetched.json"
SegmentState = Literal["whole", "cut", "empty", "damaged", "other schema"]
OnHost = Literal["kept", "deleting", "deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedFile:
    """One file, as it was on its host and is here.

    `state` is a spool file's: its trailer was checked (whole), its process was cut off (cut, or empty where that was
    before the first line), or it cannot be read here; `records` and `torn_bytes` are what it holds.
    """

    kind: str
    name: str
    size_bytes: int
    sha256: str
    state: SegmentState | None = None
    records: int = 0
    torn_bytes: int = 0

    @property
    def held(self) -> HeldFile:
        """Its name and content."""
        return HeldFile(self.name, self.size_bytes, self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedHost:
    """The files of one host. `complete`: all that the host had is here."""

    files: Sequence[FetchedFile]
    complete: bool
    on_host: OnHost = "kept"

    def of(self, kind: str) -> list[FetchedFile]:
        """Its files of one kind."""
        return [file for file in self.files if file.kind == kind]


def spool_file(held: HeldFile, path: Path) -> tuple[FetchedFile, str]:
    """A spool file that has arrived, and what is wrong with it: empty where nothing is.

    A process that was cut off is no fault of its file, nor is another fedprobe's schema.
    """
    facts: dict[str, Any] = {"kind": "spool", "name": held.name, "size_bytes": held.size_bytes, "sha256": held.sha256}
    try:
        segment = read_segment(path)
    except NoHeaderError:
        return FetchedFile(**facts, state="empty", torn_bytes=held.size_bytes), ""
    except SchemaError:
        return FetchedFile(**facts, state="other schema"), ""
    except SpoolError as error:
        return FetchedFile(**facts, state="damaged"), str(error)
    state: SegmentState = "cut" if segment.end is None else "whole"
    return FetchedFile(**facts, state=state, records=len(segment.records), torn_bytes=segment.torn_bytes), ""


def read_fetched(trial: Path) -> dict[str, FetchedHost]:
    """What `fetched.json` of a trial's folder says, by host; empty where nothing was fetched yet."""
    file = trial / FILE
    if not file.exists():
        return {}
    document = json.loads(file.read_text(encoding="utf-8"))
    return {
        name: FetchedHost(
            files=[FetchedFile(**one) for one in host["files"]], complete=host["complete"], on_host=host["on_host"]
        )
        for name, host in document["hosts"].items()
    }


def write_fetched(trial: Path, hosts: Mapping[str, FetchedHost]) -> None:
    """Replace `fetched.json`; it is on the disk when this returns. Raises OSError."""
    write_json(trial / FILE, {"hosts": {name: asdict(host) for name, host in hosts.items()}})


def is_complete(trial: Path, hosts: Sequence[str]) -> bool:
    """Whether all that these hosts had of a trial is in its folder, by count and digest."""
    found = read_fetched(trial)
    return all(name in found and found[name].complete for name in hosts)


def summary(hosts: Mapping[str, FetchedHost]) -> dict[str, dict[str, Any]]:
    """What trial.json says of each host's files: counts, bytes, and one digest over the names and digests of all."""
    return {name: _summary_of(host) for name, host in hosts.items()}


def _summary_of(host: FetchedHost) -> dict[str, Any]:
    records = sum(file.records for file in host.files)
    total = account((HeldFile(f"{file.kind}/{file.name}", file.size_bytes, file.sha256) for file in host.files), 0)
    return {
        "files": total.files,
        "bytes": total.size_bytes,
        "records": records,
        "segments": dict(sorted(Counter(file.state for file in host.files if file.state).items())),
        "torn_bytes": sum(file.torn_bytes for file in host.files),
        "sha256": total.sha256,
        "complete": host.complete,
        "on_host": host.on_host,
    }
