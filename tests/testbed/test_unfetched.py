"""What hosts hold of a run when their testbed is removed goes to the run folder, and only what is not there yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed import unfetched


def state_folder(tmp_path: Path, run: Path, *trials: str) -> Path:
    state = tmp_path / "state"
    for trial in trials:
        folder = state / "hosts" / "pi1" / "home" / "fedprobe" / "trials" / trial
        for kind in ("spool", "logs", "flwr-home"):
            (folder / kind).mkdir(parents=True)
        (folder / "spool" / "a.jsonl").write_text(f"{trial}\n")
    unfetched.remember(state, run)
    return state


def trial(run: Path, name: str, **facts: object) -> None:
    (run / "trials" / name).mkdir(parents=True)
    (run / "trials" / name / "trial.json").write_text(json.dumps(facts))


def kept(run: Path) -> set[str]:
    return {str(path.relative_to(run / "unfetched")) for path in (run / "unfetched").rglob("*.jsonl")}


def test_only_what_was_not_fetched_is_moved(tmp_path: Path) -> None:
    run = tmp_path / "run"
    trial(run, "000-5g-r1", on_hosts="000-5g-r1", fetched=True)
    trial(run, "001-5g-r1", on_hosts="001-5g-r1.attempt2", state="running")
    state = state_folder(tmp_path, run, "000-5g-r1", "001-5g-r1.attempt2")
    unfetched.keep(state)
    assert kept(run) == {"pi1/trials/001-5g-r1.attempt2/spool/a.jsonl"}
    assert (run / "unfetched" / "pi1" / "trials" / "001-5g-r1.attempt2" / "logs").is_dir()
    assert not list((run / "unfetched").rglob("flwr-home"))


def test_a_move_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "trials").mkdir(parents=True)
    state = state_folder(tmp_path, run, "000-5g-r1", "001-5g-r1")
    half = run / "unfetched" / "pi1" / "trials" / "000-5g-r1"
    (half / "spool.partial").mkdir(parents=True)
    (half / "spool.partial" / "a.jsonl").write_text("00")
    whole = run / "unfetched" / "pi1" / "trials" / "001-5g-r1" / "spool"
    whole.mkdir(parents=True)
    (whole / "a.jsonl").write_text("001-5g-r1\n")
    unfetched.keep(state)
    unfetched.keep(state)
    assert (half / "spool" / "a.jsonl").read_text() == "000-5g-r1\n"
    assert (whole / "a.jsonl").read_text() == "001-5g-r1\n"
    assert not list(run.rglob("*.partial"))
    assert not list(state.glob("hosts/*/home/fedprobe/trials/*/spool"))


@pytest.mark.parametrize("named", [None, "elsewhere"])
def test_a_testbed_of_no_run_keeps_nothing(tmp_path: Path, named: str | None) -> None:
    state = state_folder(tmp_path, tmp_path / "elsewhere", "000-5g-r1")
    if named is None:
        (state / unfetched.RUN_FILE).unlink()
    unfetched.keep(state)
    assert not (tmp_path / "elsewhere").exists()
    assert (state / "hosts").is_dir()
