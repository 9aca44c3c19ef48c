"""Conducted campaigns with a database, as a user runs them: whatever it does, the campaign is the same."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.campaign.conftest import Ran, fedprobe, ran, small_campaign, started, wait_until
from tests.servers.black_hole import BlackHole
from tests.servers.influxd import Influxd
from tests.sink.there import expected, on_influxd, typed

pytestmark = [pytest.mark.long, pytest.mark.netns, pytest.mark.timeout(900)]
__all__ = ["started"]


def campaign(folder: Path, url: str, database: str, more: str = "") -> Path:
    """One trial of two rounds and one client, and where its points go."""
    path = small_campaign(folder, rounds=2)
    table = f"\n[influxdb]\nurl = {json.dumps(url)}\nbucket = {json.dumps(database)}\n{more}\n"
    path.write_text(path.read_text() + table)
    return path


def facts_of(run: Path) -> dict[str, object]:
    """The only trial's trial.json."""
    (path,) = (run / "trials").glob("*/trial.json")
    return dict(json.loads(path.read_text()))


def exported(run: Path) -> subprocess.CompletedProcess[str]:
    """`fedprobe export influxdb RUN_DIR`, where the campaign says."""
    return subprocess.run(
        fedprobe("export", "influxdb", run, "--json"), capture_output=True, text=True, timeout=300, check=False
    )


def test_all_is_there_when_the_campaign_ends(tmp_path: Path, influxd: Influxd, database: str) -> None:
    """Exit code 0, one line that says so, every point there once, none written while it was measured."""
    done = ran(campaign(tmp_path, influxd.url, database), tmp_path / "run")
    assert done.code == 0, done.stderr
    assert "written and read back" in done.stderr
    assert typed(on_influxd(influxd, database)) == typed(expected(done.folder))
    assert "influxdb_live" not in facts_of(done.folder)


def test_live_points_are_there_while_it_runs(
    tmp_path: Path, influxd: Influxd, database: str, started: Callable[..., subprocess.Popen[str]]
) -> None:
    """Before the trial has ended; afterwards the database holds what the run folder does, and nothing beside it."""
    run = tmp_path / "run"
    process = started("run", campaign(tmp_path, influxd.url, database, "live = true"), "--out", run)

    def seen_live() -> bool:
        there = {measurement for measurement, *_ in on_influxd(influxd, database)}
        assert process.poll() is None, (tmp_path / "stderr").read_text()
        return {"system", "process", "link", "fl_round"} <= there

    wait_until(seen_live, limit_s=300)
    assert facts_of(run)["state"] == "running"
    assert facts_of(run)["influxdb_live"] is True
    assert process.wait(300) == 0, (tmp_path / "stderr").read_text()
    assert "live points are dropped" not in (tmp_path / "stderr").read_text()
    assert typed(on_influxd(influxd, database)) == typed(expected(run))


@pytest.fixture(params=["away", "never answers"])
def no_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that does not do its work."""
    if request.param == "away":
        yield "http://127.0.0.1:1"
        return
    with BlackHole() as hole:
        yield hole.url


@pytest.mark.parametrize("live", ["", "live = true"], ids=["after trials", "live"])
def test_a_server_that_does_nothing_changes_nothing(
    tmp_path: Path, influxd: Influxd, database: str, no_server: str, live: str
) -> None:
    """The trial is as without it, one line tells, and the export afterwards is complete."""
    done: Ran = ran(campaign(tmp_path, no_server, database, f"finish_s = 3\n{live}"), tmp_path / "run")
    assert done.code == 0, done.stderr
    facts = facts_of(done.folder)
    assert facts["outcome"] == "ok"
    assert facts["ran_whole"] is True
    told = " ".join(done.stderr.split())  # lines are folded where there is no terminal
    assert told.count("fedprobe export influxdb") == 1
    assert told.count("live points are dropped") == bool(live)
    assert "Traceback" not in told
    assert not on_influxd(influxd, database)
    text = (done.folder / "campaign.toml").read_text()
    (done.folder / "campaign.toml").write_text(text.replace(no_server, influxd.url))
    later = exported(done.folder)
    assert later.returncode == 0, later.stderr
    assert typed(on_influxd(influxd, database)) == typed(expected(done.folder))
