"""What is built is removed without a trace, whoever built it and wherever it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from instrument.clock import sleep_s
from testbed.emulation import lifecycle, namespaces, ownership, tc
from testbed.errors import EmulationError, OwnershipError, UsageError
from testbed.inventory import Inventory

pytestmark = pytest.mark.netns

REPOSITORY = Path(lifecycle.__file__).parents[2]

# Builds a testbed and kills itself when a function has been called so often; "-" never kills.
BUILDER = """
import importlib, os, signal, sys
from testbed.emulation import lifecycle
place, function, calls, held = sys.argv[1:]
if place != "-":
    module = importlib.import_module(f"testbed.emulation.{place}")
    original, left = getattr(module, function), [int(calls)]
    def counted(*arguments, **named):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)
    setattr(module, function, counted)
print(lifecycle.up(2, held=held == "held").name, flush=True)
sys.stdin.read()
"""


def builder(place: str = "-", function: str = "-", calls: int = 1, *, held: str = "run") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, place, function, str(calls), held],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def traces(testbed_id: str) -> list[str]:
    """What is left of a testbed anywhere on this machine, found by other means than the product's."""
    found = [str(path) for path in namespaces.FOLDER.glob(f"*{testbed_id}*")]
    found += [str(path) for path in ownership.REGISTRY.glob(f"*{testbed_id}*")]
    found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if testbed_id in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if testbed_id.encode() in said:
            found.append(f"{process}: {said[:200]!r}")
    return found


def root_namespace() -> list[str]:
    """What a testbed must not change outside its namespaces."""
    programs = (["ip", "-o", "link"], ["ip", "route", "show", "table", "all"], ["ip", "rule"], ["iptables-save"])
    texts = [subprocess.run(argv, capture_output=True, text=True, check=True).stdout for argv in programs]
    keys = ("net/ipv4/ip_forward", "net/ipv4/conf/all/rp_filter", "net/ipv6/conf/all/disable_ipv6", "kernel/hostname")
    texts += [path.read_text() for key in keys if (path := Path("/proc/sys") / key).exists()]
    return [line for text in texts for line in text.splitlines() if not line.startswith("#")]


def test_down_leaves_nothing(state: Path) -> None:
    before = root_namespace()
    inventory = lifecycle.up(2)
    assert root_namespace() == before
    assert traces(inventory.name)
    lifecycle.down(inventory.name)
    assert traces(inventory.name) == []
    assert list(state.iterdir()) == []
    assert root_namespace() == before
    assert inventory.name not in [one.testbed_id for one in lifecycle.status()]


def test_the_context_manager_removes_after_an_error(state: Path) -> None:
    with pytest.raises(ZeroDivisionError), lifecycle.emulated(1, networks=["ethernet"]) as inventory:
        1 / 0  # noqa: B018
    assert [node.name for node in inventory.nodes] == ["pi1"]
    assert list(inventory.server_addresses) == ["ethernet"]
    assert traces(inventory.name) == []


KILLS = [
    ("keys", "new_key", 1),
    ("namespaces", "create", 1),
    ("namespaces", "create", 4),
    ("namespaces", "_bind_new_namespace", 2),
    ("links", "_router", 2),
    ("links", "_host", 3),
    ("hosts", "start", 3),
    ("tc", "apply", 3),
    ("programs", "output", 5),
    ("building", "_wait_for_delayer", 3),
    ("hosts", "wait_until_reachable", 1),
    ("ownership", "write_owner", 1),
    ("ownership", "complete", 1),
]


@pytest.mark.parametrize("held", ["run", "held"])
@pytest.mark.parametrize(("place", "function", "calls"), KILLS)
def test_what_a_killed_builder_left_goes_with_the_next_up(
    state: Path, place: str, function: str, calls: int, held: str
) -> None:
    known = {one.testbed_id for one in lifecycle.status()}
    process = builder(place, function, calls, held=held)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = {one.testbed_id: one for one in lifecycle.status() if one.testbed_id not in known}
    mine = [name for name, one in left.items() if state in one.folder.parents]
    assert len(mine) == 1
    assert left[mine[0]].abandoned

    assert mine[0] in lifecycle.sweep()
    assert traces(mine[0]) == []
    assert list(state.iterdir()) == []


