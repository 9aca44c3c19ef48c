"""Values as the schema wants them: one type for each field, for ever, and nothing that no field can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping

from analysis.influx.left_out import NOT_FINITE, TOO_LONG, UNKNOWN, WRONG_TYPE, LeftOut
from analysis.influx.line_protocol import INT_HIGH, INT_LOW, LONGEST_STRING, text_value
from analysis.influx.point import FieldValue, Point, Tags
from analysis.influx.schema import MEASUREMENTS


def typed_point(
    measurement: str, tags: Tags, time_ns: int, values: Mapping[str, object], left_out: LeftOut
) -> Point | None:
    """The point of these values, in their order; None stands for "not measured" and makes no field.

    A value that is not the field's type and no number that is exactly one of it, or not finite, is counted and left
    out. None where nothing is left.
    """
    fields = {}
    for name, value in values.items():
        if value is not None and (held := typed(measurement, name, value, left_out)) is not None:
            fields[name] = held
    return Point(measurement, tags, time_ns, fields) if fields else None


def typed(measurement: str, name: str, value: object, left_out: LeftOut) -> FieldValue | None:
    """The value as the field's type; None, counted, where the field cannot hold it."""
    field = MEASUREMENTS[measurement].fields.get(name)
    if field is None:
        left_out.add(measurement, name, UNKNOWN)
        return None
    held, reason = _as(field.type, value)
    if held is None:
        left_out.add(measurement, name, reason)
    return held


def _as(kind: type, value: object) -> tuple[FieldValue | None, str]:
    """The value as one of a type, or why it is none."""
    if kind is bool and isinstance(value, bool):
        return value, ""
    if kind is str and isinstance(value, str):
        text = text_value(value)
        return (text, "") if len(text.encode()) <= LONGEST_STRING else (None, TOO_LONG)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, WRONG_TYPE
    return _number(kind, value)


def _number(kind: type, value: float) -> tuple[FieldValue | None, str]:
    if not math.isfinite(value):
        return None, NOT_FINITE
    if kind is float:
        return float(value), ""
    if kind is int and value == int(value) and INT_LOW <= value <= INT_HIGH:
        return int(value), ""
    return None, WRONG_TYPE
