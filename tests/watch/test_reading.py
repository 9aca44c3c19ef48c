"""Run folders as `fedprobe watch` finds them: a live one, a left one, a damaged one, and none; nothing is changed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from instrument.records import Score
from testbed.cli import main
from testbed.run_folder import LOCK, RunFolderError
from testbed.run_lock import held
from testbed.watch.live import LiveRun
from testbed.watch.live_document import FILE, Planned, TrialNow, read_live, write_live
from testbed.watch.reading import RunReader, is_held
from tests.watch.made_views import live, plan, trials


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder in the middle of its fifth trial, whose controller is gone."""
    folder = tmp_path / "run"
    for one in trials():
        (folder / "trials" / one.name).mkdir(parents=True)
        facts = {"state": one.state, "outcome": one.outcome, "reason": one.reason, "rounds": one.rounds}
        (folder / "trials" / one.name / "trial.json").write_text(json.dumps({**facts, "wall_s": one.wall_s}))
    (folder / "campaign.toml").write_text('name = "three networks"\n')
    (folder / "plan.json").write_text(json.dumps(plan()))
    write_live(folder, live(3))
    return folder


def test_a_folder_that_is_no_run_gets_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        assert main(["watch", str(folder)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "is not the folder of a run" in said
    with pytest.raises(RunFolderError):
        RunReader(tmp_path)


def test_the_lock_tells_whether_the_controller_is_there(run: Path) -> None:
    assert RunReader(run).look().standing == "gone"
    with held(run / LOCK, "this run"):
        assert is_held(run)
        assert RunReader(run).look().standing == "running"
    assert RunReader(run).look().standing == "gone"


def test_who_looks_does_not_keep_a_run_from_being_taken_up(run: Path) -> None:
    """`is_held` has the lock for a moment: a run that begins then waits that moment."""
    with held(run / LOCK, "this run"):
        pass
    script = (
        f"import pathlib\nfrom testbed.watch.reading import is_held\nwhile True: is_held(pathlib.Path({str(run)!r}))"
    )
    looking = subprocess.Popen([sys.executable, "-c", script])
    try:
        for _ in range(300):
            with held(run / LOCK, "this run"):
                pass
    finally:
        looking.kill()
        looking.wait()


def test_a_run_whose_controller_was_killed_says_so(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(run)]) == 1
    told = capsys.readouterr()
    assert "its controller is gone" in told.out
    assert f"To finish it: fedprobe run --resume {run}" in told.err


@pytest.mark.parametrize("damage", ["", "{", '{"written": "x"}', "[]", "\x00" * 40])
def test_a_damaged_view_is_no_view(run: Path, damage: str) -> None:
    (run / FILE).write_text(damage)
    seen = RunReader(run).look()
    assert (seen.followed, seen.trial, seen.done) == (False, None, 4)


def test_looking_changes_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def everything() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in run.rglob("*") if path.is_file()}

    before = everything()
    assert main(["watch", str(run), "--once"]) == 1
    assert main(["watch", str(run), "--json"]) == 0
    assert everything() == before
    document = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))
    assert (document["standing"], document["done"]) == ("gone", 4)


def test_a_live_run_is_written_and_goes_on_where_it_was_resumed(run: Path) -> None:
    (run / FILE).unlink()
    first = LiveRun(run, [Planned(name="004-5g-r2", estimate_s=10.0)])
    first.start()
    first.began(TrialNow(name="004-5g-r2", interface="5g", rounds=20), {"10.0.0.1": "pi1"})
    first.entered("running", 30.0)
    first.saw([Score(round=3, mono_ns=5, source="server", metrics={"accuracy": 0.5})])
    first.stop()
    seen = read_live(run)
    assert seen is not None
    assert seen.trial is not None
    assert (seen.trial.state, seen.clients[0].phase, seen.ended, seen.resumed) == (
        "running",
        "not heard",
        True,
        False,
    )
    second = LiveRun(run, [])
    assert second.now().resumed
    assert second.now().scores == seen.scores


def test_a_folder_that_cannot_be_written_harms_nothing(tmp_path: Path) -> None:
    gone = LiveRun(tmp_path / "absent", [])
    gone.start()
    gone.said("a line\n" * 1000)
    gone.stop()
    assert not write_live(tmp_path / "absent", gone.now())
    blocked = tmp_path / "blocked"
    (blocked / f"{FILE}.new").mkdir(parents=True)
    assert not write_live(blocked, gone.now())


def test_the_file_stays_small(tmp_path: Path) -> None:
    writing = LiveRun(tmp_path, [])
    for number in range(5000):
        writing.said(f"line {number} " + "x" * 2000)
    assert write_live(tmp_path, writing.now())
    assert (tmp_path / FILE).stat().st_size < 20_000


def test_a_plan_of_an_earlier_version_and_a_reason_in_colours_are_shown(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early = [{"name": one["name"]} for one in plan()["trials"]]
    (run / "plan.json").write_text(json.dumps({"campaign": "early", "trials": early}))
    name = early[0]["name"]
    facts = {"state": "done", "outcome": "invalid", "reason": "log: \x1b[92mINFO\x1b[0m up", "rounds": 3}
    (run / "trials" / name / "trial.json").write_text(json.dumps(facts))
    assert main(["watch", str(run), "--once"]) == 1
    told = capsys.readouterr().out
    assert f"{len(early)} trials" in told
    assert "log: INFO up" in " ".join(told.split())
    assert "\x1b" not in told


@pytest.mark.parametrize("text", ["[]", '{"trials": [1]}', '{"trials": [{}]}', "{}", "null", "{"])
def test_a_plan_that_is_none_is_as_if_it_were_not_there(run: Path, text: str) -> None:
    (run / "plan.json").write_text(text)
    assert RunReader(run).look().trials == 0
