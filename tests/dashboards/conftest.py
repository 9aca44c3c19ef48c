"""A real influxd that holds a made campaign, and npm's packages."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.influx.line_protocol import line
from testbed.dashboards.boards import DASHBOARDS
from testbed.dashboards.grafana import grafana
from tests.dashboards.made_points import BEGIN_NS, points
from tests.dashboards.shown import Shown
from tests.servers.influxd import Influxd

DAY_MS = 86_400_000
BOARDS = {dashboard.uid: dashboard for dashboard in DASHBOARDS}


@pytest.fixture(scope="session")
def made_database(influxd: Influxd) -> str:
    """The made campaign, and one of another name with the same numbers."""
    name = influxd.create("made campaign")
    for campaign in (None, "another"):
        made = points() if campaign is None else points(campaign)
        body = "\n".join(map(line, made)).encode()
        address = f"{influxd.url}/write?db=made%20campaign&precision=ns"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, body, timeout=60) as answer:
            assert answer.status == 204
    return name


@pytest.fixture
def shown(influxd: Influxd, made_database: str) -> Callable[..., Shown]:
    """A dashboard by its uid, over the made campaign; `picked` is what its reader picks."""

    def show(uid: str, **picked: list[str]) -> Shown:
        begin_ms = BEGIN_NS // 1_000_000 - 1000
        return Shown(influxd, made_database, grafana(BOARDS[uid]), begin_ms, begin_ms + DAY_MS, dict(picked))

    return show


@pytest.fixture(scope="session")
def npm(repository: Path) -> Path:
    """The folder of npm's packages, that `make test` installs."""
    folder = repository / ".venv" / "npm"
    if shutil.which("node") is None or not (folder / "node_modules").is_dir():
        pytest.skip("no npm packages: make test installs them (apt install nodejs npm)")
    return folder
