"""A run folder that every test here reads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent / "analysis"))
sys.path.append(str(Path(__file__).resolve().parent))

from exported_runs import made_run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good trials, an invalid one, and one that never got records; read only."""
    return made_run(tmp_path_factory.mktemp("exports") / "run")
