"""A small run folder of five hosts, whose campaign has a name that must be escaped everywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.bench.many_points import make_run

CAMPAIGN = 'odd, "name" = ü\nof it\'s \\ two lines'
POINTS = 700


@pytest.fixture(scope="session")
def _made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    make_run(folder, points=POINTS, trials=2)
    for path in folder.glob("trials/*/trial.json"):
        facts = json.loads(path.read_text())
        path.write_text(json.dumps({**facts, "campaign": CAMPAIGN, "state": "done"}))
    return folder


@pytest.fixture
def run(_made_run: Path, tmp_path: Path) -> Path:
    """The test's own copy of it."""
    return Path(shutil.copytree(_made_run, tmp_path / "run"))
