"""A trial as spans: itself, its rounds, their messages, and the messages' phases, with ids that a repetition repeats.

Ids have W3C's lengths, 16 and 8 bytes, and are cut from a SHA-256 of what they name. Moments are ns since the Unix
epoch on the server host's wall clock.
Source: W3C Trace Context, section 3.2.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from analysis.exports.exported import ExportedTrial
from analysis.exports.of_hosts import fault_ns
from analysis.exports.of_trials import entered_ns
from analysis.exports.told import told
from analysis.model import Interval, MessageTimes
from analysis.samples import phase_name
from instrument.phases import PHASES


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened during a span, in ns since the epoch."""

    name: str
    at_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSpan:
    """A span of one host; `problem` is why it did not end well, empty where it did."""

    host: str
    name: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    problem: str = ""
    events: Sequence[Event] = ()


def spans(trial: ExportedTrial) -> Iterator[TraceSpan]:
    """The spans of one trial, parents first; none where nothing says when it was."""
    root = _trial(trial)
    if root is None:
        return
    yield root
    rounds = {}
    for made in trial.times.rounds:
        about = {
            "fedprobe.round": made.round,
            "fedprobe.t_r_s": made.t_r_s,
            "fedprobe.residual_share": made.residual_share,
            "fedprobe.straggler": made.straggler or None,
        }
        problem = "" if made.complete else "a client failed or is missing"
        name = f"round {made.round}"
        rounds[made.round] = _span(
            trial, root, made.interval, about, host=trial.server, name=name, key=name, problem=problem
        )
        yield rounds[made.round]
    for message in trial.times.messages:
        yield from _message(trial, message, rounds[message.round])


def _trial(trial: ExportedTrial) -> TraceSpan | None:
    facts, rounds = trial.times.facts, trial.times.rounds
    if rounds:
        start = trial.wall_ns(min(made.interval.start_ns for made in rounds))
        end = trial.wall_ns(max(made.interval.end_ns for made in rounds))
    else:
        begun, done = entered_ns(trial, "preparing"), entered_ns(trial, "done")
        if begun is None:
            return None
        start, end = begun, max(begun, done or begun)
    trace_id = _digest(trial.campaign, trial.name)[:16]
    about = {
        "fedprobe.campaign": trial.campaign,
        "fedprobe.trial": trial.name,
        "fedprobe.interface": facts.interface,
        "fedprobe.outcome": facts.outcome,
        "fedprobe.warmup": facts.warmup,
        "fedprobe.clock": "server host's wall clock" if rounds else "controller's wall clock",
        "fedprobe.max_clock_error_s": max((fit.error_s for fit in trial.times.clocks), default=None),
    }
    return TraceSpan(
        host=trial.server,
        name=f"trial {trial.name}",
        trace_id=trace_id,
        span_id=_digest(trace_id.hex(), "trial")[:8],
        parent_id=None,
        start_ns=start,
        end_ns=end,
        attributes=told(about),
        problem="" if facts.outcome == "ok" else f"{facts.outcome}: {facts.reason}",
        events=list(_faults(trial)),
    )


def _message(trial: ExportedTrial, message: MessageTimes, made: TraceSpan) -> Iterator[TraceSpan]:
    intervals = message.intervals.values()
    if not intervals:
        return
    whole = Interval(min(one.start_ns for one in intervals), max(one.end_ns for one in intervals))
    about = {
        "fedprobe.message_id": message.message_id,
        "fedprobe.round": message.round,
        "fedprobe.node": message.node,
        "fedprobe.function": message.function,
        "fedprobe.outcome": message.outcome,
        "fedprobe.missing": " ".join(message.missing) or None,
    }
    problem = "" if message.outcome == "ok" else message.outcome
    name = f"{message.function} {message.node}"
    key = message.message_id
    parent = _span(trial, made, whole, about, host=trial.server, name=name, key=key, problem=problem)
    yield parent
    for phase, interval in message.intervals.items():
        yield _phase(trial, message, phase, interval, parent)


def _phase(
    trial: ExportedTrial, message: MessageTimes, phase: str, interval: Interval, parent: TraceSpan
) -> TraceSpan:
    on_server = PHASES[phase].clock == "server"
    moved = {"downlink": message.downlink, "uplink": message.uplink}.get(phase)
    about: dict[str, Any] = {
        "fedprobe.phase": phase,
        "fedprobe.round": message.round,
        "fedprobe.node": message.node,
        "fedprobe.clock_error_s": 0.0 if on_server else trial.error_s(message.node),
        "fedprobe.waited_for_core_s": message.waited_for_core_s.get(phase),
    }
    if moved is not None:
        names = ("active_s", "stall_s", "whole_s", "bound_s", "payload_bytes", "objects", "attempts")
        about |= {f"fedprobe.{name}": getattr(moved, name) for name in names}
    problem = "" if moved is None or moved.outcome == "ok" else moved.outcome
    host = trial.server if on_server else message.node
    key = f"{message.message_id} {phase}"
    name = phase_name(phase, message)
    return _span(trial, parent, interval, about, host=host, name=name, key=key, problem=problem)


def _span(
    trial: ExportedTrial,
    parent: TraceSpan,
    interval: Interval,
    about: Mapping[str, Any],
    *,
    host: str,
    name: str,
    key: str,
    problem: str,
) -> TraceSpan:
    return TraceSpan(
        host=host,
        name=name,
        trace_id=parent.trace_id,
        span_id=_digest(parent.trace_id.hex(), key)[:8],
        parent_id=parent.span_id,
        start_ns=trial.wall_ns(interval.start_ns),
        end_ns=trial.wall_ns(interval.end_ns),
        attributes=told(about),
        problem=problem,
    )


def _faults(trial: ExportedTrial) -> Iterator[Event]:
    for effect in trial.times.effects:
        at_ns = fault_ns(trial, effect.start_s)
        if at_ns is not None:
            about = {"host.name": effect.host, "fedprobe.does": effect.does, "fedprobe.detail": effect.detail}
            yield Event(name=f"fault {effect.fault} {effect.phase}", at_ns=at_ns, attributes=told(about))


def _digest(*parts: str) -> bytes:
    return sha256("\0".join(("fedprobe", *parts)).encode("utf-8", "backslashreplace")).digest()
