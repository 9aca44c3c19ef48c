"""A reading knows its clock; a manual clock moves only forward and only when told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.clock import (
    Clock,
    ClockId,
    ClockMismatchError,
    Instant,
    ManualClock,
    SystemClock,
    boottime_minus_monotonic_ns,
    sleep_s,
    this_clock,
)

WORDS = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), max_size=10)
CLOCKS = st.builds(ClockId, WORDS, WORDS, st.integers(0))


@given(CLOCKS)
def test_a_clock_id_is_read_from_its_text(clock: ClockId) -> None:
    assert ClockId.parse(str(clock)) == clock


@pytest.mark.parametrize("text", ["", "monotonic", "monotonic/boot", "monotonic/boot/x", "a/b/1/2"])
def test_other_text_is_no_clock(text: str) -> None:
    with pytest.raises(ValueError):
        ClockId.parse(text)


@given(CLOCKS, CLOCKS, st.integers(), st.integers())
def test_only_readings_of_one_clock_are_subtracted(one: ClockId, other: ClockId, a: int, b: int) -> None:
    assert Instant(one, a) - Instant(one, b) == a - b
    assert (Instant(one, a) < Instant(one, b)) == (a < b)
    if one != other:
        with pytest.raises(ClockMismatchError, match="different clocks"):
            Instant(one, a) - Instant(other, b)
        with pytest.raises(ClockMismatchError):
            assert Instant(one, a) < Instant(other, b)


@pytest.mark.parametrize("other", [("monotonic", "boot", 2), ("monotonic", "other", 1), ("boottime", "boot", 1)])
def test_name_boot_and_namespace_each_make_another_clock(other: tuple[str, str, int]) -> None:
    with pytest.raises(ClockMismatchError):
        Instant(ClockId("monotonic", "boot", 1), 1) - Instant(ClockId(*other), 1)


@given(st.integers(), st.integers(), st.lists(st.integers(0, 10**12)))
def test_a_manual_clock_moves_both_readings_by_what_it_is_told(mono: int, wall: int, steps: list[int]) -> None:
    clock = ManualClock(mono, wall)
    for step in steps:
        clock.advance(step)
    assert (clock.mono_ns(), clock.wall_ns()) == (mono + sum(steps), wall + sum(steps))


@given(st.integers(), st.integers())
def test_a_manual_clock_jumps_to_a_deadline_and_never_back(now: int, deadline: int) -> None:
    clock = ManualClock(now)
    clock.sleep_until_mono_ns(deadline)
    assert clock.mono_ns() == max(now, deadline)


@given(st.integers(max_value=-1))
def test_time_cannot_go_backwards(step: int) -> None:
    with pytest.raises(ValueError, match="backwards"):
        ManualClock().advance(step)


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock(mono_ns=23)])
def test_both_clocks_keep_the_contract(clock: Clock) -> None:
    before = clock.mono_ns()
    clock.sleep_until_mono_ns(before - 1)
    clock.sleep_until_mono_ns(before + 1_000)
    assert clock.mono_ns() >= before + 1_000
    assert isinstance(clock.wall_ns(), int)


def test_this_clock_has_a_boot_and_a_time_namespace() -> None:
    assert this_clock() == this_clock()
    assert len(this_clock().boot_id) == 36
    assert this_clock().time_namespace > 0


def test_boottime_is_never_behind_monotonic() -> None:
    assert boottime_minus_monotonic_ns() > -1_000_000


def test_a_negative_sleep_returns() -> None:
    sleep_s(-1)
    sleep_s(1e-9)
