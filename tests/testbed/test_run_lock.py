"""One run at a time on a testbed: who has the lock is told, and a holder that was killed has it no more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.run_lock import InUseError, held, lock_of_inventory

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


def test_inventories_have_locks_of_their_own(tmp_path: Path) -> None:
    environment = {"FEDPROBE_STATE": str(tmp_path)}
    assert lock_of_inventory("lab", environment) == tmp_path / "locks" / "lab"
    assert lock_of_inventory("../lab 2", environment).parent == tmp_path / "locks"
    assert lock_of_inventory("lab", {"XDG_STATE_HOME": str(tmp_path)}) == tmp_path / "fedprobe" / "locks" / "lab"
