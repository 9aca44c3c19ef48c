from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.capture import (
    CapturePlan,
    Tcpdump,
    TcpdumpCounts,
    clock_pair,
    parse_counts,
    parse_target,
    tcpdump_argv,
)
from collectors.errors import CaptureError, NoCaptureError
from collectors.packets import read_capture, to_mono_ns, transfers_on_wire
from collectors.settling import SETTLE_NS
from instrument.clock import ManualClock, SystemClock

CLOCK = SystemClock()
PLAN = CapturePlan(device="eth0", port=9092, file=Path("out/x.pcap"))


def test_the_command_filters_in_the_kernel_and_keeps_headers_only() -> None:
    sizes = ["-s", "96", "-B", "4096", "--time-stamp-precision=nano"]
    command = ["tcpdump", "-i", "eth0", *sizes, "-n", "-Z", "root", "-w", "out/x.pcap", "tcp port 9092"]
    assert tcpdump_argv(PLAN, "tcpdump", None) == command
    assert tcpdump_argv(PLAN, "tcpdump", "setpriv") == ["setpriv", "--pdeathsig", "TERM", *command]


ALL_SAID = """\
tcpdump: listening on lo, link-type EN10MB (Ethernet), snapshot length 96 bytes
23 packets captured
46 packets received by filter
5 packets dropped by kernel
"""
INTERFACE_DROPS = """\
7 packets captured
9 packets received by filter
2 packets dropped by kernel
3 packets dropped by interface
"""


@pytest.mark.parametrize(
    ("stderr", "packets", "dropped"),
    [
        (ALL_SAID, 23, 5),
        ("1 packet captured\n1 packet received by filter\n0 packets dropped by kernel\n", 1, 0),
        (INTERFACE_DROPS, 7, 5),
        ("tcpdump: killed\n", None, None),
        ("", None, None),
    ],
)
def test_tcpdumps_counts_are_read(stderr: str, packets: int | None, dropped: int | None) -> None:
    assert parse_counts(stderr) == TcpdumpCounts(packets, dropped)


@pytest.mark.parametrize("text", ["", "eth0", "eth0:", ":9092", "eth0:0", "eth0:65536", "eth0:http"])
def test_a_target_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CaptureError, match="is not DEVICE:PORT"):
        parse_target(text)


def test_a_target_is_a_device_and_a_port() -> None:
    assert parse_target("wlan0:9092") == ("wlan0", 9092)
    assert parse_target("eth0:1:9092") == ("eth0:1", 9092)


def test_a_missing_interface_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"no interface nope0 on this host. There are: .*\blo\b"):
        Tcpdump(CapturePlan(device="nope0", port=1, file=tmp_path / "x"), CLOCK)


def test_a_missing_tcpdump_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)
    with pytest.raises(NoCaptureError, match="tcpdump is not installed"):
        Tcpdump(CapturePlan(device="lo", port=1, file=tmp_path / "x"), CLOCK)


def test_a_file_that_cannot_be_written_is_refused_before_any_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: str(tmp_path / "never started"))
    with pytest.raises(CaptureError, match=r"cannot write .*--capture-dir"):
        Tcpdump(CapturePlan(device="lo", port=1, file=tmp_path / "file" / "x"), CLOCK)


def test_a_program_that_ends_at_its_start_is_refused_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "tcpdump"
    program.write_text("#!/bin/sh\necho 'lo: You do not have permission' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name, **_options: str(program) if name == "tcpdump" else None)
    with pytest.raises(NoCaptureError, match=r"on lo: lo: You do not have permission\. It needs root"):
        Tcpdump(CapturePlan(device="lo", port=1, file=tmp_path / "x"), CLOCK)


def test_a_program_that_cannot_be_started_is_a_host_that_cannot_capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "tcpdump"
    program.write_bytes(b"\x7fELF of another machine")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name, **_options: str(program) if name == "tcpdump" else None)
    with pytest.raises(NoCaptureError, match="cannot be started: Exec format error"):
        Tcpdump(CapturePlan(device="lo", port=1, file=tmp_path / "x.pcap"), CLOCK)


def test_a_clock_pair_is_of_one_moment() -> None:
    assert clock_pair(ManualClock(mono_ns=7, wall_ns=900)) == (7, 900)
    before_ns = CLOCK.mono_ns()
    mono_ns, _ = clock_pair(CLOCK)
    assert before_ns <= mono_ns <= CLOCK.mono_ns()


@pytest.fixture
def needs_capture() -> None:
    if os.geteuid() != 0 or shutil.which("tcpdump") is None:
        pytest.skip("capturing needs root and tcpdump")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Answers each request of 4 bytes length + that many, with as many bytes as the request has, reversed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            channel, _ = listener.accept()
            with channel, channel.makefile("rb") as reader:
                while head := reader.read(4):
                    channel.sendall(b"a" * 5 + reader.read(int.from_bytes(head, "big")))

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener
        thread.join()


@pytest.mark.netns
@pytest.mark.usefixtures("needs_capture")
def test_a_capture_holds_every_byte_of_an_exchange(tmp_path: Path, server: socket.socket) -> None:
    port = server.getsockname()[1]
    lengths = [1_000_003, 23, 300_007]
    with Tcpdump(CapturePlan(device="lo", port=port, file=tmp_path / "x.pcap"), CLOCK) as tcpdump:
        with socket.create_connection(server.getsockname()) as channel, channel.makefile("rb") as reader:
            local_port = channel.getsockname()[1]
            before_ns = CLOCK.mono_ns()
            for length in lengths:
                channel.sendall(length.to_bytes(4, "big") + b"x" * length)
                assert len(reader.read(length + 5)) == length + 5
            after_ns = CLOCK.mono_ns()
        CLOCK.sleep_until_mono_ns(CLOCK.mono_ns() + SETTLE_NS)
        record = tcpdump.stop()
    read = read_capture(tmp_path / record.file)
    assert (record.packets, record.dropped) == (len(read.packets), 0)
    assert (read.unread_packets, read.torn_bytes) == (0, 0)
    found = transfers_on_wire(read.packets, server_port=port)
    assert [(item.local_port, item.exchange, item.direction, item.payload_bytes) for item in found] == [
        (local_port, number, direction, length + extra)
        for number, length in enumerate(lengths)
        for direction, extra in (("uplink", 4), ("downlink", 5))
    ]
    slack_ns = 1_000_000  # the kernel's wall clock is slewed while the pairs are a second and more apart
    for item in found:
        assert item.last_ack_wall_ns is not None
        assert item.first_payload_wall_ns <= item.last_payload_wall_ns <= item.last_ack_wall_ns
        assert to_mono_ns(item.first_payload_wall_ns, record) >= before_ns - slack_ns
        assert item.rtt_ns
        assert item.wire_bytes >= item.payload_frame_bytes == item.payload_bytes + item.packets * 66  # headers on lo
    uplinks = [item for item in found if item.direction == "uplink"]
    assert all(to_mono_ns(item.last_ack_wall_ns or 0, record) <= after_ns + slack_ns for item in uplinks)


@pytest.mark.netns
@pytest.mark.usefixtures("needs_capture")
def test_a_tcpdump_that_ended_by_itself_has_no_counts(tmp_path: Path) -> None:
    with Tcpdump(CapturePlan(device="lo", port=1, file=tmp_path / "x.pcap"), CLOCK) as tcpdump:
        tcpdump._child.kill()
        tcpdump._child.wait()
        record = tcpdump.stop()
    assert (record.packets, record.dropped) == (None, None)
