"""The states of a trial, in their order, and how long each may take. Pure."""

from __future__ import annotations

from typing import Literal, get_args

from testbed.campaign import Limits

State = Literal[
    "planned",
    "preparing",  # folders and keys on the hosts, the app on the server, pins
    "checking",  # is every host fit to begin
    "starting",  # collectors, SuperLink, SuperNodes
    "registering",  # until every SuperNode is at the SuperLink
    "running",
    "stopping",  # processes end, keys go
    "fetching",
    "verifying",
    "storing",
    "done",
]
STATES: tuple[State, ...] = get_args(State)
BEGUN = STATES[STATES.index("preparing") :]
MEASURED = STATES[STATES.index("fetching") :]
"""Its processes have ended, so that what is left to do needs no measuring anew."""
PER_HOST_S = 5.0
"""What a step may take more for each host: SSH sessions are worked off some at a time."""


def limit_s(state: State, limits: Limits, *, rounds: int, hosts: int) -> float:
    """How long a trial may be in a state, in seconds; inside it, single waits have shorter limits of their own."""
    more_s = PER_HOST_S * hosts
    match state:
        case "preparing" | "checking":
            return limits.prepare_s + more_s
        case "starting" | "registering":
            return limits.start_s + more_s
        case "running":
            return limits.start_s + (rounds + 1) * limits.round_s + more_s
        case "fetching":
            return limits.fetch_s + more_s
        case "stopping" | "verifying" | "storing":
            return limits.keep_s + more_s
    raise ValueError(f"nothing is done in state {state!r}")
