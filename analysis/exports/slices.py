"""What a trace shows of a trial as slices: rounds, what they waited for, phases of messages, faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analysis.exports.exported import ExportedTrial
from analysis.exports.of_hosts import fault_ns
from analysis.exports.of_trials import entered_ns
from analysis.exports.told import told
from analysis.model import Interval, MessageTimes, Transfer
from analysis.rows import GROUP_OF, OTHER
from analysis.samples import phase_name
from instrument.phases import PHASES

NS_A_US = 1000
# groups of lanes on a host, in the order in which they are drawn
TRIALS, ROUNDS, CRITICAL, FAULTS, STEPS, REPLIES, PHASES_LANE = (
    "trials",
    "rounds",
    "critical path",
    "faults",
    "strategy and Grid",
    "replies",
    "phases",
)
GROUPS = (TRIALS, ROUNDS, CRITICAL, FAULTS, STEPS, REPLIES, PHASES_LANE)
_STEPS = ("configure", "publish", "aggregate", "evaluate_server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A stretch to be drawn, in whole µs since the epoch; `inner` are stretches inside it.

    `key` names it for the arrows that begin or end at it.
    """

    name: str
    category: str
    start: int
    end: int
    about: Mapping[str, Any]
    inner: Sequence[tuple[int, int]] = ()
    key: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Slices of one host that belong in one line as far as they do not overlap."""

    host: str
    group: str
    slices: Sequence[Slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """Something without a length, at a µs since the epoch."""

    host: str
    group: str
    name: str
    at: int
    about: Mapping[str, Any] = field(default_factory=dict)


def us(trial: ExportedTrial, axis_ns: int) -> int:
    """A moment of the axis in whole µs since the epoch: cut, so that order and touching are kept."""
    return trial.wall_ns(axis_ns) // NS_A_US


def slices(trial: ExportedTrial) -> Iterator[Together | Instant]:
    """Everything that is drawn of a trial."""
    yield from _trial(trial)
    yield from _rounds(trial)
    yield from _messages(trial)
    yield from _faults(trial)


def _drawn(
    trial: ExportedTrial, interval: Interval, name: str, category: str, about: Mapping[str, Any], **more: Any
) -> Slice:
    exact = {"start_ns": str(trial.wall_ns(interval.start_ns)), "duration_s": interval.seconds}
    return Slice(
        name=name,
        category=category,
        start=us(trial, interval.start_ns),
        end=us(trial, interval.end_ns),
        about=told({"trial": trial.name, **about, **exact}),
        **more,
    )


def _trial(trial: ExportedTrial) -> Iterator[Together]:
    """The trial itself: first to last round, else as long as its controller was at it, by the controller's clock."""
    facts = trial.times.facts
    marks = [word for word, holds in ((facts.outcome, facts.outcome != "ok"), ("warm-up", facts.warmup)) if holds]
    about = {
        "interface": facts.interface,
        "outcome": facts.outcome,
        "reason": facts.reason or None,
        "warmup": facts.warmup,
        "max_clock_error_s": max((fit.error_s for fit in trial.times.clocks), default=None),
    }
    name = f"{facts.name} ({', '.join(marks)})" if marks else facts.name
    spans = [made.interval for made in trial.times.rounds]
    if spans:
        whole = Interval(min(one.start_ns for one in spans), max(one.end_ns for one in spans))
        yield Together(host=trial.server, group=TRIALS, slices=[_drawn(trial, whole, name, "trial", about)])
        return
    begun, done = entered_ns(trial, "preparing"), entered_ns(trial, "done")
    if begun is not None:
        end = begun if done is None else max(begun, done)
        by_controller = {**about, "trial": facts.name, "clock": "the controller's", "rounds": "none measured"}
        made = Slice(
            name=name, category="trial", start=begun // NS_A_US, end=end // NS_A_US, about=told(by_controller)
        )
        yield Together(host=trial.server, group=TRIALS, slices=[made])


