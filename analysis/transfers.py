"""One direction of one message over the network: when each object was under way, and how long the whole took.

Three views of an object's time on the way, nested by construction: `shortest` begins or ends late by one trip of
a header, `longest` by one trip too much; both are read on one clock. `two_ended` begins on one host and ends on
the other, so it is exact but for the clocks; `one_host` is the same stretch on the client's clock, where the
message's own requests put the server's stamps. The truth lies between shortest and longest.

A transfer ends when its last byte is in the receiving host's kernel. Where the application read it later and the
kernel tells how much, that is the application's time: `read_late_s`, no part of the transfer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.intervals import between, merged, overlaps, span_of, union_ns
from analysis.joins import NodeSide
from analysis.model import Interval, Transfer
from analysis.offsets import ClockMap
from analysis.one_host import Bracket, bracket_of, error_ns
from instrument.records import Rpc, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOnTheWay:
    """One object's way, in ns: `two_ended` on the axis, the others each on one host's clock.

    `stamped` is False where the server returned no stamps. Then, and where nothing ties the client's clock to the
    axis, `two_ended` is the client's view alone, with an infinite error.
    """

    two_ended: Interval
    one_host: Interval
    longest: Interval
    shortest: Interval
    payload_bytes: int
    stamped: bool
    local_port: int | None
    late_ns: int


def uplink(side: NodeSide, node: ClockMap, outcome: str) -> Transfer | None:
    """The reply's objects, SuperNode to SuperLink, from the first try on; None where none came through."""
    done = [rpc for rpc in side.push_objects if _answered(rpc)]
    if not done:
        return None
    bracket = bracket_of([side.push_message, *done])
    objects = [_upward(rpc, node, bracket) for rpc in done]
    first_try_ns = min(_first_ns(rpc) for rpc in side.push_objects)
    return _transfer(
        "uplink",
        objects,
        node=node,
        begin_ns=first_try_ns,
        bracket=bracket,
        attempts=len(side.push_objects),
        outcome=outcome if outcome == "ok" else _fate(side, done) or outcome,
        alternatives=_uplink_alternatives(side, done),
    )


def _fate(side: NodeSide, done: Sequence[Rpc]) -> str | None:
    """What became of a reply that the server does not have: thrown away, or cut off; None where its objects came."""
    if any(rpc.stored is False for rpc in done):
        return "lost"
    wanted = side.push_message.object_ids if side.push_message is not None else ()
    return "censored" if set(wanted) - {rpc.object_id for rpc in done} else None


def downlink(side: NodeSide, node: ClockMap) -> Transfer | None:
    """The message's objects, SuperLink to SuperNode; None where none came. Waiting for one is no transfer."""
    done = [rpc for rpc in side.pull_objects if _answered(rpc) and rpc.object_available is not False]
    if not done:
        return None
    came = {rpc.object_id for rpc in done}
    # a ClientApp is started before its objects are there, and objects that the node has already are not sent
    whole = came >= set(side.pull_message.object_ids) or _has_inflated(side) or bool(side.push_tries)
    bracket = bracket_of([side.pull_message, *done])
    objects = [_downward(rpc, node, bracket) for rpc in done]
    last_end = max(rpc.end_mono_ns for rpc in done)
    return _transfer(
        "downlink",
        objects,
        node=node,
        bracket=bracket,
        attempts=len(side.pull_objects),
        outcome="ok" if whole else "censored",
        alternatives={"rpc_span": (last_end - side.pull_message.start_mono_ns) / 1e9},
    )


def _has_inflated(side: NodeSide) -> bool:
    return side.client_app is not None and any(span.name == "inflate" for span in side.client_app.of(Span))


def _first_ns(rpc: Rpc) -> int:
    """When a request was begun: its headers, where it came so far."""
    return rpc.start_mono_ns if rpc.headers_sent_mono_ns is None else rpc.headers_sent_mono_ns


def _answered(rpc: Rpc) -> bool:
    return (
        rpc.error is None
        and rpc.status == 200
        and rpc.headers_sent_mono_ns is not None
        and rpc.response_mono_ns is not None
        and rpc.body_read_mono_ns is not None
    )


