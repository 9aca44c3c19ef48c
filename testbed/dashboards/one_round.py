"""The dashboard of one round: what each client did, and whom it waited for."""

from __future__ import annotations

from instrument.phases import PHASES
from testbed.dashboards.overview import RESIDUAL_LIMIT, charged_columns
from testbed.dashboards.panels import Dashboard, Kind, Matrix, Panel
from testbed.dashboards.query import Column, Condition, Equals, Of, OneOf, Picked, Query

_SCOPE = ("campaign",)
_TRIAL = Picked("trial")
_THIS = (_TRIAL, Picked("round"))
_PAPER = ("downlink", "train", "test", "validate", "uplink")
_OVERLAP = "Phases of one message may overlap, so a bar can be longer than the time it took."


def _number(title: str, description: str, field: str, unit: str = "", limit: float | None = None) -> Panel:
    asked = Query("fl_round", (Column(field, field),), scope=_SCOPE, where=_THIS)
    return Panel(title, description, Kind.NUMBER, (asked,), 4, 4, unit=unit, limit=limit)


def _of_clients(title: str, description: str, *of: Condition) -> Panel:
    asked = Query("fl_phase", (Column("seconds", "duration_s", Of.SUM),), ("node", "phase"), _SCOPE, (*_THIS, *of))
    matrix = Matrix("node", "phase", "seconds", order=tuple(PHASES))
    return Panel(title, description, Kind.STACKS, (asked,), 12, 10, unit="s", label="node", matrix=matrix)


_CLIENTS = Panel(
    "Clients",
    "How many finished the round, and how many did not.",
    Kind.NUMBER,
    (Query("fl_round", (Column("ok", "clients_ok"), Column("failed", "clients_failed")), scope=_SCOPE, where=_THIS),),
    4,
    4,
)
_T_R = Panel(
    "Time of each client (t_R)",
    "Downlink + train + test + validate + uplink of each node's messages: the paper's time of a client, of which the "
    "round's t_R is the largest. What a round really waited for is charged beside it.",
    Kind.METERS,
    (
        Query(
            "fl_phase",
            (Column("seconds", "duration_s", Of.SUM),),
            ("node",),
            _SCOPE,
            (*_THIS, OneOf("phase", _PAPER)),
        ),
    ),
    12,
    9,
    unit="s",
    label="node",
)
_CHARGED = Panel(
    "What the round waited for",
    "Seconds of the round charged to each phase of its critical path. They add up to the round's duration.",
    Kind.PARTS,
    (Query("fl_round", charged_columns(Of.SUM), scope=_SCOPE, where=_THIS),),
    12,
    9,
    unit="s",
)
_STATES = Panel(
    "What each host did",
    "The phase that began last on each host, on the server's clock: as wrong as the clock error of the host's row "
    "below. A phase is shown until another begins. Only where the time range holds the trial: open it from the "
    "campaign's table of trials.",
    Kind.STATES,
    (Query("fl_phase", (Column("duration", "duration_s"), Column("phase", "phase")), ("node",), _SCOPE, _THIS),),
    24,
    9,
    label="node",
)
_TRANSFERS = Panel(
    "Transfers of the round",
    "active is the time that bytes were on the way, error how far it may be wrong, bound the least that the link's "
    "rates allow; active over bound is 1 at best. An empty bound means that the network's rates are not known.",
    Kind.TABLE,
    (
        Query(
            "fl_transfer",
            (
                Column("node", "node"),
                Column("direction", "phase"),
                Column("asked for", "function"),
                Column("outcome", "outcome"),
                Column("active", "active_s"),
                Column("error", "active_error_s"),
                Column("stall", "stall_s"),
                Column("whole", "whole_s"),
                Column("bound", "bound_s"),
                Column("active over bound", "over_bound"),
                Column("payload", "payload_bytes"),
                Column("objects", "objects"),
                Column("attempts", "attempts"),
                Column("estimator", "estimator"),
            ),
            scope=_SCOPE,
            where=_THIS,
        ),
    ),
    24,
    10,
    units=(*((name, "s") for name in ("active", "error", "stall", "whole", "bound")), ("payload", "bytes")),
)
_PHASES = Panel(
    "Phases of the round",
    "Every phase of every message in the order it began. waited for a core: how long its process was runnable and no "
    "core ran it. clock error: how far the host's clock may have been mapped wrong.",
    Kind.TABLE,
    (
        Query(
            "fl_phase",
            (
                Column("node", "node"),
                Column("phase", "phase"),
                Column("asked for", "function"),
                Column("outcome", "outcome"),
                Column("duration", "duration_s"),
                Column("waited for a core", "waited_for_core_s"),
                Column("clock error", "clock_error_s"),
            ),
            scope=_SCOPE,
            where=_THIS,
        ),
    ),
    12,
    10,
    units=(("duration", "s"), ("waited for a core", "s"), ("clock error", "s")),
)
_ROUNDS = Panel(
    "Rounds of the trial",
    "Every round of the trial picked above, with the node that it waited for.",
    Kind.TABLE,
    (
        Query(
            "fl_round",
            (
                Column("round", "round"),
                Column("duration", "duration_s"),
                Column("t_R", "t_r_s"),
                Column("straggler", "straggler"),
                Column("complete", "complete"),
                Column("warm-up", "warmup"),
                Column("residual", "residual_share"),
            ),
            scope=_SCOPE,
            where=(_TRIAL,),
        ),
    ),
    12,
    10,
    units=(("duration", "s"), ("t_R", "s"), ("residual", "percentunit")),
)
ONE_ROUND = Dashboard(
    "fedprobe-round",
    "fedprobe: one round",
    "One round of one trial: what each client did, and whom the round waited for.",
    ("campaign", "scenario", "trial", "round"),
    (
        (
            _number("Duration", "First configure to last aggregate.", "duration_s", "s"),
            _number("t_R", "The paper's round: the slowest client's downlink + train + test + uplink.", "t_r_s", "s"),
            _number("Straggler", "The node whose reply the round waited for.", "straggler"),
            _CLIENTS,
            _number("Accuracy", "After this round; empty where the app reports none.", "accuracy", "percentunit"),
            _number(
                "Residual",
                "Share of the round that no phase explains. Above 1 % the phases do not tell where time went.",
                "residual_share",
                "percentunit",
                RESIDUAL_LIMIT,
            ),
        ),
        (
            _of_clients(
                "Train messages: phases of each client",
                f"How long each phase of the message that asked a client to train took. {_OVERLAP}",
                Equals("function", "train"),
            ),
            _of_clients(
                "All messages: phases of each client",
                "The same with the messages that asked for test or validation, each of which downloads the model "
                "again. "
                f"{_OVERLAP}",
            ),
        ),
        (_T_R, _CHARGED),
        (_STATES,),
        (_TRANSFERS,),
        (_PHASES, _ROUNDS),
    ),
)