def _rounds(trial: ExportedTrial) -> Iterator[Together]:
    rounds = [
        _drawn(
            trial,
            made.interval,
            f"round {made.round}" if made.complete else f"round {made.round} (not complete)",
            "round",
            {
                "round": made.round,
                "complete": made.complete,
                "t_r_s": made.t_r_s,
                "residual_share": made.residual_share,
                "straggler": made.straggler or None,
            },
        )
        for made in trial.times.rounds
    ]
    yield Together(host=trial.server, group=ROUNDS, slices=rounds)
    charges = [
        _drawn(
            trial,
            charge.interval,
            f"{charge.phase} ({charge.node})" if charge.node else charge.phase,
            GROUP_OF.get(charge.phase, OTHER),
            {"round": made.round, "phase": charge.phase, "node": charge.node or None},
        )
        for made in trial.times.rounds
        for charge in made.charges
    ]
    yield Together(host=trial.server, group=CRITICAL, slices=charges)


def _messages(trial: ExportedTrial) -> Iterator[Together]:
    once: set[tuple[str, Interval]] = set()
    for message in trial.times.messages:
        parts: dict[str, list[Slice]] = {REPLIES: [], PHASES_LANE: []}
        for phase, interval in message.intervals.items():
            if phase in _STEPS:
                if (phase, interval) not in once:
                    step = _phase(trial, message, phase, interval)
                    yield Together(host=trial.server, group=STEPS, slices=[step])
                once.add((phase, interval))
            else:
                group = REPLIES if PHASES[phase].clock == "server" else PHASES_LANE
                parts[group].append(_phase(trial, message, phase, interval))
        yield Together(host=trial.server, group=REPLIES, slices=parts[REPLIES])
        yield Together(host=message.node, group=PHASES_LANE, slices=parts[PHASES_LANE])


def _phase(trial: ExportedTrial, message: MessageTimes, phase: str, interval: Interval) -> Slice:
    name, on_server = phase_name(phase, message), PHASES[phase].clock == "server"
    about: dict[str, Any] = {"round": message.round, "function": message.function}
    if phase not in _STEPS:
        about |= {
            "node": message.node,
            "message_id": message.message_id,
            "outcome": message.outcome,
            "waited_for_core_s": message.waited_for_core_s.get(phase),
            "clock_error_s": 0.0 if on_server else trial.error_s(message.node),
        }
        name = f"{name} ({message.node})" if on_server else name
    moved = {"downlink": message.downlink, "uplink": message.uplink}.get(phase)
    inner = () if moved is None else [(us(trial, one.start_ns), us(trial, one.end_ns)) for one in moved.busy]
    category = GROUP_OF.get(phase, OTHER)
    about |= _of_transfer(moved)
    return _drawn(trial, interval, name, category, about, inner=inner, key=key_of(message, phase))


def key_of(message: MessageTimes, phase: str) -> tuple[str, str] | None:
    """The key of a phase's slice; what a round does once has one for all its messages."""
    interval = message.intervals.get(phase)
    if interval is None:
        return None
    return (phase, str(interval.start_ns)) if phase in _STEPS else (message.message_id, phase)


def _of_transfer(moved: Transfer | None) -> dict[str, Any]:
    names = ("active_s", "stall_s", "whole_s", "bound_s", "over_bound", "payload_bytes", "objects", "attempts")
    if moved is None:
        return {}
    return {**{name: getattr(moved, name) for name in names}, "transfer_outcome": moved.outcome}


def _faults(trial: ExportedTrial) -> Iterator[Together | Instant]:
    for effect in trial.times.effects:
        start_ns, end_ns = fault_ns(trial, effect.start_s), fault_ns(trial, effect.undone_s)
        if start_ns is None:
            continue
        about = told(
            {
                "trial": trial.name,
                "does": effect.does,
                "detail": effect.detail,
                "phase": effect.phase,
                "round": effect.round,
                "noticed_s": effect.noticed_s,
                "delay_s": effect.delay_s,
                "wasted_s": effect.wasted_s,
            }
        )
        name = f"{effect.fault}: {effect.does}" if effect.phase == "applied" else f"{effect.fault}: {effect.phase}"
        start = start_ns // NS_A_US
        if end_ns is None:
            yield Instant(host=effect.host, group=FAULTS, name=name, at=start, about=about)
        else:
            made = Slice(name=name, category="fault", start=start, end=end_ns // NS_A_US, about=about)
            yield Together(host=effect.host, group=FAULTS, slices=[made])
