"""The least time that the network's rates allow each transfer, given when all of them really began.

The bound is ideal processor sharing of a fluid: each client gets the same share of the cell, no client more than
its own rate, what one cannot use goes to the others (max-min fairness). On a half-duplex network both directions
share one capacity. Rates are those on the wire; the payload gets what full frames leave of it.
TCP shares like that on the average only, and may give one of several transfers more than its share throughout: what
no single transfer can beat is the link to itself, its bytes over its client's rate (`alone_s`).
Source: Bertsekas and Gallager, Data Networks, section 6.5.2, max-min fair flow control.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.intervals import union_ns
from analysis.model import Interval, LinkRates, MessageTimes, Transfer

# TCP payload over Ethernet frame, with timestamps: 1448 of 1514 bytes
GOODPUT = 1448 / 1514
# what a step may leave of a piece by rounding: far below one bit
LEFT_OVER_BITS = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of one client's transfer: `bits` of payload that ask for the network from `start_s` on."""

    client: str
    direction: str
    start_s: float
    bits: float


def finish_times(pieces: Sequence[Piece], link: LinkRates) -> list[float]:
    """When each piece would be through, in the order given. Pieces of one client and direction share its rate."""
    left = [piece.bits for piece in pieces]
    finish = [piece.start_s for piece in pieces]
    waiting = sorted(
        (place for place, piece in enumerate(pieces) if piece.bits > 0), key=lambda at: -pieces[at].start_s
    )
    active: set[int] = set()
    now = -math.inf
    while waiting or active:
        if not active:
            now = pieces[waiting[-1]].start_s
        while waiting and pieces[waiting[-1]].start_s <= now:
            active.add(waiting.pop())
        rates = _rates(active, pieces, link)
        done_at = now + min(left[place] / rates[place] for place in active)
        until = min(done_at, pieces[waiting[-1]].start_s) if waiting else done_at
        for place in sorted(active):
            left[place] -= rates[place] * (until - now)
            if left[place] <= LEFT_OVER_BITS or (until == done_at and left[place] <= rates[place] * _tick(until)):
                finish[place] = until
                active.discard(place)
        now = until
    return finish


def _tick(at_s: float) -> float:
    """A few of the smallest steps that a double can count at this time."""
    return 4 * math.ulp(max(1.0, abs(at_s)))


def _rates(active: set[int], pieces: Sequence[Piece], link: LinkRates) -> Mapping[int, float]:
    """What each active piece gets, in bit/s of payload."""
    flows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place in active:
        flows[pieces[place].client, pieces[place].direction].append(place)
    found: dict[int, float] = {}
    for domain, capacity in _domains(link):
        members = [flow for flow in sorted(flows) if flow[1] in domain]
        shares = max_min_shares([_client_rate(flow[1], link) for flow in members], capacity)
        for flow, share in zip(members, shares, strict=True):
            for place in flows[flow]:
                found[place] = share * GOODPUT / len(flows[flow])
    return found


def _domains(link: LinkRates) -> list[tuple[tuple[str, ...], float]]:
    """The directions that share a capacity, with that capacity."""
    down = math.inf if link.cell_down_bit_per_s is None else link.cell_down_bit_per_s
    up = math.inf if link.cell_up_bit_per_s is None else link.cell_up_bit_per_s
    if link.half_duplex:
        return [(("downlink", "uplink"), down)]
    return [(("downlink",), down), (("uplink",), up)]


def _client_rate(direction: str, link: LinkRates) -> float:
    return link.client_down_bit_per_s if direction == "downlink" else link.client_up_bit_per_s


def max_min_shares(wanted: Sequence[float], capacity: float) -> list[float]:
    """The capacity shared out: equally, but to nobody more than wanted."""
    shares = [0.0] * len(wanted)
    remaining = capacity
    for served, place in enumerate(sorted(range(len(wanted)), key=lambda at: wanted[at])):
        shares[place] = min(wanted[place], remaining / (len(wanted) - served))
        remaining -= shares[place]
    return shares


def pieces_of(transfer: Transfer, client: str, origin_ns: int) -> list[Piece]:
    """A transfer's demand: its busy stretches with their bytes, in seconds from `origin_ns`."""
    return [
        Piece(
            client=client,
            direction=transfer.direction,
            start_s=(busy.start_ns - origin_ns) / 1e9,
            bits=8.0 * payload,
        )
        for busy, payload in zip(transfer.busy, transfer.busy_bytes, strict=True)
    ]


def alone_s(transfer: Transfer, link: LinkRates) -> float:
    """A transfer's least time with the link to itself: its payload at its client's rate, or at the cell's if less."""
    (cell,) = [capacity for domain, capacity in _domains(link) if transfer.direction in domain]
    rate = min(_client_rate(transfer.direction, link), cell)
    return 8.0 * sum(transfer.busy_bytes) / (rate * GOODPUT)


def with_bounds(messages: Sequence[MessageTimes], link: LinkRates | None) -> list[MessageTimes]:
    """The messages of a trial, both bounds of their transfers filled in; unchanged where the rates are unknown."""
    transfers = [
        (message.node, transfer)
        for message in messages
        for transfer in (message.downlink, message.uplink)
        if transfer
    ]
    if link is None or not transfers:
        return list(messages)
    origin_ns = min(transfer.interval.start_ns for _, transfer in transfers)
    split = [pieces_of(transfer, node, origin_ns) for node, transfer in transfers]
    ends = iter(finish_times([piece for pieces in split for piece in pieces], link))
    bounds = [_union_s([(piece.start_s, next(ends)) for piece in pieces]) for pieces in split]
    bounded = iter(
        replace(transfer, bound_s=bound, alone_bound_s=alone_s(transfer, link))
        for (_, transfer), bound in zip(transfers, bounds, strict=True)
    )
    return [
        replace(
            message,
            downlink=next(bounded) if message.downlink else None,
            uplink=next(bounded) if message.uplink else None,
        )
        for message in messages
    ]


def _union_s(stretches: Sequence[tuple[float, float]]) -> float:
    return union_ns(Interval(round(start * 1e9), round(end * 1e9)) for start, end in stretches) / 1e9
