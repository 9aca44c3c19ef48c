"""What a run stands on, and may not change between its beginning and its resumption unless that is said.

The campaign file, the app, the code, the libraries, the machine and the testbed: as texts and digests in
`manifest.json`, under `premises`. Two of them are held against each other line by line.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import platform
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from analysis.revision import revision
from instrument.identity import versions
from testbed.design.testbeds import AskedTestbed
from testbed.inventory import Inventory

PACKAGES = ("instrument", "testbed", "fl_app", "collectors", "analysis")


def premises(
    campaign: str, apps: Iterable[Path], trials: Iterable[str], testbeds: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """What a run stands on now. `campaign` is its file's text, `testbeds` say what its trials run on."""
    return {
        "campaign": campaign,
        "apps": {str(app): digest_of(app) for app in apps},
        "code": {"fedprobe": revision()["fedprobe"], "sha256": code_digest()},  # a commit may change none of it
        "versions": versions(),
        "machine": {"host": socket.gethostname(), "machine": platform.machine()},
        "trials": list(trials),
        "testbeds": list(testbeds),
    }


def emulated(asked: AskedTestbed) -> dict[str, Any]:
    """What an emulated testbed is built from. Raises OSError where a trace cannot be read."""
    conditions = asked.conditions
    traces = {
        network: [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        for network, files in conditions.traces.items()
    }
    return {
        "profiles": asked.profiles.text.splitlines() if asked.profiles else [],
        "clients": asked.clients,
        "pi_cpu_cores": conditions.pi_cpu_cores,
        "background": asdict(conditions.background) if conditions.background else None,
        "traces_sha256": traces,
    }


def of_inventory(inventory: Inventory) -> dict[str, Any]:
    """What may not change of an inventory: all of it, by digest, and its hosts by name."""
    document = inventory.model_dump(mode="json")
    hosts = {host["name"]: _digest_of_document(host) for host in document["hosts"]}
    return {"inventory": inventory.name, "hosts": hosts, "sha256": _digest_of_document(document)}


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs, as the lines of a unified diff; none where nothing does. Pure."""
    lines: list[str] = []
    for name in dict.fromkeys([*then, *now]):
        before, after = _lines(then.get(name)), _lines(now.get(name))
        lines += difflib.unified_diff(before, after, f"{name}, when the run began", f"{name}, now", lineterm="", n=0)
    return [line for line in lines if not line.startswith("@@")]


def refusal(run: Path, lines: Iterable[str]) -> str:
    """Why a run is not resumed as it is, and the ways out. Pure."""
    shown = "\n  ".join(lines)
    return (
        f"{run}: what this run stands on is not what it was:\n  {shown}\n"
        "Trials before and after would not be repetitions of each other. Take the change back and resume again, or "
        f"begin anew: fedprobe run CAMPAIGN, or accept it, which the run folder records: fedprobe run --resume {run} "
        "--accept-changes"
    )


def digest_of(folder: Path) -> str:
    """SHA-256 of a folder's files and their names, compiled Python left out."""
    return _digest_of_files(folder, (path for path in folder.rglob("*") if "__pycache__" not in path.parts))


def code_digest() -> str:
    """SHA-256 of fedprobe's own sources: a checkout may differ from its commit."""
    root = Path(__file__).resolve().parent.parent
    return _digest_of_files(root, (path for name in PACKAGES for path in (root / name).rglob("*.py")))


def _digest_of_files(root: Path, paths: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        whole.update(f"{path.relative_to(root)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def _digest_of_document(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    text = value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True, default=str)
    return text.splitlines()
