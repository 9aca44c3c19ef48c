"""What a declared fault may cost without ending its trial. Pure.

A fault excuses what it can cause and nothing else: the end of the processes that it kills, and replies that say that
a node or its ClientApp was not there, from no more nodes in a round than it touches. An app's own exception, a
strategy's, and whatever came before the fault was applied end the trial as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from instrument.records import Reply
from testbed.faults.tables import FaultStep
from testbed.validity import Invalid, Reason

# Source: flwr.common.constant.ErrorCode
MESSAGE_UNAVAILABLE, REPLY_UNAVAILABLE, NODE_UNAVAILABLE, CLIENT_APP_CRASHED = 3, 4, 5, 8
ABSENT = (MESSAGE_UNAVAILABLE, REPLY_UNAVAILABLE, NODE_UNAVAILABLE, CLIENT_APP_CRASHED)
_COSTS_REPLIES = ("kill", "stop", "cut", "flap", "loss", "degrade", "churn")
_CAUSED: frozenset[Reason] = frozenset({"node lost", "run failed", "time limit", "records missing", "not started"})
_KINDS_ENDED = {"supernode": ("supernode",), "collector": ("collectors",), "node": ("supernode", "collectors")}


@dataclass(frozen=True, slots=True)
class Happened:
    """A step that was applied on a host, so many seconds after its trial's run, or a round of it, began."""

    step: FaultStep
    host: str
    since: str
    since_s: float
    detail: str = ""


def unexcused(errors: Sequence[Reply], in_round: Sequence[Reply], happened: Iterable[Happened]) -> list[Reply]:
    """The error replies that no fault excuses; `in_round` are those of the present round."""
    touched = {one.host for one in happened if one.step.kind in _COSTS_REPLIES}
    strange = [reply for reply in errors if reply.error_code not in ABSENT]
    if strange or not touched:
        return strange or list(errors)
    return list(in_round) if len(in_round) > len(touched) else []


def may_end(kind: str, host: str, happened: Iterable[Happened]) -> bool:
    """Whether a process of this kind (as a Deployment names it) on this host ended by a fault that the run survives.

    A killed SuperLink has lost its run: that is the end of the trial.
    """
    return any(one.host == host and kind in _ended(one.step) for one in happened)


def _ended(step: FaultStep) -> tuple[str, ...]:
    if step.kind == "churn":
        return ("supernode",)
    return _KINDS_ENDED.get(step.process or "", ()) if step.kind == "kill" else ()


def consequence(step: FaultStep) -> Reason:
    """What a trial that did not come through a fault of this kind is invalid for."""
    if step.kind == "churn" or (step.kind in {"kill", "stop"} and step.process in {"clientapp", "supernode", "node"}):
        return "node lost"
    if step.kind in {"cut", "flap", "loss", "degrade"}:
        return "node lost"
    return {"clock": "clock error", "disk": "records missing", "load": "other load", "throttle": "throttled"}.get(
        step.kind, "run failed"
    )  # type: ignore[return-value]


def explained(against: Sequence[Invalid], cause: Sequence[Invalid]) -> list[Invalid]:
    """The reasons against a trial, the first that its fault can have caused told with it.

    `cause` is what trial.json has under `fault_cause`: what the fault makes of a trial, and what was applied.
    """
    if not cause:
        return list(against)
    caused = _CAUSED | {cause[0].reason}
    place = next((place for place, one in enumerate(against) if one.reason in caused), None)
    if place is None:
        return list(against)
    told_with_it = Invalid(cause[0].reason, f"{cause[0].detail}: {against[place].detail}")
    return [told_with_it if one is against[place] else one for one in against]


def told(happened: Sequence[Happened], fault: str) -> str:
    """What was applied, in one clause for each step and host: for the reason of a trial."""
    clauses = [
        f"{words(one.step)} on {one.host} (fault {fault}, {one.since_s:.1f} s after {_begin(one.since)})"
        for one in happened
    ]
    return "; ".join(dict.fromkeys(clauses))


def words(step: FaultStep) -> str:
    """A step as a clause in the past."""
    process = {"clientapp": "ClientApp", "supernode": "SuperNode", "superlink": "SuperLink"}.get(
        step.process or "", step.process or ""
    )
    return {
        "kill": f"the {process} was killed",
        "stop": f"the {process} was stopped",
        "cut": "the link was cut",
        "degrade": "the link was slowed down",
        "flap": "the link was cut again and again",
        "loss": "the link lost packets",
        "clock": f"the {step.clock} clock was stepped",
        "disk": "the disk of its records was full",
        "load": "busy processes ran",
        "throttle": "the processor was slowed down",
        "background": "other traffic was sent",
        "churn": "the node left",
    }[step.kind]


def _begin(since: str) -> str:
    return "the run began" if since == "run" else f"{since} began"
