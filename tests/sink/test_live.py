"""Points that are written while a trial runs: in time, never waited for, and the same as the export's afterwards."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis import store
from instrument.records import Record, Sample
from testbed.sink.export import Asked, export
from testbed.sink.feed import Feed
from testbed.sink.live import WAITING, Live
from testbed.sink.table import InfluxTable
from testbed.sink.target import Target
from testbed.token import Token
from tests.analysis.replayed import server_segments
from tests.servers.black_hole import BlackHole
from tests.servers.influxd import Influxd
from tests.servers.v2_front import V2Front
from tests.servers.victoria import Victoria
from tests.sink.there import expected, on_influxd, typed

BATCH = 20
SAMPLED = ("system", "process", "link")


def live_table(run: Path, url: str, bucket: str = "b") -> InfluxTable:
    """The table in the run's campaign file, too, from which the address is taken."""
    text = f"[influxdb]\nurl = {json.dumps(url)}\nbucket = {json.dumps(bucket)}\nlive = true\norg = 'lab'\n"
    (run / "campaign.toml").write_text(text)
    return InfluxTable(url=url, bucket=bucket, live=True)


def batches(run: Path, trial: str) -> list[list[Record]]:
    """What the server host's processes wrote in a trial, some records at once."""
    segments = server_segments(store.load(run / "trials" / trial / "records"))
    return [records[at : at + BATCH] for records in segments for at in range(0, len(records), BATCH)]


def trials(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "trials").iterdir())


def of_server(run: Path) -> set[str]:
    """The samples of the server host, as `typed` shows them."""
    return typed(
        {key: of for key, of in expected(run).items() if key[0] in SAMPLED and dict(key[1])["node"] == "server"}
    )


def replay(live: Live, run: Path, then: Callable[[], None] = lambda: None) -> None:
    """All trials, as if each went on now; `then` is done before each ends."""
    for trial in trials(run):
        live.began(trial)
        for records in batches(run, trial):
            live.saw(records)
        then()
        live.over()


def until(reached: Callable[[], bool]) -> None:
    """Fails the test where it never comes."""
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_they_are_there_before_the_export_and_no_others_after_it(run: Path, influxd: Influxd, database: str) -> None:
    """Written while the trials go on; the export overwrites them by themselves."""
    said: list[str] = []
    with Live(live_table(run, influxd.url, database), run, said.append) as live:
        replay(live, run)
        until(lambda: len(on_influxd(influxd, database)) >= len(of_server(run)))
    assert typed(on_influxd(influxd, database)) == of_server(run)
    assert live.dropped == 0
    outcome = export(Asked(run_dir=run, target=Target(url=influxd.url, bucket=database), token=Token()))
    assert outcome.ok
    assert typed(on_influxd(influxd, database)) == typed(expected(run))
    assert said == []


def test_influxdb_client_writes_them(
    run: Path, influxd: Influxd, database: str, v2_front: V2Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the address and with the token of 2.x."""
    monkeypatch.setenv("INFLUXDB_V2_TOKEN", v2_front.token)
    with Live(live_table(run, v2_front.url, database), run, print) as live:
        replay(live, run)
        until(lambda: len(on_influxd(influxd, database)) >= len(of_server(run)))
    assert typed(on_influxd(influxd, database)) == of_server(run)


def test_victoria_metrics_has_them_once(run: Path, victoria: Victoria) -> None:
    """Written live and again by the export, no sample is there twice."""
    for path in run.glob("trials/*/trial.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "campaign": "live and exported"}))
    with Live(live_table(run, victoria.url), run, print) as live:
        replay(live, run)
        until(lambda: live.waiting == 0)
    outcome = export(Asked(run_dir=run, target=Target(url=victoria.url, bucket="b"), token=Token()))
    assert outcome.ok
    assert outcome.total("points") == len(expected(run))


def test_a_server_that_never_answers_holds_up_nothing(run: Path) -> None:
    """More batches than may wait: what is too much is dropped at once and told once; ending waits for no answer."""
    said: list[str] = []
    with BlackHole() as hole:
        with Live(live_table(run, hole.url), run, said.append) as live:
            trial = trials(run)[0]
            live.began(trial)
            superlink, collector = server_segments(store.load(run / "trials" / trial / "records"))
            live.saw([superlink[0], collector[0]])
            samples = [record for record in collector if isinstance(record, Sample)]
            for place in range(WAITING + 50):
                live.saw([samples[place % len(samples)]])
            assert live.waiting <= WAITING
            assert live.dropped >= 49
            live.over()
            live.over()
        assert hole.taken == 1
    (told,) = said
    assert "too slow" in told
    assert "The campaign goes on" in told


@pytest.mark.parametrize(
    ("url", "why"),
    [("http://127.0.0.1:1", "Connection refused"), ("", "token")],
    ids=["away", "refused"],
)
def test_a_server_that_does_not_take_them_is_told_once(run: Path, v2_front: V2Front, url: str, why: str) -> None:
    """Of all trials; what was waiting is dropped with it, and counted."""
    said: list[str] = []
    with Live(live_table(run, url or v2_front.url), run, said.append) as live:
        replay(live, run, then=lambda: until(lambda: live.dropped > 0))
    (told,) = said
    assert why in told
    assert "Traceback" not in told


def test_records_that_cannot_be_understood_end_the_trials_points_alone(
    run: Path, influxd: Influxd, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is raised into the trial; the next one has points again."""
    first, second = trials(run)
    with Live(live_table(run, influxd.url, database), run, print) as live:
        live.began(first)
        monkeypatch.setattr(live._points, "lines", lambda _: {}["absent"])
        for records in batches(run, first):
            live.saw(records)
        monkeypatch.undo()
        live.over()
        live.began("absent")
        live.saw(batches(run, first)[0])
        live.over()
        live.began(second)
        for records in batches(run, second):
            live.saw(records)
        until(lambda: bool(on_influxd(influxd, database)))
    assert {of["trial"] for of in on_influxd(influxd, database).values()} == {second}


def test_without_being_asked_nothing_is_begun(run: Path) -> None:
    """No thread, no request."""
    with BlackHole() as hole:
        before = threading.active_count()
        with Live(InfluxTable(url=hole.url, bucket="b"), run, print) as live:
            replay(live, run)
            assert threading.active_count() == before
        assert not live.on
        assert hole.taken == 0


def test_an_export_that_gets_no_answer_is_ended_before_the_next_trial(run: Path) -> None:
    """At a server that never answers: when `pause` returns, nothing of the export after a trial runs any more."""
    with BlackHole() as hole:
        table = live_table(run, hole.url)
        with Feed(table, run, print) as feed:
            feed.begin()
            until(lambda: hole.taken > 0)
            child = feed._child
            assert child is not None
            assert child.poll() is None
            feed.pause()
            assert child.poll() is not None
