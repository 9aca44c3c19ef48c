"""`fedprobe preflight` on real hosts: fit as they come up, and each way of being unfit, named with its node."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from testbed.emulation import lifecycle
from testbed.inventory import Inventory
from testbed.inventory_file import write_inventory

from .conftest import Hosts, standing

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def lab(able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Ten Pis, reached through their inventory alone."""
    with standing(tmp_path_factory.mktemp("state"), 10, seed=5) as found:
        yield found


def preflight(inventory: Inventory, folder: Path) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and findings."""
    path = folder / "inventory.toml"
    write_inventory(inventory, path)
    done = subprocess.run(
        [sys.executable, "-m", "testbed.cli", "preflight", str(path), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)["findings"]


def assert_unfit(inventory: Inventory, folder: Path, host: str, *words: str) -> None:
    """Exit code 3, and nothing is unfit but this host, for a reason that has these words."""
    code, findings = preflight(inventory, folder)
    unfit = [finding for finding in findings if finding["severity"] == "unfit"]
    assert code == 3, findings
    assert {finding["host"] for finding in unfit} == {host}, unfit
    assert any(all(word in finding["fact"] for word in words) for finding in unfit), unfit
    assert all(finding["next_step"] for finding in findings)


def with_host(inventory: Inventory, name: str, **update: Any) -> Inventory:
    hosts = tuple(host.model_copy(update=update) if host.name == name else host for host in inventory.hosts)
    return inventory.model_copy(update={"hosts": hosts})


def test_ten_hosts_as_they_come_up_are_fit(lab: Hosts, tmp_path: Path) -> None:
    code, findings = preflight(lab.inventory, tmp_path)
    assert code == 0, findings
    assert {finding["severity"] for finding in findings} <= {"warn", "info"}


def test_a_clock_that_is_300_ms_off(lab: Hosts, tmp_path: Path) -> None:
    wrong = with_host(lab.inventory, "pi2", environment={"FEDPROBE_CLOCK": "wall_ms=300"})
    assert_unfit(wrong, tmp_path, "pi2", "wall clock", "ahead of the server's")


def test_a_node_with_another_fedprobe(lab: Hosts, tmp_path: Path) -> None:
    other = tmp_path / "fedprobe-9.9.9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: fedprobe\nVersion: 9.9.9\n")
    wrong = with_host(lab.inventory, "pi4", environment={"PYTHONPATH": str(tmp_path)})
    assert_unfit(wrong, tmp_path, "pi4", "fedprobe 9.9.9")


def test_a_full_disk(lab: Hosts, tmp_path: Path) -> None:
    folder = f"{lab.inventory.host('pi5').work_folder}/full"
    lab["pi5"].check(["mkdir", folder], timeout_s=20)
    lab["pi5"].check(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], timeout_s=20)
    try:
        lab["pi5"].run(["dd", "if=/dev/zero", f"of={folder}/filler", "bs=64k"], timeout_s=20)
        full = with_host(lab.inventory, "pi5", work_folder=folder)
        assert_unfit(full, tmp_path, "pi5", folder, "0 MB are free")
    finally:
        lab["pi5"].check(["umount", folder], timeout_s=20)


def test_the_servers_port_blocked_on_5g(lab: Hosts, tmp_path: Path) -> None:
    device = lab.inventory.host("pi6").interfaces["5g"].device
    rule = ["OUTPUT", "-o", device, "-p", "tcp", "--dport", "8000", "-j", "DROP"]
    lab["pi6"].check(["iptables", "-I", *rule], timeout_s=20)
    try:
        assert_unfit(lab.inventory, tmp_path, "pi6", "5g", "not reached")
    finally:
        lab["pi6"].check(["iptables", "-D", *rule], timeout_s=20)


def test_a_changed_host_key(lab: Hosts, tmp_path: Path) -> None:
    lines = lab.inventory.known_hosts.read_text().splitlines()
    address = lab.inventory.host("pi7").management.address
    other = next(line.split(" ", 1)[1] for line in lines if address not in line.split()[0].split(","))
    changed = tmp_path / "known_hosts"
    changed.write_text(
        "\n".join(f"{line.split()[0]} {other}" if address in line.split()[0].split(",") else line for line in lines)
    )
    wrong = lab.inventory.model_copy(update={"known_hosts": changed})
    assert_unfit(wrong, tmp_path, "pi7", "host key")


def test_a_route_that_leads_by_another_device(lab: Hosts, tmp_path: Path) -> None:
    node = lab.inventory.host("pi8")
    address = lab.inventory.server_addresses["5g"]
    wrong = ["ip", "route", "replace", f"{address}/32", "dev", node.interfaces["ethernet"].device]
    lab["pi8"].check(wrong, timeout_s=20)
    try:
        assert_unfit(lab.inventory, tmp_path, "pi8", address, node.interfaces["ethernet"].device)
    finally:
        lab["pi8"].check(["ip", "route", "del", f"{address}/32"], timeout_s=20)


def test_a_node_that_is_down(state: Path, tmp_path: Path) -> None:
    """Its processes are killed, as if its plug were pulled; on a testbed of its own, since it does not come back."""
    with lifecycle.emulated(2, seed=6) as inventory:
        folder = Path(inventory.host("pi1").work_folder).parents[1]
        of_host = [
            one for one in psutil.process_iter(["cmdline"]) if f"{folder}/" in " ".join(one.info["cmdline"] or ())
        ]
        assert of_host
        for process in of_host:
            process.kill()
        assert_unfit(inventory, tmp_path, "pi1", "cannot reach")


def test_the_wireless_interface_down(state: Path, tmp_path: Path) -> None:
    """On a testbed of its own: the device's routes do not come back with it."""
    with lifecycle.emulated(2, seed=6) as inventory:
        hosts = Hosts(inventory)
        try:
            hosts["pi2"].check(
                ["ip", "link", "set", inventory.host("pi2").interfaces["wifi"].device, "down"], timeout_s=9
            )
            assert_unfit(inventory, tmp_path, "pi2", "wifi", "is down")
        finally:
            hosts.close()
