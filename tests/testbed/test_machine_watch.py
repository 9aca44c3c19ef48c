"""The machine that the hosts of an emulated testbed share is watched by the controller."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from testbed.machine_watch import FILE, MachineWatch, machine_samples

BURN = (
    "import time\nwhile time.process_time() < 0.3: pass\nprint('there', flush=True)\nimport sys; sys.stdin.read()\n"
)


def test_what_other_programs_used_meanwhile_is_in_the_trials_folder(tmp_path: Path) -> None:
    watch = MachineWatch(tmp_path, shared=True)
    watch.begin()
    with subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        watch.end()
        process.communicate()
    watch.keep()
    samples = machine_samples(tmp_path)
    everything = [one.values["other_cpu_time_s"] for one in samples if one.subject == "all"]
    assert everything[0] == 0.0
    assert everything[-1] >= 0.29
    assert any(one.subject.endswith(f":{process.pid}") for one in samples)
    assert [one.mono_ns for one in samples] == sorted(one.mono_ns for one in samples)


def test_real_hosts_tell_of_themselves(tmp_path: Path) -> None:
    watch = MachineWatch(tmp_path, shared=False)
    watch.begin()
    watch.end()
    watch.keep()
    assert machine_samples(tmp_path) == []
    assert not (tmp_path / FILE).exists()


def test_a_watch_that_was_never_begun_ends(tmp_path: Path) -> None:
    watch = MachineWatch(tmp_path, shared=True)
    watch.end()
    watch.keep()
    assert machine_samples(tmp_path) == []
