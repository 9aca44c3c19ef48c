"""Each emulated host is a host of its own: name, clock, home, processes, keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from instrument.clock import SystemClock, sleep_s
from testbed.emulation import keys
from testbed.errors import (
    LoginRefusedError,
    RemoteError,
    RemoteTimeoutError,
    UnknownHostKeyError,
    UnreachableError,
    WrongHostKeyError,
)
from testbed.login import login_to
from testbed.ssh import connect

from .conftest import Hosts

pytestmark = pytest.mark.netns


def test_hosts_differ_in_name_clock_and_home(hosts: Hosts) -> None:
    names = [host.name for host in hosts.inventory.hosts]
    found = {name: hosts.traffic(name, "facts") for name in names}

    assert [found[name]["hostname"] for name in names] == ["server", "pi1", "pi2", "pi3"]
    for key in ("home", "tmpdir", "time_namespace"):
        assert len({found[name][key] for name in names}) == len(names), key
    for name in names:
        assert found[name]["devices"] == ["eth0", "lo", "mgmt0", "wlan0", "wwan0"]
        assert found[name]["pids"] < 20  # its own processes, not the machine's


def test_each_monotonic_clock_has_the_recorded_offset(hosts: Hosts) -> None:
    offsets_s = hosts.inventory.emulator.monotonic_offset_s
    for name, offset_s in offsets_s.items():
        before_s = SystemClock().mono_ns() / 1e9
        there_s = hosts.traffic(name, "facts")["monotonic_s"]
        after_s = SystemClock().mono_ns() / 1e9
        assert before_s + offset_s < there_s < after_s + offset_s
    assert len(set(offsets_s.values())) == 4
    assert min(offsets_s.values()) >= 100_000


def test_a_wrong_host_key_is_refused(hosts: Hosts, tmp_path: Path) -> None:
    other = keys.new_key(tmp_path / "other")
    known = tmp_path / "known_hosts"
    known.write_text(keys.known_hosts({"10.76.0.1": other}))
    inventory = hosts.inventory.model_copy(update={"known_hosts": known})
    with pytest.raises(WrongHostKeyError, match=r"pi1: the host key of 10\.76\.0\.1 port 22 is not the one"):
        connect(login_to(inventory, inventory.host("pi1")))


def test_an_unknown_host_key_is_refused(hosts: Hosts, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text("")
    inventory = hosts.inventory.model_copy(update={"known_hosts": known})
    with pytest.raises(UnknownHostKeyError, match="not in"):
        connect(login_to(inventory, inventory.host("pi1")))


def test_a_strange_key_cannot_log_in(hosts: Hosts, tmp_path: Path) -> None:
    keys.new_key(tmp_path / "strange")
    host = hosts.inventory.host("pi1")
    strange = host.management.model_copy(update={"key": tmp_path / "strange"})
    with pytest.raises(LoginRefusedError, match="authorized_keys"):
        connect(login_to(hosts.inventory, host.model_copy(update={"management": strange})))


def test_a_closed_port_is_named(hosts: Hosts) -> None:
    host = hosts.inventory.host("pi1")
    closed = host.model_copy(update={"management": host.management.model_copy(update={"port": 23})})
    with pytest.raises(UnreachableError, match=r"10\.76\.0\.1 port 23: Connection refused"):
        connect(login_to(hosts.inventory, closed))


def test_hosts_listen_on_the_management_network_only(hosts: Hosts) -> None:
    host = hosts.inventory.host("server")
    measured = host.model_copy(update={"management": host.management.model_copy(update={"address": "10.78.1.1"})})
    with pytest.raises(UnreachableError):
        connect(login_to(hosts.inventory, measured), timeout_s=2)


def test_commands_report_status_and_both_streams(hosts: Hosts) -> None:
    done = hosts["pi1"].run(["sh", "-c", 'echo "$A"; echo wrong >&2; exit 3'], timeout_s=5, env={"A": "a 'b'"})
    assert (done.status, done.stdout, done.stderr) == (3, b"a 'b'\n", b"wrong\n")


def test_large_outputs_do_not_block(hosts: Hosts) -> None:
    text = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero"
    done = hosts["pi1"].run(["sh", "-c", text], timeout_s=30)
    assert (len(done.stdout), len(done.stderr)) == (3_000_000, 3_000_000)


def test_a_failed_check_tells_what_the_command_said(hosts: Hosts) -> None:
    with pytest.raises(RemoteError, match=r"pi1: `cat /absent` failed with status 1: .*No such file"):
        hosts["pi1"].check(["cat", "/absent"], timeout_s=5)


def test_a_command_that_takes_too_long_is_ended(hosts: Hosts) -> None:
    with pytest.raises(RemoteTimeoutError, match=r"still running after 0\.2 s"):
        hosts["pi1"].run(["sleep", "47.11"], timeout_s=0.2)
    found = hosts["pi1"].run(["grep", "-ls", "47.11", "-r", "/proc", "--include=cmdline"], timeout_s=5)
    assert "47.11" not in found.text


def test_a_started_group_outlives_the_session_and_ends_with_its_children(hosts: Hosts) -> None:
    host = hosts.inventory.host("pi2")
    with connect(login_to(hosts.inventory, host)) as shell:
        pid = shell.start(
            ["sh", "-c", "trap '' TERM; sleep 1000 & echo $!; wait"], stdout="group.out", stderr="group.err", nice=5
        )
    with connect(login_to(hosts.inventory, host)) as shell:
        assert shell.alive(pid)
        child = _until_written(shell, "group.out")
        assert shell.check(["ps", "-o", "ni=", "-p", str(pid)], timeout_s=5).text.strip() == "5"
        shell.stop_group(pid, grace_s=0.2)
        assert not shell.alive(pid)
        assert not shell.alive(int(child))


def _until_written(shell, path: str) -> str:
    for _ in range(200):
        if text := shell.check(["cat", path], timeout_s=5).text.strip():
            return text
        sleep_s(0.02)
    raise AssertionError(f"{path} stayed empty")


def test_a_command_started_in_an_absent_folder_is_refused(hosts: Hosts) -> None:
    with pytest.raises(RemoteError, match="cannot start `true`"):
        hosts["pi1"].start(["true"], stdout="o", stderr="e", cwd="/absent")


def test_files_travel_both_ways(hosts: Hosts, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(bytes(range(256)) * 1000)
    folder = hosts.inventory.host("pi1").work_folder
    hosts["pi1"].put(tmp_path / "there", f"{folder}/segment")
    hosts["pi1"].get(f"{folder}/segment", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "there").read_bytes()
    listed = {file.name: file.size_bytes for file in hosts["pi1"].listdir(folder)}
    assert listed["segment"] == 256_000
    with pytest.raises(RemoteError, match="pi1: /absent/file: "):
        hosts["pi1"].get("/absent/file", tmp_path / "none")
