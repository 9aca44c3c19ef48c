"""What the faults of a campaign did to a trial: when each was applied, when Flower noticed, what it cost. Pure."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.joins import JoinedMessage
from analysis.load import Records, SegmentRecords
from analysis.model import FaultEffect, RoundTimes
from analysis.timeline import Axis
from instrument.records import Applied

CLIENT_APP = "flwr-clientapp"
KILLING = ("kill", "churn")  # how what such a fault does begins
_DISTURBING = (*KILLING, "stop", "cut", "flap", "loss", "degrade", "background", "fill disk", "step monotonic")
AT_ONCE_S = 0.5  # the steps of one fault are started one after the other
_PID = re.compile(r"[a-z-]+ (\d+)")


@dataclass(frozen=True, slots=True)
class _Trial:
    """What costs are looked for in."""

    records: Records
    axis: Axis
    pairs: Sequence[JoinedMessage]
    rounds: Sequence[RoundTimes]

    @property
    def zero_ns(self) -> int:
        """The first configure."""
        return self.rounds[0].interval.start_ns

    def second(self, segment: SegmentRecords, mono_ns: int) -> float:
        """A reading of a segment's clock, in seconds since the first configure."""
        return (self.axis.of(segment).at(mono_ns) - self.zero_ns) / 1e9


@dataclass(frozen=True, slots=True)
class _Told:
    """An Applied record on the axis; its moments are None where its host's clock is not known."""

    record: Applied
    hosts: Sequence[str]
    start_ns: int | None
    end_ns: int | None


def effects(
    records: Records, axis: Axis, pairs: Sequence[JoinedMessage], rounds: Sequence[RoundTimes]
) -> list[FaultEffect]:
    """One effect for each time that a fault was applied, or missed, on each host, in the order of time."""
    told = sorted(_told(records, axis), key=lambda one: (one.start_ns or 0, one.record.target))
    found = [made for place, one in enumerate(told) for made in _of_one(one, told[place + 1 :], rounds)]
    touched = [effect for effect in found if effect.phase == "applied"]
    trial = _Trial(records, axis, pairs, rounds)
    return [_with_costs(effect, touched, trial) for effect in found]


def _told(records: Records, axis: Axis) -> Iterator[_Told]:
    for segment, record in records.of(Applied):
        known = axis.known(segment)
        moments = [axis.of(segment).at(ns) if known else None for ns in (record.start_mono_ns, record.end_mono_ns)]
        yield _Told(record, record.target.split(", "), *moments)


def _of_one(one: _Told, later: Sequence[_Told], rounds: Sequence[RoundTimes]) -> Iterator[FaultEffect]:
    """The effects of a record that something was applied; a record of an undoing ends the one before it."""
    if one.record.phase not in {"applied", "missed"}:
        return
    zero_ns = rounds[0].interval.start_ns if rounds else None
    same = (item for item in later if _is_same(item.record, one.record))
    following = next(same, None)
    undone = following if following is not None and following.record.phase == "undone" else None
    for host in one.hosts:
        yield FaultEffect(
            fault=one.record.fault,
            does=one.record.does,
            host=host,
            phase=one.record.phase,
            detail=one.record.detail,
            since=one.record.since,
            since_s=one.record.since_s,
            start_s=_since(one.start_ns, zero_ns),
            undone_s=_since(undone.end_ns if undone else None, zero_ns),
            round=_round_at(one.start_ns, rounds),
        )


def _is_same(one: Applied, other: Applied) -> bool:
    return (one.fault, one.does, one.target, one.since) == (other.fault, other.does, other.target, other.since)


def _since(moment_ns: int | None, zero_ns: int | None) -> float | None:
    return None if moment_ns is None or zero_ns is None else (moment_ns - zero_ns) / 1e9


def _round_at(moment_ns: int | None, rounds: Sequence[RoundTimes]) -> int | None:
    """The round that runs at a moment; between two rounds the one before."""
    begun = [made.round for made in rounds if moment_ns is not None and made.interval.start_ns <= moment_ns]
    return begun[-1] if begun else None


def _with_costs(effect: FaultEffect, every: Sequence[FaultEffect], trial: _Trial) -> FaultEffect:
    if effect.phase != "applied" or effect.start_s is None or not trial.rounds:
        return effect
    rounds = trial.rounds
    errors = [
        (reply_s, code)
        for reply_s, code in _errors(effect.host, trial)
        if _latest(effect.host, reply_s, every) is effect
    ]
    return replace(
        effect,
        noticed_s=errors[0][0] - effect.start_s if errors else None,
        error_codes=sorted({code for _, code in errors}),
        lost=[made.round for made in rounds if not made.complete and made.round >= (effect.round or 0)],
        delay_s=_delay_s(effect, every, trial),
        wasted_s=sum(_wasted(effect, every, trial)),
    )


