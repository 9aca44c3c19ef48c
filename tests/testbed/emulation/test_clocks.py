"""Clock offsets between real hosts, whose truth is known: time namespaces days apart, and clocks made wrong on top.

The truth: all hosts are one kernel, and each host's monotonic clock is the kernel's plus an offset of its inventory.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest

from analysis.offsets import ClockMap, FourStamps, fitted
from instrument.clock import sleep_s
from instrument.clock_error import VARIABLE, ClockError
from instrument.records import Exchange, Record, RecordError, decode

from .conftest import Hosts

pytestmark = pytest.mark.netns

MANAGEMENT_BOUND_NS = 2_000_000
CELLULAR_BOUND_NS = 12_000_000
PORT = 8901
ERRORS = ["", "drift_ppm=150,wall_ms=137", "drift_ppm=-200,wall_ms=-5000"]


def exchanged(hosts: Hosts, node: str, address: str, error: str) -> list[FourStamps]:
    """What a node's collector exchanged with the server's over this address, in its opening and its closing burst."""
    server, client = hosts.inventory.host("server"), hosts.inventory.host(node)
    folder = f"{client.work_folder}/clocks-{abs(hash((address, error)))}"
    common = ["--collect", "", "--trial", "clocks"]
    serving = [server.python, "-m", "collectors", "--out", f"{folder}-server", "--host", "server", *common]
    asking = [client.python, "-m", "collectors", "--out", folder, "--host", node, *common]
    pids = []
    hosts["server"].check(["mkdir", "-p", server.work_folder], timeout_s=30)
    hosts[node].check(["mkdir", "-p", client.work_folder], timeout_s=30)
    log = f"{client.work_folder}/clocks.log"
    pids.append(
        hosts["server"].start([*serving, "--serve-clock", address], stdout=f"{log}-server", stderr=f"{log}-server")
    )
    try:
        ready(hosts, "server", f"{log}-server")
        pids.append(hosts[node].start([*asking, "--clock", address], stdout=log, stderr=log, env={VARIABLE: error}))
        ready(hosts, node, log)
        sleep_s(2.0)  # for a drift to show between the bursts
        hosts[node].stop_group(pids.pop(), grace_s=20)
    finally:
        hosts["server"].stop_group(pids[0], grace_s=20)
    return [
        FourStamps(one.sent_mono_ns, one.peer_received_mono_ns, one.peer_sent_mono_ns, one.received_mono_ns)
        for one in records(hosts, node, folder)
        if isinstance(one, Exchange)
    ]


def ready(hosts: Hosts, host: str, log: str) -> None:
    for _ in range(200):
        if "ready" in hosts[host].read_text(log):
            return
        sleep_s(0.05)
    raise AssertionError(hosts[host].read_text(log))


def records(hosts: Hosts, host: str, folder: str) -> Iterator[Record]:
    for file in hosts[host].listdir(folder):
        for line in hosts[host].read_text(f"{folder}/{file.name}").splitlines():
            try:
                yield decode(line)
            except RecordError:
                continue


def truth_ns(hosts: Hosts, node: str, error: str, local_ns: int) -> Fraction:
    """The server's clock when the node's, wrong as it is, reads this."""
    offsets_s = hosts.inventory.emulator.monotonic_offset_s
    drift = Fraction(ClockError.of({VARIABLE: error}).drift_ppb, 10**9)
    return local_ns / (1 + drift) + (offsets_s["server"] - offsets_s[node]) * 10**9


def assert_bounded(hosts: Hosts, node: str, error: str, exchanges: list[FourStamps], bound_ns: int) -> ClockMap:
    made = fitted(exchanges)
    start, end = exchanges[0].sent, exchanges[-1].received
    assert end - start > 1_500_000_000
    for step in range(101):
        moment = start + (end - start) * step // 100
        assert abs(made.at(moment) - truth_ns(hosts, node, error, moment)) <= made.error_ns(moment) + 4
    assert made.worst_error_ns(start, end) <= bound_ns
    return made


@pytest.mark.parametrize("error", ERRORS)
def test_over_the_management_network_the_truth_lies_within_two_milliseconds(hosts: Hosts, error: str) -> None:
    address = f"{hosts.inventory.server.management.address}:{PORT}"
    exchanges = exchanged(hosts, "pi1", address, error)
    made = assert_bounded(hosts, "pi1", error, exchanges, MANAGEMENT_BOUND_NS)
    asked_ppm = -ClockError.of({VARIABLE: error}).drift_ppb / 1000
    assert abs(made.drift * 1e6 - asked_ppm) <= made.drift_error * 1e6 + 1


@pytest.mark.parametrize("error", ERRORS[:2])
def test_where_5g_is_the_only_path_it_lies_within_twelve(hosts: Hosts, error: str) -> None:
    address = f"{hosts.inventory.server_addresses['5g']}:{PORT}"
    assert_bounded(hosts, "pi2", error, exchanged(hosts, "pi2", address, error), CELLULAR_BOUND_NS)
