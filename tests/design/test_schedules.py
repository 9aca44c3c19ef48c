"""When trials begin: times of day, cool-downs, rebuilt testbeds, and what a budget lets in."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.campaign import Campaign
from testbed.design.estimate import BUILD_S, Estimate
from testbed.design.factors import DesignError
from testbed.design.hours import block_starts, gaps_s
from testbed.design.pacing import may_begin
from testbed.design.schedule import schedule, within
from testbed.plan import plan_of
from tests.design.campaigns import campaign, campaigns

HOURS = st.lists(st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59)), min_size=1, max_size=6)
BEGAN = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: moment.year < 9000)


def at(year: int, month: int, day: int, hour: int, minute: int) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@given(HOURS, BEGAN)
def test_blocks_begin_at_their_hours_one_after_another_and_as_soon_as_they_can(
    hours: list[str], began: datetime
) -> None:
    starts = block_starts(hours, began)
    assert [f"{start:%H:%M}" for start in starts] == hours
    assert starts[0] >= began
    for before, after in zip([began, *starts], starts, strict=False):
        assert timedelta(0) <= after - before <= timedelta(days=1)
    assert starts == sorted(set(starts))


def test_nights_and_afternoons_in_turn() -> None:
    noon = at(2026, 3, 1, 12, 0)
    starts = block_starts(["02:00", "14:00", "02:00"], noon)
    assert starts == [at(2026, 3, 2, 2, 0), at(2026, 3, 2, 14, 0), at(2026, 3, 3, 2, 0)]
    assert gaps_s(["02:00", "14:00", "02:00"]) == [0, 12 * 3600, 24 * 3600]


def timed(hours: list[str], repetitions: int, cooldown_s: float = 0) -> Campaign:
    return campaign(
        {"interface": ["5g", "wifi"]},
        repetitions=repetitions,
        design={"block": "time of day", "hours": hours, "cooldown_s": cooldown_s},
    )


def test_a_trial_waits_for_its_blocks_hour_and_for_the_cool_down() -> None:
    planned = plan_of(timed(["02:00", "14:00"], 2, cooldown_s=60))
    assert [trial.earliest for trial in planned] == ["02:00", "02:00", "14:00", "14:00"]
    began = at(2026, 3, 1, 12, 0)
    first, second, third, _ = planned
    night = at(2026, 3, 2, 2, 0)
    assert may_begin(first, planned, began=began, last_ended=None) == night
    ended = night + timedelta(minutes=5)
    assert may_begin(second, planned, began=began, last_ended=ended) == ended + timedelta(seconds=60)
    assert may_begin(third, planned, began=began, last_ended=ended) == at(2026, 3, 2, 14, 0)
    late = at(2026, 3, 4, 9, 0)  # interrupted for days: what is due begins at once
    assert may_begin(third, planned, began=began, last_ended=late) == late + timedelta(seconds=60)


@given(campaigns(), st.floats(1, 500), st.floats(0, 60))
def test_slots_follow_each_other_with_what_lies_between(asked: Campaign, each_s: float, cooldown_s: float) -> None:
    asked = asked.model_copy(update={"design": asked.design.model_copy(update={"cooldown_s": cooldown_s})})
    planned = plan_of(asked)
    slots = schedule(planned, {one.name: Estimate(seconds=each_s, size_bytes=0, source="") for one in planned})
    assert [slot.trial for slot in slots] == planned
    builds = 1 + sum(a.testbed_key != b.testbed_key for a, b in itertools.pairwise(planned))
    cooled = sum(one.campaign.design.cooldown_s for one in planned[1:])
    assert slots[-1].ends_s == pytest.approx(builds * BUILD_S + cooled + each_s * len(planned))
    for before, after in itertools.pairwise(slots):
        assert after.begins_s >= before.ends_s


@given(campaigns(), st.floats(1, 500), st.floats(0.001, 20))
def test_a_budget_lets_in_whole_blocks_as_many_as_fit(asked: Campaign, each_s: float, budget_h: float) -> None:
    planned = plan_of(asked)
    slots = schedule(planned, {one.name: Estimate(seconds=each_s, size_bytes=0, source="") for one in planned})
    cells = len(planned) // asked.repetitions
    fit = sum(slots[(block + 1) * cells - 1].ends_s <= budget_h * 3600 for block in range(asked.repetitions))
    if not fit:
        with pytest.raises(DesignError, match="one block of"):
            within(slots, budget_h)
        return
    let_in = within(slots, budget_h)
    assert let_in == slots[: fit * cells]
    assert set(Counter(slot.trial.block for slot in let_in).values()) == {cells}


def test_a_block_at_a_later_hour_counts_its_wait_against_the_budget() -> None:
    planned = plan_of(timed(["02:00", "14:00"], 3))
    estimates = {one.name: Estimate(seconds=60, size_bytes=0, source="") for one in planned}
    slots = schedule(planned, estimates)
    assert slots[2].begins_s == 12 * 3600
    assert len(within(slots, 6)) == 2
    assert len(within(slots, 13)) == 4
    assert len(within(slots, 25)) == 6
