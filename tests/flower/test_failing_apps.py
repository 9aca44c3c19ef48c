"""An app that raises and an app that is killed: what was measured is there, and the probes add no trouble."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from deployments import NODES, launcher

from instrument.launcher import BOOTSTRAP
from instrument.polling import variables
from instrument.records import Fault, Record, Reply, Rpc, Span
from instrument.spool import SegmentFile, read_segment, spool_files
from testbed.foreign_app import write
from testbed.loopback import Loopback, LoopbackError

pytestmark = pytest.mark.flower

FAST = variables("fast")
RAISES, DIES = 0, 1  # by partition
TRAIN = f"""
    import os, pathlib, signal, time
    if context.node_config["partition-id"] == {DIES}:
        time.sleep(1)  # far longer than the settling time of the probe's writer
        pathlib.Path(os.environ["KILLED_AT"]).write_text(f"{{os.getpid()}} {{time.monotonic_ns()}}")
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("the app's own")
"""
CAUGHT_UP_NS = 500_000_000  # the writer settles for 50 ms; the rest is for a machine that is busy


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The spool and the logs of a run in which one client raised and the other was killed while it trained."""

    segments: list[SegmentFile]
    logs: Path
    killed_pid: int
    killed_ns: int

    def client_app(self, pid: int) -> SegmentFile:
        (found,) = (segment for segment in self.segments if segment.header.pid == pid)
        return found

    @property
    def raised(self) -> SegmentFile:
        return next(
            segment
            for segment in self.segments
            if segment.header.role == "flwr-clientapp" and segment.header.pid != self.killed_pid
        )

    def of(self, kind: type[Record]) -> list[Record]:
        return [record for segment in self.segments for record in segment.records if isinstance(record, kind)]


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Failed:
    """Ended as soon as the server has the reply of the one that raised: Flower needs a minute to miss the other."""
    folder = tmp_path_factory.mktemp("failed")
    app, spool, killed_at = folder / "app", folder / "spool", folder / "killed"
    write(app)
    client = app / "quickstart" / "client_app.py"
    start = "def train(msg: Message, context: Context) -> Message:\n"
    client.write_text(client.read_text().replace(start, start + TRAIN))
    with Loopback(NODES, folder, launcher(spool), {**FAST, "KILLED_AT": str(killed_at)}) as deployment:

        def run() -> None:
            with suppress(LoopbackError, LookupError, ValueError):  # stopped below while the run goes on
                deployment.run(app, {"num-server-rounds": 1, "num-clients": NODES}, timeout_s=120)

        runner = threading.Thread(target=run)
        runner.start()
        wait_for(lambda: killed_at.exists() and '"kind":"reply"' in text_of(spool))
    runner.join(60)
    pid, killed_ns = map(int, killed_at.read_text().split())
    segments = [read_segment(path) for path in spool_files(spool)]
    return Failed(segments=segments, logs=folder / "logs", killed_pid=pid, killed_ns=killed_ns)


def text_of(spool: Path) -> str:
    return "".join(path.read_text() for path in spool.glob("*flwr-serverapp*"))


def wait_for(condition: Callable[[], bool], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def test_of_the_clients_processes_only_the_killed_one_is_cut_off(failed: Failed) -> None:
    """The server's are not asked: a SuperLink that is ended in the middle of a run waits for it, and is killed."""
    roles = {"flower-supernode", "flwr-clientapp"}
    clients = [segment for segment in failed.segments if segment.header.role in roles]
    assert len(clients) == 2 * NODES
    assert [segment.header.pid for segment in clients if not segment.whole] == [failed.killed_pid]


def test_what_was_measured_before_the_kill_is_there(failed: Failed) -> None:
    segment = failed.client_app(failed.killed_pid)
    assert segment.end is None
    spans = {record.name: record for record in segment.records if isinstance(record, Span)}
    assert spans.keys() == {"task_input", "inflate", "install"}
    assert all(span.end_mono_ns < failed.killed_ns - CAUGHT_UP_NS for span in spans.values())
    methods = [record.method.rpartition("/")[2] for record in segment.records if isinstance(record, Rpc)]
    assert methods[:2] == ["PullTaskInput", "PullMessages"]
    assert methods[2:] == ["PullObject"] * methods.count("PullObject") + ["ConfirmMessageReceived"]
    announced = next(record for record in segment.records if isinstance(record, Rpc) and record.message_id)
    assert methods.count("PullObject") == len(announced.object_ids)


def test_an_app_that_raises_is_answered_with_flowers_error(failed: Failed) -> None:
    (reply,) = failed.of(Reply)
    assert (reply.error_code, reply.message_type) == (2, "train")
    assert "the app's own" in reply.error_reason


def test_the_spans_of_the_app_that_raised_say_what_it_raised(failed: Failed) -> None:
    assert failed.raised.whole
    spans = {record.name: record for record in failed.raised.records if isinstance(record, Span)}
    assert "the app's own" in spans["app_function"].error
    assert "the app's own" in spans["client_app"].error
    assert spans["push_message"].error is None
    assert spans["push_message"].message_id == spans["app_function"].message_id


def test_nothing_of_ours_went_wrong(failed: Failed) -> None:
    assert failed.of(Fault) == []
    for log in failed.logs.glob("*.log"):
        text = log.read_text(errors="replace")
        assert "fedprobe:" not in text
        raised = re.findall(r"^\w*(?:Error|Exception)\b.*$", text, re.MULTILINE)
        if log.name.startswith("supernode"):
            assert set(raised) <= {"ValueError: the app's own"}


def test_a_busy_process_that_is_ended_leaves_whole_lines(tmp_path: Path, repository: Path) -> None:
    program = tmp_path / "flwr-clientapp"
    program.write_text(
        "import sys\n"
        "from instrument.flower.session import probe\n"
        "print('busy', flush=True)\n"
        "while True:\n"
        "    probe().fault('busy', 'x' * 100)\n"
        "    sum(range(2000))\n"
    )
    for number, ended_by in enumerate([signal.SIGTERM, signal.SIGKILL] * 3):
        spool = tmp_path / f"spool-{number}"
        variables = {**os.environ, "PYTHONPATH": f"{BOOTSTRAP}:{repository}", "FEDPROBE_OUT": str(spool)}
        with subprocess.Popen([sys.executable, str(program)], env=variables, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"busy\n"
            wait_for(lambda spool=spool: any(path.stat().st_size > 10_000 for path in spool_files(spool)))
            process.send_signal(ended_by)
            assert process.wait(30) == -ended_by
        (path,) = spool_files(spool)
        segment = read_segment(path)
        assert (segment.end is not None) == (ended_by == signal.SIGTERM)
        assert segment.records