def _upward(rpc: Rpc, node: ClockMap, bracket: Bracket | None) -> ObjectOnTheWay:
    sent, response = rpc.headers_sent_mono_ns, rpc.response_mono_ns
    arrived, last_byte = rpc.server_arrive_mono_ns, in_servers_kernel_ns(rpc)
    assert sent is not None
    assert response is not None
    stamped = arrived is not None and last_byte is not None and rpc.server_response_mono_ns is not None
    if arrived is None or last_byte is None or rpc.server_response_mono_ns is None:
        longest, shortest = Interval(sent, response), Interval(sent, sent)
        one_host, two_ended = longest, _on_axis(longest, node)
    else:
        longest = between(sent, response - (rpc.server_response_mono_ns - last_byte))
        shortest = between(arrived, last_byte)
        two_ended = between(node.at(sent), last_byte) if node.anchors else _on_axis(longest, node)
        one_host = longest if bracket is None else Interval(sent, max(sent, bracket.on_client(last_byte)))
    return ObjectOnTheWay(
        two_ended=two_ended,
        one_host=one_host,
        longest=longest,
        shortest=shortest,
        payload_bytes=rpc.request_bytes,
        stamped=stamped,
        local_port=rpc.local_port,
        late_ns=1_000_000 * (rpc.server_late_ms or 0),
    )


def in_servers_kernel_ns(rpc: Rpc) -> int | None:
    """When a request's last byte had come to the server's host; None where the server returned no stamps."""
    read_ns = rpc.server_last_byte_mono_ns
    return None if read_ns is None else read_ns - 1_000_000 * (rpc.server_late_ms or 0)


def _downward(rpc: Rpc, node: ClockMap, bracket: Bracket | None) -> ObjectOnTheWay:
    sent, response, read = rpc.headers_sent_mono_ns, rpc.response_mono_ns, rpc.body_read_mono_ns
    arrived, answered = rpc.server_arrive_mono_ns, rpc.server_response_mono_ns
    assert sent is not None
    assert response is not None
    assert read is not None
    read = max(sent, read - 1_000_000 * (rpc.late_ms or 0))
    stamped = arrived is not None and answered is not None
    shortest = between(response, read)
    if arrived is None or answered is None:
        longest, one_host, two_ended = Interval(sent, read), shortest, _on_axis(shortest, node)
    else:
        longest = between(min(sent + (answered - arrived), response), read)
        two_ended = between(answered, node.at(read)) if node.anchors else _on_axis(shortest, node)
        one_host = shortest if bracket is None else between(bracket.on_client(answered), read)
    return ObjectOnTheWay(
        two_ended=two_ended,
        one_host=one_host,
        longest=longest,
        shortest=shortest,
        payload_bytes=rpc.response_bytes,
        stamped=stamped,
        local_port=rpc.local_port,
        late_ns=1_000_000 * (rpc.late_ms or 0),
    )


def _on_axis(client: Interval, node: ClockMap) -> Interval:
    return Interval(node.at(client.start_ns), node.at(client.end_ns))


def _transfer(
    direction: str,
    objects: Sequence[ObjectOnTheWay],
    *,
    node: ClockMap,
    begin_ns: int | None = None,
    bracket: Bracket | None,
    attempts: int,
    outcome: str,
    alternatives: Mapping[str, float],
) -> Transfer:
    busy = merged(item.two_ended for item in objects)
    tried = [] if begin_ns is None else [Interval(node.at(begin_ns), node.at(begin_ns))]
    interval = span_of([*tried, *(item.two_ended for item in objects)])
    two_ended_s = union_ns(busy) / 1e9
    two_ended_error_s = _two_ended_error_ns(objects, node) / 1e9 * max(1, len(busy))
    one_host = _one_host(objects, begin_ns, bracket)
    exact = two_ended_error_s <= one_host.active_error_s
    active_s = two_ended_s if exact else one_host.active_s
    whole_s = interval.seconds if node.anchors else one_host.whole_s
    biggest = max(objects, key=lambda item: item.payload_bytes)
    return Transfer(
        direction=direction,
        interval=interval,
        whole_s=whole_s,
        active_s=active_s,
        stall_s=max(0.0, whole_s - active_s),
        two_ended_error_s=two_ended_error_s,
        one_host_s=one_host.active_s,
        one_host_error_s=one_host.active_error_s,
        one_host_whole_s=one_host.whole_s,
        one_host_whole_error_s=one_host.whole_error_s,
        payload_bytes=sum(item.payload_bytes for item in objects),
        objects=len(objects),
        attempts=attempts,
        outcome=outcome,
        busy=busy,
        busy_bytes=_bytes_of(busy, objects),
        local_ports=sorted({item.local_port for item in objects if item.local_port is not None}),
        two_ended_s=two_ended_s,
        estimator="two-ended" if exact else "one-host",
        read_late_s=sum(item.late_ns for item in objects) / 1e9,
        alternatives={
            "two_ended_whole": interval.seconds,
            "to_application_read": (max(item.two_ended.end_ns + item.late_ns for item in objects) - interval.start_ns)
            / 1e9,
            "active": two_ended_s,
            "one_host": one_host.active_s,
            "biggest_object_two_ended": biggest.two_ended.seconds,
            **alternatives,
        },
    )


