"""The first dashboard: what campaigns did, and whether their trials count."""

from __future__ import annotations

from analysis.influx.schema import RESIDUAL, charged_field
from instrument.phases import PHASES
from testbed.dashboards.panels import WINDOW, Dashboard, Kind, Panel
from testbed.dashboards.query import Column, Equals, Of, Query

SCOPE = ("campaign", "scenario", "iface")
NO_WARM_UP = Equals("warmup", value=False)
RESIDUAL_LIMIT = 0.01  # docs/measurement.md: charged phases leave 1 % of a round at most
CHARGED = (*PHASES, RESIDUAL)


def charged_columns(of: Of) -> tuple[Column, ...]:
    """What rounds were charged to, phase by phase in their order."""
    base = "duration_s" if of is Of.MEAN_OF_ALL else ""
    return tuple(Column(phase, charged_field(phase), of, base) for phase in CHARGED)


def _number(title: str, description: str, *asked: Query, unit: str = "", limit: float | None = None) -> Panel:
    return Panel(title, description, Kind.NUMBER, asked, 4, 4, unit=unit, limit=limit)


_TRIALS = _number(
    "Trials",
    "Trials that began in the time range, and how many of them count: nothing speaks against those.",
    Query("trial", (Column("trials", "outcome", Of.COUNT),), scope=SCOPE),
    Query("trial", (Column("count", "valid", Of.COUNT),), scope=SCOPE, where=(Equals("valid", value=True),)),
)
_ROUNDS = _number(
    "Rounds",
    "Rounds that were measured, and those in which every client finished. Warm-up rounds are left out.",
    Query("fl_round", (Column("rounds", "duration_s", Of.COUNT),), scope=SCOPE, where=(NO_WARM_UP,)),
    Query(
        "fl_round",
        (Column("complete", "complete", Of.COUNT),),
        scope=SCOPE,
        where=(NO_WARM_UP, Equals("complete", value=True)),
    ),
)
_MEASURED = _number(
    "Time measured",
    "Wall time of all rounds together, and of the trials around them: starting, stopping, fetching, storing.",
    Query(
        "trial",
        (Column("rounds", "rounds_s", Of.SUM), Column("around them", "conducting_s", Of.SUM)),
        scope=SCOPE,
    ),
    unit="s",
)
_DROPPED = _number(
    "Records dropped",
    "Records that probes had to drop because their buffer was full. 0, or what was measured has holes.",
    Query("trial", (Column("dropped", "dropped_records", Of.SUM),), scope=SCOPE),
    limit=1,
)
_RESIDUAL = _number(
    "Largest residual",
    "The largest share of a complete round that no phase explains. Above 1 % the phases do not tell where time went.",
    Query("trial", (Column("residual", "max_residual_share", Of.MAX),), scope=SCOPE),
    unit="percentunit",
    limit=RESIDUAL_LIMIT,
)
_CLOCKS = _number(
    "Largest clock error",
    "The largest bound of how far a host's clock was mapped wrong. Phases that begin on one host and end on another "
    "are not better known than this.",
    Query("trial", (Column("error", "max_clock_error_s", Of.MAX),), scope=SCOPE),
    unit="s",
)
_DURATIONS = Panel(
    "Duration of each round",
    "First configure to last aggregate, one dot a round. Rounds marked as warm-up and those that a client did not "
    "finish are in it.",
    Kind.DOTS,
    (Query("fl_round", (Column("duration", "duration_s"),), by=("scenario",), scope=SCOPE),),
    12,
    9,
    unit="s",
    label="scenario",
)
_CHARGED = Panel(
    "Where an average round's time goes",
    "Each instant of a round is charged to the one phase that its critical path waited for, so a bar is as long as "
    "the average round. Complete rounds without warm-up; trials that are invalid are in it, see the table below.",
    Kind.STACKS,
    (
        Query(
            "fl_round",
            charged_columns(Of.MEAN_OF_ALL),
            by=("iface",),
            scope=SCOPE,
            where=(NO_WARM_UP, Equals("complete", value=True)),
        ),
    ),
    12,
    9,
    unit="s",
    label="iface",
)
_ACCURACY = Panel(
    "Accuracy after each round",
    "As the server evaluated it, else as its strategy averaged what clients reported (score_source says which). "
    "Empty "
    "where the app reports none.",
    Kind.LINES,
    (Query("fl_round", (Column("accuracy", "accuracy"),), by=("scenario",), scope=SCOPE),),
    12,
    8,
    unit="percentunit",
    label="scenario",
)
_LOSS = Panel(
    "Loss after each round",
    "From the same source as the accuracy.",
    Kind.LINES,
    (Query("fl_round", (Column("loss", "loss"),), by=("scenario",), scope=SCOPE),),
    12,
    8,
    label="scenario",
)
_EVERY_TRIAL = Panel(
    "Every trial",
    "One row a trial, the latest first. The link of its name opens its rounds, in a time range around it.",
    Kind.TABLE,
    (
        Query(
            "trial",
            (
                Column("trial", "trial"),
                Column("scenario", "scenario"),
                Column("network", "iface"),
                Column("outcome", "outcome"),
                Column("counts", "valid"),
                Column("speaks against it", "reasons"),
                Column("warm-up", "warmup"),
                Column("rounds", "rounds"),
                Column("in rounds", "rounds_s"),
                Column("in all", "wall_s"),
                Column(WINDOW, "wall_s", times=2000),
            ),
            scope=SCOPE,
            latest_first=True,
        ),
    ),
    24,
    10,
    units=(("in rounds", "s"), ("in all", "s")),
    leads_to_round=True,
)
OVERVIEW = Dashboard(
    "fedprobe-overview",
    "fedprobe: campaign",
    "What a campaign did, where the time of its rounds went, and which trials count.",
    ("campaign", "scenario", "iface"),
    (
        (_TRIALS, _ROUNDS, _MEASURED, _DROPPED, _RESIDUAL, _CLOCKS),
        (_DURATIONS, _CHARGED),
        (_ACCURACY, _LOSS),
        (_EVERY_TRIAL,),
    ),
)
