"""The fluid bound: what the rates allow, no less and no more."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.bounds import GOODPUT, Piece, finish_times, max_min_shares
from analysis.model import LinkRates

ETHERNET = LinkRates(
    interface="ethernet",
    client_down_bit_per_s=1e8,
    client_up_bit_per_s=1e8,
    cell_down_bit_per_s=None,
    cell_up_bit_per_s=None,
)
CELL = LinkRates(
    interface="5g",
    client_down_bit_per_s=1e8,
    client_up_bit_per_s=2e7,
    cell_down_bit_per_s=1.2e8,
    cell_up_bit_per_s=3e7,
)
WIFI = LinkRates(
    interface="wifi",
    client_down_bit_per_s=9e7,
    client_up_bit_per_s=9e7,
    cell_down_bit_per_s=1.2e8,
    cell_up_bit_per_s=None,
    half_duplex=True,
)
LINKS = st.sampled_from([ETHERNET, CELL, WIFI])
PIECES = st.lists(
    st.builds(
        Piece,
        client=st.sampled_from(["a", "b", "c", "d"]),
        direction=st.sampled_from(["downlink", "uplink"]),
        start_s=st.integers(0, 40).map(lambda tenths: tenths / 10),
        bits=st.integers(0, 300).map(lambda count: count * 1e5),
    ),
    max_size=9,
)


def up(client: str, start_s: float = 0.0, bits: float = 8e6) -> Piece:
    return Piece(client=client, direction="uplink", start_s=start_s, bits=bits)


def down(client: str, start_s: float = 0.0, bits: float = 8e6) -> Piece:
    return Piece(client=client, direction="downlink", start_s=start_s, bits=bits)


def alone_s(piece: Piece, link: LinkRates) -> float:
    cell = link.cell_down_bit_per_s if link.half_duplex or piece.direction == "downlink" else link.cell_up_bit_per_s
    own = link.client_down_bit_per_s if piece.direction == "downlink" else link.client_up_bit_per_s
    return piece.bits / (min(own, cell or own) * GOODPUT)


@pytest.mark.parametrize("link", [ETHERNET, CELL, WIFI])
def test_a_client_alone_takes_its_bytes_over_its_rate(link: LinkRates) -> None:
    for piece in (up("a", 3.0), down("a", 3.0)):
        assert finish_times([piece], link) == [pytest.approx(3.0 + alone_s(piece, link))]


@pytest.mark.parametrize("clients", [2, 3, 7])
def test_equal_clients_together_take_all_their_bytes_over_the_cell(clients: int) -> None:
    pieces = [up(str(client)) for client in range(clients)]
    assert finish_times(pieces, CELL) == [pytest.approx(clients * 8e6 / (3e7 * GOODPUT))] * clients


def test_a_switch_shares_nothing() -> None:
    pieces = [up(str(client)) for client in range(5)]
    assert finish_times(pieces, ETHERNET) == [pytest.approx(8e6 / (1e8 * GOODPUT))] * 5


def test_both_directions_share_a_half_duplex_cell_and_not_a_full_duplex_one() -> None:
    assert finish_times([up("a"), down("b")], WIFI) == [pytest.approx(8e6 / (6e7 * GOODPUT))] * 2
    assert finish_times([up("a"), down("b")], CELL)[1] == pytest.approx(8e6 / (1e8 * GOODPUT))


def test_who_comes_later_slows_down_who_is_there_and_leaves_the_rest_to_them() -> None:
    first, second = finish_times([up("a", 0.0, 4e7), up("b", 1.0, 1e7)], CELL)
    rate = GOODPUT
    second_end = 1.0 + 1e7 / (1.5e7 * rate)
    done = (2e7 * 1.0 + 1.5e7 * (second_end - 1.0)) * rate
    assert second == pytest.approx(second_end)
    assert first == pytest.approx(second_end + (4e7 - done) / (2e7 * rate))


def test_objects_of_one_client_share_its_rate() -> None:
    assert finish_times([up("a"), up("a")], ETHERNET) == [pytest.approx(16e6 / (1e8 * GOODPUT))] * 2


@given(pieces=PIECES, link=LINKS)
def test_nobody_is_faster_than_alone(pieces: list[Piece], link: LinkRates) -> None:
    for piece, end_s in zip(pieces, finish_times(pieces, link), strict=True):
        assert end_s - piece.start_s >= alone_s(piece, link) * (1 - 1e-9) - 1e-9


@given(pieces=PIECES, link=LINKS, seed=st.integers(0, 99))
def test_the_order_of_pieces_does_not_matter(pieces: list[Piece], link: LinkRates, seed: int) -> None:
    order = list(range(len(pieces)))
    random.Random(seed).shuffle(order)
    ends = finish_times(pieces, link)
    shuffled = finish_times([pieces[place] for place in order], link)
    assert shuffled == [pytest.approx(ends[place], abs=1e-6) for place in order]


@given(pieces=PIECES.filter(lambda pieces: len(pieces) <= 5), link=LINKS)
def test_small_steps_come_to_the_same(pieces: list[Piece], link: LinkRates) -> None:
    step = 1e-2
    for end_s, stepped_s in zip(finish_times(pieces, link), stepped(pieces, link, step), strict=True):
        assert end_s == pytest.approx(stepped_s, abs=step * 3 * len(pieces))


def stepped(pieces: list[Piece], link: LinkRates, step: float) -> list[float]:
    """The same by brute force: in each small step every active client asks for a little more in turn."""
    left = [piece.bits for piece in pieces]
    ends = [piece.start_s for piece in pieces]
    now = 0.0
    while any(rest > 0 for rest in left):
        now += step
        active = [place for place, piece in enumerate(pieces) if piece.start_s < now - step / 2 and left[place] > 0]
        for place, bits in poured(active, pieces, link, step).items():
            left[place] -= bits
            if left[place] <= 0:
                ends[place] = now
    return ends


def poured(active: list[int], pieces: list[Piece], link: LinkRates, step: float) -> dict[int, float]:
    """Capacity handed out in a hundred drops to those who may have more."""
    got = dict.fromkeys(active, 0.0)
    own = {"downlink": link.client_down_bit_per_s, "uplink": link.client_up_bit_per_s}
    domains = [("downlink", "uplink")] if link.half_duplex else [("downlink",), ("uplink",)]
    for domain in domains:
        cell = link.cell_up_bit_per_s if domain == ("uplink",) else link.cell_down_bit_per_s
        flows = sorted({(pieces[at].client, pieces[at].direction) for at in active if pieces[at].direction in domain})
        taken = dict.fromkeys(flows, 0.0)
        drop = min([own[direction] for _, direction in flows] + [cell or 1e12]) / 100
        budget = cell or 1e12
        while flows and budget >= drop:
            hungry = [flow for flow in flows if taken[flow] + drop <= own[flow[1]] * (1 + 1e-9)]
            if not hungry:
                break
            for flow in hungry[: int(budget / drop)]:
                taken[flow] += drop
                budget -= drop
        for flow in flows:
            members = [at for at in active if (pieces[at].client, pieces[at].direction) == flow]
            for place in members:
                got[place] = taken[flow] * GOODPUT * step / len(members)
    return got


@given(wanted=st.lists(st.integers(1, 1000).map(float), max_size=8), capacity=st.integers(1, 3000).map(float))
def test_shares_use_the_capacity_and_favour_nobody(wanted: list[float], capacity: float) -> None:
    shares = max_min_shares(wanted, capacity)
    assert sum(shares) == pytest.approx(min(capacity, sum(wanted)) if wanted else 0.0)
    level = max(shares, default=0.0)
    for asked, share in zip(wanted, shares, strict=True):
        assert share <= asked
        assert share == pytest.approx(min(asked, level))
