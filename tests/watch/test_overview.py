"""What is made of a run's files: how it stands, how long it still takes, what is wrong."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from testbed.watch.live_document import ClientNow, Live, Planned, ScoreSeen
from testbed.watch.overview import Overview, TrialFacts, overview
from testbed.watch.plain import changes
from testbed.watch.scenario import scenario_of
from testbed.watch.watching import as_document
from tests.watch.made_views import NOW, live, plan, trials, view


def made(*, live_changes: dict[str, Any] | None = None, controlled: bool = True, **changes: Any) -> Overview:
    arguments: dict[str, Any] = {"plan": plan(), "trials": trials(), "live": live(3, **(live_changes or {}))}
    arguments |= changes
    return overview(
        arguments["plan"],
        arguments["trials"],
        arguments["live"],
        now=arguments.get("now", NOW),
        controlled=controlled,
    )


def all_done() -> list[TrialFacts]:
    return [
        TrialFacts(name=one["name"], state="done", outcome="ok", reason="", interface="", rounds=20, wall_s=100.0)
        for one in plan()["trials"]
    ]


def test_how_a_run_stands() -> None:
    assert made().standing == "running"
    assert made(live_changes={"waits_until": NOW + 60}).standing == "waiting"
    assert made(live_changes={"ended": True}, trials=all_done()).standing == "reporting"
    assert made(plan=None, live=None, trials=[]).standing == "starting"
    assert made(controlled=False).standing == "gone"
    assert made(controlled=False, trials=all_done()).standing == "finished"
    assert made(controlled=False, plan=None, live=None, trials=[]).standing == "gone"


def test_nothing_is_said_of_now_where_nobody_is_there_to_say_it() -> None:
    gone = made(controlled=False)
    assert (gone.trial, gone.clients, gone.remaining_s, gone.doing) == (None, (), None, "")


def test_trials_are_counted_once_each_and_attempts_apart() -> None:
    seen = made()
    assert (seen.done, seen.trials, seen.invalid, seen.repeated) == (4, 9, 1, 1)
    assert (seen.rounds_done, seen.rounds) == (92, 180)


def test_remaining_time_starts_from_the_plan_and_learns_from_what_trials_took() -> None:
    """Nine trials of 100 s with 5 s before each; the trial that runs is 40 s old."""
    begun = (datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=40)).isoformat()
    running = TrialFacts(
        name="004-5g-r2", state="running", outcome="unfinished", reason="", interface="5g", rounds=20, begun=begun
    )
    fresh = made(trials=[running], live_changes={})
    assert fresh.remaining_by == "a rough bound"
    assert fresh.remaining_s == pytest.approx(8 * 105 + 60)
    done = TrialFacts(
        name="000-wifi-r1", state="done", outcome="ok", reason="", interface="wifi", rounds=20, wall_s=200.0
    )
    learned = made(trials=[done, running])
    assert learned.remaining_by == "by 1 trial"
    assert learned.remaining_s == pytest.approx(7 * 205 + 160), "what one took tells of the others, in proportion"
    slow_wifi = TrialFacts(
        name="001-5g-r1", state="done", outcome="ok", reason="", interface="5g", rounds=20, wall_s=100.0
    )
    both = made(trials=[done, slow_wifi, running])
    assert both.remaining_s == pytest.approx(2 * 205 + 60 + 105 + 3 * 155), "like by like, the rest by proportion"


def test_a_block_waits_for_its_hour() -> None:
    later = datetime.fromtimestamp(NOW + 7200).astimezone().replace(second=0, microsecond=0)
    one = {**plan()["trials"][0], "earliest": f"{later:%H:%M}"}
    seen = overview(
        {"campaign": "x", "trials": [one]},
        [],
        live(1, plan=[Planned(name=one["name"], estimate_s=100.0)], trial=None),
        now=NOW,
        controlled=True,
    )
    assert seen.remaining_s == pytest.approx(later.timestamp() - NOW + 100.0)


def test_what_is_wrong_now_comes_first() -> None:
    away = [ClientNow(node="pi9", phase="on the node", since=NOW - 200, heard=NOW - 90)]
    told = made(live_changes={"clients": away}).warnings
    assert told[0] == "hosts away: nothing heard for 75 s of pi9"
    assert any("002-ethernet-r1: invalid: clock error" in words for words in told)
    assert any("attempt1: invalid, repeated: node lost" in words for words in told)
    silent = made(now=NOW + 60).warnings
    assert silent[0].startswith("the controller has written nothing for 60 s")


def test_plain_lines_tell_each_change_once() -> None:
    first = view(3)
    told = changes(None, first)
    assert told[0].startswith("three networks: running; 4/9 trials")
    assert "004-5g-r2: running, round 13 of 20" in told
    assert changes(first, first) == []
    moved = live(3)
    assert moved.trial is not None
    later = view(3, trial=moved.trial.model_copy(update={"round": 14}))
    assert changes(first, later) == ["004-5g-r2: running, round 14 of 20"]


def test_a_run_that_was_left_says_at_which_trial() -> None:
    left = TrialFacts(name="004-5g-r2", state="running", outcome="unfinished", reason="", interface="5g", rounds=20)
    told = made(controlled=False, trials=[*trials(), left]).warnings
    assert "004-5g-r2: left while running" in told


def test_a_loss_that_is_no_number_spoils_neither_file_nor_document() -> None:
    score = ScoreSeen(scenario="5g", trial="x", round=1, values={"loss": float("nan"), "accuracy": float("inf")})
    document = live(2, scores=[score])
    again = Live.model_validate_json(document.model_dump_json(exclude_defaults=True))
    assert math.isnan(again.scores[0].values["loss"])
    seen = as_document(view(2, scores=[score]))
    assert json.loads(json.dumps(seen, allow_nan=False))["scores"][0]["values"] == {"loss": None, "accuracy": None}


@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        ("007-5g-fast-clients4-r2", "5g-fast-clients4"),
        ("000-wifi-r1.attempt2", "wifi"),
        ("1042-ethernet-r12", "ethernet"),
        ("self-test", "self-test"),
    ],
)
def test_a_scenario_is_a_trial_without_its_place_and_repetition(name: str, scenario: str) -> None:
    assert scenario_of(name) == scenario


def test_the_document_survives_its_own_text_and_a_newer_fedprobe() -> None:
    document = live(50)
    again = Live.model_validate_json(document.model_dump_json(exclude_defaults=True))
    assert again == document
    newer = document.model_dump_json(exclude_defaults=True).replace("{", '{"of_tomorrow": 1,', 1)
    assert Live.model_validate_json(newer) == document
