"""Rounds, and what each instant of a round is charged to.

The rule: a round has two parts, train and evaluate. In each the critical message is, of those that the Grid's last
poll collected, the one whose reply was stored last: it is the one that the poll was waited for. An instant between
the part's configure and its aggregate is charged to the first phase of that message, in the order of
`instrument.phases`, that covers it, else to the collecting of another reply; an instant that none covers is charged
to "residual". A node
handles one message at a time: while the critical message waited for an earlier one of its node, the instant is
charged to that one's phases. So the charges tile the round exactly and nothing can hide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from analysis.intervals import span_of, tiled
from analysis.joins import GRID, JoinedMessage
from analysis.messages import HELD
from analysis.model import Charge, Interval, MessageTimes, RoundTimes
from analysis.timeline import Axis
from instrument.phases import PHASES

RESIDUAL = "residual"
PARTS = ("train", "evaluate")


def rounds(pairs: Sequence[tuple[JoinedMessage, MessageTimes]], axis: Axis) -> list[RoundTimes]:
    """Every round that dispatched a message, in order."""
    by_round: dict[int, list[tuple[JoinedMessage, MessageTimes]]] = defaultdict(list)
    for pair in pairs:
        by_round[pair[1].round].append(pair)
    return [_round(number, by_round[number], axis) for number in sorted(by_round)]


def _round(number: int, pairs: Sequence[tuple[JoinedMessage, MessageTimes]], axis: Axis) -> RoundTimes:
    messages = [times for _, times in pairs]
    interval = span_of(_covered(joined, times, axis) for joined, times in pairs)
    parts = [[pair for pair in pairs if _part(pair[1]) == part] for part in PARTS]
    chains = [
        chain_of(found, of_part)
        for part in parts
        for of_part in [[times for _, times in part]]
        if (found := critical_message(of_part, _last_poll_ns(part, axis))) is not None
    ]
    adrift = {times.node for joined, times in pairs if _is_adrift(joined, axis)}
    placed = not any(chain[-1].node in adrift for chain in chains)
    return RoundTimes(
        round=number,
        interval=interval,
        t_r_s=t_r_s(messages),
        charges=charges(interval, chains, _collected(messages)) if placed else (),
        critical_nodes=[chain[-1].node for chain in chains],
        complete=all(message.outcome == "ok" for message in messages),
        straggler=straggler(messages),
    )


def _is_adrift(joined: JoinedMessage, axis: Axis) -> bool:
    """Whether nothing ties the clock of a message's node to the axis."""
    return joined.node_side is not None and not axis.known(joined.node_side.supernode)


def _part(message: MessageTimes) -> str:
    return "train" if message.function == "train" else "evaluate"


def _covered(joined: JoinedMessage, times: MessageTimes, axis: Axis) -> Interval:
    """A message's stretch of the round: configure to aggregate, else the first to the last of what it has."""
    aggregated = joined.server_side.aggregate is not None and joined.server_side.aggregate.count != 0
    if aggregated and {"configure", "aggregate"} <= times.intervals.keys():
        return Interval(times.intervals["configure"].start_ns, times.intervals["aggregate"].end_ns)
    dispatched_ns = axis.of(joined.server_side.server_app).at(joined.dispatch.mono_ns)
    at_dispatch = Interval(dispatched_ns, dispatched_ns)
    seen = {name: interval for name, interval in times.intervals.items() if aggregated or name != "aggregate"}
    return span_of([at_dispatch, _server_side({"publish": at_dispatch, **seen})])


def _server_side(intervals: Mapping[str, Interval]) -> Interval:
    """The stretch of those phases that are read on the server alone: of them at least one is there."""
    return span_of(interval for name, interval in intervals.items() if PHASES[name].clock == "server")


def critical_message(messages: Sequence[MessageTimes], last_poll_ns: int | None = None) -> MessageTimes | None:
    """The message that its part of the round waited for; None where none was collected.

    Of those that the ServerApp's last poll brought, after `last_poll_ns`, it is the one stored last. An error that
    Flower made itself was never stored: it counts from the begin of its collection.
    """
    collected = [message for message in messages if "collect" in message.intervals]
    last = [message for message in collected if message.intervals["collect"].end_ns >= (last_poll_ns or 0)]
    return max(last or collected, key=_there_ns, default=None)


def _last_poll_ns(part: Sequence[tuple[JoinedMessage, MessageTimes]], axis: Axis) -> int | None:
    """When the Grid's last sleep before the last collection of a part ended; None where it never slept."""
    collected = [pair for pair in part if "collect" in pair[1].intervals]
    if not collected:
        return None
    joined, _ = max(collected, key=lambda pair: pair[1].intervals["collect"].end_ns)
    server = axis.of(joined.server_side.server_app)
    return max((server.at(s.end_mono_ns) for s in joined.server_side.sleeps if s.where == GRID), default=None)


