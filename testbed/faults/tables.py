"""The `[fault.NAME]` tables of a campaign file: one step each, or an array of steps with `[[fault.NAME]]`.

A step has a kind, a target and a moment; what else it may have depends on its kind, and is refused elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from testbed.validation import nearest, stated

NONE = "none"
Kind = Literal[
    "kill",  # SIGKILL to processes of the trial
    "stop",  # SIGSTOP, and SIGCONT at the end
    "cut",  # nothing passes a link
    "degrade",  # a link's rate is a part of what it was
    "flap",  # a link is cut and mended again and again
    "loss",  # a link loses packets at random
    "clock",  # the injected clock of a host jumps
    "disk",  # a small disk of the records' own is full
    "load",  # busy processes beside the trial's
    "throttle",  # the processor has a part of its speed
    "background",  # datagrams by a recorded trace of arrivals
    "churn",  # nodes leave, and come again
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Process = Literal["clientapp", "supernode", "superlink", "collector", "node"]
Direction = Literal["up", "down"]
LINK_KINDS = ("cut", "degrade", "flap", "loss")

_COMMON = {"kind", "target", "at_s", "at_round", "duration_s"}
_OWN: Mapping[str, set[str]] = {
    "kill": {"process"},
    "stop": {"process"},
    "cut": set(),
    "degrade": {"rate_ratio", "rate_bit_per_s"},
    "flap": {"down_s", "up_s"},
    "loss": {"loss_ratio"},
    "clock": {"step_ms", "clock"},
    "disk": {"size_bytes"},
    "load": {"processes"},
    "throttle": {"cpu_ratio"},
    "background": {"trace", "direction"},
    "churn": {"leave_per_h", "join_per_h", "trace"},
}
_NEEDED: Mapping[str, set[str]] = {
    "kill": {"process"},
    "stop": {"process", "duration_s"},
    "cut": {"duration_s"},
    "degrade": {"duration_s"},
    "flap": {"duration_s"},
    "loss": {"loss_ratio", "duration_s"},
    "clock": {"step_ms"},
    "disk": {"duration_s"},
    "load": {"duration_s"},
    "throttle": {"cpu_ratio", "duration_s"},
    "background": {"trace"},
    "churn": {"duration_s"},
}
_Ratio = Annotated[float, Field(gt=0, lt=1)]
_Seconds = Annotated[float, Field(gt=0, le=86_400)]


class FaultStep(BaseModel):
    """One step of a fault.

    It begins `at_s` seconds after the run was submitted, or after round `at_round` began, and is undone after
    `duration_s`. `target` is a node's name, "server", "all" (the trial's nodes) or a group of the inventory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    target: str = "all"
    at_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    at_round: Annotated[int, Field(ge=1)] | None = None
    duration_s: _Seconds | None = None
    process: Process | None = None
    rate_ratio: _Ratio | None = None
    rate_bit_per_s: Annotated[int, Field(ge=8_000, le=100_000_000_000)] | None = None
    loss_ratio: _Ratio | None = None
    down_s: _Seconds = 1.0
    up_s: _Seconds = 4.0
    step_ms: Annotated[float, Field(ge=-60_000, le=60_000)] | None = None
    clock: Literal["monotonic", "wall"] = "monotonic"
    size_bytes: Annotated[int, Field(ge=1_000_000, le=256_000_000)] = 16_000_000
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    cpu_ratio: _Ratio | None = None
    trace: str | None = None
    direction: Direction = "up"
    leave_per_h: Annotated[float, Field(gt=0, le=3600)] | None = None
    join_per_h: Annotated[float, Field(gt=0, le=3600)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_its_kind(cls, given: Any) -> Any:
        """Keys of another kind are refused, those that the kind needs are asked for."""
        if not isinstance(given, dict) or given.get("kind") not in KINDS:
            return given
        kind = given["kind"]
        known = _COMMON | _OWN[kind]
        for key in given:
            if key in cls.model_fields and key not in known:
                raise ValueError(f"kind {kind!r} has no {key} (it has {', '.join(sorted(known))})")
        if set(given) <= known and (missing := sorted(_NEEDED[kind] - set(given))):
            raise ValueError(f"kind {kind!r} needs {', '.join(missing)}")
        return given

    @model_validator(mode="after")
    def _makes_sense(self) -> FaultStep:
        if self.kind == "churn" and (self.trace is None) == (self.leave_per_h is None):
            raise ValueError("kind 'churn' needs leave_per_h (with join_per_h), or a trace, and not both")
        if self.kind == "degrade" and (self.rate_ratio is None) == (self.rate_bit_per_s is None):
            raise ValueError(
                "kind 'degrade' needs rate_ratio (emulated links) or rate_bit_per_s (real ones), not both"
            )
        if self.join_per_h is not None and self.leave_per_h is None:
            raise ValueError("join_per_h goes with leave_per_h")
        if self.step_ms == 0:
            raise ValueError("step_ms = 0 is no step")
        if self.process == "superlink" and self.target != "server":
            raise ValueError('the SuperLink is on the server: write target = "server"')
        on_nodes = {"clientapp", "supernode", "node"}
        if self.target == "server" and (self.process in on_nodes or self.kind in {"churn", "degrade"}):
            raise ValueError(f'{self.process or self.kind} is of nodes: name a node, or "all"')
        return self


def _as_steps(given: Any) -> Any:
    return [given] if isinstance(given, dict) else given


Steps = Annotated[tuple[FaultStep, ...], BeforeValidator(_as_steps), Field(min_length=1)]
FaultName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


def require_known(levels: tuple[str, ...], tables: Mapping[str, object]) -> None:
    """Raises ValueError for a level of the factor `fault` that has no table. Pure."""
    if NONE in tables:
        raise stated(f"[fault.{NONE}]: {NONE!r} is the level without a fault. Give the table another name.")
    for level in levels:
        if level != NONE and level not in tables:
            raise stated(f"factors.fault = {level!r}: there is no [fault.{level}]. {nearest(level, [NONE, *tables])}")


def require_asked_for(levels: tuple[str, ...], tables: Iterable[str]) -> None:
    """Raises ValueError for a table that no level of the factor `fault` asks for: it would change nothing. Pure."""
    for name in tables:
        if name not in levels:
            raise ValueError(
                f"[fault.{name}] is asked for by no level of factors.fault, which has {', '.join(levels)}. Name it "
                "there, or take the table out."
            )
