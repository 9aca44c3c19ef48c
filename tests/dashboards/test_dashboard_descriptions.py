"""Descriptions of panels: held against the schema, laid out, and shipped as they are."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from analysis.influx.schema import TAGS
from testbed.dashboards.boards import DASHBOARDS
from testbed.dashboards.exporting import SHIPPED
from testbed.dashboards.flux import flux
from testbed.dashboards.grafana import grafana
from testbed.dashboards.influxdb_template import template
from testbed.dashboards.influxql import influxql
from testbed.dashboards.panels import COLUMNS, Kind
from testbed.dashboards.query import Column, Equals, Of, OneOf, Picked, Query, QueryError, Ratio
from testbed.dashboards.shipping import PAGE, with_panels, written

PANELS = [(board, panel) for board in map(grafana, DASHBOARDS) for panel in board["panels"]]
SECOND = Column("seconds", "duration_s", Of.MEAN)
# Grafana: packages/grafana-data/src/valueFormats/categories.ts
UNITS = {"s", "bytes", "percentunit", "celsius", "ppm", "bps", "pps", "short"}


def test_shipped_files_are_what_is_written_now() -> None:
    """After a change of a panel: python -m testbed.dashboards.shipping."""
    shipped = {
        str(path.relative_to(SHIPPED)): path.read_text(encoding="utf-8")
        for path in SHIPPED.rglob("*")
        if path.is_file()
    }
    assert shipped == dict(written())


def test_the_documentation_lists_the_panels_that_there_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_panels(page)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Query("fl_phases", (SECOND,)), "Did you mean fl_phase?"),
        (
            Query("fl_phase", (Column("seconds", "duration_ms", Of.MEAN),)),
            "no field duration_ms. Did you mean duration_s?",
        ),
        (Query("fl_phase", (SECOND,), by=("round",)), "fl_phase has no tag round"),
        (Query("fl_phase", (SECOND,), scope=("network",)), "fl_phase has no tag network"),
        (Query("fl_round", (Column("straggler", "straggler", Of.MEAN),)), "straggler is str: it has no mean"),
        (Query("fl_phase", (SECOND,), where=(Equals("warmup", "false"),)), "warmup is bool"),
        (Query("fl_phase", (SECOND,), where=(Equals("warm_up", value=False),)), "no field warm_up"),
        (Query("fl_phase", (SECOND,), where=(OneOf("round", ("1",)),)), "round is int"),
        (Query("fl_phase", (SECOND,), where=(Picked("warmup"),)), "warmup is bool"),
        (Query("fl_phase", (Column("time", "duration_s", Of.MEAN),)), "no dialect takes the name 'time'"),
        (Query("fl_round", (Column("boot", "charged_boot_s", Of.MEAN_OF_ALL),)), "a base belongs to"),
        (Ratio("fl_round", (SECOND,), "5g", "wifi", "phase"), "fl_round has no tag phase"),
    ],
)
def test_a_query_that_the_schema_does_not_know_is_refused(asked: Any, said: str) -> None:
    for dialect in (influxql, flux):
        with pytest.raises(QueryError, match=re.escape(said)):
            dialect(asked)


def test_panels_lie_beside_each_other_and_not_on_each_other() -> None:
    for dashboard in DASHBOARDS:
        places = [panel["gridPos"] for panel in grafana(dashboard)["panels"]]
        assert all(place["x"] + place["w"] <= COLUMNS for place in places)
        for one, other in combinations(places, 2):
            apart = (
                one["x"] + one["w"] <= other["x"]
                or other["x"] + other["w"] <= one["x"]
                or one["y"] + one["h"] <= other["y"]
                or other["y"] + other["h"] <= one["y"]
            )
            assert apart, (dashboard.uid, one, other)


def test_rows_are_full() -> None:
    """A hole in a row moves the panels below it up."""
    for dashboard in DASHBOARDS:
        for row in dashboard.rows:
            assert sum(panel.width for panel in row) == COLUMNS, [panel.title for panel in row]
            assert len({panel.height for panel in row}) == 1, [panel.title for panel in row]


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=lambda one: one["title"] if "type" in one else one["uid"])
def test_a_panel_says_what_it_shows_in_which_unit(board: Any, panel: Any) -> None:
    assert len(panel["description"]) > 20
    assert panel["description"].endswith(".")
    units = [panel["fieldConfig"]["defaults"].get("unit")]
    units += [
        one["value"]
        for over in panel["fieldConfig"]["overrides"]
        for one in over["properties"]
        if one["id"] == "unit"
    ]
    assert {unit for unit in units if unit} <= UNITS
    assert panel["datasource"] == {"type": "influxdb", "uid": "${datasource}"}
    variables = {one["name"] for one in board["templating"]["list"]}
    for target in panel["targets"]:
        assert set(re.findall(r"\$\{(\w+)", target["query"])) <= variables, "a variable that the dashboard has not"


def test_every_measured_time_has_a_unit() -> None:
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            timed = {column.name for asked in panel.asked for column in asked.columns if column.field.endswith("_s")}
            timed -= {"window", *(one.name for a in panel.asked for one in a.columns if one.of is Of.COUNT)}
            if panel.kind is Kind.TABLE:
                assert timed <= {name for name, unit in panel.units if unit == "s"}, panel.title
            elif timed and not isinstance(panel.asked[0], Ratio) and panel.kind is not Kind.STATES:
                assert panel.unit in {"s", "short"}, panel.title


def test_identities_hold_where_dashboards_are_kept() -> None:
    uids = [dashboard.uid for dashboard in DASHBOARDS]
    assert len(set(uids)) == len(uids)
    for board in map(grafana, DASHBOARDS):
        assert len(board["uid"]) <= 40  # Grafana's limit
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)


def test_variables_of_the_issue_are_there() -> None:
    names = {name for dashboard in DASHBOARDS for name in dashboard.variables}
    assert names >= {*TAGS, "round"} - {"role"}


def test_the_template_holds_the_same_panels() -> None:
    charts = {
        one["metadata"]["name"]: [chart["name"] for chart in one["spec"]["charts"]]
        for one in template(DASHBOARDS)
        if one["kind"] == "Dashboard"
    }
    assert charts == {one.uid: [panel.title for panel in one.panels] for one in DASHBOARDS}


def test_the_template_has_what_its_server_requires() -> None:
    """influxdb 2, pkger/parser_models.go: names, geometry, axes, positions, wrapping, colours."""
    for one in template(DASHBOARDS):
        assert one["apiVersion"] == "influxdata.com/v2alpha1"
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", one["metadata"]["name"])
        for chart in one["spec"].get("charts", []):
            assert chart["kind"] in {"Xy", "Table", "Single_Stat", "Mosaic"}
            assert chart["width"] > 0
            assert chart["height"] > 0
            assert chart["xPos"] + chart["width"] <= COLUMNS // 2
            assert all(colour["hex"] for colour in chart.get("colors", []))
            if chart["kind"] == "Xy":
                assert chart["geom"] == "line"
                assert {axis["name"] for axis in chart["axes"]} == {"x", "y"}
        if one["kind"] == "Dashboard":
            assert "syntax-checked only" in one["spec"]["name"]


def test_the_template_s_yaml_is_the_template() -> None:
    import yaml

    text = (SHIPPED / "influxdb" / "fedprobe.yml").read_text(encoding="utf-8")
    assert list(yaml.safe_load_all(text)) == json.loads(json.dumps(template(DASHBOARDS)))


def test_no_secret_is_shipped() -> None:
    """Tokens and passwords are names of variables of the environment."""
    for path in (SHIPPED / "docker-compose.yml", SHIPPED / "grafana/provisioning/datasources/fedprobe.yaml"):
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if re.search(r"TOKEN|PASSWORD|httpHeaderValue", line):
                assert "$" in line, line


def test_the_compose_file_mounts_what_is_exported() -> None:
    import yaml

    services = yaml.safe_load((SHIPPED / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    for service in services.values():
        assert ":" in service["image"], "an image without a version"
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert not source.startswith("./") or (SHIPPED / source).exists(), volume
