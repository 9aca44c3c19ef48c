"""A point in the making: its values are not yet held against the schema, its moment may be taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.influx.point import Tags


@dataclass(frozen=True, slots=True)
class Draft:
    """What will be a point; a value None stands for "not measured"."""

    measurement: str
    tags: Tags
    time_ns: int
    values: Mapping[str, object]
