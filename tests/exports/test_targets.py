"""What is in the way stays, what is wrong is one message, and nothing half written is left."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.cli import main

FORMATS = ("perfetto", "csv", "parquet", "otlp")
OURS = {"perfetto": "trace.perfetto.json", "csv": "trials.csv", "parquet": "trials", "otlp": "otlp.json"}


@pytest.mark.parametrize("name", FORMATS)
def test_what_another_wrote_is_left_alone(
    run: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = tmp_path / OURS[name]
    foreign.write_text("mine", encoding="utf-8")
    assert main(["export", name, str(run), "--out", str(tmp_path)]) == 2
    assert "was not written by this export" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [OURS[name]]
    assert foreign.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", FORMATS)
def test_wrong_names_are_one_message(
    run: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    (tmp_path / "begun" / "trials").mkdir(parents=True)
    for arguments, said in (
        ([str(tmp_path / "nowhere")], "there is no such folder"),
        ([str(tmp_path / "empty")], "it has no folder trials/"),
        ([str(tmp_path / "begun")], "no trial was begun"),
        ([str(run), "--trial", "000-5g-r11"], "Did you mean 000-5g-r1?"),
        ([str(run), "--out", str(tmp_path / "file")], "is not a folder"),
        ([str(run), "--out", str(run / "trials")], "only read"),
    ):
        assert main(["export", name, *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_leaves_the_earlier_export(run: Path, tmp_path: Path, name: str) -> None:
    """A limit on the length of files stands in for a disk that is full."""
    assert main(["export", name, str(run), "--out", str(tmp_path)]) == 0

    def content() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    before = content()
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); "
        "from testbed.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "export", name, str(run), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("fedprobe: ")
    assert content() == before


def test_one_folder_takes_every_format(run: Path, tmp_path: Path) -> None:
    for name in (*FORMATS, *FORMATS):
        assert main(["export", name, str(run), "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.glob("fedprobe-*.json")} == {"fedprobe-csv.json", "fedprobe-parquet.json"}
    assert all(json.loads(path.read_text())["complete"] for path in tmp_path.glob("fedprobe-*.json"))
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", FORMATS)
def test_two_trials_of_one_name_are_one_message(
    run: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where somebody copied a trial's folder to keep it."""
    copied = tmp_path / "run"
    shutil.copytree(run, copied)
    shutil.copytree(copied / "trials" / "000-5g-r1", copied / "trials" / "000-5g-r1.old")
    assert main(["export", name, str(copied), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert "000-5g-r1.old both say that they are trial 000-5g-r1" in error
    assert error.count("\n") == 1
    assert main(["export", name, str(copied), "--out", str(tmp_path / "out"), "--trial", "000-5g-r1.old"]) == 0


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"name": "000-5g-r1", "interface": 3}'])
def test_a_damaged_trial_is_one_message(
    run: Path, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "trials" / "000-5g-r1" / "trial.json").write_text(text, encoding="utf-8")
    assert main(["export", "csv", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "000-5g-r1/trial.json is not" in error
    assert error.endswith("Name the other trials with --trial.\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize(("typed", "meant"), [("perfeto", "perfetto"), ("CSV", "csv"), ("influx", "influxdb")])
def test_a_wrong_format_asks_for_the_right_one(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", typed, "run"])
    assert ended.value.code == 2
    assert f"Did you mean {meant}?" in capsys.readouterr().err


def test_the_report_says_what_to_do_with_a_damaged_trial(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "trials" / "000-5g-r1" / "trial.json").write_text("{", encoding="utf-8")
    assert main(["report", str(tmp_path / "run")]) == 2
    assert "Restore that file" in capsys.readouterr().err
