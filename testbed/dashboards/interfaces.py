"""The dashboard that compares networks: phases, active and stall, and ratios beside the ratios of bounds."""

from __future__ import annotations

from testbed.dashboards.overview import NO_WARM_UP
from testbed.dashboards.panels import Dashboard, Kind, Matrix, Panel
from testbed.dashboards.query import Column, Equals, Of, Query, Ratio

_SCOPE = ("campaign", "scenario", "node")
_COMPARED = (Equals("function", "train"), Equals("outcome", "ok"), NO_WARM_UP)
_LEFT_OUT = (
    "Train messages that ended well, without warm-up. Trials that are invalid and rounds that a client did not "
    "finish are in it, which the report leaves out, and trials under a fault, which it shows apart (pick scenarios "
    "for that): cite the report's numbers, which have intervals."
)
_TRANSFER = (
    Column("bound", "bound_s", Of.MEAN),
    Column("active", "active_s", Of.MEAN),
    Column("stall", "stall_s", Of.MEAN),
    Column("whole", "whole_s", Of.MEAN),
)


def _phases(title: str, of: Of, said: str) -> Panel:
    asked = Query("fl_phase", (Column("seconds", "duration_s", of),), ("iface", "phase"), _SCOPE, _COMPARED)
    matrix = Matrix("phase", "iface", "seconds", order=("ethernet", "wifi", "5g"))
    return Panel(title, f"{said} {_LEFT_OUT}", Kind.BARS, (asked,), 24, 9, unit="s", label="phase", matrix=matrix)


def _direction(direction: str, meaning: str) -> Panel:
    where = (Equals("phase", direction), *_COMPARED)
    return Panel(
        f"{direction.capitalize()}: active and stall beside the bound",
        f"{meaning}. bound: the least that the link's rates allow. active: bytes were on the way. stall: the rest, "
        "in "
        f"which the framework waited. whole: what the user waits for. {_LEFT_OUT}",
        Kind.BARS,
        (Query("fl_transfer", _TRANSFER, ("iface",), _SCOPE, where),),
        12,
        9,
        unit="s",
        label="iface",
    )


def _ratio(over: str, under: str) -> Panel:
    columns = (
        Column("active", "active_s"),
        Column("whole", "whole_s"),
        Column("bound", "bound_s"),
    )
    return Panel(
        f"{over} / {under}",
        f"Mean time on {over} over mean time on {under}. active compares the networks, whole what the user waits "
        "for; "
        "bound is the ratio that the links' rates alone explain. Above 1 the first is slower. Empty until both were "
        f"measured. {_LEFT_OUT}",
        Kind.BARS,
        (Ratio("fl_transfer", columns, over, under, "phase", _SCOPE, _COMPARED),),
        8,
        8,
        unit="short",
        decimals=2,
        label="phase",
    )


_OVER_BOUND = Panel(
    "Active time over its bound, each transfer",
    "1 is the least that the link's rates allow; below 1 a rate was stated wrong. Transfers of every message that "
    "ended well, warm-up left out.",
    Kind.DOTS,
    (
        Query(
            "fl_transfer",
            (Column("active over bound", "over_bound"),),
            ("iface", "phase"),
            _SCOPE,
            (Equals("outcome", "ok"), NO_WARM_UP),
        ),
    ),
    12,
    9,
    unit="short",
    label="iface",
)
_TABLE = Panel(
    "Transfers in numbers",
    f"n is how many transfers the means are of. {_LEFT_OUT}",
    Kind.TABLE,
    (
        Query(
            "fl_transfer",
            (
                Column("n", "active_s", Of.COUNT),
                *_TRANSFER,
                Column("active p95", "active_s", Of.P95),
                Column("active over bound", "over_bound", Of.MEAN),
                Column("largest error", "active_error_s", Of.MAX),
                Column("objects", "objects", Of.MEAN),
            ),
            ("iface", "phase"),
            _SCOPE,
            _COMPARED,
        ),
    ),
    12,
    9,
    units=tuple((name, "s") for name in ("bound", "active", "stall", "whole", "active p95", "largest error")),
)
INTERFACES = Dashboard(
    "fedprobe-interfaces",
    "fedprobe: networks compared",
    "5G against WiFi against Ethernet: phases, active and stall, and ratios beside what the links' rates explain.",
    ("campaign", "scenario", "node"),
    (
        (_direction("uplink", "Client to server"), _direction("downlink", "Server to client")),
        (_ratio("5g", "ethernet"), _ratio("5g", "wifi"), _ratio("wifi", "ethernet")),
        (_phases("Phases: mean", Of.MEAN, "How long each phase takes on each network; overlaps are not removed."),),
        (_phases("Phases: 95th percentile", Of.P95, "What one in twenty exceeds."),),
        (_OVER_BOUND, _TABLE),
    ),
)
