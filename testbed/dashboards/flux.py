"""The same queries in Flux, for InfluxDB 2's own dashboards.

Checked for syntax and types by InfluxData's language server; no server that runs Flux has executed them.
Source: InfluxData, "Flux language specification" and "Universe package".
"""

from __future__ import annotations

import json

from testbed.dashboards.query import (
    Asked,
    Column,
    Condition,
    Equals,
    Of,
    OneOf,
    Picked,
    Query,
    QueryError,
    Ratio,
    Scalar,
    checked,
    type_of,
)
from testbed.dashboards.variables import Variable

ALL = "all"  # InfluxDB 2 has no "All" for its variables: this value stands for it
PREFIX = "fedprobe_"  # variables belong to a whole organisation there
BUCKET = f"{PREFIX}bucket"

_AT_ONCE = {
    Of.MEAN: "mean()",
    Of.MAX: "max()",
    Of.MIN: "min()",
    Of.SUM: "sum()",
    Of.COUNT: "count()",
    Of.P95: "quantile(q: 0.95)",
    Of.MEAN_OF_ALL: "mean()",
}
_IN_WINDOWS = {Of.MEAN: "mean", Of.MAX: "max", Of.MIN: "min", Of.SUM: "sum", Of.COUNT: "count", Of.RATE: "max"}


def flux(asked: Asked) -> str:
    """The script. Raises QueryError where the query does not fit the schema, or has no form in Flux here."""
    checked(asked)
    if isinstance(asked, Ratio):
        return _data(asked) + _ratio(asked)
    if asked.columns[0].of is Of.EACH and len(asked.columns) > 1:
        return _data(asked) + _rows(asked)
    return _data(asked) + _united([_column(asked, column) for column in asked.columns], asked.by, asked.over_time)


def flux_list(variable: Variable) -> str:
    """The script of a variable's list."""
    by = "".join(_held(name) for name in variable.within)
    source = f'from(bucket: v.{BUCKET})\n  |> range(start: -10y)\n  |> filter(fn: (r) => r._measurement == "'
    if variable.is_field:
        field = f'{variable.measurement}" and r._field == "{variable.name}")\n'
        text = "  |> map(fn: (r) => ({_value: string(v: r._value)}))\n"
        return f"{source}{field}{_rows_of_field(variable)}{text}  |> group()\n  |> distinct()\n"
    listed = f'{source}{variable.measurement}")\n{by}  |> keep(columns: ["{variable.name}"])\n  |> group()\n'
    listed += f'  |> distinct(column: "{variable.name}")\n'
    if not variable.many:
        return listed
    return f'import "array"\n\nunion(tables: [array.from(rows: [{{_value: "{ALL}"}}]), {listed.rstrip()}])\n'


def _rows_of_field(variable: Variable) -> str:
    return "".join(_held(name) for name in variable.within if name != "trial")


def _held(tag: str) -> str:
    return f'  |> filter(fn: (r) => v.{PREFIX}{tag} == "{ALL}" or r.{tag} == v.{PREFIX}{tag})\n'


def _data(asked: Asked) -> str:
    lines = [
        f"data = from(bucket: v.{BUCKET})",
        "range(start: v.timeRangeStart, stop: v.timeRangeStop)",
        f'filter(fn: (r) => r._measurement == "{asked.measurement}")',
    ]
    text = "\n  |> ".join(lines) + "\n" + "".join(map(_held, asked.scope))
    text += '  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")\n'
    return text + "".join(f"  |> filter(fn: (r) => {_condition(asked, one)})\n" for one in asked.where) + "\n"


def _condition(asked: Asked, condition: Condition) -> str:
    match condition:
        case Equals(name, value):
            return f"r.{name} == {_literal(value)}"
        case OneOf(name, values):
            return f"contains(value: r.{name}, set: [{', '.join(map(_literal, values))}])"
        case Picked(name):
            value = f"r.{name}" if type_of(asked, name) is str else f"string(v: r.{name})"
            return f"{value} == v.{PREFIX}{name}"


