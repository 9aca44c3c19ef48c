"""A stored trial as its server's processes wrote it, and lines of points that are compared field by field."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.load import Records
from instrument.records import Record

ROLES = ("flower-superlink", "flwr-serverapp", "collector")


def server_segments(records: Records) -> list[list[Record]]:
    """Header, records and trailer of the server's processes: of SuperLink, ServerApp and collector."""
    host = records.role(ROLES[0])[0].header.host
    chosen = [one for role in ROLES for one in records.role(role) if one.header.host == host]
    return [[one.header, *one.records, *([one.end] if one.end is not None else [])] for one in chosen]


def not_among(lines: Iterable[str], others: Iterable[str]) -> list[str]:
    """The lines of which no other says the same, or more, of the same series and moment.

    Strings with commas are compared in pieces.
    """
    there = {(series, moment): fields for series, fields, moment in map(_parts, others)}
    return [
        line
        for line in lines
        for series, fields, moment in [_parts(line)]
        if not fields <= there.get((series, moment), set())
    ]


def _parts(line: str) -> tuple[str, set[str], str]:
    series, _, rest = line.replace(r"\ ", "\0").partition(" ")
    fields, _, moment = rest.rpartition(" ")
    return series, set(fields.split(",")), moment
