"""One point of InfluxDB, as everything between a run folder and a server hands it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FieldValue = bool | int | float | str
Tags = tuple[tuple[str, str], ...]
Key = tuple[str, Tags, int]


@dataclass(frozen=True, slots=True)
class Point:
    """A measurement's fields at one moment.

    `tags` are sorted by their keys and none is empty; `time_ns` counts from the Unix epoch; `fields` holds one value
    or more, and no NaN or infinity.
    """

    measurement: str
    tags: Tags
    time_ns: int
    fields: Mapping[str, FieldValue]

    @property
    def key(self) -> Key:
        """What a server knows a point by: of two with the same key it keeps the later."""
        return (self.measurement, self.tags, self.time_ns)
