"""Tables with rows of messages: their phases, their two transfers, and other definitions of the same times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.exports.exported import ExportedTrial
from analysis.exports.keys import KEYS
from analysis.exports.table import Column, Table, flag, moment, number, text, whole
from analysis.model import Interval, MessageTimes, Transfer
from analysis.samples import DIRECTIONS, ONCE_A_ROUND, good_messages, is_usable, phase_name
from instrument.phases import PHASES


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A message of a trial, or a part of it. `good`: its round and itself enter the report's numbers."""

    trial: ExportedTrial
    message: MessageTimes
    good: bool
    phase: str = ""
    interval: Interval | None = None
    transfer: Transfer | None = None
    compared: bool = False
    place: int = 0
    name: str = ""


def _messages(trial: ExportedTrial) -> Iterator[_Row]:
    usable = is_usable(trial.times)
    good = {id(message) for message in good_messages(trial.times)} if usable else set()
    for message in trial.times.messages:
        yield _Row(trial=trial, message=message, good=id(message) in good)


def _phases(trial: ExportedTrial) -> Iterator[_Row]:
    once: set[tuple[str, int, int]] = set()
    for row in _messages(trial):
        for phase, interval in row.message.intervals.items():
            mark = (phase_name(phase, row.message), interval.start_ns, interval.end_ns)
            repeated = phase in ONCE_A_ROUND and mark in once
            counts = row.good and not repeated and _ended_well(row.message, phase)
            if counts:
                once.add(mark)
            yield _Row(
                trial=trial, message=row.message, good=row.good, phase=phase, interval=interval, compared=counts
            )


def _ended_well(message: MessageTimes, phase: str) -> bool:
    transfer = _transfer(message, phase)
    return phase not in DIRECTIONS or (transfer is not None and transfer.outcome == "ok")


def _transfer(message: MessageTimes, direction: str) -> Transfer | None:
    return {"downlink": message.downlink, "uplink": message.uplink}.get(direction)


def _transfers(trial: ExportedTrial) -> Iterator[_Row]:
    for row in _messages(trial):
        for transfer in (row.message.downlink, row.message.uplink):
            if transfer is not None:
                counts = row.good and transfer.outcome == "ok"
                yield _Row(trial=trial, message=row.message, good=row.good, transfer=transfer, compared=counts)


def _stretches(trial: ExportedTrial) -> Iterator[_Row]:
    for row in _transfers(trial):
        assert row.transfer is not None
        for place, busy in enumerate(row.transfer.busy):
            yield _Row(
                trial=trial, message=row.message, good=row.good, transfer=row.transfer, interval=busy, place=place
            )


def _definitions(trial: ExportedTrial) -> Iterator[_Row]:
    for row in _transfers(trial):
        assert row.transfer is not None
        for name in row.transfer.alternatives:
            yield _Row(trial=trial, message=row.message, good=row.good, transfer=row.transfer, name=name)


def _error_s(row: _Row) -> float:
    """The bound of a phase's place on the axis: 0 for what only the server read."""
    return 0.0 if PHASES[row.phase].clock == "server" else row.trial.error_s(row.message.node)


def _stretch_bytes(row: _Row) -> int | None:
    sizes = row.transfer.busy_bytes if row.transfer else ()
    return sizes[row.place] if row.place < len(sizes) else None


_MESSAGE: tuple[Column, ...] = (
    *KEYS,
    whole("round", "", "the round", lambda row: row.message.round),
    text("node", "the client", lambda row: row.message.node),
    text("function", "train, test, or validate", lambda row: row.message.function),
    text("message_id", "Flower's id of the message", lambda row: row.message.message_id),
    text("outcome", "of the message: ok, error:CODE, lost, or censored", lambda row: row.message.outcome),
)
_DIRECTION = text("direction", "downlink or uplink", lambda row: row.transfer.direction)
_COMPARED = "whether it enters the report's numbers"

MESSAGES = Table(
    "messages",
    "one row a message to a client and its reply",
    (
        *_MESSAGE,
        flag("compared", _COMPARED, lambda row: row.good),
        whole("error_code", "", "Flower's, where the ServerApp was given one", lambda row: row.message.error_code),
        number("announced_early_s", "s", "announced before it was stored", lambda row: row.message.announced_early_s),
        number("node_busy_s", "s", "of wait_downlink, its client was busy", lambda row: row.message.node_busy_s),
        text("missing", "phases that could not be built", lambda row: " ".join(row.message.missing)),
    ),
    _messages,
)

