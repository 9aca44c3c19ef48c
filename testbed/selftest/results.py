"""Where self-tests' results are kept, so that a campaign can cite the newest one of this machine.

One JSON document a self-test, in FEDPROBE_STATE or $XDG_STATE_HOME/fedprobe or ~/.local/state/fedprobe.
Source: XDG Base Directory Specification 0.8.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testbed.run_folder import write_json


def results_folder(environment: Mapping[str, str]) -> Path:
    """The folder of the results, which may not exist yet."""
    if named := environment.get("FEDPROBE_STATE"):
        return Path(named) / "selftest"
    state = environment.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "fedprobe" / "selftest"


def keep(document: Mapping[str, Any]) -> Path:
    """Write a result into the folder; returns its path."""
    folder = results_folder(os.environ)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now(tz=UTC).strftime('%Y%m%dT%H%M%S%fZ')}.json"
    write_json(path, document)
    return path


def newest() -> dict[str, Any] | None:
    """The newest result of this machine that can be read, None where there is none."""
    for path in sorted(results_folder(os.environ).glob("*.json"), reverse=True):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(document, dict):
            return document
    return None
