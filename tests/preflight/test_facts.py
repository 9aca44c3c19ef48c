"""The host's own half: what programs print, parsed, and this very machine looked at."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.facts import parse_bitrate, parse_modem, parse_offloads
from collectors.throttling import parse_throttled
from instrument.identity import versions
from testbed.preflight.facts import HostFacts


@pytest.mark.parametrize(
    ("said", "flags"),
    [
        ("throttled=0x50005\n", 0x50005),
        ("throttled=0x0\n", 0),
        ("VCHI initialization failed\n", None),
        ("throttled=\n", None),
        ("", None),
        (None, None),
    ],
)
def test_throttling_flags(said: str | None, flags: int | None) -> None:
    assert parse_throttled(said) == flags


def test_a_modems_state() -> None:
    said = json.dumps({"modem": {"generic": {"state": "connected", "access-technologies": ["lte", "5gnr"], "x": 1}}})
    assert parse_modem(said) == {"state": "connected", "technologies": ["lte", "5gnr"]}
    for nothing in (None, "", "error: couldn't find modem", "{}", '{"modem": []}'):
        assert parse_modem(nothing) is None


def test_a_wireless_links_rate() -> None:
    connected = "Connected to 02:00:00:00:00:01 (on wlan0)\n\tfreq: 5180\n\ttx bitrate: 433.3 MBit/s VHT\n"
    assert parse_bitrate(connected) == 433_300_000
    assert parse_bitrate("Not connected.\n") is None


def test_offloads() -> None:
    said = "Features for eth0:\nrx-checksumming: on\ntcp-segmentation-offload: on\n\ttx-tcp-segmentation: on\n"
    said += "generic-segmentation-offload: off [fixed]\ngeneric-receive-offload: on\nlarge-receive-offload: off\n"
    found = parse_offloads(said)
    assert found is not None
    assert found["tcp-segmentation-offload"]
    assert not found["generic-segmentation-offload"]
    assert parse_offloads("") is None


def facts_here(*arguments: str) -> HostFacts:
    done = subprocess.run(
        [sys.executable, "-m", "collectors.facts", *arguments], capture_output=True, text=True, check=True
    )
    return HostFacts.model_validate_json(done.stdout)


def test_this_machines_facts_have_the_form_that_the_controller_reads(tmp_path: Path) -> None:
    found = facts_here("--folder", str(tmp_path / "not" / "there" / "yet"), "--device", "lo", "--device", "none0")
    assert found.versions == versions()
    assert found.folders[0].problem is None
    assert found.folders[0].free_bytes > 0
    assert found.devices["none0"] is None
    loopback = found.devices["lo"]
    assert loopback is not None
    assert loopback.up
    assert "127.0.0.1" in loopback.addresses
    assert 0 <= found.busy_share <= 1


def test_a_counterpart_is_dialled_and_tells_whom_it_saw(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free, socket.socket(type=socket.SOCK_DGRAM) as free_udp:
        free_udp.bind(("127.0.0.1", 0))
        port, clock = free.getsockname()[1], f"127.0.0.1:{free_udp.getsockname()[1]}"
    command = [sys.executable, "-m", "collectors.counterpart", "--port", str(port), "--clock", clock]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as counterpart:
        try:
            assert counterpart.stdout is not None
            assert counterpart.stdout.readline() == "ready\n"
            found = facts_here("--folder", str(tmp_path), "--dial", f"wifi=127.0.0.1:{port}", "--clock", clock)
        finally:
            counterpart.terminate()
        assert counterpart.wait(10) == 0
    assert found.dials["wifi"].seen_as == "127.0.0.1"
    assert found.dials["wifi"].device == "lo"
    assert found.dials["wifi"].problem is None
    assert found.clock is not None
    assert abs(found.clock.server_ahead_ns) <= found.clock.bound_ns  # one clock: the truth is zero
    refused = facts_here("--folder", str(tmp_path), "--dial", f"wifi=127.0.0.1:{port}", "--clock", clock)
    assert "refused" in (refused.dials["wifi"].problem or "")
    assert refused.clock is None


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "collectors.counterpart", "--port", str(port), "--clock", "127.0.0.1:0"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [f"port {port} cannot be listened on: Address already in use"]
