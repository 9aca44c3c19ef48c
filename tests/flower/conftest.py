"""The runs that many tests read, each made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from deployments import NODES, ROUNDS, Run, run_app


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Run:
    """Two rounds of two nodes, each evaluated on both splits: what many tests read."""
    config = {"num-server-rounds": ROUNDS, "num-clients": NODES, "fraction-evaluate": 1.0}
    return run_app(tmp_path_factory.mktemp("measured"), repository / "fl_app", config)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Run:
    """The same training with the probes switched off; the evaluations, which change no model, are left out."""
    config = {"num-server-rounds": ROUNDS, "num-clients": NODES}
    return run_app(tmp_path_factory.mktemp("bare"), repository / "fl_app", config, {"FEDPROBE_DISABLE": "1"})