def test_a_killed_run_makes_room_for_the_next_up(state: Path) -> None:
    process = builder()
    dead = process.stdout.readline().strip()
    end(process)
    assert traces(dead)
    with lifecycle.emulated(1, networks=["5g"]):
        assert traces(dead) == []


def test_a_removal_that_was_cut_short_is_finished(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = lifecycle.up(1, networks=["5g"])
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle.shutil, "rmtree", lambda _folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            lifecycle.down(inventory.name)
    lifecycle.down(inventory.name)
    assert traces(inventory.name) == []


def test_a_live_run_is_left_alone(state: Path) -> None:
    process = builder()
    live = process.stdout.readline().strip()
    try:
        with lifecycle.emulated(1, networks=["ethernet"]):
            assert live not in lifecycle.sweep()
            with pytest.raises(OwnershipError, match=f"testbed {live} is in use by process {process.pid}"):
                lifecycle.down(live)
        assert (namespaces.FOLDER / f"fp-{live}-server").exists()
    finally:
        end(process)
        lifecycle.sweep()
    assert traces(live) == []


def test_a_held_testbed_outlives_its_process_until_its_clone_makes_another(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = builder(held="held")
    first = process.stdout.readline().strip()
    end(process)
    assert lifecycle.held_here().testbed_id == first
    with lifecycle.emulated(1, networks=["ethernet"]):  # a run beside it
        assert not any(one.abandoned for one in lifecycle.status() if one.testbed_id == first)
    with monkeypatch.context() as other_clone:
        other_clone.setattr(ownership, "this_prefix", lambda: str(REPOSITORY) + "/")
        theirs = lifecycle.up(1, networks=["ethernet"], held=True).name
    assert (namespaces.FOLDER / f"fp-{first}-server").exists()

    second = lifecycle.up(1, networks=["ethernet"], held=True).name
    assert traces(first) == []
    assert (namespaces.FOLDER / f"fp-{theirs}-server").exists()
    for name in (second, theirs):
        lifecycle.down(name)
        assert traces(name) == []


def test_two_builders_at_once_do_not_disturb_each_other(state: Path) -> None:
    processes = [builder(), builder()]
    names = [process.stdout.readline().strip() for process in processes]
    assert all(names)
    assert len(set(names)) == 2
    for process in processes:
        end(process)
    assert set(names) <= set(lifecycle.sweep())
    assert [trace for name in names for trace in traces(name)] == []


def test_a_rate_that_the_kernel_changed_is_refused_and_nothing_stays(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = tc._add_class
    monkeypatch.setattr(tc, "_rate_bytes_per_s", lambda bit_per_s: bit_per_s // 16)
    with pytest.raises(EmulationError, match=r"the 5g link is not what was asked: .* has rate 15000000 bit/s"):
        lifecycle.up(1, networks=["5g"])
    assert tc._add_class is original
    assert list(state.iterdir()) == []


def test_a_dead_delayer_is_noticed(state: Path) -> None:
    with lifecycle.emulated(1, networks=["5g"]) as inventory:
        os.kill(inventory.emulator.networks["5g"].pid, signal.SIGKILL)
        with pytest.raises(EmulationError, match="the delayer of 5g"):
            _look_for_2_s(inventory)


def _look_for_2_s(inventory: Inventory) -> None:
    for _ in range(100):
        lifecycle.delayer_snapshots(inventory)
        sleep_s(0.02)


def test_an_unknown_testbed_is_named(state: Path) -> None:
    with pytest.raises(UsageError, match="no testbed 'none'"):
        lifecycle.down("none")
