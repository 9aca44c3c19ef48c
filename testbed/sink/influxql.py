"""InfluxQL: what 1.x, 2.x and 3 all answer at `/query`.

Source: InfluxDB 1.8, "Influx Query Language (InfluxQL) reference": strings in single quotes, identifiers in double
ones, a backslash before a quote or a backslash in either; times in nanoseconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from testbed.sink.answers import error_of
from testbed.sink.errors import SinkError
from testbed.sink.http import Http

AT_ONCE = 5000
_TEXT = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n"})
_NAME = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def text(value: str) -> str:
    """A string as a statement has it."""
    return f"'{value.translate(_TEXT)}'"


def identifier(name: str) -> str:
    """A database's, measurement's, tag's or field's name as a statement has it."""
    return f'"{name.translate(_NAME)}"'


def selected(what: str, measurement: str, where: str) -> str:
    """A SELECT statement of one measurement."""
    return f"SELECT {what} FROM {identifier(measurement)} {where}"  # noqa: S608 (all of it is escaped)


def between(first_ns: int, last_ns: int, labels: Mapping[str, str]) -> str:
    """A WHERE clause: from a moment to another, both included, of points that have these tags."""
    tags = "".join(f" AND {identifier(name)} = {text(value)}" for name, value in labels.items())
    return f"WHERE time >= {first_ns} AND time <= {last_ns}{tags}"


def blocks(http: Http, statement: str) -> Iterator[tuple[list[str], list[list[Any]]]]:
    """The answer as columns with some thousands of rows at once. Raises SinkError where the statement is refused."""
    form = {
        "q": statement,
        "db": http.target.bucket,
        "epoch": "ns",
        "chunked": "true",
        "chunk_size": str(AT_ONCE),
    }
    for document in http.lines("/query", form=form):
        if "error" in document:
            raise _refused(str(document["error"]), http)
        for result in document.get("results", []):
            if "error" in result:
                raise _refused(str(result["error"]), http)
            for series in result.get("series", []):
                yield series["columns"], series.get("values", [])


def rows(http: Http, statement: str) -> Iterator[dict[str, Any]]:
    """The same row by row, by column."""
    for columns, values in blocks(http, statement):
        yield from (dict(zip(columns, row, strict=True)) for row in values)


def _refused(said: str, http: Http) -> Exception:
    said = http.token.taken_from(said)
    if "not found" in said:
        return error_of(404, said.encode(), {}, http.target)
    return SinkError(f"{http.target.url}: a query fails: {said[:300]}.")
