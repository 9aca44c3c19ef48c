"""Offsets between clocks: the truth lies within the stated error, for any delays and any drift up to the limit."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.offsets import MAX_DRIFT, ROUNDING_NS, ClockMap, FourStamps, fitted, low_delay

MS, S = 1_000_000, 1_000_000_000
OFFSETS = st.integers(-(10**16), 10**16)
DRIFTS = st.floats(-MAX_DRIFT * 0.99, MAX_DRIFT * 0.99)
# a way there and a way back of up to 300 ms, each on its own, and up to 50 ms of service between them
WAYS = st.tuples(st.integers(1, 300 * MS), st.integers(0, 50 * MS), st.integers(1, 300 * MS))
MOMENTS = st.integers(0, 600 * S)


@dataclass(frozen=True)
class TwoClocks:
    """A local clock and a reference: `reference = local + offset + drift * local`."""

    offset: int
    drift: float

    def reference(self, local: int) -> int:
        return local + self.offset + round(self.drift * local)

    def local(self, reference: int) -> int:
        """The local reading at a reference reading, to the nanosecond."""
        guess = round((reference - self.offset) / (1 + self.drift))
        return guess + (reference - self.reference(guess))

    def exchange(self, sent: int, ways: tuple[int, int, int]) -> FourStamps:
        there, service, back = ways
        arrived = self.reference(sent) + there
        answered = arrived + service
        return FourStamps(sent, arrived, answered, self.local(answered + back) + 1)


@given(
    clocks=st.builds(TwoClocks, OFFSETS, DRIFTS),
    exchanges=st.lists(st.tuples(MOMENTS, WAYS), min_size=1, max_size=40),
    asked=st.lists(MOMENTS, min_size=1, max_size=5),
)
def test_the_truth_lies_within_the_stated_error(
    clocks: TwoClocks, exchanges: list[tuple[int, tuple[int, int, int]]], asked: list[int]
) -> None:
    made = fitted([clocks.exchange(sent, ways) for sent, ways in exchanges])
    for local in asked:
        wrong = abs(made.at(local) - clocks.reference(local))
        assert wrong <= made.error_ns(local) + 2 * ROUNDING_NS
        assert made.error_ns(local) <= made.worst_error_ns(min(asked), max(asked)) + 1e-6


@given(drift=DRIFTS, period_s=st.integers(1, 5))
def test_regular_exchanges_bound_the_error_by_half_the_round_trip_and_drift(drift: float, period_s: int) -> None:
    clocks = TwoClocks(-5_000 * S, drift)
    exchanges = [clocks.exchange(at * S, (MS, MS // 10, 2 * MS)) for at in range(0, 120, period_s)]
    made = fitted(exchanges)
    assert made.worst_error_ns(0, 120 * S) <= 3 * (3 * MS / 2)
    assert made.drift == pytest.approx(drift, abs=made.drift_error)
    assert made.drift_error <= 80e-6


@given(offset=OFFSETS, shift=OFFSETS, sent=st.lists(MOMENTS, min_size=2, max_size=9, unique=True))
def test_shifting_a_clock_shifts_its_offset_only(offset: int, shift: int, sent: list[int]) -> None:
    ways = (3 * MS, 0, 2 * MS)
    one = fitted([TwoClocks(offset, 0.0).exchange(at, ways) for at in sent])
    other = fitted([TwoClocks(offset + shift, 0.0).exchange(at, ways) for at in sent])
    assert abs((other.at(sent[0]) - one.at(sent[0])) - shift) <= ROUNDING_NS
    assert other.error_ns(sent[0]) == pytest.approx(one.error_ns(sent[0]), abs=2 * ROUNDING_NS)


@given(drift=DRIFTS, moments=st.lists(MOMENTS, min_size=2, max_size=6, unique=True))
def test_a_map_keeps_the_order_of_moments(drift: float, moments: list[int]) -> None:
    made = ClockMap(offset_ns=-(10**15), drift=drift, origin_ns=300 * S)
    assert [made.at(moment) for moment in sorted(moments)] == sorted(made.at(moment) for moment in moments)


def test_only_the_low_delay_decile_of_each_window_counts() -> None:
    clocks = TwoClocks(7 * S, 0.0)
    queued = [clocks.exchange(at * 100 * MS, (80 * MS, 0, MS)) for at in range(23)]
    quick = clocks.exchange(1_150 * MS, (MS, 0, MS))
    later = clocks.exchange(40 * S, (20 * MS, 0, 20 * MS))
    kept = low_delay([*queued, quick, later])
    assert quick in kept
    assert later in kept
    assert len(kept) == 4  # 3 of the 24 in the first window, the only one of the second


def test_an_exchange_that_ended_before_it_began_is_dropped() -> None:
    assert low_delay([FourStamps(10, 100, 200, 20)]) == []
    assert fitted([]).error_ns(0) == float("inf")
    assert fitted([]).worst_error_ns(0, 9) == float("inf")


def test_clocks_that_do_not_drift_evenly_admit_any_drift() -> None:
    steps = [
        FourStamps(at * 40 * S, at * 40 * S + jump, at * 40 * S + jump, at * 40 * S)
        for at, jump in enumerate((0, 100 * MS, 0))
    ]
    assert fitted(steps).drift_error >= MAX_DRIFT


@pytest.mark.parametrize("step_ms", [-250, 40, 250])
def test_a_clock_that_was_stepped_has_an_error_that_holds_before_and_after_the_step(step_ms: int) -> None:
    """No one map is right on both sides of a step: what is stated is how wrong the one that is made may be."""
    second, step = 10**9, step_ms * 10**6
    exchanges = []
    for when in range(0, 60 * second, second // 2):
        local = when + (step if when > 20 * second else 0)
        exchanges.append(FourStamps(local, when + 10**6, when + 10**6 + 1000, local + 2 * 10**6 + 1000))
    found = fitted(exchanges)
    for exchange in exchanges:
        truth = (exchange.arrived + exchange.answered) // 2
        assert abs(found.at(exchange.middle) - truth) <= found.error_ns(exchange.middle)
    assert found.worst_error_ns(exchanges[0].sent, exchanges[-1].received) >= abs(step) / 2
