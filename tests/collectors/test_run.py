"""The collector process as it runs on a host: started, told to stop, and what it leaves."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from collectors.clock_exchange import BURST
from collectors.run import SHORT_BURST
from instrument.clock import SystemClock
from instrument.records import Capture, Exchange, Fault, Sample
from instrument.spool import SegmentFile, read_segment, spool_files
from tests.instrument.crash.crashing import waited_for_a_core_ns

CLOCK = SystemClock()


@dataclass
class Running:
    child: subprocess.Popen[bytes]
    out: Path
    errors: bytes = b""

    def end(self, number: signal.Signals = signal.SIGTERM) -> SegmentFile:
        """Stop it, expect an orderly end, and read what it wrote."""
        self.child.send_signal(number)
        rest, self.errors = self.child.communicate(timeout=60)
        assert (self.child.returncode, rest, self.errors) == (0, b"", b"")
        (path,) = spool_files(self.out)
        return read_segment(path)


def argv(out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "collectors", "--out", str(out), "--trial", "t1", "--host", "pi-01", *options]


@contextmanager
def collecting(repository: Path, out: Path, *options: str) -> Iterator[Running]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv(out, *options), cwd=repository, bufsize=0, **pipes) as child:  # type: ignore[call-overload]
        try:
            assert child.stdout.readline() == b"ready\n"
            yield Running(child, out)
        finally:
            child.kill()
            child.communicate()


def refusal(repository: Path, out: Path, *options: str) -> str:
    """What a process says that will not start: one line, exit code 2, nothing on stdout."""
    done = subprocess.run(argv(out, *options), cwd=repository, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fedprobe collectors: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        return int(channel.getsockname()[1])


def ticks(segment: SegmentFile, collector: str, subject: str) -> list[Sample]:
    return [
        record
        for record in segment.records
        if isinstance(record, Sample) and (record.collector, record.subject) == (collector, subject)
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_collector_told_to_stop_leaves_a_whole_segment(
    repository: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with collecting(repository, tmp_path / "spool", "--interval-ms", "100") as running:
        started_ns = CLOCK.mono_ns()
        CLOCK.sleep_until_mono_ns(started_ns + 700_000_000)
        segment = running.end(number)
        passed_ns = CLOCK.mono_ns() - started_ns
    assert segment.whole
    header = segment.header
    assert (header.host, header.role, header.trial, header.pid) == ("pi-01", "collector", "t1", running.child.pid)
    assert segment.end is not None
    assert segment.end.cpu_s is not None
    host = ticks(segment, "host", "host")
    skipped = sum(isinstance(record, Fault) for record in segment.records)
    assert 3 <= len(host) <= passed_ns // 100_000_000 + 3
    assert len(ticks(segment, "interfaces", "lo")) == len(ticks(segment, "process", "all")) == len(host)
    *scheduled, last = host
    steps = {(sample.scheduled_mono_ns - host[0].scheduled_mono_ns) % 100_000_000 for sample in scheduled}
    assert steps == {0}  # an absolute schedule
    assert last.scheduled_mono_ns > scheduled[-1].scheduled_mono_ns  # the reading at the end
    assert all(sample.late_ns == sample.mono_ns - sample.scheduled_mono_ns >= sample.cost_ns >= 0 for sample in host)
    assert len({sample.scheduled_mono_ns for sample in host}) == len(host)
    assert skipped <= passed_ns // 100_000_000


def test_samples_come_once_a_second_by_default(repository: Path, tmp_path: Path) -> None:
    with collecting(repository, tmp_path, "--collect", "host") as running:
        started_ns = CLOCK.mono_ns()
        CLOCK.sleep_until_mono_ns(started_ns + 2_500_000_000)
        segment = running.end()
        passed_s = (CLOCK.mono_ns() - started_ns) / 1e9
    samples = ticks(segment, "host", "host")
    assert 2 <= len(samples) <= passed_s + 3
    first, second = samples[:2]
    assert (second.scheduled_mono_ns - first.scheduled_mono_ns) % 1_000_000_000 == 0
    assert len(segment.records) == len(samples) + sum(isinstance(record, Fault) for record in segment.records)


def test_a_killed_collector_loses_no_more_than_its_last_second(repository: Path, tmp_path: Path) -> None:
    with collecting(repository, tmp_path, "--collect", "host", "--interval-ms", "20") as running:
        CLOCK.sleep_until_mono_ns(CLOCK.mono_ns() + 1_700_000_000)
        waited_ns = waited_for_a_core_ns(running.child.pid)
        killed_ns = CLOCK.mono_ns()
        running.child.kill()
    (path,) = spool_files(tmp_path)
    segment = read_segment(path)
    assert segment.end is None
    samples = ticks(segment, "host", "host")
    assert len(samples) > 10
    assert killed_ns - samples[-1].mono_ns <= 1_000_000_000 + 20_000_000 + waited_ns


def test_a_burst_of_exchanges_opens_and_closes_a_node(repository: Path, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_udp_port()}"
    with collecting(repository, tmp_path / "server", "--collect", "", "--serve-clock", address) as server:
        with collecting(repository, tmp_path / "node", "--collect", "host", "--clock", address) as node:
            segment = node.end()
        clock = server.end().header.clock
    exchanges = [record for record in segment.records if isinstance(record, Exchange)]
    first_sample = ticks(segment, "host", "host")[0]
    last_sample = ticks(segment, "host", "host")[-1]
    opening = [item for item in exchanges if item.received_mono_ns < first_sample.scheduled_mono_ns]
    closing = [item for item in exchanges if item.sent_mono_ns > last_sample.mono_ns]
    assert len(opening) == len(closing) == BURST
    assert len(exchanges) == 2 * BURST
    assert {(item.path, item.peer, item.peer_clock) for item in exchanges} == {("management", address, clock)}


def test_a_signal_brings_a_short_burst_between_rounds(repository: Path, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_udp_port()}"
    with (
        collecting(repository, tmp_path / "server", "--collect", "", "--serve-clock", address),
        collecting(repository, tmp_path / "node", "--collect", "", "--clock", address) as node,
    ):
        (file,) = spool_files(tmp_path / "node")
        for wanted in (1, 2):
            node.child.send_signal(signal.SIGUSR1)
            while file.read_text().count('"kind":"exchange"') < BURST + wanted * SHORT_BURST:
                time.sleep(0.02)
        segment = node.end()
    assert sum(isinstance(record, Exchange) for record in segment.records) == 2 * BURST + 2 * SHORT_BURST


def test_a_server_that_is_gone_at_the_end_is_a_fault_and_no_failure(repository: Path, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_udp_port()}"
    with (
        collecting(repository, tmp_path / "server", "--collect", "", "--serve-clock", address) as server,
        collecting(repository, tmp_path / "node", "--collect", "", "--clock", address) as node,
    ):
        server.end()
        segment = node.end()
    assert segment.whole
    faults = [record for record in segment.records if isinstance(record, Fault)]
    assert [fault.error for fault in faults] == [f"0 of {BURST} exchanges were answered"]


def test_a_stop_before_ready_is_an_orderly_end(repository: Path, tmp_path: Path) -> None:
    """SIGTERM while the clock server is silent: the wait ends at once, with a whole segment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        options = ("--collect", "", "--clock", f"127.0.0.1:{silent.getsockname()[1]}")
        with subprocess.Popen(argv(tmp_path, *options), cwd=repository, stdout=subprocess.PIPE) as child:
            readable, _, _ = select.select([silent], [], [], 60)  # its first request: it runs
            assert readable
            child.terminate()
            child.communicate(timeout=60)
            assert child.returncode == 0
    (path,) = spool_files(tmp_path)
    assert read_segment(path).whole


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--collect", "hosts"), "no collector is named 'hosts'; the nearest is 'host'"),
        (("--capture", "nope0:9092"), "no interface nope0 on this host"),
        (("--capture", "lo"), "'lo' is not DEVICE:PORT"),
        (("--clock", "nonsense"), "no address of a clock server"),
        (("--serve-clock", "192.0.2.1:7700"), "cannot answer clock requests on 192.0.2.1:7700"),
        (("--interval-ms", "0"), "the shortest is 10"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(
    repository: Path, tmp_path: Path, options: Sequence[str], says: str
) -> None:
    assert says in refusal(repository, tmp_path, *options)


def test_a_spool_folder_that_cannot_be_made_is_refused(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Name a folder that can be written" in refusal(repository, tmp_path / "file" / "spool")


def test_a_clock_server_that_does_not_answer_is_refused_before_the_trial(repository: Path, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_udp_port()}"
    assert f"clock server {address} does not answer" in refusal(repository, tmp_path, "--clock", address)
    (path,) = spool_files(tmp_path)
    assert [type(record) for record in read_segment(path).records] == [Fault]


@pytest.mark.netns
def test_a_capture_beside_the_samples(repository: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("tcpdump") is None:
        pytest.skip("capturing needs root and tcpdump")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = f"lo:{listener.getsockname()[1]}"
        options = ("--collect", "host", "--capture", target, "--capture-dir", str(tmp_path / "pcap"))
        with collecting(repository, tmp_path / "spool", *options) as running:
            with socket.create_connection(listener.getsockname()) as channel, listener.accept()[0] as other:
                channel.sendall(b"x" * 23)
                assert other.recv(100) == b"x" * 23
            running.child.send_signal(signal.SIGUSR2)  # the transfers are over
            segment = running.end()
    (record,) = [record for record in segment.records if isinstance(record, Capture)]
    assert record.packets is not None
    assert record.packets >= 5
    assert record.dropped == 0
    assert record.start_mono_ns < record.end_mono_ns
    assert [path.name for path in (tmp_path / "pcap").iterdir()] == [record.file]
    assert (tmp_path / "pcap" / record.file).stat().st_size >= 24 + record.packets * 16


# tcpdump is not installed: nothing is found on any path
WITHOUT_TCPDUMP = """
import shutil, sys
found = shutil.which
shutil.which = lambda name, **options: None if name == "tcpdump" else found(name, **options)
from collectors.run import main
raise SystemExit(main(sys.argv[1:]))
"""
# a tcpdump that is not let capture says so and ends, as the real one does
REFUSED_TCPDUMP = """#!/bin/sh
echo "tcpdump: lo: You don't have permission to perform this capture on that device" >&2
echo "(socket: Operation not permitted)" >&2
exit 1
"""


def without_a_capture(out: Path, command: Sequence[str], cwd: Path, **environment: str) -> tuple[list[str], str]:
    """Faults and words of a collector that was asked for a capture it cannot make, and goes on in order."""
    options = ["--out", str(out), "--host", "pi-01", "--collect", "host", "--interval-ms", "100", "--capture", "lo:9"]
    with subprocess.Popen(
        [*command, *options],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            child.terminate()
            _, said = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == 0
    (path,) = out.iterdir()  # and no empty capture file, which would look torn
    segment = read_segment(path)
    assert segment.whole
    assert ticks(segment, "host", "host")
    assert not any(isinstance(record, Capture) for record in segment.records)
    return [record.error for record in segment.records if isinstance(record, Fault)], said


def test_a_host_without_tcpdump_is_measured_without_a_capture(repository: Path, tmp_path: Path) -> None:
    faults, said = without_a_capture(tmp_path / "spool", [sys.executable, "-c", WITHOUT_TCPDUMP], repository)
    assert faults == ["cannot capture on lo: tcpdump is not installed. Run: sudo apt install tcpdump"]
    assert said == f"fedprobe collectors: {faults[0]}; collecting goes on without this capture\n"


def test_a_host_that_may_not_capture_is_measured_without_a_capture(repository: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "tcpdump"
    program.parent.mkdir()
    program.write_text(REFUSED_TCPDUMP)
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    faults, said = without_a_capture(tmp_path / "spool", [sys.executable, "-m", "collectors"], repository, PATH=path)
    (fault,) = faults
    assert fault.startswith("tcpdump cannot capture on lo: socket: Operation not permitted. It needs root, or ")
    assert fault.endswith(f"sudo setcap cap_net_raw,cap_net_admin=eip {program}")
    assert said == f"fedprobe collectors: {fault}; collecting goes on without this capture\n"


@pytest.mark.netns
def test_a_real_tcpdump_without_its_capabilities_costs_no_samples(repository: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("tcpdump") is None or shutil.which("setpriv") is None:
        pytest.skip("needs root, tcpdump and setpriv")
    lost = "-net_raw,-net_admin"
    dropped = ["setpriv", f"--bounding-set={lost}", f"--inh-caps={lost}", sys.executable, "-m", "collectors"]
    (fault,), _ = without_a_capture(tmp_path / "spool", dropped, repository)
    assert "cannot capture on lo" in fault
    assert "not permitted" in fault or "permission" in fault


@pytest.mark.netns
def test_a_killed_collector_takes_its_tcpdump_with_it(repository: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("tcpdump") is None or shutil.which("setpriv") is None:
        pytest.skip("needs root, tcpdump and setpriv")
    with collecting(repository, tmp_path, "--collect", "", "--capture", "lo:9") as running:
        pid = running.child.pid
        child = int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
        pidfd = os.pidfd_open(child)
        running.child.kill()
        ended, _, _ = select.select([pidfd], [], [], 60)
        os.close(pidfd)
    assert ended
