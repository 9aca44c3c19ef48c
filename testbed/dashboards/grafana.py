"""A dashboard as Grafana's JSON, with its queries in InfluxQL.

Written for Grafana 11 and newer (schemaVersion 39, which newer ones migrate). The data source is a variable of the
dashboard, so that the same file can be imported, provisioned and sent to the API: `__inputs` are resolved by the
import page alone. Sources: Grafana, "Dashboard JSON model", "Variable syntax", "Transform data"; @grafana/schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from testbed.dashboards.grafana_options import look_of
from testbed.dashboards.influxql import influxql
from testbed.dashboards.panels import COLUMNS, WINDOW, Dashboard, Kind, Matrix, Panel
from testbed.dashboards.query import Asked, Of, Query
from testbed.dashboards.variables import VARIABLES, Variable, influxql_list

SCHEMA_VERSION = 39
TAG = "fedprobe"
ROUND_UID = "fedprobe-round"
SOURCE = {"type": "influxdb", "uid": "${datasource}"}
_AS_SERIES = {Kind.LINES, Kind.DOTS, Kind.METERS}
_EVERY_NAME, _ON_TIME_RANGE, _HIDDEN_NEVER = 1, 2, 0
_BY_NUMBER = 3

Json = dict[str, Any]


def grafana(dashboard: Dashboard) -> Json:
    """The document. Raises QueryError where a query does not fit the schema."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": [TAG],
        "timezone": "browser",
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "time": {"from": "now-7d", "to": "now"},
        "refresh": "",
        "links": [_other_dashboards()],
        "annotations": {"list": []},
        "templating": {"list": [_source(), *(_variable(VARIABLES[name]) for name in dashboard.variables)]},
        "panels": [_panel(number, panel, place) for number, (panel, place) in enumerate(_placed(dashboard), start=1)],
    }


