"""Which phases waited for a core, for people: the rows of the terminal's table, and the table of the page."""

from __future__ import annotations

from collections.abc import Iterator

from analysis import formats
from analysis.measured import Measured, Starved
from analysis.samples import phase_order
from analysis.tables import Row, Table

TITLE = "Waited for a core"
# a phase that waited less than this on every network has no row
SHOWN_SHARE, SHOWN_S = 0.01, 0.001


def starvation_rows(measured: Measured) -> Iterator[tuple[str, list[str]]]:
    """Phase, and for each interface the share of it that passed in waiting for a core; ≈ marks an estimate."""
    every = dict.fromkeys(phase for of in measured.starvation.values() for phase in of)
    for phase in sorted(every, key=phase_order):
        found = [measured.starvation.get(name, {}).get(phase) for name in measured.interfaces]
        if any(of and of.share >= SHOWN_SHARE and of.mean_s >= SHOWN_S for of in found):
            yield phase, [_cell(of) for of in found]


def starvation_table(measured: Measured) -> Table:
    """The same on the page; without rows where nothing waited, or where it is not known."""
    names = measured.interfaces
    return Table(
        name="starvation",
        title=TITLE,
        note="Share of a phase in which its process was ready to run and no core ran it, and its mean time. "
        "Phases inside a ClientApp are read by the process itself. Those marked ≈ are estimates: the count of the "
        "SuperLink, SuperNode or ServerApp between two samples, spread evenly. A figure that waited for a core is a "
        "figure of the machine, not of the network.",
        head=["phase", *names],
        rows=[Row(cells=[phase, *cells]) for phase, cells in starvation_rows(measured)],
        numbers=range(1, len(names) + 1),
    )


def _cell(of: Starved | None) -> str:
    if of is None:
        return formats.NOTHING
    return f"{'≈' if of.estimated else ''}{formats.percent(of.share)} ({formats.duration(of.mean_s)})"
