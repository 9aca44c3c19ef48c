from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.errors import UnknownCollectorError
from collectors.protocol import Poller, Reading, Site
from collectors.table import POLLERS, chosen
from instrument.metrics import METRICS, checked

SITE = Site(spool=Path("/tmp"))


def one(name: str, site: Site = SITE) -> Poller:
    return chosen([name], site)[name]


def meminfo_bytes(key: str) -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


@pytest.mark.parametrize("name", POLLERS)
def test_every_poller_emits_registered_names_and_types(name: str) -> None:
    for reading in one(name).read():
        assert checked(reading.values) == dict(reading.values)
        assert reading.subject


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownCollectorError, match="'interface'; the nearest is 'interfaces'"):
        chosen(["host", "interface"], SITE)


def test_host_memory_and_disk_agree_with_the_kernel(tmp_path: Path) -> None:
    poller = one("host", Site(spool=tmp_path))
    total = meminfo_bytes("MemTotal")
    (reading,) = poller.read()
    values = reading.values
    assert reading.subject == "host"
    assert values["system_memory_usage_bytes"] + values["system_memory_available_bytes"] == total
    disk = os.statvfs(tmp_path)
    assert 0 < values["disk_free_bytes"] <= disk.f_blocks * disk.f_frsize
    assert values["system_load_1m"] >= 0


def test_processor_use_is_a_share_of_the_time_since_the_reading_before() -> None:
    poller = one("host")
    shares = []
    for _ in range(5):
        sum(range(3_000_000))
        shares += [reading.values.get("system_cpu_utilization") for reading in poller.read()]
    assert any(share is not None and share > 0 for share in shares)
    assert all(share is None or 0 <= share <= 1 for share in shares)


def test_interface_counters_lie_between_two_looks_at_the_kernels_own() -> None:
    before = statistics_of("lo")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        for _ in range(23):
            channel.sendto(b"x" * 100, channel.getsockname())
    readings = {reading.subject: reading.values for reading in one("interfaces").read()}
    after = statistics_of("lo")
    assert set(readings) == {name for _, name in socket.if_nameindex()}
    for name, low in before.items():
        assert low <= readings["lo"][name] <= after[name]
    assert readings["lo"]["interface_tx_packets"] >= before["interface_tx_packets"] + 23
    assert readings["lo"]["interface_tx_bytes"] >= before["interface_tx_bytes"] + 2300


def statistics_of(device: str) -> dict[str, int]:
    """The kernel's counters from another file than the collector reads."""
    folder = Path("/sys/class/net") / device / "statistics"
    names = {
        "interface_rx_bytes": "rx_bytes",
        "interface_tx_bytes": "tx_bytes",
        "interface_rx_packets": "rx_packets",
        "interface_tx_packets": "tx_packets",
        "interface_rx_errors": "rx_errors",
        "interface_tx_errors": "tx_errors",
    }
    return {name: int((folder / file).read_text()) for name, file in names.items()}


PROGRAM = """
import socket, sys
a = socket.create_server(("127.0.0.1", 0)); b = socket.create_connection(a.getsockname()); c, _ = a.accept()
sum(range(4_000_000)); open(sys.argv[-1], "wb").write(b"x" * 230_000)
print("there", flush=True); sys.stdin.read()
"""


@pytest.fixture
def clientapp(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like a ClientApp, with one connection of its own to itself."""
    program = tmp_path / "flwr-clientapp"
    program.write_text(PROGRAM)
    argv = [sys.executable, str(program), str(tmp_path / "written")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"there\n"
        yield child
        child.communicate()


def subjects(readings: list[Reading]) -> dict[str, dict[str, int | float]]:
    return {reading.subject: dict(reading.values) for reading in readings}


def test_a_flower_process_is_found_and_read(clientapp: subprocess.Popen[bytes]) -> None:
    poller = one("process")
    found = subjects(list(poller.read()))
    values = found[f"flwr-clientapp:{clientapp.pid}"]
    assert set(values) == {name for name in METRICS if name.startswith("process_")} - {"process_count"}
    assert values["process_cpu_time_s"] > 0
    assert values["process_io_write_bytes"] >= 230_000
    assert values["process_connections"] == 2  # both ends are its own
    status = Path(f"/proc/{clientapp.pid}/status").read_text().splitlines()
    peak_bytes = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    assert 0 < values["process_memory_rss_bytes"] <= peak_bytes * 1.05  # the kernel batches its counting
    assert found["all"]["process_count"] == len(found) - 1


def test_an_ended_process_is_gone_from_the_next_reading(clientapp: subprocess.Popen[bytes]) -> None:
    poller = one("process")
    subject = f"flwr-clientapp:{clientapp.pid}"
    for _ in range(13):  # past the ticks in which command lines are read again
        assert subject in subjects(list(poller.read()))
    clientapp.communicate()
    assert subject not in subjects(list(poller.read()))


def test_a_process_that_becomes_a_flower_process_is_found(tmp_path: Path) -> None:
    program = tmp_path / "flower-supernode"
    program.write_text("print('there', flush=True); import sys; sys.stdin.read()")
    launcher = "import os, sys; sys.stdin.readline(); os.execv(sys.executable, [sys.executable, sys.argv[1]])"
    argv = [sys.executable, "-u", "-c", launcher, str(program)]  # too far back to name a role yet
    poller = one("process")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert f"flower-supernode:{child.pid}" not in subjects(list(poller.read()))
        child.stdin.write(b"go\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"there\n"
        assert f"flower-supernode:{child.pid}" in subjects(list(poller.read()))
        child.communicate()


def test_connections_are_counted_at_every_tenth_tick(clientapp: subprocess.Popen[bytes]) -> None:
    poller = one("process")
    subject = f"flwr-clientapp:{clientapp.pid}"
    counted = ["process_connections" in subjects(list(poller.read()))[subject] for _ in range(23)]
    assert [tick for tick, there in enumerate(counted) if there] == [0, 10, 20]
