from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.protocol import Reading
from collectors.schedule import Sampler, Schedule
from instrument.clock import ManualClock
from instrument.metrics import UnknownMetricError
from instrument.records import Fault, Record, Sample

MS = 1_000_000


class Scripted:
    """A poller whose k-th reading takes as long as the script says."""

    def __init__(self, clock: ManualClock, costs_ns: Iterable[int]) -> None:
        self._clock = clock
        self._costs_ns = iter(costs_ns)

    def read(self) -> Iterator[Reading]:
        self._clock.advance(next(self._costs_ns, 0))
        yield Reading("one", {"process_count": 1})
        self._clock.advance(3)
        yield Reading("two", {"process_count": 2})


def sampled(clock: ManualClock, poller: object, *, interval_ns: int, until_ns: int) -> list[Record]:
    records: list[Record] = []

    def stopped_before(due_ns: int) -> bool:
        clock.sleep_until_mono_ns(min(due_ns, until_ns))
        return due_ns > until_ns

    sampler = Sampler({"made": poller}, clock=clock, emit=records.append)  # type: ignore[dict-item]
    sampler.run(Schedule(clock.mono_ns(), interval_ns), stopped_before)
    return records


def test_ticks_are_absolute_and_samples_know_their_lateness_and_cost() -> None:
    clock = ManualClock(mono_ns=7_000)
    records = sampled(clock, Scripted(clock, [100, 250, 40]), interval_ns=1000, until_ns=9_000)
    assert [
        (r.subject, r.scheduled_mono_ns, r.mono_ns, r.late_ns, r.cost_ns) for r in records if isinstance(r, Sample)
    ] == [
        ("one", 7_000, 7_100, 100, 100),
        ("two", 7_000, 7_103, 103, 3),
        ("one", 8_000, 8_250, 250, 250),
        ("two", 8_000, 8_253, 253, 3),
        ("one", 9_000, 9_040, 40, 40),
        ("two", 9_000, 9_043, 43, 3),
    ]


def test_missed_ticks_are_skipped_told_and_never_made_up_for() -> None:
    clock = ManualClock()
    records = sampled(clock, Scripted(clock, [10, 3_500, 10]), interval_ns=1000, until_ns=6_000)
    due = [r.scheduled_mono_ns for r in records if isinstance(r, Sample) and r.subject == "one"]
    assert due == [0, 1000, 5000, 6000]
    faults = [r for r in records if isinstance(r, Fault)]
    assert [(f.where, f.error) for f in faults] == [
        ("collectors.schedule", "missed 3 of the samples due after 1000 ns"),
    ]


@given(
    start_ns=st.integers(0, 10**15),
    interval_ns=st.integers(1, 10**10),
    tick=st.integers(0, 10**5),
    passed_ns=st.integers(0, 10**13),
)
def test_the_next_tick_is_the_first_one_not_yet_past(
    start_ns: int, interval_ns: int, tick: int, passed_ns: int
) -> None:
    schedule = Schedule(start_ns, interval_ns)
    now_ns = schedule.due_ns(tick) + passed_ns
    following = schedule.after(tick, now_ns)
    assert following > tick
    assert schedule.due_ns(following) >= now_ns
    assert following == tick + 1 or schedule.due_ns(following - 1) < now_ns


class Broken:
    def __init__(self, errors: Iterable[str | None]) -> None:
        self._errors = iter(errors)

    def read(self) -> list[Reading]:
        error = next(self._errors)
        if error:
            raise OSError(error)
        return [Reading("x", {"process_count": 1})]


def test_a_sensor_that_fails_is_told_once_until_it_changes() -> None:
    clock = ManualClock()
    records: list[Record] = []
    poller = Broken(["gone", "gone", "other", None, "other"])
    sampler = Sampler({"made": poller}, clock=clock, emit=records.append)
    for _ in range(5):
        sampler.sample(clock.mono_ns())
    told = [r.error if isinstance(r, Fault) else "sample" for r in records]
    assert told == ["OSError('gone')", "OSError('other')", "sample", "OSError('other')"]


def test_an_unregistered_name_is_a_mistake_of_ours_and_raises() -> None:
    class Wrong:
        def read(self) -> list[Reading]:
            return [Reading("x", {"no_such_metric": 1})]

    with pytest.raises(UnknownMetricError):
        Sampler({"made": Wrong()}, clock=ManualClock(), emit=lambda _: None).sample(0)
