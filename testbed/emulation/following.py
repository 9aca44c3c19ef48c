"""Starts the process that makes a network's rates follow a trace, and begins its trace anew for each trial."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from instrument.clock import SystemClock, sleep_s
from testbed.emulation import processes
from testbed.emulation.addresses import Network
from testbed.emulation.rate_follower import LOG_HEADER, Shape, command
from testbed.emulation.rate_trace import load_trace
from testbed.emulation.shaping import DelayElement
from testbed.emulation.site import Site, spawn_module, wait_until_ready
from testbed.errors import EmulationError
from testbed.inventory import FollowedTrace, Inventory

_RESTART_TIMEOUT_S = 5.0
_POLL_S = 0.005


def follow(site: Site, network: Network, element: DelayElement) -> FollowedTrace | None:
    """Make a network's rates follow its trace; None: it has none. Raises EmulationError."""
    asked = site.conditions.traces.get(network.name)
    if asked is None:
        return None
    kept = [site.folder / f"trace-{network.name}-{number}{path.suffix}" for number, path in enumerate(asked)]
    for path, copy in zip(asked, kept, strict=True):
        shutil.copyfile(path, copy)
    applied = site.folder / f"rates-{network.name}.csv"
    said = applied.with_suffix(".log")
    shape = Shape(link=site.profiles.links[network.name], network=network, nodes=site.shape.clients, element=element)
    testbed_id = site.shape.testbed_id
    argv = command(shape, profiles=site.profile_file, log=applied, testbed_id=testbed_id, trace=kept)
    pid = spawn_module(argv, site.shape.router(network), testbed_id, said)
    wait_until_ready(
        pid,
        lambda: bool(_rows(applied)),
        said,
        what=f"the trace of {network.name}",
        next_step="See that message, and run up again.",
    )
    return FollowedTrace(
        pid=pid, files=tuple(path.name for path in asked), period_s=load_trace(asked).period_s, log=applied
    )


def restart_traces(inventory: Inventory) -> None:
    """Begin every trace anew; returns when its first rates are applied. Raises EmulationError."""
    clock = SystemClock()
    for name, trace in traces(inventory):
        asked_ns = clock.mono_ns()
        _require_alive(name, trace)
        os.kill(trace.pid, signal.SIGHUP)
        deadline_ns = asked_ns + int(_RESTART_TIMEOUT_S * 1e9)
        while not (rows := _rows(trace.log)) or int(rows[0].partition(",")[0]) < asked_ns:
            _require_alive(name, trace)
            if clock.mono_ns() > deadline_ns:
                raise EmulationError(
                    f"the trace of {name} does not begin anew. Run `fedprobe testbed down`, then up."
                )
            sleep_s(_POLL_S)


def applied_rates(inventory: Inventory) -> dict[str, str]:
    """Of each network with a trace, the rates applied since it began, as CSV. Raises EmulationError."""
    found = {}
    for name, trace in traces(inventory):
        _require_alive(name, trace)
        found[name] = trace.log.read_text(encoding="ascii")
    return found


def traces(inventory: Inventory) -> Iterator[tuple[str, FollowedTrace]]:
    """The networks whose rates follow a trace."""
    networks = inventory.emulator.networks if inventory.emulator else {}
    return ((name, one.trace) for name, one in networks.items() if one.trace is not None)


def _require_alive(network: str, trace: FollowedTrace) -> None:
    if processes.start_ticks(trace.pid) is None:
        raise EmulationError(
            f"the process that makes {network} follow its trace ({trace.pid}) has ended, so rates stand still. "
            f"See {trace.log.with_suffix('.log')}, then `fedprobe testbed down` and up again."
        )


def _rows(log: Path) -> list[str]:
    """The whole lines of a log after its header; none where there is no log yet."""
    if not log.exists():
        return []
    header, _, rest = log.read_text(encoding="ascii").partition("\n")
    return rest.split("\n")[:-1] if header == LOG_HEADER else []