def _literal(value: Scalar) -> str:
    return json.dumps(value, ensure_ascii=False)


def _rows(query: Query) -> str:
    """Points as they are; columns keep the names of their fields, since a table may lack one."""
    names = ["_time", *query.by, *(column.field for column in query.columns)]
    order = ", desc: true" if query.latest_first else ""
    columns = ", ".join(f'"{name}"' for name in dict.fromkeys(names))
    return f'data\n  |> group()\n  |> keep(columns: [{columns}])\n  |> sort(columns: ["_time"]{order})\n'


def _column(query: Query, column: Column) -> str:
    """One column's stream: its values as `_value`, grouped, with the column's name as `_field`."""
    steps = [*_values(query, column), f"group(columns: [{_names(query.by)}])"]
    if column.of is Of.EACH:
        steps.append('sort(columns: ["_time"])')
    elif query.over_time:
        steps.append(f"aggregateWindow(every: v.windowPeriod, fn: {_window(column)}, createEmpty: false)")
    else:
        steps.append(_AT_ONCE[column.of])
    if column.of is Of.RATE:
        steps.append("derivative(unit: 1s, nonNegative: true)")
    if column.of is Of.COUNT:
        steps.append("toFloat()")
    if column.times != 1:
        steps.append(f"map(fn: (r) => ({{r with _value: r._value * {float(column.times)}}}))")
    steps.append(f'set(key: "_field", value: "{column.name}")')
    if column.of is not Of.EACH and not query.over_time:
        steps.append(f"keep(columns: [{_names((*query.by, '_field', '_value'))}])")
    return "data\n" + "".join(f"  |> {step}\n" for step in steps)


def _window(column: Column) -> str:
    if column.of not in _IN_WINDOWS:
        raise QueryError(f"{column.field}: Flux has no {column.of.name} of intervals here")
    return _IN_WINDOWS[column.of]


def _values(query: Query, column: Column) -> list[str]:
    tags = "".join(f", {tag}: r.{tag}" for tag in query.by)
    value = f"r.{column.field}" if type_of(query, column.field) is str else f"float(v: r.{column.field})"
    if column.of is Of.MEAN_OF_ALL:
        value = f"if exists r.{column.field} then {value} else 0.0"
        return [f"map(fn: (r) => ({{_time: r._time{tags}, _value: {value}}}))"]
    return [
        f"filter(fn: (r) => exists r.{column.field})",
        f"map(fn: (r) => ({{_time: r._time{tags}, _value: {value}}}))",
    ]


def _united(streams: list[str], by: tuple[str, ...], over_time: bool) -> str:
    if len(streams) == 1:
        return streams[0]
    listed = ",\n".join("  " + stream.rstrip().replace("\n", "\n  ") for stream in streams)
    text = f"union(\n  tables: [\n{listed},\n  ],\n)\n"
    if over_time or not by:
        return text
    keys = _names(by)
    return (
        f"{text}  |> group(columns: [{keys}])\n"
        f'  |> pivot(rowKey: [{keys}], columnKey: ["_field"], valueColumn: "_value")\n  |> group()\n'
    )


def _ratio(ratio: Ratio) -> str:
    streams = [
        f"join(\n  tables: {{over: {_side(ratio, column, ratio.over)}, "
        f"under: {_side(ratio, column, ratio.under)}}},\n"
        f'  on: ["{ratio.by}"],\n)\n'
        f"  |> map(fn: (r) => ({{{ratio.by}: r.{ratio.by}, _value: r._value_over / r._value_under}}))\n"
        f'  |> set(key: "_field", value: "{column.name}")\n'
        for column in ratio.columns
    ]
    return _united(streams, (ratio.by,), over_time=False)


def _side(ratio: Ratio, column: Column, network: str) -> str:
    return (
        f'data |> filter(fn: (r) => r.iface == "{network}" and exists r.{column.field}) '
        f"|> map(fn: (r) => ({{{ratio.by}: r.{ratio.by}, _value: r.{column.field}}})) "
        f'|> group(columns: ["{ratio.by}"]) |> mean()'
    )


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in names)
