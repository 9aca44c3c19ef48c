"""What dashboards show: panels of some kinds in rows, and the variables that their reader picks from."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from testbed.dashboards.query import Asked

COLUMNS = 24  # of Grafana's grid
WINDOW = "window"  # the column that holds twice a trial's length in ms: a link's time range


class Kind(enum.Enum):
    """How a panel shows its rows."""

    LINES = "values over time, as lines"
    DOTS = "values over time, as dots"
    BARS = "bars side by side"
    STACKS = "bars of parts that lie on each other"
    METERS = "one horizontal bar for each series"
    PARTS = "one horizontal bar for each column of one row"
    STATES = "what each was doing, over time"
    TABLE = "rows"
    NUMBER = "one number or word"


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows and columns made of two tags, and the column that fills them."""

    rows: str
    columns: str
    value: str
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `unit` is Grafana's name of a unit, `units` those of single columns.

    `description` says what is shown and how far to trust it. `limit` is where a value begins to be a finding, `label`
    the tag that names a series or a bar; `matrix` is made of the rows before they are shown.
    `only_where` names what a host or campaign must have for the panel to have rows; empty where each has.
    """

    title: str
    description: str
    kind: Kind
    asked: tuple[Asked, ...]
    width: int
    height: int
    unit: str = ""
    units: tuple[tuple[str, str], ...] = ()
    decimals: int | None = None
    limit: float | None = None
    label: str = ""
    matrix: Matrix | None = None
    leads_to_round: bool = False
    only_where: str = ""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard: rows of panels, none wider than the grid, and the variables above them, in order."""

    uid: str
    title: str
    description: str
    variables: tuple[str, ...]
    rows: tuple[tuple[Panel, ...], ...]

    @property
    def panels(self) -> list[Panel]:
        """Its panels, as they are read."""
        return [panel for row in self.rows for panel in row]