def _latest(host: str, moment_s: float, every: Sequence[FaultEffect]) -> FaultEffect | None:
    """The fault that had last been applied to a host at a moment; of several at once, the one that killed."""
    before = [one for one in every if one.host == host and one.start_s is not None and one.start_s <= moment_s]
    last_s = max((one.start_s or 0.0 for one in before), default=0.0)
    at_once = [one for one in before if (one.start_s or 0.0) >= last_s - AT_ONCE_S]
    return max(at_once, key=lambda one: (one.does.startswith(KILLING), one.start_s or 0.0), default=None)


def _errors(host: str, trial: _Trial) -> list[tuple[float, int]]:
    """When the ServerApp had each error reply for a host, and Flower's code."""
    found = [
        (trial.second(pair.server_side.server_app, pair.reply.mono_ns), pair.reply.error_code)
        for pair in trial.pairs
        if pair.reply is not None and pair.node == host
    ]
    return sorted((moment_s, code) for moment_s, code in found if code is not None)


def _delay_s(effect: FaultEffect, every: Sequence[FaultEffect], trial: _Trial) -> float | None:
    rounds, zero_ns = trial.rounds, trial.zero_ns
    begun = {pair.dispatch.round for pair in trial.pairs if pair.reply is None}
    ended = {made.round for made in rounds} - begun  # in the others the run broke off
    free = [
        made.wall_s for made in rounds if made.complete and not any(_touches(one, made, zero_ns) for one in every)
    ]
    hit = [made.wall_s for made in rounds if made.round in ended and _touches(effect, made, zero_ns)]
    return max(hit) - statistics.median(free) if free and hit else None


def _touches(effect: FaultEffect, made: RoundTimes, zero_ns: int) -> bool:
    """Whether a round ran while a fault was applied; what has no undoing touches the round that it fell in."""
    if effect.start_s is None:
        return False
    if effect.undone_s is None:
        return effect.round == made.round
    return (made.interval.start_ns - zero_ns) / 1e9 < effect.undone_s and _end_s(made, zero_ns) > effect.start_s


def _end_s(made: RoundTimes, zero_ns: int) -> float:
    return (made.interval.end_ns - zero_ns) / 1e9


def _wasted(effect: FaultEffect, every: Sequence[FaultEffect], trial: _Trial) -> Iterator[float]:
    """The length of each ClientApp's life on the host whose reply never counted, as far as this fault is to blame.

    One that ended in order is charged to the last fault before its end. One that was cut off lived until the first
    fault that kills, unless Flower had answered for it before.
    """
    replies = _replies(trial)
    for segment in trial.records.role(CLIENT_APP):
        if segment.header.host != effect.host or not trial.axis.known(segment):
            continue
        counted, reply_s = replies.get(segment.name, (False, None))
        begun_s = trial.second(segment, segment.header.exec_mono_ns)
        if counted:
            continue
        if segment.end is not None:
            end_s = trial.second(segment, segment.end.mono_ns)
            blamed = _latest(effect.host, end_s, every)
        else:
            blamed = _killer(effect.host, begun_s, every)
            end_s = blamed.start_s if blamed and blamed.start_s is not None else begun_s
            blamed = None if reply_s is not None and reply_s < end_s else blamed
        if blamed is effect:
            yield end_s - begun_s


def _killer(host: str, begun_s: float, every: Sequence[FaultEffect]) -> FaultEffect | None:
    """The first fault that killed on a host after a moment."""
    killing = [one for one in every if one.host == host and one.does.startswith(KILLING)]
    after = [one for one in killing if one.start_s is not None and one.start_s >= begun_s]
    return min(after, key=lambda one: one.start_s or 0.0, default=None)


def _replies(trial: _Trial) -> Mapping[str, tuple[bool, float | None]]:
    """Of each ClientApp's message, by the name of its segment: whether its reply was good, and when it came."""
    found: dict[str, tuple[bool, float | None]] = {}
    for pair in trial.pairs:
        app = pair.node_side.client_app if pair.node_side else None
        if app is None:
            continue
        if pair.reply is None:
            found[app.name] = (False, None)
        else:
            reply_s = trial.second(pair.server_side.server_app, pair.reply.mono_ns)
            found[app.name] = (pair.reply.error_code is None, reply_s)
    return found


def killed_by_faults(records: Records) -> set[tuple[str, int]]:
    """Host and pid of the processes that faults killed: their spool files end without a trailer."""
    return {
        (segment.header.host, int(pid))
        for segment, record in records.of(Applied)
        if record.phase == "applied" and record.does.startswith(KILLING)
        for pid in _PID.findall(record.detail)
    }


def are_counters_disturbed(records: Records) -> bool:
    """Whether a fault sent other bytes than payload, had some sent again, or let nodes wait, which poll meanwhile."""
    return any(record.phase == "applied" and record.does.startswith(_DISTURBING) for _, record in records.of(Applied))
