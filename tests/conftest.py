"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.tiers", "tests.servers.fixtures"]

# no deadline: on a machine that also runs real deployments, an example that took long has shown nothing
settings.register_profile("fedprobe", deadline=None, max_examples=30)
settings.load_profile("fedprobe")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout, whose packages a subprocess needs on its path."""
    return REPOSITORY
