"""The self-test's result on a terminal: each estimator against the wire, then the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from testbed.selftest.judgement import DIRECTIONS, LIMITED, NAMES, UNLIMITED

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

TITLES = {
    LIMITED: "up to 100 Mbit/s",
    UNLIMITED: "1 Gbit/s (no limit: the transfer is as short as Python's own steps)",
}
WORDS = {"uplink": "uplink, t_u", "downlink": "downlink, t_d", "both": "both together"}


def print_result(document: Mapping[str, Any], console: Console | None = None) -> None:
    """Print tables and verdicts to standard output."""
    from rich.console import Console

    page = console or Console(highlight=False)
    if console is None and not page.is_terminal:
        page = Console(highlight=False, width=max(80, page.width), color_system=None)
    for part in _parts(document):
        page.print(part)


def _parts(document: Mapping[str, Any]) -> Iterator[str | Table]:
    counts, limits = document["transfers"], document["limits"]
    yield (
        f"{counts['uplink']} uplinks and {counts['downlink']} downlinks against the wire "
        f"({', '.join(document['reference'])} captured)"
    )
    for group, title in TITLES.items():
        if group in document["errors"]:
            yield ""
            yield _table(title, document["errors"][group])
            yield from _reads(document["errors"][group])
    yield ""
    if document["ok"]:
        yield (
            f"good: the headline's median error is within {limits['median_abs']:.1%}, "
            f"19 of 20 transfers within {limits['p95_abs']:.0%}."
        )
    for verdict in document["verdicts"]:
        yield f"{verdict['severity']}: {verdict['finding']} Next: {verdict['next_step']}"


def _table(title: str, errors: Mapping[str, Any]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(title, no_wrap=False)
    for column in ("bias", "median", "95 %", "worst", "n"):
        table.add_column(column, justify="right", no_wrap=True)
    for direction in DIRECTIONS:
        of = errors.get(direction, {})
        rows = [(words, of[name]) for name, words in NAMES.items() if name in of]
        if rows:
            table.add_row(WORDS[direction], style="bold")
        for words, made in rows:
            cells = [
                _percent(made["bias"], signed=True),
                *(_percent(made[f"{key}_abs"]) for key in ("median", "p95", "worst")),
            ]
            table.add_row(f"  {words}", *cells, str(made["n"]))
    return table


def _reads(errors: Mapping[str, Any]) -> Iterator[str]:
    parts = [
        f"{direction} {of['application_read']['median_s'] * 1e3:.1f} ms (most: "
        f"{of['application_read']['worst_s'] * 1e3:.0f} ms)"
        for direction, of in errors.items()
        if "application_read" in of
    ]
    if parts:
        yield f"kernel to the application's read, median: {', '.join(parts)}"


def _percent(share: float, *, signed: bool = False) -> str:
    digits = 0 if abs(share) >= 1 else 1 if abs(share) >= 0.1 else 2
    return f"{share:+.{digits}%}" if signed else f"{share:.{digits}%}"
