"""What is to be built, and how its processes start and become ready."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from instrument.clock import SystemClock, sleep_s
from testbed.emulation import hosts, ownership, processes
from testbed.emulation.addresses import Topology
from testbed.emulation.conditions import NONE, Conditions
from testbed.emulation.profiles import Profiles
from testbed.errors import EmulationError

PROFILE_FILE = "profiles.toml"
_READY_TIMEOUT_S = 15.0
_POLL_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is to be built, and where its files go."""

    shape: Topology
    folder: Path
    profiles: Profiles
    seed: int
    conditions: Conditions = NONE

    @property
    def profile_file(self) -> Path:
        """The profiles as this testbed keeps them."""
        return self.folder / PROFILE_FILE


def spawn_module(argv: Sequence[str], namespace: str, testbed_id: str, log: Path) -> int:
    """Start a module of fedprobe's in a namespace, with what it says in `log`; returns its pid."""
    importable = {"PYTHONPATH": ownership.this_prefix(), "PYTHONDONTWRITEBYTECODE": "1"}
    return hosts.spawn(argv, namespace, testbed_id, log=log, extra=importable)


def wait_until_ready(pid: int, ready: Callable[[], bool], log: Path, *, what: str, next_step: str) -> None:
    """Until a process is ready. Raises EmulationError, with what it said, where it ends before or takes too long."""
    clock = SystemClock()
    deadline_ns = clock.mono_ns() + int(_READY_TIMEOUT_S * 1e9)
    while not ready():
        if processes.start_ticks(pid) is None or clock.mono_ns() > deadline_ns:
            said = log.read_text(encoding="utf-8", errors="replace").strip()
            raise EmulationError(f"{what} did not start: {said[-500:] or 'it said nothing'}. {next_step}")
        sleep_s(_POLL_S)
