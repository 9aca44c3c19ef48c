"""How long a planned trial will take and how much it will store: from earlier trials, else from bounds. Pure.

The bounds are rough and stated as such: the model's bytes over the rates of the link profile, shared by all clients,
half of each of Flower's polls, a start of a Python process for each message, for which the clients of an emulated
testbed share this machine's cores, and a fixed time around a trial.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instrument.polling import FAST_WAIT_S
from testbed.campaign import BUNDLED_APP, Campaign
from testbed.design.earlier import EarlierTrial
from testbed.design.factors import canonical
from testbed.design.testbeds import AskedTestbed
from testbed.emulation.profiles import DirectionProfile, LinkProfile
from testbed.plan import PlannedTrial

DIGITS_BYTES = 2_910_040  # of the bundled app's model as one array
POLLS_S = (3.0, 3.0, 1.0, 0.5)  # SuperNode, ServerApp, SuperExec, ClientApp's reply. Source: Flower 1.41
BOOT_S = 1.0  # of a ClientApp with a core of its own: 0.9 s measured, of 1, 2 and 4 on 2 cores; longer on a Pi
AROUND_S = 15.0  # starting, stopping, fetching and storing
GOODPUT = 1448 / 1514  # TCP payload with timestamps in a full frame
BUILD_S = 5.0  # of an emulated testbed of a few nodes, and its removal
RECORDS_BYTES = 600_000  # of a client's round, its share of the server's records, and logs
LEAST_BYTES = 5_000_000

_OWN = ("interface", "polling", "clients", "rounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of one trial. `source` says what it rests on."""

    seconds: float
    size_bytes: int
    source: str


def estimate_of(
    trial: PlannedTrial,
    asked: AskedTestbed,
    defaults: Mapping[str, Any],
    earlier: Sequence[EarlierTrial],
    cores: int | None = None,
) -> Estimate:
    """What a trial takes; `defaults` are its app's own settings, `earlier` trials of another run.

    `cores` are those of an emulated testbed; None: this machine's.
    """
    alike, how = _alike(trial, earlier)
    if alike:
        rounds = trial.campaign.rounds
        scale = statistics.fmean(rounds * trial.campaign.clients / (one.rounds * one.clients) for one in alike)
        return Estimate(
            seconds=statistics.fmean(one.around_s for one in alike)
            + rounds * statistics.fmean(one.round_s for one in alike),
            size_bytes=round(max(scale, 1.0) * statistics.fmean(one.size_bytes for one in alike)),
            source=f"{len(alike)} earlier trial{'' if len(alike) == 1 else 's'} {how}",
        )
    sent = sent_bytes(trial.campaign, defaults)
    link = asked.profiles.links.get(trial.interface) if asked.profiles else None
    shared = trial.campaign.clients / (cores or os.cpu_count() or 1) if asked.profiles else 1.0
    settings = {**defaults, **trial.campaign.workload.settings}
    round_s = _round_s(trial, sent, link, settings, boot_s=BOOT_S * max(shared, 1.0))
    return Estimate(
        seconds=AROUND_S + trial.campaign.rounds * round_s,
        size_bytes=_stored_bytes(trial.campaign, sent),
        source=_bound_words(sent, link),
    )


def _alike(trial: PlannedTrial, earlier: Sequence[EarlierTrial]) -> tuple[list[EarlierTrial], str]:
    """The earlier trials that tell most, and in which way they are like it."""
    same_waits = [one for one in earlier if one.polling == trial.polling]
    same_network = [one for one in same_waits if one.interface == trial.interface]
    same_size = [one for one in same_network if one.clients == trial.campaign.clients]
    same = [one for one in same_size if _others(one.levels) == _others(trial.levels)]
    for found, how in (
        (same, "like it"),
        (same_size, f"on {trial.interface} with as many clients"),
        (same_network, f"on {trial.interface}"),
        (same_waits, "on other networks"),
    ):
        if found:
            return found, how
    return [], ""


def _others(levels: Mapping[str, Any]) -> str:
    return canonical({name: level for name, level in levels.items() if name not in _OWN})


def sent_bytes(campaign: Campaign, defaults: Mapping[str, Any]) -> tuple[float, float] | None:
    """Bytes to and from each client in a round; None: nobody said how large the app's model is."""
    settings = {**defaults, **campaign.workload.settings}
    if campaign.workload.app != BUNDLED_APP:
        return None
    if settings.get("workload") == "payload":
        sizes = [_mean_of(settings.get(f"payload-{way}-bytes")) for way in ("down", "up")]
        return None if None in sizes else (float(sizes[0] or 0), float(sizes[1] or 0))
    return float(DIGITS_BYTES), float(DIGITS_BYTES)


def _mean_of(text: Any) -> float | None:
    try:
        return statistics.fmean(float(part) for part in str(text).split(","))
    except ValueError:
        return None


def _round_s(
    trial: PlannedTrial,
    sent: tuple[float, float] | None,
    link: LinkProfile | None,
    settings: Mapping[str, Any],
    *,
    boot_s: float,
) -> float:
    waits_s = math.fsum(POLLS_S) / 2 if trial.polling == "stock" else len(POLLS_S) * FAST_WAIT_S / 2
    moved_s = 0.0
    if sent is not None and link is not None:
        moved_s = transfer_s(link, down_bytes=sent[0], up_bytes=sent[1], clients=trial.campaign.clients)
    messages = 1 + (_number(settings.get("fraction-evaluate")) > 0) * (1 + (settings.get("validate") is True))
    computes_s = _number(settings.get("payload-compute-s")) if settings.get("workload") == "payload" else 0.0
    return messages * (waits_s + boot_s + moved_s) + computes_s


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def transfer_s(link: LinkProfile, *, down_bytes: float, up_bytes: float, clients: int) -> float:
    """The fluid bound of one exchange with all clients at once, in seconds."""
    down_s, up_s = _side_s(link.downlink, down_bytes, clients), _side_s(link.uplink, up_bytes, clients)
    shared = link.half_duplex_capacity_bit_per_s
    together_s = clients * (down_bytes + up_bytes) * 8 / (shared * GOODPUT) if shared else 0.0
    return max(down_s + up_s, together_s)


def _side_s(side: DirectionProfile, size_bytes: float, clients: int) -> float:
    alone_s = size_bytes * 8 / (side.ceil_bit_per_s * GOODPUT)
    capacity = side.capacity_bit_per_s
    return max(alone_s, clients * size_bytes * 8 / (capacity * GOODPUT) if capacity else 0.0)


def _stored_bytes(campaign: Campaign, sent: tuple[float, float] | None) -> int:
    records = campaign.rounds * campaign.clients * RECORDS_BYTES
    captured = 0.0
    if campaign.collect.capture and sent is not None:
        captured = 2 * campaign.rounds * campaign.clients * (sent[0] + sent[1]) / GOODPUT
    return round(max(records, LEAST_BYTES) + captured)


def _bound_words(sent: tuple[float, float] | None, link: LinkProfile | None) -> str:
    lacking = "" if sent and link else ", transfers left out: " + ("rates" if sent else "bytes") + " unknown"
    return f"a rough bound: bytes over rate, Flower's waits, starts of ClientApps{lacking}; computing is not in it"
