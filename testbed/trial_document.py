"""What trial.json says of a trial before it starts, and of the conditions that its processes recorded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from analysis.load import Records
from instrument.flower.priority import PRIORITY
from instrument.identity import ROLES
from instrument.polling import FAST_WAIT_S
from instrument.records import Fault
from testbed.campaign import Campaign
from testbed.emulation import trial_facts
from testbed.emulation.profiles import LinkProfile
from testbed.inventory import Inventory
from testbed.plan import PlannedTrial
from testbed.setting import Setting


def asked(setting: Setting, planned: PlannedTrial) -> dict[str, Any]:
    """What trial.json says before anything is started."""
    campaign = planned.campaign
    varies = trial_facts.follows_trace(setting.inventory, planned.interface)
    one_rate = setting.profiles and not planned.networks and not varies
    link = setting.profiles.links[planned.interface] if setting.profiles and one_rate else None
    return {
        "name": planned.name,
        "campaign": campaign.name,
        "interface": planned.interface,
        "repetition": planned.repetition,
        "rounds": campaign.rounds,
        "nodes": [node.name for node in setting.inventory.nodes[: campaign.clients]],
        "outcome": "unfinished",
        "reason": "the run ended before this trial did",
        "link": link_rates(link) if link else None,
        "settings": {
            "run_config": campaign.run_config(),
            "collectors": list(campaign.collect.collectors),
            "convergence": campaign.convergence and campaign.convergence.model_dump(),
            "polling": planned.polling,
            "networks": dict(planned.networks),
            "levels": dict(planned.levels),
            "block": planned.block,
            "warmup_rounds": campaign.design.warmup_rounds,
            "settings_digest": planned.settings_digest,
            "security": setting.inventory.security,
            "clock": setting.inventory.clock,
            "management_on": _management_on(setting.inventory, campaign.clients),
            "fast_waits_s": FAST_WAIT_S if planned.polling == "fast" else None,
            **({"fault": campaign.fault_name} if campaign.fault_steps else {}),
            **trial_facts.declared(setting.inventory, planned.interface),
        },
    }


def _management_on(inventory: Inventory, clients: int) -> dict[str, list[str]]:
    """The measured networks that management uses too, with the hosts of the trial on which it does."""
    taking_part = [inventory.server, *inventory.nodes[:clients]]
    found: dict[str, list[str]] = {}
    for host in taking_part:
        for network in host.shared_networks:
            found.setdefault(network, []).append(host.name)
    return found


def link_rates(profile: LinkProfile) -> dict[str, Any]:
    """The rates of a link as analysis.model.LinkRates names them."""
    shared = profile.half_duplex_capacity_bit_per_s
    return {
        "interface": profile.network,
        "client_down_bit_per_s": profile.downlink.ceil_bit_per_s,
        "client_up_bit_per_s": profile.uplink.ceil_bit_per_s,
        "cell_down_bit_per_s": shared or profile.downlink.capacity_bit_per_s,
        "cell_up_bit_per_s": shared or profile.uplink.capacity_bit_per_s,
        "half_duplex": shared is not None,
    }


def conditions(setting: Setting, campaign: Campaign, records: Records) -> dict[str, Any]:
    """Conditions as the processes themselves recorded them: priorities that were set whole, the server's processors.

    A nice value can be in force while its group of processes was refused it: only a fault tells that.
    """
    asked_for = campaign.priorities
    flower = [segment.header for segment in records.segments if segment.header.role in ROLES]
    kept = all(header.nice == asked_for[header.role] for header in flower if header.role in asked_for)
    refused = any(fault.where == PRIORITY for _, fault in records.of(Fault))
    nice: dict[str, Sequence[int]] = {
        role: sorted({header.nice for header in flower if header.role == role}) for role in ROLES
    }
    return {
        "priorities": kept and not refused and bool(asked_for),
        "nice": {role: values for role, values in nice.items() if values},
        "cpus": os.cpu_count() if setting.inventory.emulator else None,
    }