def _two_ended_error_ns(objects: Sequence[ObjectOnTheWay], node: ClockMap) -> float:
    """By how much one stretch may be wrong; a union of several may be by that much for each."""
    if not node.anchors or not all(item.stamped for item in objects):
        return float("inf")
    client = [item.longest for item in objects]
    return node.worst_error_ns(min(item.start_ns for item in client), max(item.end_ns for item in client))


@dataclass(frozen=True, slots=True, kw_only=True)
class _OneHost:
    active_s: float
    active_error_s: float
    whole_s: float
    whole_error_s: float


def _one_host(objects: Sequence[ObjectOnTheWay], begin_ns: int | None, bracket: Bracket | None) -> _OneHost:
    """Active and whole by the client's clock. Where an object has no stamps, only the two nested views bound them."""
    usable = bracket if all(item.stamped for item in objects) else None
    ways = [item.one_host for item in objects]
    nested = [[item.shortest for item in objects], [item.longest for item in objects]]
    active_ns, stretches = union_ns(ways), len(merged(ways))
    first_ns = min(way.start_ns for way in ways)
    before_ns = 0 if begin_ns is None else max(0, first_ns - begin_ns)
    whole_ns = _span_ns(ways) + before_ns
    whole_limits = [_span_ns(views) + before_ns for views in nested]
    return _OneHost(
        active_s=active_ns / 1e9,
        active_error_s=error_ns(usable, stretches, active_ns, [union_ns(views) for views in nested]) / 1e9,
        whole_s=whole_ns / 1e9,
        whole_error_s=error_ns(usable, 1, whole_ns, whole_limits) / 1e9,
    )


def _span_ns(views: Sequence[Interval]) -> int:
    span = span_of(views)
    return span.end_ns - span.start_ns


def _bytes_of(busy: Sequence[Interval], objects: Sequence[ObjectOnTheWay]) -> list[int]:
    """The payload of each busy stretch; an object without length counts with the first stretch after it.

    Where a clock was stepped no object may have any length.
    """
    counts = [0] * len(busy)
    for item in objects:
        inside = [place for place, stretch in enumerate(busy) if overlaps(stretch, item.two_ended)]
        later = [place for place, stretch in enumerate(busy) if stretch.end_ns >= item.two_ended.start_ns]
        if place := (inside or later or [len(busy) - 1] * bool(busy))[:1]:
            counts[place[0]] += item.payload_bytes
    return counts


def _uplink_alternatives(side: NodeSide, done: Sequence[Rpc]) -> dict[str, float]:
    sent = [
        Interval(rpc.headers_sent_mono_ns, rpc.body_sent_mono_ns)
        for rpc in done
        if rpc.headers_sent_mono_ns is not None and rpc.body_sent_mono_ns is not None
    ]
    found = {"send_returned": union_ns(sent) / 1e9}
    if side.push_message is not None:
        last_end = max(rpc.end_mono_ns for rpc in done)
        found["rpc_span"] = (last_end - side.push_message.start_mono_ns) / 1e9
    return found
