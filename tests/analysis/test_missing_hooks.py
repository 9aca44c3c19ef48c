"""A hook that failed, and one whose module was never imported, are told by process, host and phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from scene_checks import FACTS
from synthetic import Scene
from writers import hosts, on_server_clock

from analysis.hooks import NEVER_IMPORTED, missing_hooks
from analysis.load import Records, SegmentRecords
from analysis.trial import analyse
from instrument.flower.names import PLACES
from instrument.phases import PHASES
from instrument.records import Hook

STRATEGY = "flwr.serverapp.strategy.strategy"
CLIENT_APP = "flwr.clientapp.client_app"


@pytest.fixture
def records() -> Records:
    return Scene(nodes=on_server_clock(hosts(2))).records()


def changed(records: Records, role: str, change: Callable[[SegmentRecords], SegmentRecords]) -> Records:
    segments = [change(segment) if segment.header.role == role else segment for segment in records.segments]
    return Records(segments=segments)


def without(name: str) -> Callable[[SegmentRecords], SegmentRecords]:
    def change(segment: SegmentRecords) -> SegmentRecords:
        return replace(segment, records=[one for one in segment.records if getattr(one, "name", "") != name])

    return change


def failing(name: str) -> Callable[[SegmentRecords], SegmentRecords]:
    def change(segment: SegmentRecords) -> SegmentRecords:
        broken = Hook(name=name, mono_ns=1, found=False, error="AttributeError('gone')")
        kept = without(name)(segment)
        return replace(kept, records=[broken, *kept.records])

    return change


def test_where_every_hook_was_found_nothing_is_missing(records: Records) -> None:
    assert missing_hooks(records) == []
    assert analyse(records, FACTS).missing_hooks == []


def test_a_hook_that_failed_is_told_with_its_reason(records: Records) -> None:
    (hook,) = missing_hooks(changed(records, "flwr-serverapp", failing(STRATEGY)))
    assert (hook.host, hook.role, hook.name) == ("server", "flwr-serverapp", STRATEGY)
    assert (hook.reason, hook.processes) == ("AttributeError('gone')", 1)


def test_a_module_that_was_never_imported_is_told_once_for_each_host(records: Records) -> None:
    found = missing_hooks(changed(records, "flwr-clientapp", without(CLIENT_APP)))
    assert [(hook.host, hook.name, hook.reason) for hook in found] == [
        ("pi1", CLIENT_APP, NEVER_IMPORTED),
        ("pi2", CLIENT_APP, NEVER_IMPORTED),
    ]
    apps = records.role("flwr-clientapp")
    assert sum(hook.processes for hook in found) == len(apps)


def test_a_process_that_was_killed_may_not_have_come_so_far(records: Records) -> None:
    def killed(segment: SegmentRecords) -> SegmentRecords:
        return replace(without(CLIENT_APP)(segment), end=None)

    assert missing_hooks(changed(records, "flwr-clientapp", killed)) == []


def test_the_table_names_phases_that_exist() -> None:
    for places in PLACES.values():
        for place in places.values():
            assert set(place.phases) <= PHASES.keys()
