"""The dashboard of a campaign's health: which trials count, how well clocks agree, what phases leave unexplained."""

from __future__ import annotations

from testbed.dashboards.overview import RESIDUAL_LIMIT, SCOPE
from testbed.dashboards.panels import Dashboard, Kind, Panel
from testbed.dashboards.query import Column, Equals, Of, Query

_CLOCK_SCOPE = (*SCOPE, "node")


def _of_all(title: str, description: str, column: Column, *, unit: str = "", limit: float | None = None) -> Panel:
    asked = Query("trial", (column,), scope=SCOPE)
    return Panel(title, description, Kind.NUMBER, (asked,), 4, 4, unit=unit, limit=limit)


_COUNTED = Panel(
    "Trials",
    "All trials, and those that count: nothing speaks against them. The others are stored, and kept out of the "
    "report; the table says why.",
    Kind.NUMBER,
    (
        Query("trial", (Column("trials", "outcome", Of.COUNT),), scope=SCOPE),
        Query("trial", (Column("count", "valid", Of.COUNT),), scope=SCOPE, where=(Equals("valid", value=True),)),
    ),
    4,
    4,
)
_INVALID = Panel(
    "Trials and what speaks against them",
    "One row a trial, the latest first. docs/validity.md tells what each reason means. A residual or clock error "
    "that "
    "is empty could not be had.",
    Kind.TABLE,
    (
        Query(
            "trial",
            (
                Column("trial", "trial"),
                Column("network", "iface"),
                Column("outcome", "outcome"),
                Column("counts", "valid"),
                Column("speaks against it", "reasons"),
                Column("records", "records"),
                Column("dropped", "dropped_records"),
                Column("residual", "max_residual_share"),
                Column("clock error", "max_clock_error_s"),
            ),
            scope=SCOPE,
            latest_first=True,
        ),
    ),
    24,
    9,
    units=(("residual", "percentunit"), ("clock error", "s")),
)
_RESIDUALS = Panel(
    "Residual of each round",
    "Share of the round that no phase explains. The line at 1 % is the limit: above it the phases do not tell where "
    "the time went.",
    Kind.DOTS,
    (Query("fl_round", (Column("residual", "residual_share"),), by=("scenario",), scope=SCOPE),),
    12,
    8,
    unit="percentunit",
    limit=RESIDUAL_LIMIT,
    label="scenario",
)
_FAILED = Panel(
    "Clients that did not finish",
    "Clients of a round of which a message did not end well. Rounds with any are kept out of comparisons.",
    Kind.DOTS,
    (Query("fl_round", (Column("failed", "clients_failed"),), by=("scenario",), scope=SCOPE),),
    12,
    8,
    limit=1,
    label="scenario",
)
_ERRORS = Panel(
    "Clock error of each host",
    "Bound of how far a clock was mapped wrong in a trial, one dot a trial and clock: phases that begin on one "
    "host and "
    "end on another are not better known. A clock that nothing bounds has no dot: see the table.",
    Kind.DOTS,
    (Query("clock", (Column("error", "error_s"),), by=("node",), scope=_CLOCK_SCOPE),),
    12,
    8,
    unit="s",
    label="node",
)
_DRIFTS = Panel(
    "Drift of each host's clock",
    "How fast its offset to the server's clock grows: parts per million are microseconds per second.",
    Kind.DOTS,
    (Query("clock", (Column("drift", "drift_ppm"),), by=("node",), scope=_CLOCK_SCOPE),),
    12,
    8,
    unit="ppm",
    label="node",
)
_CLOCKS = Panel(
    "Clocks",
    "How each clock was mapped onto the server's: the server's clock less this one, from how many exchanges, and "
    "what "
    "bounds the error best.",
    Kind.TABLE,
    (
        Query(
            "clock",
            (
                Column("node", "node"),
                Column("trial", "trial"),
                Column("source", "source"),
                Column("exchanges", "exchanges"),
                Column("offset", "offset_s"),
                Column("drift", "drift_ppm"),
                Column("error", "error_s"),
            ),
            scope=_CLOCK_SCOPE,
            latest_first=True,
        ),
    ),
    12,
    9,
    units=(("offset", "s"), ("drift", "ppm"), ("error", "s")),
)
_FAULTS = Panel(
    "Faults that the campaign asked for",
    "Each time that one was applied to a host, or missed, and what it cost. Empty where no fault was asked for.",
    Kind.TABLE,
    (
        Query(
            "fault",
            (
                Column("fault", "fault"),
                Column("does", "does"),
                Column("state", "state"),
                Column("node", "node"),
                Column("trial", "trial"),
                Column("round", "round"),
                Column("lasted", "duration_s"),
                Column("noticed after", "noticed_s"),
                Column("delay", "delay_s"),
                Column("wasted", "wasted_s"),
                Column("how", "detail"),
            ),
            scope=SCOPE,
            latest_first=True,
        ),
    ),
    12,
    9,
    units=tuple((name, "s") for name in ("lasted", "noticed after", "delay", "wasted")),
    only_where="a campaign with faults",
)
HEALTH = Dashboard(
    "fedprobe-health",
    "fedprobe: campaign health",
    "Whether what was measured may be believed: validity, clock error, residual, faults.",
    ("campaign", "scenario", "iface", "node"),
    (
        (
            _COUNTED,
            _of_all("Rounds", "Rounds that were recorded.", Column("rounds", "rounds", Of.SUM)),
            _of_all("Records", "Records of all processes of all trials.", Column("records", "records", Of.SUM)),
            _of_all(
                "Dropped",
                "Records that probes had to drop. 0, or there are holes.",
                Column("dropped", "dropped_records", Of.SUM),
                limit=1,
            ),
            _of_all(
                "Largest residual",
                "Of all complete rounds. Above 1 % the phases do not tell where time went.",
                Column("residual", "max_residual_share", Of.MAX),
                unit="percentunit",
                limit=RESIDUAL_LIMIT,
            ),
            _of_all(
                "Largest clock error",
                "Of all clocks of all trials.",
                Column("error", "max_clock_error_s", Of.MAX),
                unit="s",
            ),
        ),
        (_INVALID,),
        (_RESIDUALS, _FAILED),
        (_ERRORS, _DRIFTS),
        (_CLOCKS, _FAULTS),
    ),
)
