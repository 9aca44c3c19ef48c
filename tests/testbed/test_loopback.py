from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from instrument.phases import PHASES
from testbed.errors import UsageError
from testbed.foreign_app import FILES, incomplete_phases, write
from testbed.loopback import Loopback, LoopbackError, RunStatus, free_port


def test_a_process_that_ends_at_its_start_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    launcher = (sys.executable, "-c", "print('no such flower'); raise SystemExit(7)")
    with pytest.raises(LoopbackError, match="superlink: ended with code 7 at its start: no such flower"):
        Loopback(1, tmp_path, launcher).__enter__()


def test_each_process_is_told_to_be_quiet_and_where_its_home_is(tmp_path: Path) -> None:
    program = "import os, sys; [print(k, v) for k, v in os.environ.items()]; sys.exit(1)"
    extra = {"FLWR_TELEMETRY_ENABLED": "1", "COLOUR": "green"}
    deployment = Loopback(1, tmp_path, (sys.executable, "-c", program), extra)
    with pytest.raises(LoopbackError):
        deployment.__enter__()
    said = (deployment.logs / "superlink.log").read_text(encoding="utf-8").splitlines()
    assert "FLWR_TELEMETRY_ENABLED 0" in said
    assert "FLWR_DISABLE_UPDATE_CHECK 1" in said
    assert f"FLWR_HOME {tmp_path / 'homes' / 'superlink'}" in said
    assert "COLOUR green" in said


def test_a_free_port_can_be_listened_on() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


@pytest.mark.parametrize(
    ("status", "completed"),
    [("finished:completed", True), ("finished:failed", False), ("finished:stopped", False), ("running", False)],
)
def test_only_a_completed_run_is_completed(status: str, completed: bool) -> None:
    assert RunStatus(run_id="1", status=status).completed is completed


def test_the_foreign_app_has_nothing_of_ours(tmp_path: Path) -> None:
    write(tmp_path / "app")
    written = {str(path.relative_to(tmp_path / "app")) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == set(FILES)
    text = "".join(FILES.values())
    assert not any(name in text for name in ("fedprobe", "instrument", "testbed", "collectors", "analysis"))


def test_the_foreign_app_is_written_into_an_empty_folder_only(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UsageError, match="is not empty"):
        write(tmp_path)


def test_a_phase_that_was_not_measured_for_each_message_is_named() -> None:
    each = {name: {"n": 6} for name in PHASES} | {name: {"n": 3} for name in ("configure", "publish", "aggregate")}
    assert incomplete_phases({"phases": {"loopback": each}}) == []
    holes = {**each, "boot": {"n": 5}}
    del holes["train"]
    assert incomplete_phases({"phases": {"loopback": holes}}) == ["boot", "train"]
