"""What tables and figures show, in which order, under which names and colours: one choice for every output.

Colours are Paul Tol's vibrant (interfaces) and muted (phases) schemes, made for colour-blind readers; every figure
also names what it draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.measured import Measured

# rows of the table of times: label, phase
TIMES = (
    ("uplink, active", "uplink_active"),
    ("uplink, stall", "uplink_stall"),
    ("uplink, whole (t_u)", "uplink"),
    ("downlink, active", "downlink_active"),
    ("downlink, stall", "downlink_stall"),
    ("downlink, whole (t_d)", "downlink"),
    ("train (t_tr)", "train"),
    ("test (t_ts)", "test"),
    ("validate (t_v)", "validate"),
    ("boot", "boot"),
    ("aggregate (t_a)", "aggregate"),
)
RATIOS = (
    ("uplink, active", "uplink_active"),
    ("uplink, whole", "uplink"),
    ("downlink, active", "downlink_active"),
    ("downlink, whole", "downlink"),
    ("t_r", "t_r"),
    ("wall", "wall"),
)
DEFINITIONS: Mapping[str, str] = {
    "active": "bytes under way, all objects (headline)",
    "whole": "first header to last byte",
    "one_host": "bytes under way, by one host's clock",
    "one_host_whole": "first header to last byte, by one host's clock",
    "to_application_read": "first header to the application's read of the last byte",
    "bound": "the physical bound",
    "biggest_object_two_ended": "the biggest object alone",
    "send_returned": "until send() returned",
    "rpc_span": "the whole call",
    "reply_ready_to_last_byte": "reply ready to last byte",
    "function_end_to_collected": "end of train to reply in the app",
}
# groups of phases along the critical path: the network first, since its bars then share a baseline
GROUPS = (
    ("uplink", ("uplink",)),
    ("downlink", ("downlink",)),
    ("train", ("train",)),
    ("test, validate", ("test", "validate")),
    ("process start", ("boot", "app_load")),
    ("copies", ("stage_in", "inflate", "deflate", "stage_out", "store", "collect")),
    ("control requests", ("ctrl_downlink", "ctrl_uplink")),
    ("server", ("configure", "publish", "aggregate", "evaluate_server")),
    ("polling", ("wait_downlink", "dispatch", "wait_uplink", "wait_collect")),
    ("residual", ("residual",)),
)
OTHER = "other"
GROUP_OF: Mapping[str, str] = {phase: label for label, phases in GROUPS for phase in phases}
GROUP_COLOURS: Mapping[str, str] = {
    "uplink": "#CC6677",
    "downlink": "#88CCEE",
    "train": "#117733",
    "test, validate": "#999933",
    "process start": "#DDCC77",
    "copies": "#AA4499",
    "control requests": "#44AA99",
    "server": "#6655AA",
    "polling": "#B8B8B8",
    "residual": "#882255",
    OTHER: "#777777",
}
INTERFACE_COLOURS: Mapping[str, str] = {"ethernet": "#0077BB", "wifi": "#009988", "5g": "#EE7733"}
SPARE_COLOURS = ("#EE3377", "#33BBEE", "#CC3311", "#8A8A8A")


def interface_colours(interfaces: Sequence[str]) -> dict[str, str]:
    """A colour for each interface; those without one of their own take the spare ones in turn."""
    unknown = [name for name in interfaces if name not in INTERFACE_COLOURS]
    return {
        name: INTERFACE_COLOURS.get(name) or SPARE_COLOURS[unknown.index(name) % len(SPARE_COLOURS)]
        for name in interfaces
    }


def grouped(measured: Measured) -> dict[str, dict[str, float]]:
    """Seconds of an average round by group of phases and interface; phases of no group count as "other"."""
    found: dict[str, dict[str, float]] = {label: {} for label, _ in GROUPS}
    for name, of in measured.charged.items():
        for phase, seconds in of.items():
            label = GROUP_OF.get(phase, OTHER)
            found.setdefault(label, {})[name] = found.get(label, {}).get(name, 0.0) + seconds
    return {label: of for label, of in found.items() if any(of.values()) or label == "residual"}


def definition_words(name: str) -> str:
    """A definition's name in words; one without words of its own is shown as it is."""
    side, _, rest = name.partition("_")
    return f"{side}: {DEFINITIONS.get(rest, rest.replace('_', ' '))}"
