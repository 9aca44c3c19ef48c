"""`fedprobe run --resume`: refused with the reason where it cannot be what it was; nothing is started here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.opening import begin, reopen
from testbed.prepared import prepare
from testbed.run_folder import LOCK, MANIFEST, RunFolder, TrialFolder
from testbed.run_lock import held
from testbed.runner import missing
from tests.campaign.conftest import SMALL

TEXT = SMALL.format(rounds=1, clients=1, interface="5g", app="fl_app", validity="")


def begun(tmp_path: Path, text: str = TEXT) -> RunFolder:
    """A run that was killed as soon as it had a folder."""
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    folder = RunFolder.create(tmp_path / "run", file)
    begin(prepare(file), folder)
    return folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["run", *map(str, arguments)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("fedprobe: ")
    assert "Traceback" not in said.err
    return said.err


def test_a_run_that_stands_on_the_same_is_taken_up(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    prepared, again = reopen(folder.path, accepted=False)
    assert again.path == folder.path
    assert [planned.name for planned in prepared.trials] == ["000-5g-r1"]


def test_a_campaign_file_that_is_gone_is_read_from_the_run_folder(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    (tmp_path / "mine.toml").unlink()
    prepared, _ = reopen(folder.path, accepted=False)
    assert prepared.text == TEXT


def test_a_changed_campaign_is_refused_with_the_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(tmp_path)
    (tmp_path / "mine.toml").write_text(TEXT.replace("rounds = 1", "rounds = 2"))
    said = refused(capsys, "--resume", folder.path)
    assert "-rounds = 1\n  +rounds = 2\n" in said
    assert said.rstrip().endswith(f"fedprobe run --resume {folder.path} --accept-changes")


def test_changed_code_and_another_testbed_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = begun(tmp_path)
    document = folder.read(MANIFEST)
    document["premises"]["code"]["sha256"] = "of another day"
    document["premises"]["testbeds"][0]["clients"] = 7
    folder.write(MANIFEST, document)
    said = refused(capsys, "--resume", folder.path)
    assert '- "sha256": "of another day"' in said
    assert '-  "clients": 7' in said
    assert '+  "clients": 1' in said


def test_what_is_accepted_is_recorded(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    (tmp_path / "mine.toml").write_text(TEXT.replace("rounds = 1", "rounds = 2"))
    prepared, _ = reopen(folder.path, accepted=True)
    assert prepared.campaign.rounds == 2
    (accepted,) = folder.read(MANIFEST)["accepted_changes"]
    assert {"-rounds = 1", "+rounds = 2"} <= set(accepted["changes"])
    assert accepted["trials_before"] == []
    assert "rounds = 1" in (folder.path / "campaign.0.toml").read_text()
    assert "rounds = 2" in (folder.path / "campaign.toml").read_text()
    reopen(folder.path, accepted=False)  # from here on it stands on this


def test_a_folder_of_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert "campaign.toml, plan.json, manifest.json is not there" in refused(capsys, "--resume", tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (MANIFEST, "{}", "was begun by a fedprobe that could not resume"),
        (MANIFEST, "[", "manifest.json cannot be read"),
        ("plan.json", "[]", "plan.json is not a JSON object"),
    ],
)
def test_a_damaged_run_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, expected: str
) -> None:
    folder = begun(tmp_path)
    (folder.path / name).write_text(text)
    assert expected in refused(capsys, "--resume", folder.path)


def test_a_run_that_goes_on_is_not_taken_up_by_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = begun(tmp_path)
    with held(folder.path / LOCK, "it"):
        assert f"run folder {folder.path} is in use since 20" in refused(capsys, "--resume", folder.path)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "nothing to run"),
        (["quickstart", "--accept-changes"], "--accept-changes is about a run that goes on"),
        (["quickstart", "--resume", "runs/monday"], "--resume takes campaign and folder from the run itself"),
        (["--resume", "runs/monday", "--dry-run"], "--resume takes campaign and folder"),
    ],
)
def test_options_that_do_not_go_together(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert expected in refused(capsys, *arguments)


def ended(folder: RunFolder, name: str, outcome: str, *reasons: str) -> TrialFolder:
    trial = folder.trial(name)
    trial.enter("planned", attempt=len(folder.attempts(name)) + 1)
    documents = [{"reason": reason, "detail": "said"} for reason in reasons]
    trial.enter("done", outcome=outcome, reason="; ".join(reasons), reasons=documents, ran_whole=False)
    return trial


def test_an_invalid_trial_is_repeated_as_often_as_asked_and_interrupted_ones_always(tmp_path: Path) -> None:
    folder = begun(tmp_path, TEXT.replace("repeats = 0", "repeats = 1"))
    (planned,) = prepare(tmp_path / "mine.toml").trials
    name = planned.name
    assert missing(folder, planned)
    for _ in range(3):
        ended(folder, name, "invalid", "interrupted")
        assert missing(folder, planned)
        folder.set_aside(name)
    ended(folder, name, "invalid", "node lost")
    assert missing(folder, planned)
    folder.set_aside(name)
    ended(folder, name, "invalid", "node lost")
    assert not missing(folder, planned)
    assert [one.path.name for one in folder.attempts(name)] == [f"{name}.attempt{number}" for number in range(1, 5)]
    assert json.loads((folder.path / "trials" / f"{name}.attempt4" / "trial.json").read_text())["repeated"] is True


def test_a_valid_trial_is_never_run_again(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    (planned,) = prepare(tmp_path / "mine.toml").trials
    ended(folder, planned.name, "ok")
    assert not missing(folder, planned)


def test_an_attempt_that_was_named_but_not_moved_is_moved_the_next_time(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    ended(folder, "000-5g-r1", "invalid", "interrupted").add(name="000-5g-r1.attempt1", repeated=True)
    folder.set_aside("000-5g-r1")
    assert [one.path.name for one in folder.trials()] == ["000-5g-r1.attempt1"]
