"""What a reader picks from above a dashboard: where each list comes from and what it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: a tag's values, or a field's (`is_field`) of the points that those before it leave.

    Its list is of one measurement, since Grafana reads one series only.
    """

    name: str
    label: str
    description: str
    measurement: str
    within: tuple[str, ...] = ()
    is_field: bool = False
    many: bool = True


_ALL = (
    Variable("campaign", "Campaign", "campaigns that were exported", "trial", many=False),
    Variable("scenario", "Scenario", "conditions: network, polling, levels that vary", "trial", ("campaign",)),
    Variable("iface", "Network", "the trial's network", "trial", ("campaign",)),
    Variable("node", "Node", "hosts", "system", ("campaign",)),
    Variable(
        "trial",
        "Trial",
        "trials that began in the time range",
        "fl_round",
        ("campaign", "scenario"),
        is_field=True,
        many=False,
    ),
    Variable("round", "Round", "rounds of that trial", "fl_round", ("campaign", "trial"), is_field=True, many=False),
)
VARIABLES: Mapping[str, Variable] = {one.name: one for one in _ALL}


def influxql_list(variable: Variable) -> str:
    """The InfluxQL of its list."""
    where = " AND ".join(f'"{name}" =~ /^${{{name}:regex}}$/' for name in variable.within)
    if variable.is_field:
        return f'SELECT DISTINCT("{variable.name}") FROM "{variable.measurement}" WHERE {where} AND $timeFilter'
    text = f'SHOW TAG VALUES FROM "{variable.measurement}" WITH KEY = "{variable.name}"'
    return f"{text} WHERE {where}" if where else text
