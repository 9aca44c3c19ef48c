"""The program that carries out an order, as a process of its own: in time, recorded, undone on every way out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from instrument.records import Applied
from instrument.spool import read_segment, spool_files
from testbed.faults.processes_of import role_in

FOREVER = [[0.0, None]]


class Host:
    """Starts orders, and reads what they said and wrote."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder, self.repository = folder, repository
        self.limit = folder / "limit"
        self.limit.write_text("40000 100000\n")
        self.running: list[subprocess.Popen[str]] = []

    def start(self, action: str, asked: dict[str, Any], **changes: Any) -> subprocess.Popen[str]:
        order = {
            "fault": "it", "does": action, "target": "pi1", "action": action, "asked": asked, "windows": FOREVER,
            "delay_s": 0.0, "limit_s": 60.0, "since": "run", "elapsed_s": 0.0, "out": str(self.folder / "spool"),
        }  # fmt: skip
        file = self.folder / f"order-{len(self.running)}.json"
        file.write_text(json.dumps({**order, **changes}))
        environment = {**os.environ, "FEDPROBE_HOST": "pi1", "PYTHONPATH": str(self.repository)}
        process = subprocess.Popen(
            [sys.executable, "-m", "testbed.faults.on_host", str(file)],
            stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        self.running.append(process)
        return process

    def lower(self, **changes: Any) -> subprocess.Popen[str]:
        return self.start("settings", {"files": str(self.limit), "ratio": 0.5, "least": 1000}, **changes)

    def records(self) -> list[Applied]:
        found = [read_segment(file) for file in spool_files(self.folder / "spool")]
        assert all(file.whole and file.header.role == "fault" and file.header.host == "pi1" for file in found)
        return [record for file in found for record in file.records if isinstance(record, Applied)]


@pytest.fixture
def host(tmp_path: Path, repository: Path) -> Iterator[Host]:
    made = Host(tmp_path, repository)
    yield made
    for process in made.running:
        process.kill()
        process.communicate()


def kills(role: str, spool: Path, *, wait_s: float = 5.0) -> dict[str, Any]:
    return {"roles": [role], "trial": "t", "spool": str(spool), "signal": int(signal.SIGKILL), "wait_s": wait_s}


def said(process: subprocess.Popen[str]) -> list[str]:
    text, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return [line for line in text.splitlines() if line != "ready"]


def applied(process: subprocess.Popen[str]) -> str:
    """The line that says that it was applied, as soon as it is there."""
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process.stdout.readline()


def test_it_is_applied_recorded_and_undone_when_its_time_is_over(host: Host) -> None:
    process = host.lower(windows=[[0.0, 0.3]], elapsed_s=7.0)
    assert applied(process).startswith("applied 7.")
    assert host.limit.read_text() == "20000 100000"
    assert [line.split()[0] for line in said(process)] == ["undone", "done"]
    assert host.limit.read_text() == "40000 100000"
    first, last = host.records()
    assert (first.phase, last.phase) == ("applied", "undone")
    assert last.start_mono_ns - first.end_mono_ns >= 0.29e9
    assert last.since_s - first.since_s >= 0.29


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_is_undone_when_told_to_end(host: Host, number: signal.Signals) -> None:
    process = host.lower()
    applied(process)
    process.send_signal(number)
    assert [line.split()[0] for line in said(process)] == ["undone", "done"]
    assert host.limit.read_text() == "40000 100000"


def test_it_is_undone_at_its_limit_though_nobody_is_there_to_tell(host: Host) -> None:
    assert [line.split()[0] for line in said(host.lower(limit_s=0.3))] == ["applied", "undone", "done"]
    assert host.limit.read_text() == "40000 100000"


def test_told_before_its_time_it_does_nothing(host: Host) -> None:
    process = host.lower(delay_s=30.0)
    while not list((host.folder / "spool").glob("*.jsonl")):
        time.sleep(0.02)
    process.terminate()
    line, end = said(process)
    assert line.startswith("missed ")
    assert line.endswith(" the trial ended before its time")
    assert end == "done"
    assert host.limit.read_text() == "40000 100000\n"


def test_what_never_came_to_its_round_is_told_and_not_done(host: Host) -> None:
    line, end = said(host.lower(missed="round 9 never began"))
    assert line.startswith("missed ")
    assert line.endswith(" round 9 never began")
    assert end == "done"
    assert host.limit.read_text() == "40000 100000\n"
    assert [record.phase for record in host.records()] == ["missed"]


def test_what_cannot_be_done_is_recorded_as_missed_with_the_reason(host: Host) -> None:
    nothing = host.start("settings", {"files": str(host.folder / "absent"), "ratio": 0.5, "least": 1})
    machine = host.start("fill", {"folder": str(host.folder)})
    nobody = host.start("signals", kills("flower-supernode", host.folder, wait_s=0.1))
    half = [{"argv": ["touch", str(host.folder / "made")]}, {"argv": ["false"]}]
    back = [{"argv": ["true"]}, {"argv": ["rm", str(host.folder / "made")]}]
    failing = host.start("commands", {"apply": half, "undo": back, "words": "x"})
    for process, words in (
        (nothing, "this host has no"),
        (machine, "is no small disk of its own, and nothing else is ever filled"),
        (nobody, "no process of flower-supernode ran"),
        (failing, "`false`: no message"),
    ):
        line, end = said(process)
        assert line.startswith("missed ")
        assert words in line
        assert end == "done"
    assert not (host.folder / "made").exists()
    assert {record.phase for record in host.records()} == {"missed"}


def test_a_load_is_so_many_busy_processes_that_are_gone_afterwards(host: Host) -> None:
    process = host.start("load", {"processes": 2, "limit_s": 30})
    applied(process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 2
    process.terminate()
    said(process)
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_traffic_is_sent_as_the_trace_has_it(host: Host) -> None:
    (host.folder / "trace.csv").write_text("0,1000\n0.1,2000\n0.2,3000\n")
    asked = {"address": "127.0.0.1", "source": "127.0.0.1", "trace": str(host.folder / "trace.csv")}
    lines = said(host.start("traffic", asked, windows=[[0.0, 1.0]]))
    assert any("sent 6000 bytes in 6 datagrams" in line for line in lines)


def test_processes_of_a_trial_are_known_by_their_mark_and_by_what_they_are() -> None:
    mine = ["FEDPROBE_TRIAL=a"]
    assert role_in(["python", "/venv/bin/flower-supernode", "--x"], mine, "a") == "flower-supernode"
    assert role_in(["python", "/venv/bin/flower-supernode", "--x"], mine, "b") == ""
    assert role_in(["python", "-m", "collectors", "--trial", "a"], [], "a") == "collector"
    assert role_in(["python", "-m", "collectors", "--trial", "b"], [], "a") == ""


@pytest.mark.parametrize("by", ["environment", "spool"])
def test_a_process_is_found_by_its_environment_or_its_spool_file_and_no_other_is_killed(host: Host, by: str) -> None:
    program = host.folder / "flwr-clientapp"
    program.write_text("import time\nprint('here', flush=True)\ntime.sleep(60)\n")
    mine, other = (
        subprocess.Popen(
            [sys.executable, str(program)], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        for environment in ({"FEDPROBE_TRIAL": "t"} if by == "environment" else {}, {"FEDPROBE_TRIAL": "another"})
    )
    host.running += [mine, other]
    for process in (mine, other):
        assert process.stdout
        assert process.stdout.readline() == "here\n"
    if by == "spool":
        (host.folder / f"pi1-flwr-clientapp-{mine.pid}-1.jsonl").touch()
        (host.folder / f"pi1-flower-supernode-{other.pid}-1.jsonl").touch()  # its process id is another program's now
    asked = kills("flwr-clientapp", host.folder)
    line, end = said(host.start("signals", asked, windows=[[0.0, 0.0]]))
    assert f"SIGKILL to flwr-clientapp {mine.pid}" in line
    assert end == "done"
    assert mine.wait(10) == -signal.SIGKILL
    assert other.poll() is None
