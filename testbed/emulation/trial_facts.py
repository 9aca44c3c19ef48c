"""What the emulator did during a trial: how late its delays were, which rates it applied, what it sent beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testbed.emulation import following, lateness, lifecycle, sending
from testbed.emulation.background import Count
from testbed.inventory import FollowedTrace, Inventory

DELAY_KEPT_NS = 2_000_000  # up to so late a delay counts as the profile's
PI_LIKE = "Pi-like"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The emulator at the beginning of a trial."""

    delayers: Mapping[str, lateness.Snapshot]
    background: Mapping[str, Count]


def before(inventory: Inventory) -> Before:
    """Take note of the emulator, and begin its traces anew. Raises EmulationError where a part of it is dead."""
    found = Before(delayers=lifecycle.delayer_snapshots(inventory), background=sending.counts(inventory))
    following.restart_traces(inventory)
    return found


def declared(inventory: Inventory, interface: str) -> dict[str, Any]:
    """The conditions of a trial that its settings tell, before it starts; empty where there are none."""
    emulator = inventory.emulator
    if emulator is None:
        return {}
    facts: dict[str, Any] = {}
    if (limit := emulator.pi_cpu) is not None:
        facts["pi_like"] = {
            "label": PI_LIKE,
            "cores": limit.cores,
            "period_ms": limit.period_us / 1000,
            "cgroup": limit.cgroup,
        }
    if (sender := emulator.background) is not None and sender.network == interface:
        facts["background"] = {
            "network": sender.network,
            "uplink_bit_per_s": sender.uplink_bit_per_s,
            "downlink_bit_per_s": sender.downlink_bit_per_s,
        }
    if (trace := _trace_of(inventory, interface)) is not None:
        facts["trace"] = {"file": " + ".join(trace.files), "period_s": trace.period_s}
    return facts


def follows_trace(inventory: Inventory, interface: str) -> bool:
    """Whether a network has no one rate."""
    return _trace_of(inventory, interface) is not None


def during(inventory: Inventory, interface: str, begun: Before | None) -> dict[str, Any]:
    """What the emulator did since `begun` for a trial on a network; None: the trial ended before it began.

    Raises EmulationError or ValueError where a part of it died or was replaced.
    """
    emulator = inventory.emulator
    if emulator is None:
        return {}
    network = emulator.networks[interface]
    facts: dict[str, Any] = {
        "kind": network.delay_element,
        "congestion_control": emulator.congestion_control,
        "rootless": emulator.rootless,
    }
    if begun is None:
        return facts
    if interface in begun.delayers:
        facts |= _lateness(begun.delayers[interface], lifecycle.delayer_snapshots(inventory)[interface])
    if begun.background and emulator.background is not None and emulator.background.network == interface:
        facts["background_bit_per_s"] = sending.rates(begun.background, sending.counts(inventory))
    return facts


def rates_applied(inventory: Inventory, interface: str) -> str | None:
    """The rates of a network since its trace began, as CSV; None: it follows none. Raises EmulationError."""
    return following.applied_rates(inventory).get(interface)


def _lateness(early: lateness.Snapshot, late: lateness.Snapshot) -> dict[str, Any]:
    found = lateness.between(early, late)
    return {
        "scheduler": late.scheduler,
        "packets": found.packets,
        "dropped": found.dropped,
        "overruns": found.overruns,
        "delay_late_mean_s": _seconds(found.mean_ns),
        "delay_late_p99_s": _seconds(found.p99_ns),
        "delay_late_max_s": _seconds(found.max_ns),
        "delay": "unverified" if found.p99_ns is None or found.p99_ns > DELAY_KEPT_NS else "verified",
    }


def _trace_of(inventory: Inventory, interface: str) -> FollowedTrace | None:
    networks = inventory.emulator.networks if inventory.emulator else {}
    return networks[interface].trace if interface in networks else None


def _seconds(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9
