"""A trial's messages as points: fl_phase, one for each phase, and fl_transfer, one for each direction."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.influx.draft import Draft
from analysis.influx.labels import CLIENT, SERVER, Labels
from analysis.influx.source import Source
from analysis.joins import last_run
from analysis.model import Interval, MessageTimes, Transfer
from analysis.samples import ONCE_A_ROUND
from analysis.warm_up import warm_up_rounds
from instrument.records import Dispatch, Span

EVALUATE_SERVER = "evaluate_server"


def phases(source: Source, labels: Labels) -> Iterator[Draft]:
    """One for each phase of each message; what a round does once is of the server, once."""
    times = source.times
    clocks = _clocks(source)
    errors = {fit.host: fit.error_s for fit in times.clocks}
    once: set[tuple[str, Interval]] = set()
    for message in times.messages:
        for phase, interval in message.intervals.items():
            whose = (phase, interval)
            of_server = phase in ONCE_A_ROUND
            if of_server and whose in once:
                continue
            once.add(whose)
            node, role = (labels.server, SERVER) if of_server else (message.node, CLIENT)
            yield Draft(
                "fl_phase",
                labels.tags("fl_phase", node=node, role=role, phase=phase),
                source.wall.at(interval.start_ns, clocks.get(message.node)),
                {
                    "duration_s": interval.seconds,
                    "function": message.function,
                    "outcome": message.outcome if not of_server else None,
                    "message_id": message.message_id if not of_server else None,
                    "waited_for_core_s": message.waited_for_core_s.get(phase),
                    "clock_error_s": None if of_server else errors.get(message.node),
                    **round_fields(source, message.round),
                },
            )
    yield from _server_evaluations(source, labels)


def transfers(source: Source, labels: Labels) -> Iterator[Draft]:
    """One for each direction in which a message's objects came through."""
    clocks = _clocks(source)
    for message in source.times.messages:
        for transfer in (message.downlink, message.uplink):
            if transfer is not None:
                tags = labels.tags("fl_transfer", node=message.node, role=CLIENT, phase=transfer.direction)
                start_ns = source.wall.at(transfer.interval.start_ns, clocks.get(message.node))
                fields = {**_transfer(message, transfer), **round_fields(source, message.round)}
                yield Draft("fl_transfer", tags, start_ns, fields)


def _transfer(message: MessageTimes, transfer: Transfer) -> dict[str, object]:
    one_host = transfer.estimator == "one-host"
    return {
        "active_s": transfer.active_s,
        "stall_s": transfer.stall_s,
        "whole_s": transfer.whole_s,
        "active_error_s": transfer.one_host_error_s if one_host else transfer.two_ended_error_s,
        "bound_s": transfer.bound_s,
        "over_bound": transfer.over_bound,
        "payload_bytes": transfer.payload_bytes,
        "objects": transfer.objects,
        "attempts": transfer.attempts,
        "estimator": transfer.estimator,
        "two_ended_s": transfer.two_ended_s,
        "one_host_s": transfer.one_host_s,
        "read_late_s": transfer.read_late_s,
        "outcome": transfer.outcome,
        "function": message.function,
        "message_id": message.message_id,
    }


def round_fields(source: Source, number: int | None) -> dict[str, object]:
    """Where in the campaign a point belongs."""
    facts = source.facts
    warmup = facts.warmup or (number is not None and number <= warm_up_rounds(source.times))
    return {
        "round": number,
        "rep": facts.settings.get("repetition"),
        "trial": facts.name,
        "warmup": warmup,
    }


def _server_evaluations(source: Source, labels: Labels) -> Iterator[Draft]:
    """The server's own evaluations, which are of no message; of the run that is analysed."""
    run_id = last_run(source.records)
    for segment in source.records.role("flwr-serverapp"):
        if not any(dispatch.run_id == run_id for dispatch in segment.of(Dispatch)):
            continue
        for span in segment.of(Span):
            if span.name == EVALUATE_SERVER:
                yield Draft(
                    "fl_phase",
                    labels.tags("fl_phase", node=labels.server, role=SERVER, phase=EVALUATE_SERVER),
                    source.wall.of(segment.header.clock).at(span.start_mono_ns),
                    {
                        "duration_s": (span.end_mono_ns - span.start_mono_ns) / 1e9,
                        **round_fields(source, span.round),
                    },
                )


def _clocks(source: Source) -> dict[str, str]:
    """The clock of each node's SuperNode, from which what is on no axis was read."""
    return {segment.header.host: segment.header.clock for segment in source.records.role("flower-supernode")}
