"""The names of everything that is timed: spans that hooks record, and phases that analysis makes of them.

`PHASES` is the contract of docs/measurement.md: every instant of a round is charged to exactly one of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from instrument.values import value


@value
class Phase:
    """One phase of a message's way through a round: what it spans, on whose clock, and the paper's symbol."""

    name: str
    spans: str
    clock: str
    symbol: str = ""


_ORDERED = (
    Phase("configure", "strategy's configure_* start to end", "server"),
    Phase("publish", "Grid push start to all objects stored at the SuperLink", "server"),
    Phase("wait_downlink", "objects stored to the PullMessages that returned this message is sent", "both"),
    Phase("ctrl_downlink", "that PullMessages sent to the server starts sending the first object", "both"),
    Phase(
        "downlink",
        "server starts sending the first object to the last byte of the last is at the node",
        "both",
        "t_d",
    ),
    Phase("dispatch", "download complete to ClientApp exec (SuperExec's polling)", "client"),
    Phase("boot", "ClientApp exec to its first request (interpreter and imports)", "client"),
    Phase("stage_in", "the ClientApp's pulls from its SuperNode (loopback copy)", "client"),
    Phase("inflate", "objects to arrays", "client"),
    Phase("app_load", "task input complete to the app's function starts (install and import)", "client"),
    Phase("train", "the app's train function, innermost", "client", "t_tr"),
    Phase("test", "the app's evaluate function on the test split", "client", "t_ts"),
    Phase("validate", "the app's evaluate function on the validation split", "client", "t_v"),
    Phase("deflate", "arrays to objects", "client"),
    Phase("stage_out", "ClientApp to SuperNode (loopback copy)", "client"),
    Phase("wait_uplink", "reply ready in the SuperNode to PushMessages sent (framework polling)", "client"),
    Phase("ctrl_uplink", "PushMessages sent to the first object's request headers", "client"),
    Phase(
        "uplink", "first object's request headers sent to the last byte of the last is at the server", "both", "t_u"
    ),
    Phase("store", "last byte received to read and stored", "server"),
    Phase("wait_collect", "stored to the ServerApp's pull of this reply starts", "server"),
    Phase("collect", "ServerApp's pull of this reply, start to end", "server"),
    Phase("aggregate", "strategy's aggregate_* start to end", "server", "t_a"),
    Phase("evaluate_server", "evaluation on the server, after the round's last aggregate", "server"),
)
PHASES: Mapping[str, Phase] = {phase.name: phase for phase in _ORDERED}

SPANS: Mapping[str, str] = {
    "strategy": "Strategy.start, first instruction to return",
    "configure": "Strategy.configure_train or configure_evaluate",
    "aggregate": "Strategy.aggregate_train or aggregate_evaluate",
    "evaluate_server": "the evaluate_fn that Strategy.start was given",
    "grid_push": "Grid.push_messages",
    "grid_pull": "Grid.pull_messages",
    "collect_pull": "the ServerApp's pull of one reply's objects, back-off included",
    "collect_inflate": "the ServerApp's inflation of one reply",
    "task_input": "the ClientApp's pull of its task: context, run, bundle, message",
    "inflate": "objects to arrays, in the ClientApp",
    "install": "installation of the app bundle, in the ClientApp",
    "client_app": "ClientApp.__call__, mods included",
    "app_function": "the app's own function for the message type, innermost",
    "push_message": "the ClientApp's reply: objects made and handed to the SuperNode",
    "launch": "SuperExec starts a process; count is its process id",
}


def function_phase(message_type: str) -> str:
    """The phase of an app's function: train, validate where the action's name says validation, else test."""
    category, _, action = message_type.partition(".")
    if category == "train":
        return "train"
    return "validate" if action.lower().startswith("valid") else "test"
