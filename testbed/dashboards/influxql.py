"""Queries in InfluxQL, the dialect that InfluxDB 1, 2 and 3 share, with Grafana's variables in them.

What it has not: a group by fields, and columns of two series in one row. So a ratio takes its two networks as two
sub-queries side by side. Sources: InfluxData, "InfluxQL reference" (1.8); Grafana, "InfluxDB query editor" and
"Variable syntax": `$timeFilter`, `$__interval`, and `${name:regex}`, which escapes what is picked.
"""

from __future__ import annotations

import re

from testbed.dashboards.query import (
    Asked,
    Column,
    Condition,
    Equals,
    Of,
    OneOf,
    Picked,
    Query,
    Ratio,
    Scalar,
    checked,
    type_of,
)

_CALLS = {
    Of.EACH: '"{field}"',
    Of.MEAN: 'MEAN("{field}")',
    Of.MAX: 'MAX("{field}")',
    Of.MIN: 'MIN("{field}")',
    Of.SUM: 'SUM("{field}")',
    Of.COUNT: 'COUNT("{field}")',
    Of.P95: 'PERCENTILE("{field}", 95)',
    Of.MEAN_OF_ALL: 'SUM("{field}") / COUNT("{base}")',
    Of.RATE: 'NON_NEGATIVE_DERIVATIVE(MAX("{field}"), 1s)',
}


def influxql(asked: Asked) -> str:
    """The query's text. Raises QueryError where it does not fit the schema."""
    checked(asked)
    return _ratio(asked) if isinstance(asked, Ratio) else _query(asked)


def _query(query: Query) -> str:
    text = f'SELECT {", ".join(map(_column, query.columns))} FROM "{query.measurement}" WHERE {_where(query)}'
    by = [f'"{tag}"' for tag in query.by]
    if query.over_time:
        by.insert(0, "time($__interval)")
    if by:
        text += f" GROUP BY {', '.join(by)}"
    if query.over_time:
        text += " fill(none)"
    return text + (" ORDER BY time DESC" if query.latest_first else "")


def _ratio(ratio: Ratio) -> str:
    """Each sub-query has one row for each value of the tag, so the outer means are of one value each."""
    sides = [
        f'(SELECT {means} FROM "{ratio.measurement}" WHERE "iface" = \'{network}\' AND {_where(ratio)} '
        f'GROUP BY "{ratio.by}")'
        for network, side in ((ratio.over, "over"), (ratio.under, "under"))
        for means in [", ".join(f'MEAN("{one.field}") AS "{side}_{one.field}"' for one in ratio.columns)]
    ]
    columns = ", ".join(
        f'MEAN("over_{one.field}") / MEAN("under_{one.field}") AS "{one.name}"' for one in ratio.columns
    )
    return f'SELECT {columns} FROM {", ".join(sides)} WHERE $timeFilter GROUP BY "{ratio.by}"'


def _column(column: Column) -> str:
    call = _CALLS[column.of].format(field=column.field, base=column.base)
    times = f" * {column.times}" if column.times != 1 else ""
    return f'{call}{times} AS "{column.name}"'


def _where(asked: Asked) -> str:
    scope = [f'"{tag}" =~ /^${{{tag}:regex}}$/' for tag in asked.scope]
    return " AND ".join([*scope, *(_condition(asked, one) for one in asked.where), "$timeFilter"])


def _condition(asked: Asked, condition: Condition) -> str:
    match condition:
        case Equals(name, value):
            return f'"{name}" = {_literal(value)}'
        case OneOf(name, values):
            return f'"{name}" =~ /^({"|".join(map(re.escape, values))})$/'
        case Picked(name):
            is_text = type_of(asked, name) is str
            return f'"{name}" =~ /^${{{name}:regex}}$/' if is_text else f'"{name}" = ${{{name}}}'


def _literal(value: Scalar) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{escaped}'"
