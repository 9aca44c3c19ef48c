"""What a panel asks of the database, in no dialect: columns of one measurement, filtered and grouped."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from analysis.influx.schema import MEASUREMENTS, Field, Measurement
from testbed.validation import nearest

Scalar = bool | int | str


class QueryError(ValueError):
    """A query that names what the schema has not, or asks of a field what its type does not allow."""


class Of(enum.Enum):
    """What is made of a column's values: of all of them, or of those in one interval."""

    EACH = "each point as it is"
    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    SUM = "sum"
    COUNT = "count"
    P95 = "95th percentile"
    MEAN_OF_ALL = "sum over the number of all points: a point without the field counts as 0"
    RATE = "growth of a counter, per second; a counter that began anew makes a gap"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the name it is shown by, the field (of EACH a tag too), and what is made of it.

    `base` is a field that every point has: MEAN_OF_ALL counts its points. Values are multiplied by `times`.
    """

    name: str
    field: str
    of: Of = Of.EACH
    base: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Equals:
    """A field or tag has a value."""

    name: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class OneOf:
    """A field or tag has one of some texts."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Picked:
    """A field has the value that the reader picked in the dashboard's variable of the same name."""

    name: str


Condition = Equals | OneOf | Picked


@dataclass(frozen=True, slots=True)
class Query:
    """Columns of one measurement, in the dashboard's time range.

    `by` are tags: one series for each combination. `scope` are tags, each held to what the reader picked in the
    variable of its name. With `over_time`, aggregates are made in each interval of the display.
    """

    measurement: str
    columns: tuple[Column, ...]
    by: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    over_time: bool = False
    latest_first: bool = False


@dataclass(frozen=True, slots=True)
class Ratio:
    """The mean of each column on one network over its mean on another; a series for each value of the tag `by`."""

    measurement: str
    columns: tuple[Column, ...]
    over: str
    under: str
    by: str
    scope: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()


Asked = Query | Ratio


def checked(asked: Asked) -> Asked:
    """The same query. Raises QueryError where the schema has not what it names, or not of the type it needs."""
    measurement = MEASUREMENTS.get(asked.measurement)
    if measurement is None:
        raise QueryError(f"measurement {asked.measurement}: {nearest(asked.measurement, MEASUREMENTS)}")
    for column in asked.columns:
        _check_column(measurement, column)
    by = asked.by if isinstance(asked, Query) else (asked.by, "iface")
    for tag in (*by, *asked.scope):
        if tag not in measurement.tags:
            raise QueryError(f"{measurement.name} has no tag {tag}. {nearest(tag, measurement.tags)}")
    for condition in asked.where:
        _check_condition(measurement, condition)
    return asked


def _check_column(measurement: Measurement, column: Column) -> None:
    if column.of is Of.EACH and column.field in measurement.tags:
        return
    field = _field(measurement, column.field)
    if column.of not in {Of.EACH, Of.COUNT} and field.type not in {int, float}:
        raise QueryError(f"{measurement.name}.{field.name} is {field.type.__name__}: it has no {column.of.value}")
    if (column.of is Of.MEAN_OF_ALL) != bool(column.base):
        raise QueryError(f"{measurement.name}.{field.name}: a base belongs to {Of.MEAN_OF_ALL.name}, and to it alone")
    if column.base:
        _field(measurement, column.base)
    if '"' in column.name or "$" in column.name or column.name.lower() == "time":
        raise QueryError(f"{measurement.name}.{field.name}: no dialect takes the name {column.name!r}")


def _check_condition(measurement: Measurement, condition: Condition) -> None:
    kind = str if condition.name in measurement.tags else _field(measurement, condition.name).type
    wanted = {type(condition.value)} if isinstance(condition, Equals) else {str, int}
    if kind not in wanted or (isinstance(condition, OneOf) and kind is not str):
        raise QueryError(f"{measurement.name}.{condition.name} is {kind.__name__}: {condition} cannot hold")


def _field(measurement: Measurement, name: str) -> Field:
    field = measurement.fields.get(name)
    if field is None:
        raise QueryError(f"{measurement.name} has no field {name}. {nearest(name, measurement.fields)}")
    return field


def type_of(asked: Asked, name: str) -> type:
    """The type of a field or tag of a query's measurement."""
    measurement = MEASUREMENTS[asked.measurement]
    return str if name in measurement.tags else measurement.fields[name].type
