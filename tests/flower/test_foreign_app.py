"""A Flower app that knows nothing of us, written into an empty folder and measured there: `make foreign-app`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.flower, pytest.mark.long, pytest.mark.timeout(300)]


def test_every_message_of_a_foreign_app_is_measured_with_every_phase(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "testbed.foreign_app", tmp_path / "empty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    word, _, figures = done.stdout.splitlines()[-1].partition(" ")
    found = json.loads(figures)
    assert word == "RESULT"
    assert found["ok"], (figures, done.stderr)
    assert (found["messages"], found["expected"], found["incomplete_phases"]) == (6, 6, [])
    sources = " ".join(path.read_text() for path in (tmp_path / "empty" / "app").rglob("*") if path.is_file())
    assert "fedprobe" not in sources
    assert "instrument" not in sources
