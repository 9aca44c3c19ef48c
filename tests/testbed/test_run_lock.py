"""One run at a time on a testbed: who has the lock is told, and a holder that was killed has it no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.inventory_file import parse_inventory
from testbed.run_lock import InUseError, alone_on, held, lock_of_inventory

LAB = """
name = "lab"
known_hosts = "known_hosts"
[defaults]
key = "key"
[defaults.devices]
wifi = "wlan0"
[server]
name = "server"
management = "192.0.2.1"
interfaces = { wifi = "198.51.100.1" }
[[nodes]]
name = "pi1"
management = "192.0.2.11"
interfaces = { wifi = "198.51.100.11" }
"""
HOLD = "import sys, time; from pathlib import Path; from testbed.run_lock import held\n"
HOLD += "with held(Path(sys.argv[1]), 'testbed lab'):\n    print('held', flush=True)\n    time.sleep(60)"


def test_a_second_run_is_told_who_has_it_and_since_when(tmp_path: Path) -> None:
    with (
        held(tmp_path / "lab", "testbed lab"),
        pytest.raises(InUseError) as refused,
        held(tmp_path / "lab", "testbed lab"),
    ):
        pass
    said = str(refused.value)
    assert said.startswith("testbed lab is in use since 20")
    assert f"process {os.getpid()} of " in said
    assert Path(sys.argv[0]).name in said
    assert said.endswith(f"kill {os.getpid()}")


def test_a_holder_that_was_killed_has_it_no_more(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "lab"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InUseError, match=f"process {holder.pid} of"), held(lock, "testbed lab"):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with held(lock, "testbed lab"):
        assert str(os.getpid()) in lock.read_text()


def test_a_lock_that_is_being_written_is_still_a_refusal(tmp_path: Path) -> None:
    with held(tmp_path / "lab", "testbed lab"):
        (tmp_path / "lab").write_text("")
        with pytest.raises(InUseError, match="in use by another run"), held(tmp_path / "lab", "testbed lab"):
            pass


def test_a_second_run_on_an_inventory_is_refused_and_emulated_testbeds_are_not_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDPROBE_STATE", str(tmp_path))
    inventory = parse_inventory(LAB, Path("/lab.toml"))
    with alone_on(inventory), pytest.raises(InUseError, match="testbed lab is in use since"), alone_on(inventory):
        pass
    with alone_on(None), alone_on(None):
        pass


def test_inventories_have_locks_of_their_own(tmp_path: Path) -> None:
    environment = {"FEDPROBE_STATE": str(tmp_path)}
    assert lock_of_inventory("lab", environment) == tmp_path / "locks" / "lab"
    assert lock_of_inventory("../lab 2", environment).parent == tmp_path / "locks"
    assert lock_of_inventory("lab", {"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "fedprobe" / "locks" / "lab"