def text(document: Json) -> str:
    """The document as it is written into a file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _placed(dashboard: Dashboard) -> Iterator[tuple[Panel, Json]]:
    y = 0
    for row in dashboard.rows:
        x = 0
        for panel in row:
            yield panel, {"x": x, "y": y, "w": panel.width, "h": panel.height}
            x += panel.width
        if x > COLUMNS:
            raise ValueError(f"{dashboard.uid}: a row of {x} columns, of which there are {COLUMNS}")
        y += max(panel.height for panel in row)


def _panel(number: int, panel: Panel, place: Json) -> Json:
    look = look_of(panel)
    made: Json = {
        "id": number,
        "type": look.type,
        "title": panel.title,
        "description": panel.description,
        "gridPos": place,
        "datasource": SOURCE,
        "targets": [_target(letter, panel, asked) for letter, asked in zip("ABCD", panel.asked, strict=False)],
        "fieldConfig": {
            "defaults": look.defaults,
            "overrides": [*look.overrides, *_links(panel)],
        },
        "options": look.options,
        "transformations": list(_transformations(panel)),
    }
    if any(isinstance(asked, Query) and asked.over_time for asked in panel.asked):
        made["interval"] = "2s"  # hosts are looked at once a second
    return made


def _target(letter: str, panel: Panel, asked: Asked) -> Json:
    made = {
        "refId": letter,
        "datasource": SOURCE,
        "query": influxql(asked),
        "rawQuery": True,
        "resultFormat": "time_series" if panel.kind in _AS_SERIES else "table",
    }
    if panel.kind in _AS_SERIES and isinstance(asked, Query):
        made["alias"] = " ".join(f"$tag_{tag}" for tag in asked.by) or "$col"
    return made


def _transformations(panel: Panel) -> Iterator[Json]:
    """What is done to the rows, in Grafana, before they are shown."""
    if panel.kind is Kind.STATES:
        yield _organised(hidden=("duration",))
        naming = {"asLabels": True}
        yield _step("partitionByValues", fields=[panel.label], keepFields=False, naming=naming)
    elif panel.matrix is not None:
        yield from _matrix(panel.matrix)
    elif panel.kind is Kind.PARTS:
        yield _organised(hidden=("Time",))
        yield _step("reduce", mode="seriesToRows", reducers=["lastNotNull"])
        above_zero = {"fieldName": "Last *", "config": {"id": "greater", "options": {"value": 0}}}
        yield _step("filterByValue", type="include", match="all", filters=[above_zero])
        yield _organised(renamed={"Field": "phase", "Last *": "time"})
    elif panel.kind not in _AS_SERIES:
        yield _organised(hidden=_times(panel), first=_columns(panel))


def _matrix(matrix: Matrix) -> Iterator[Json]:
    corner = f"{matrix.rows}\\{matrix.columns}"
    yield _step(
        "groupingToMatrix",
        rowField=matrix.rows,
        columnField=matrix.columns,
        valueField=matrix.value,
        emptyValue="null",
    )
    yield _organised(first=(corner, *matrix.order), renamed={corner: matrix.rows})


def _times(panel: Panel) -> tuple[str, ...]:
    """An aggregate's time is the range's begin and means nothing."""
    asked = panel.asked[0]
    is_point = isinstance(asked, Query) and all(column.of is Of.EACH for column in asked.columns)
    return () if is_point and panel.kind is Kind.TABLE else ("Time",)


def _columns(panel: Panel) -> tuple[str, ...]:
    """Tags before values: Grafana hands on the tags of a table in no order."""
    asked = panel.asked[0]
    tags = asked.by if isinstance(asked, Query) else (asked.by,)
    return ("Time", *tags, *(column.name for query in panel.asked for column in query.columns))


def _organised(
    *, hidden: tuple[str, ...] = (), first: tuple[str, ...] = (), renamed: dict[str, str] | None = None
) -> Json:
    return _step(
        "organize",
        excludeByName=dict.fromkeys(hidden, True),
        indexByName={name: place for place, name in enumerate(first)},
        renameByName=renamed or {},
    )


def _step(name: str, **options: Any) -> Json:
    return {"id": name, "options": options}


def _links(panel: Panel) -> Iterator[Json]:
    """From a trial's name to its rounds, in a time range of twice its length around its begin."""
    if not panel.leads_to_round:
        return
    where = (
        f"/d/{ROUND_UID}?var-datasource=${{datasource}}&var-campaign=${{campaign:percentencode}}"
        "&var-trial=${__value.raw:percentencode}&var-scenario=$__all"
        f"&time=${{__data.fields.Time.numeric}}&time.window=${{__data.fields.{WINDOW}.numeric}}"
    )
    link = {"title": "Rounds of ${__value.raw}", "url": where, "targetBlank": False}
    yield _override("trial", {"id": "links", "value": [link]})
    yield _override(WINDOW, {"id": "custom.hideFrom.viz", "value": True})


def _override(column: str, *properties: Json) -> Json:
    return {"matcher": {"id": "byName", "options": column}, "properties": list(properties)}


def _other_dashboards() -> Json:
    return {
        "title": "fedprobe",
        "type": "dashboards",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def _source() -> Json:
    return {
        "name": "datasource",
        "label": "Data source",
        "description": "an InfluxDB data source with the query language InfluxQL",
        "type": "datasource",
        "query": "influxdb",
        "hide": _HIDDEN_NEVER,
        "refresh": _EVERY_NAME,
        "includeAll": False,
        "multi": False,
        "options": [],
        "regex": "",
        "skipUrlSync": False,
    }


def _variable(variable: Variable) -> Json:
    made: Json = {
        "name": variable.name,
        "label": variable.label,
        "description": variable.description,
        "type": "query",
        "datasource": SOURCE,
        "query": influxql_list(variable),
        "hide": _HIDDEN_NEVER,
        "refresh": _ON_TIME_RANGE,
        "sort": _BY_NUMBER if variable.name == "round" else _EVERY_NAME,
        "includeAll": variable.many,
        "multi": variable.many,
        "options": [],
        "regex": "",
        "skipUrlSync": False,
    }
    if variable.many:
        made |= {"allValue": ".*", "current": {"text": ["All"], "value": ["$__all"], "selected": True}}
    return made
