"""The dashboards as one template of InfluxDB 2, with their queries in Flux: syntax-checked only.

InfluxDB 2 has no bar charts by category and no transformations: those panels are tables there.
Sources: InfluxData, "InfluxDB templates" and "Create a template"; the fields that the server reads and requires of a
chart, pkger/parser_models.go of influxdb 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from testbed.dashboards.flux import ALL, BUCKET, PREFIX, flux, flux_list
from testbed.dashboards.panels import Dashboard, Kind, Panel
from testbed.dashboards.variables import VARIABLES

API_VERSION = "influxdata.com/v2alpha1"
CHECKED = "syntax-checked only"
STEP = 2  # Grafana's grid has 24 columns, this one 12
_COLOURS = ("#31C0F6", "#A500A5", "#FF7E27")
_SUFFIXES = {"s": " s", "celsius": " °C", "ppm": " ppm", "bps": " bit/s", "pps": " packets/s", "bytes": " B"}

Json = dict[str, Any]


def template(dashboards: tuple[Dashboard, ...]) -> list[Json]:
    """The template's objects: variables, then dashboards."""
    names = sorted({name for dashboard in dashboards for name in dashboard.variables}, key=list(VARIABLES).index)
    return [
        _bucket(),
        *(_variable(name) for name in names),
        *(_dashboard(dashboard) for dashboard in dashboards),
    ]


def _object(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _query_variable(name: str, description: str, script: str, selected: list[str]) -> Json:
    spec: Json = {
        "name": name,
        "description": description,
        "type": "query",
        "language": "flux",
        "query": script,
    }
    if selected:
        spec["selected"] = selected
    return _object("Variable", name.replace("_", "-"), spec)


def _bucket() -> Json:
    script = (
        "buckets()\n"
        "  |> filter(fn: (r) => r.name !~ /^_/)\n"
        '  |> rename(columns: {name: "_value"})\n'
        '  |> keep(columns: ["_value"])\n'
    )
    return _query_variable(BUCKET, "the bucket that fedprobe writes to", script, ["fedprobe"])


def _variable(name: str) -> Json:
    variable = VARIABLES[name]
    return _query_variable(
        f"{PREFIX}{name}", variable.description, flux_list(variable), [ALL] if variable.many else []
    )


def _dashboard(dashboard: Dashboard) -> Json:
    spec = {
        "name": f"{dashboard.title} ({CHECKED})",
        "description": f"{dashboard.description} Flux, {CHECKED}: no server has executed these queries.",
        "charts": list(_charts(dashboard)),
    }
    return _object("Dashboard", dashboard.uid, spec)


def _charts(dashboard: Dashboard) -> Iterator[Json]:
    y = 0
    for row in dashboard.rows:
        x = 0
        for panel in row:
            place = {"xPos": x, "yPos": y, "width": panel.width // STEP, "height": max(panel.height // STEP, 2)}
            yield _chart(panel, place)
            x += panel.width // STEP
        y += max(max(panel.height // STEP, 2) for panel in row)


def _chart(panel: Panel, place: Json) -> Json:
    kind = _kind(panel)
    common: Json = {
        "kind": kind,
        "name": panel.title,
        "note": panel.description,
        "noteOnEmpty": True,
        **place,
        "queries": [{"query": flux(asked)} for asked in panel.asked],
    }
    match kind:
        case "Xy":
            return common | _xy(panel)
        case "Mosaic":
            return common | _mosaic(panel)
        case "Single_Stat":
            suffix = _SUFFIXES.get(panel.unit, "")
            text = {"type": "text", "hex": "#FFFFFF", "value": 0.0}
            return common | {"decimalPlaces": 2, "suffix": suffix, "colors": [text]}
    return common | {"decimalPlaces": 4, "tableOptions": {"verticalTimeAxis": True, "wrapping": "truncate"}}


def _kind(panel: Panel) -> str:
    match panel.kind:
        case Kind.LINES | Kind.DOTS:
            return "Xy"
        case Kind.STATES:
            return "Mosaic"
        case Kind.NUMBER if len(panel.asked) == 1 and len(panel.asked[0].columns) == 1:
            return "Single_Stat"
        case _:
            return "Table"


def _axes(panel: Panel, y_column: str) -> Json:
    y = {"name": "y", "base": "10", "scale": "linear", "suffix": _SUFFIXES.get(panel.unit, "")}
    return {
        "xCol": "_time",
        "yCol": y_column,
        "axes": [{"name": "x", "base": "10", "scale": "linear"}, y],
    }


def _xy(panel: Panel) -> Json:
    colours = [{"type": "scale", "name": "Nineteen Eighty Four", "hex": one, "value": 0.0} for one in _COLOURS]
    return _axes(panel, "_value") | {"geom": "line", "position": "overlaid", "colors": colours}


def _mosaic(panel: Panel) -> Json:
    colours = [{"type": "scale", "name": "Nineteen Eighty Four", "hex": one, "value": 0.0} for one in _COLOURS]
    return _axes(panel, "phase") | {"ySeriesColumns": [panel.label], "fillColumns": ["phase"], "colors": colours}
