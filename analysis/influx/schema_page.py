"""The schema as a section of docs/influxdb.md, so that no second list exists.

`python -m analysis.influx.schema_page docs/influxdb.md` writes it anew between its two marks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from analysis.influx.schema import MEASUREMENTS, PHASE_TAG, TAGS, Field, Measurement

BEGIN, END = "<!-- schema: made by analysis.influx.schema_page -->", "<!-- end of schema -->"


class PageError(ValueError):
    """A page has no place for the schema."""


def schema_section() -> str:
    """The schema in Markdown, without its marks."""
    tags = [f"| `{name}` | {text} |" for name, text in {**TAGS, **PHASE_TAG}.items()]
    parts = ["\n".join(["| tag | value |", "|---|---|", *tags]), *map(_of, MEASUREMENTS.values())]
    return "\n\n".join(parts)


def with_schema(page: str) -> str:
    """The page with its schema made anew. Raises PageError where its marks are missing."""
    before, begun, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise PageError(f"the page has no lines {BEGIN} and {END} for the schema to stand between")
    return f"{before}{BEGIN}\n\n{schema_section()}\n\n{END}{after}"


def _of(measurement: Measurement) -> str:
    by_phase = " By `phase` too." if "phase" in measurement.tags else ""
    return "\n".join([f"### {measurement.name}", "", measurement.description + by_phase, "", *_table(measurement)])


def _table(measurement: Measurement) -> Iterator[str]:
    yield "| field | type | unit | meaning |"
    yield "|---|---|---|---|"
    for field in measurement.fields.values():
        yield f"| `{field.name}` | {_kind(field)} | {field.unit} | {_cell(field.description)} |"


def _kind(field: Field) -> str:
    return {bool: "boolean", int: "integer", float: "float", str: "string"}[field.type]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(with_schema(Path(name).read_text(encoding="utf-8")), encoding="utf-8")
