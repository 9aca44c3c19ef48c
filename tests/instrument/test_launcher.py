"""The launcher puts the probes around a command, or says why it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from instrument.launcher import BOOTSTRAP, LaunchError, environment_for, launch

LAUNCH = "import sys, pathlib, instrument.launcher as l; l.launch(sys.argv[2:], pathlib.Path(sys.argv[1]))"
SHOW = "import os, json; print(json.dumps(dict(os.environ)))"


def test_the_environment_puts_our_folder_first(tmp_path: Path) -> None:
    made = environment_for(tmp_path, {"PATH": "/bin", "PYTHONPATH": "/theirs:/more"}, trial="t-1")
    assert made == {
        "PATH": "/bin",
        "PYTHONPATH": f"{BOOTSTRAP}:/theirs:/more",
        "FEDPROBE_OUT": str(tmp_path),
        "FEDPROBE_TRIAL": "t-1",
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, []),
        ("", []),
        ("/theirs", ["/theirs"]),
        (":/theirs", ["", "/theirs"]),  # an empty entry is the folder that the process is started in
        (f"/theirs:{BOOTSTRAP}:/more", ["/theirs", "/more"]),
    ],
)
def test_the_users_own_path_is_kept_and_ours_is_there_once(
    tmp_path: Path, before: str | None, after: list[str]
) -> None:
    base = {} if before is None else {"PYTHONPATH": before}
    assert environment_for(tmp_path, base)["PYTHONPATH"].split(os.pathsep) == [str(BOOTSTRAP), *after]


def test_the_environment_of_an_instrumented_process_is_its_own(tmp_path: Path) -> None:
    once = environment_for(tmp_path, {"PYTHONPATH": "/theirs"})
    assert environment_for(tmp_path, once) == once


def test_each_role_gets_its_priority(tmp_path: Path) -> None:
    made = environment_for(tmp_path, {}, nice={"flwr-clientapp": 10, "flower-supernode": -5})
    assert made["FEDPROBE_NICE"] == "flwr-clientapp=10,flower-supernode=-5"


def test_a_relative_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment_for(Path("spool"), {})["FEDPROBE_OUT"] == str(tmp_path / "spool")


def test_switched_off_only_flowers_own_traffic_is_stopped(tmp_path: Path) -> None:
    assert environment_for(tmp_path, {"FEDPROBE_DISABLE": "1", "PYTHONPATH": "/theirs"}) == {
        "FEDPROBE_DISABLE": "1",
        "PYTHONPATH": "/theirs",
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
    }


def test_no_command_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="fedprobe instrument -- flower-superlink"):
        launch([], tmp_path)


def test_a_missing_program_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="flower-superlonk: no such program on PATH"):
        launch(["flower-superlonk"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaunchError, match=r"spool folder .*file.* cannot be written: .*--out DIR"):
        launch([sys.executable], tmp_path / "file" / "spool")


def test_a_folder_on_which_nothing_can_be_written_is_refused() -> None:
    with pytest.raises(LaunchError, match="cannot be written"):
        launch([sys.executable], Path("/proc/spool"))


def test_a_program_of_another_machine_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "foreign"
    program.write_bytes(b"\x7fELF nothing of this machine")
    program.chmod(0o755)
    with pytest.raises(LaunchError, match="cannot be started"):
        launch([str(program)], tmp_path / "spool")


def run_launched(repository: Path, out: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LAUNCH, str(out), *command],
        env={**os.environ, "PYTHONPATH": str(repository), **variables},
        cwd=repository,
        capture_output=True,
        text=True,
    )


def test_the_command_replaces_the_launcher(repository: Path, tmp_path: Path) -> None:
    done = run_launched(repository, tmp_path / "a" / "b", sys.executable, "-c", SHOW, "FEDPROBE=1")
    variables = json.loads(done.stdout)
    assert variables["PYTHONPATH"] == f"{BOOTSTRAP}:{repository}"
    assert variables["FEDPROBE_OUT"] == str(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert done.stderr == ""


def test_its_exit_code_is_the_commands(repository: Path, tmp_path: Path) -> None:
    assert run_launched(repository, tmp_path, sys.executable, "-c", "raise SystemExit(23)").returncode == 23


def test_switched_off_no_folder_is_made(repository: Path, tmp_path: Path) -> None:
    done = run_launched(repository, tmp_path / "spool", sys.executable, "-c", SHOW, FEDPROBE_DISABLE="1")
    assert done.returncode == 0
    assert not (tmp_path / "spool").exists()