PHASES_OF_MESSAGES = Table(
    "phases",
    "one row a phase of a message, raw: phases may overlap",
    (
        *_MESSAGE,
        text("phase", "its name in docs/measurement.md", lambda row: row.phase),
        text("report_phase", "its name in the report", lambda row: phase_name(row.phase, row.message)),
        flag(
            "compared",
            f"{_COMPARED}; what a round does once stands with each message and counts with the first",
            lambda row: row.compared,
        ),
        *moment("start", "its start", lambda row: row.trial.wall_ns(row.interval.start_ns)),
        number("duration_s", "s", "its length", lambda row: row.interval.seconds),
        number("clock_error_s", "s", "bound of its place's error; inf: nothing bounds it", _error_s),
        number(
            "waited_for_core_s",
            "s",
            "of it, its process had no core",
            lambda row: row.message.waited_for_core_s.get(row.phase),
        ),
    ),
    _phases,
)

TRANSFERS = Table(
    "transfers",
    "one row a direction of a message over the network: t_d and t_u are the whole_s of train messages",
    (
        *_MESSAGE,
        _DIRECTION,
        text("transfer_outcome", "of this direction", lambda row: row.transfer.outcome),
        flag("compared", _COMPARED, lambda row: row.compared),
        *moment("start", "first start", lambda row: row.trial.wall_ns(row.transfer.interval.start_ns)),
        number(
            "clock_error_s",
            "s",
            "bound of its place's error; inf: nothing bounds it",
            lambda row: row.trial.error_s(row.message.node),
        ),
        number("whole_s", "s", "first header to last byte", lambda row: row.transfer.whole_s),
        number("active_s", "s", "with an object under way", lambda row: row.transfer.active_s),
        number("stall_s", "s", "the rest", lambda row: row.transfer.stall_s),
        text("estimator", "which one active_s is by", lambda row: row.transfer.estimator),
        number(
            "two_ended_s", "s", "active, start on one host and end on the other", lambda row: row.transfer.two_ended_s
        ),
        number("two_ended_error_s", "s", "bound of its error", lambda row: row.transfer.two_ended_error_s),
        number("one_host_s", "s", "active, by one host's clock", lambda row: row.transfer.one_host_s),
        number("one_host_error_s", "s", "bound of its error", lambda row: row.transfer.one_host_error_s),
        number("one_host_whole_s", "s", "whole, by one host's clock", lambda row: row.transfer.one_host_whole_s),
        number("one_host_whole_error_s", "s", "bound of its error", lambda row: row.transfer.one_host_whole_error_s),
        number("bound_s", "s", "the physical bound of active_s", lambda row: row.transfer.bound_s),
        number("over_bound", "1", "active_s over it", lambda row: row.transfer.over_bound),
        number("alone_bound_s", "s", "the bound with the link to itself", lambda row: row.transfer.alone_bound_s),
        number("read_late_s", "s", "last bytes lay unread in the kernel", lambda row: row.transfer.read_late_s),
        whole("payload_bytes", "By", "payload", lambda row: row.transfer.payload_bytes),
        whole("objects", "{object}", "objects", lambda row: row.transfer.objects),
        whole("attempts", "{request}", "requests made for them", lambda row: row.transfer.attempts),
    ),
    _transfers,
)

STRETCHES = Table(
    "stretches",
    "one row a stretch of a transfer with an object under way: they add up to its two-ended active time",
    (
        *_MESSAGE,
        _DIRECTION,
        *moment("start", "its start", lambda row: row.trial.wall_ns(row.interval.start_ns)),
        number("duration_s", "s", "its length", lambda row: row.interval.seconds),
        whole("payload_bytes", "By", "payload in it", _stretch_bytes),
    ),
    _stretches,
)

DEFINITIONS = Table(
    "definitions",
    "what other definitions of the same transfer would give",
    (
        *_MESSAGE,
        _DIRECTION,
        text("definition", "its name in the report", lambda row: row.name),
        number("duration_s", "s", "what it gives", lambda row: row.transfer.alternatives[row.name]),
    ),
    _definitions,
)
