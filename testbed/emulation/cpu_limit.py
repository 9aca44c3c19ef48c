"""Gives each node a share of the processor, by the kernel's CPU controller: cgroup v1 or v2, whichever has it.

A share is of one core: 0.4 lets a node run 40 % of the time of one core, on whichever of them. It is Pi-like, not a
Pi: nobody knows the share that equals one on this machine. Source: Linux, Documentation/scheduler/sched-bwc.rst and
Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from instrument.clock import SystemClock, sleep_s
from testbed.errors import EmulationError, MissingCapabilityError, UsageError

_MOUNT = Path("/sys/fs/cgroup")
_V1_FOLDERS = ("cpu", "cpu,cpuacct")
_V2_FOLDERS = ("", "unified")
PERIOD_US = 25_000  # shorter ones miss the share where the kernel ticks at 250 Hz, longer ones stall for longer
_LEAST_QUOTA_US = 1000  # the kernel's own
_REMOVE_TIMEOUT_S = 5.0
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Controller:
    """Where groups with a processor limit are made."""

    version: Literal["v1", "v2"]
    root: Path


def found_controller(mount: Path = _MOUNT) -> Controller | None:
    """The CPU controller of this machine; None: the kernel gives none."""
    for folder in _V1_FOLDERS:
        if (mount / folder / "cpu.shares").exists():
            return Controller("v1", mount / folder)
    for folder in _V2_FOLDERS:
        listed = mount / folder / "cgroup.controllers"
        if listed.exists() and "cpu" in listed.read_text(encoding="ascii").split():
            return Controller("v2", mount / folder)
    return None


def require_share(cores: float, nodes: int, machine_cores: int) -> None:
    """Raises UsageError for a share that no node can have, or that not all nodes together can have. Pure."""
    least = _LEAST_QUOTA_US / PERIOD_US
    if not least <= cores <= machine_cores:
        raise UsageError(
            f"a share of {cores:g} of a core: expected {least:g} to {machine_cores}, the cores of this machine. "
            "Correct pi_cpu."
        )
    if cores * nodes > machine_cores:
        raise UsageError(
            f"{nodes} nodes with {cores:g} of a core each need {cores * nodes:g} cores, and this machine has "
            f"{machine_cores}: then the limits would not decide who runs. Ask for fewer nodes, or at most "
            f"{machine_cores / nodes:g} of a core."
        )


def require_controller() -> Controller:
    """The CPU controller. Raises MissingCapabilityError where there is none, or none that may be written."""
    controller = found_controller()
    if controller is None:
        raise MissingCapabilityError(
            f"a processor limit needs the kernel's CPU controller, and below {_MOUNT} neither cgroup v1 nor v2 has "
            "it. Leave pi_cpu out, or mount it: mount -t cgroup2 none /sys/fs/cgroup"
        )
    if not os.access(controller.root, os.W_OK):
        raise MissingCapabilityError(
            f"a processor limit needs a group below {controller.root}, which this user may not write. Leave pi_cpu "
            "out, or run where cgroups may be written: as root, not in a container that forbids it."
        )
    return controller


def limit(controller: Controller, testbed_id: str, host: str, cores: float) -> Path:
    """Make a host's group with its limit, and read it back. Raises EmulationError."""
    parent = controller.root / group_name(testbed_id)
    group = parent / host
    quota_us = round(cores * PERIOD_US)
    try:
        if controller.version == "v2":
            _enable(controller.root)
            parent.mkdir(exist_ok=True)
            _enable(parent)
        group.mkdir(parents=True)
        _write_quota(controller, group, quota_us)
        there = read_cores(controller, group)
    except OSError as error:
        raise EmulationError(
            f"{host}: no processor limit can be set below {controller.root}: {error.strerror}. Leave pi_cpu out."
        ) from error
    if there != quota_us / PERIOD_US:
        raise EmulationError(f"{host}: the kernel limits it to {there} cores, asked {quota_us / PERIOD_US}.")
    return group


def read_cores(controller: Controller, group: Path) -> float | None:
    """The limit of a group in cores; None: it has none."""
    if controller.version == "v2":
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
    else:
        quota, period = ((group / f"cpu.cfs_{part}_us").read_text(encoding="ascii") for part in ("quota", "period"))
    return None if quota.strip() in {"max", "-1"} else int(quota) / int(period)


def group_name(testbed_id: str) -> str:
    """The group that holds the groups of a testbed's hosts."""
    return f"fedprobe-{testbed_id}"


def inside_group(group: Path, argv: list[str]) -> list[str]:
    """The command that enters a group and becomes `argv`: what it starts is limited from its first moment. Pure."""
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *argv]


def remove(testbed_id: str) -> None:
    """Remove the groups of a testbed whose processes have ended. Raises EmulationError where one stays."""
    for folder in {*_V1_FOLDERS, *_V2_FOLDERS}:
        parent = _MOUNT / folder / group_name(testbed_id)
        if parent.is_dir():
            for group in [one for one in parent.iterdir() if one.is_dir()]:
                _remove_group(group)
            _remove_group(parent)


def remove_orphans(testbed_ids: Collection[str]) -> None:
    """Remove the groups of testbeds that are none of these: those of a removal by a fedprobe that knew no groups.

    Groups with a process in them stay, and so do those of another user: they are of a testbed that is registered
    where this process cannot see it.
    """
    for folder in {*_V1_FOLDERS, *_V2_FOLDERS}:
        for parent in (_MOUNT / folder).glob(group_name("*")):
            if parent.name.removeprefix(group_name("")) not in testbed_ids:
                for group in [*(one for one in parent.iterdir() if one.is_dir()), parent]:
                    with contextlib.suppress(OSError):
                        group.rmdir()


def _remove_group(group: Path) -> None:
    """A group is busy as long as a process of it is not buried."""
    clock = SystemClock()
    deadline_ns = clock.mono_ns() + int(_REMOVE_TIMEOUT_S * 1e9)
    while group.is_dir():
        with contextlib.suppress(FileNotFoundError):
            try:
                group.rmdir()
            except OSError as error:
                if clock.mono_ns() > deadline_ns:
                    raise EmulationError(
                        f"{group} cannot be removed: {error.strerror}. Try: rmdir {group}"
                    ) from error
                sleep_s(_POLL_S)


def _enable(parent: Path) -> None:
    control = parent / "cgroup.subtree_control"
    if "cpu" not in control.read_text(encoding="ascii").split():
        control.write_text("+cpu", encoding="ascii")


def _write_quota(controller: Controller, group: Path, quota_us: int) -> None:
    if controller.version == "v2":
        (group / "cpu.max").write_text(f"{quota_us} {PERIOD_US}", encoding="ascii")
        return
    (group / "cpu.cfs_period_us").write_text(str(PERIOD_US), encoding="ascii")
    (group / "cpu.cfs_quota_us").write_text(str(quota_us), encoding="ascii")


def machine_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))
