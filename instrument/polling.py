"""Flower's own waits: left as they are ("stock"), or cut short so that a round shows less of them ("fast").

Flower polls: a SuperNode asks for messages every 3 s, a ServerApp for replies every 3 s, a SuperNode for its
ClientApp's reply every 0.5 s, a SuperExec for tasks every second. A round on a fast network is mostly that.
With "fast" the probes cut each of these waits to 0.25 s: on two cores 0.05 s made transfers slower, because all
clients then moved in step. Every spool file's header says which of the two was in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Polling = Literal["stock", "fast"]
LEVELS: tuple[Polling, ...] = get_args(Polling)
VARIABLE = "FEDPROBE_POLLING"
FAST_WAIT_S = 0.25
# of pulls that came before their object: Flower gives an object up after 500 tries, which must not pass too soon
FAST_BACK_OFF_S = 1.0
# Flower's own variable for SuperExec's polling, in seconds
TASK_POLL_VARIABLE = "FLWR_SUPEREXEC_TASK_POLL_INTERVAL"


def polling_of(environment: Mapping[str, str]) -> Polling:
    """Which waits an environment asks for; anything but "fast" leaves Flower's own."""
    return "fast" if environment.get(VARIABLE) == "fast" else "stock"


def variables(polling: Polling) -> dict[str, str]:
    """What a Flower process's environment needs for these waits."""
    if polling == "stock":
        return {}
    return {VARIABLE: polling, TASK_POLL_VARIABLE: f"{FAST_WAIT_S:g}"}