def _there_ns(message: MessageTimes) -> tuple[int, int]:
    """When a collected reply was there to be collected; of two at once the one collected later counts."""
    collect, store = message.intervals["collect"], message.intervals.get("store")
    return (collect.start_ns if store is None else store.end_ns, collect.end_ns)


def _collected(messages: Sequence[MessageTimes]) -> list[Interval]:
    return [message.intervals["collect"] for message in messages if "collect" in message.intervals]


def chain_of(critical: MessageTimes, part: Sequence[MessageTimes]) -> list[MessageTimes]:
    """What the critical message waited for: the part's earlier messages of its node, in order, and itself."""
    wait = critical.intervals.get("wait_downlink")
    earlier = [
        message
        for message in part
        if wait is not None
        and message.node == critical.node
        and "wait_downlink" in message.intervals
        and message.intervals["wait_downlink"].end_ns < wait.end_ns
    ]
    return [*sorted(earlier, key=lambda message: message.intervals["wait_downlink"].end_ns), critical]


def charges(
    interval: Interval, parts: Sequence[Sequence[MessageTimes]], collected: Sequence[Interval] = ()
) -> list[Charge]:
    """The round's interval, tiled by the phases of each part's critical messages, one after the other.

    `collected` are the collections of all replies: what the critical message's own phases leave of them is theirs.
    """
    steps = [(message, _held_until(chain, place)) for chain in parts for place, message in enumerate(chain)]
    starts = [_server_side(chain[0].intervals).start_ns for chain in parts[1:]]
    part_ends = iter([*starts, interval.end_ns])
    found: list[Charge] = []
    cursor = interval.start_ns
    for message, held_ns in steps:
        until_ns = next(part_ends) if held_ns is None else held_ns
        window = Interval(cursor, min(max(cursor, until_ns), interval.end_ns))
        layers = [(name, message.intervals[name]) for name in PHASES if name in message.intervals]
        layers += [("collect", other) for other in collected]
        found += [
            Charge(phase=phase, interval=tile, node="" if phase == RESIDUAL else message.node)
            for phase, tile in tiled(window, layers, RESIDUAL)
        ]
        cursor = window.end_ns
    if cursor < interval.end_ns:
        found.append(Charge(phase=RESIDUAL, interval=Interval(cursor, interval.end_ns)))
    return found


def _held_until(chain: Sequence[MessageTimes], place: int) -> int | None:
    """When a message let go of its node; None for the critical one, which lasts to the end of its part."""
    if place == len(chain) - 1:
        return None
    own = [interval for name, interval in chain[place].intervals.items() if name in HELD]
    next_asked_ns = chain[place + 1].intervals["wait_downlink"].end_ns
    return min(span_of(own).end_ns, next_asked_ns) if own else next_asked_ns


def t_r_s(messages: Sequence[MessageTimes]) -> float | None:
    """The paper's round time: the maximum over nodes of t_d + t_tr + t_ts + t_v + t_u, transfers whole.

    t_d and t_u are the train message's. None where no node did its part.
    """
    by_node: dict[str, list[MessageTimes]] = defaultdict(list)
    for message in messages:
        by_node[message.node].append(message)
    sums = [total for of_node in by_node.values() if (total := _t_r_of(of_node)) is not None]
    return max(sums, default=None)


def _t_r_of(messages: Sequence[MessageTimes]) -> float | None:
    if any(message.outcome != "ok" for message in messages):
        return None
    moved = [message for message in messages if message.function == "train"] or messages
    transfers = [transfer.whole_s for message in moved for transfer in (message.downlink, message.uplink) if transfer]
    functions = [message.seconds(message.function) or 0.0 for message in messages]
    return sum(transfers) + sum(functions) if transfers else None


def straggler(messages: Sequence[MessageTimes]) -> str:
    """The node whose reply to a train message reached the server last; empty where none did."""
    arrived = [(moment, message) for message in messages if (moment := _arrived_ns(message)) is not None]
    trained = [(moment, message) for moment, message in arrived if message.function == "train"] or arrived
    last = max(trained, key=lambda item: item[0], default=None)
    return last[1].node if last is not None else ""


def _arrived_ns(message: MessageTimes) -> int | None:
    """When a reply's last byte reached the server: by the server's own stamps where the node's clock is unknown."""
    if message.uplink is None:
        return None
    uplink, store = message.intervals.get("uplink"), message.intervals.get("store")
    return uplink.end_ns if uplink is not None else None if store is None else store.start_ns
