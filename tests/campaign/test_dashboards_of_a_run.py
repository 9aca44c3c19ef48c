"""Every query of every dashboard on a real influxd, over the points of a real campaign."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from itertools import islice

import pytest

from analysis.influx.line_protocol import line
from analysis.influx.points import points_of
from testbed.dashboards.boards import DASHBOARDS
from testbed.dashboards.grafana import grafana
from testbed.dashboards.panels import Dashboard
from tests.campaign.conftest import Ran, fedprobe
from tests.dashboards.as_grafana import as_table
from tests.dashboards.shown import Shown
from tests.servers.influxd import Influxd

pytestmark = [pytest.mark.netns, pytest.mark.timeout(900)]
DATABASE = "dashboards of a run"
HOUR_MS = 3_600_000


@pytest.fixture(scope="session")
def exported(influxd: Influxd, quickstart_run: Ran) -> tuple[int, int]:
    """The run's points in a database of their own: begin and end of its time range, in ms."""
    influxd.create(DATABASE)
    points = iter(points_of(quickstart_run.folder))
    while some := list(islice(points, 5000)):
        address = f"{influxd.url}/write?db=dashboards%20of%20a%20run&precision=ns"
        body = "\n".join(map(line, some)).encode()
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, body, timeout=60):
            pass
    times = [row["time"] // 1_000_000 for row in influxd.rows('SELECT "wall_s" FROM "trial"', DATABASE)]
    return min(times) - HOUR_MS, max(times) + HOUR_MS


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda one: one.uid)
def test_every_query_returns_rows(influxd: Influxd, exported: tuple[int, int], dashboard: Dashboard) -> None:
    """A panel is empty only if it says what a host or campaign must have for it, and this one has it not."""
    begin_ms, end_ms = exported
    board = Shown(influxd, DATABASE, grafana(dashboard), begin_ms, end_ms)
    may_be_empty = {panel.title for panel in dashboard.panels if panel.only_where}
    empty = {panel["title"] for panel, target in board.targets() if not board.query(target["query"])}
    assert empty <= may_be_empty


def test_ratios_are_those_of_the_report(influxd: Influxd, exported: tuple[int, int], quickstart_run: Ran) -> None:
    """The same transfers, the same ratio of means, where no trial is invalid."""
    done = subprocess.run(fedprobe("report", quickstart_run.folder, "--json"), capture_output=True, check=False)
    report = json.loads(done.stdout)
    begin_ms, end_ms = exported
    compared = next(one for one in DASHBOARDS if one.uid == "fedprobe-interfaces")
    board = Shown(influxd, DATABASE, grafana(compared), begin_ms, end_ms)
    rows = {row["phase"]: row for row in as_table(board.answers("5g / ethernet")).rows}
    assert set(rows) == {"uplink", "downlink"}
    for direction, row in rows.items():
        told = report["ratios"][f"{direction}_active"]["5g/ethernet"]
        assert row["active"] == pytest.approx(told["ratio"], rel=1e-6)
        assert row["bound"] == pytest.approx(told["bound_ratio"], rel=1e-6)
