"""The benchmark's figures as rows, and the page that holds them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata

from tests.bench.intervals import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. `ok` is None where nothing was promised of it."""

    name: str
    value: str
    interval: str = ""
    limit: str = ""
    n: str = ""
    ok: bool | None = None


def estimated(name: str, found: Estimate, *, digits: int, limit: str = "", ok: bool | None = None) -> Row:
    """A row of an estimate."""
    ends = "" if found.low is None or found.high is None else f"{found.low:.{digits}f} to {found.high:.{digits}f}"
    return Row(name=name, value=f"{found.value:.{digits}f}", interval=ends, limit=limit, n=f"{found.n:,}", ok=ok)


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    head = "| figure | value | 95 % interval | limit | n | within |\n|---|---|---|---|---|---|\n"
    words = {True: "yes", False: "**no**", None: ""}
    return head + "".join(
        f"| {row.name} | {row.value} | {row.interval} | {row.limit} | {row.n} | {words[row.ok]} |\n" for row in rows
    )


def machine() -> str:
    """What the figures were made on."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("flwr", "httpx", "uvicorn", "numpy"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} processors, {platform.machine()}, "
        f"Linux {platform.release()}; Python {platform.python_version()}, {versions}"
    )
