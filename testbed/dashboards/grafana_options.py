"""How each kind of panel looks in Grafana: its plugin, its options and its fields' configuration.

The names are those of the plugins' own types in @grafana/schema, against which tests hold them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from testbed.dashboards.panels import Kind, Panel

Json = dict[str, Any]
NETWORK_COLOURS = {"ethernet": "#5794F2", "wifi": "#FF9830", "5g": "#B877D9"}
_PALETTE = {"mode": "palette-classic"}
_GOOD, _BAD = "green", "red"


@dataclass(frozen=True, slots=True)
class Look:
    """A panel's `type`, `options`, and `fieldConfig`'s defaults and overrides."""

    type: str
    options: Json
    defaults: Json
    overrides: list[Json] = field(default_factory=list)


def look_of(panel: Panel) -> Look:
    """How a panel looks."""
    type_, options, custom = _BY_KIND[panel.kind](panel)
    defaults: Json = {}
    if panel.unit:
        defaults["unit"] = panel.unit
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.kind is Kind.NUMBER:
        defaults["noValue"] = "-"
    if panel.kind is Kind.STATES:
        defaults["displayName"] = f"${{__field.labels.{panel.label}}}"
    if custom:
        defaults["custom"] = custom
    return Look(type_, options, defaults, [_of_values(panel), *_colours(panel), *_units(panel)])


def _of_values(panel: Panel) -> Json:
    """Colours and limits of all values: as an override, since the types of defaults take no text for their modes."""
    by_limit = {"mode": "thresholds"}
    properties = [
        {"id": "thresholds", "value": _thresholds(panel)},
        {"id": "color", "value": by_limit if panel.kind is Kind.NUMBER else _PALETTE},
    ]
    kind = "string" if panel.kind is Kind.STATES else "number"
    return {"matcher": {"id": "byType", "options": kind}, "properties": properties}


def _thresholds(panel: Panel) -> Json:
    steps: list[Json] = [{"color": _GOOD, "value": None}]
    if panel.limit is not None:
        steps.append({"color": _BAD, "value": panel.limit})
    return {"mode": "absolute", "steps": steps}


def _colours(panel: Panel) -> list[Json]:
    """The same colour for a network wherever it is a series of its own."""
    if panel.matrix is None or panel.matrix.columns != "iface":
        return []
    return [_fixed(name, colour) for name, colour in NETWORK_COLOURS.items()]


def _fixed(name: str, colour: str) -> Json:
    value = {"mode": "fixed", "fixedColor": colour}
    return {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "color", "value": value}]}


def _units(panel: Panel) -> list[Json]:
    return [
        {"matcher": {"id": "byName", "options": column}, "properties": [{"id": "unit", "value": unit}]}
        for column, unit in panel.units
    ]


def _legend(panel: Panel, **more: Any) -> Json:
    asked = panel.asked[0]
    is_one = not asked.by and len(asked.columns) == 1
    return {"showLegend": not is_one, "displayMode": "list", "placement": "bottom", "calcs": [], **more}


def _lines(panel: Panel) -> tuple[str, Json, Json]:
    is_dots = panel.kind is Kind.DOTS
    options = {"legend": _legend(panel), "tooltip": {"mode": "multi", "sort": "desc"}}
    custom = {
        "drawStyle": "points" if is_dots else "line",
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "fillOpacity": 0,
        "showPoints": "always" if is_dots else "auto",
        "pointSize": 6 if is_dots else 4,
        "spanNulls": False,
        "axisPlacement": "auto",
        "thresholdsStyle": {"mode": "off" if panel.limit is None else "line"},
    }
    return "timeseries", options, custom


def _bars(panel: Panel) -> tuple[str, Json, Json]:
    is_stack = panel.kind is Kind.STACKS
    options = {
        "orientation": "horizontal" if panel.kind in {Kind.STACKS, Kind.PARTS} else "vertical",
        "stacking": "normal" if is_stack else "none",
        "xField": panel.label or "phase",
        "showValue": "never" if is_stack else "auto",
        "barWidth": 0.9,
        "groupWidth": 0.8,
        "barRadius": 0,
        "fullHighlight": False,
        "xTickLabelRotation": 0,
        "xTickLabelMaxLength": 24,
        "xTickLabelSpacing": 0,
        "legend": _legend(panel, placement="right") if is_stack else _legend(panel),
        "tooltip": {"mode": "multi", "sort": "none", "hideZeros": True},
    }
    custom = {"fillOpacity": 80, "lineWidth": 0, "axisPlacement": "auto", "axisSoftMin": 0}
    return "barchart", options, custom


def _meters(panel: Panel) -> tuple[str, Json, Json]:
    del panel
    options = {
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "text",
        "namePlacement": "left",
        "showUnfilled": False,
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 60,
        "legend": {"showLegend": False, "displayMode": "hidden", "placement": "bottom", "calcs": []},
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return "bargauge", options, {}


def _states(panel: Panel) -> tuple[str, Json, Json]:
    options = {
        "showValue": "auto",
        "rowHeight": 0.9,
        "mergeValues": True,
        "alignValue": "left",
        "perPage": 50,
        "legend": _legend(panel),
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return "state-timeline", options, {"fillOpacity": 80, "lineWidth": 0}


def _table(panel: Panel) -> tuple[str, Json, Json]:
    del panel
    options = {"showHeader": True, "cellHeight": "sm", "frameIndex": 0, "enablePagination": True, "sortBy": []}
    return "table", options, {"align": "auto", "inspect": False, "filterable": True}


def _number(panel: Panel) -> tuple[str, Json, Json]:
    names = "|".join(column.name for asked in panel.asked for column in asked.columns)
    options = {
        "colorMode": "none" if panel.limit is None else "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": "value_and_name" if "|" in names else "value",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": f"/^({names})$/", "values": False},
    }
    return "stat", options, {}


_BY_KIND = {
    Kind.LINES: _lines,
    Kind.DOTS: _lines,
    Kind.BARS: _bars,
    Kind.STACKS: _bars,
    Kind.PARTS: _bars,
    Kind.METERS: _meters,
    Kind.STATES: _states,
    Kind.TABLE: _table,
    Kind.NUMBER: _number,
}
