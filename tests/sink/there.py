"""What a server holds, read without the product's own reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.influx.points import points_of
from tests.servers.influxd import Influxd

TYPES = {bool: "boolean", int: "integer", float: "float", str: "string"}
Known = dict[tuple[str, tuple[tuple[str, str], ...], int], dict[str, Any]]


def expected(run: Path) -> Known:
    """Every point of a run by what a database knows it by."""
    return {point.key: dict(point.fields) for point in points_of(run)}


def on_influxd(server: Influxd, database: str) -> Known:
    """Every point of a database, each value in the type that its field has there."""
    found: Known = {}
    for (name,) in ((row["name"],) for row in server.rows("SHOW MEASUREMENTS", database)):
        tags = sorted(row["tagKey"] for row in server.rows(f'SHOW TAG KEYS FROM "{name}"', database))
        kinds = {row["fieldKey"]: row["fieldType"] for row in server.rows(f'SHOW FIELD KEYS FROM "{name}"', database)}
        for row in server.rows(f'SELECT * FROM "{name}"', database):
            fields = {
                key: float(row[key]) if kind == "float" else row[key]
                for key, kind in kinds.items()
                if row[key] is not None
            }
            found[name, tuple((tag, row[tag]) for tag in tags), row["time"]] = fields
    return found


def typed(known: Known) -> set[str]:
    """The same as texts that tell 3 from 3.0 and from true."""
    return {repr((key, sorted(fields.items()))) for key, fields in known.items()}
