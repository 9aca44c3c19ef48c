"""The plan of a campaign: every cell of the design as often as asked, in an order drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from instrument.polling import Polling
from testbed.campaign import Campaign
from testbed.faults.tables import NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrial:
    """One trial to be run, under its own `campaign`; `repetition` counts from 1."""

    index: int
    name: str
    campaign: Campaign
    interface: str
    repetition: int
    polling: Polling = "stock"
    networks: Mapping[str, str] = field(default_factory=dict)  # of nodes on another network than `interface`


def plan_of(campaign: Campaign) -> list[PlannedTrial]:
    """The trials in order: each repetition is a block that holds every cell once, shuffled by the seed.

    Blocks keep slow changes of the testbed from falling on one interface alone.
    """
    shuffled = random.Random(campaign.seed)  # noqa: S311 a design's order, not a secret
    planned: list[PlannedTrial] = []
    for repetition in range(1, campaign.repetitions + 1):
        block = list(product(campaign.factors.interface, campaign.factors.polling, campaign.factors.fault))
        shuffled.shuffle(block)
        for interface, polling, fault in block:
            index = len(planned)
            cell = interface if polling == "stock" else f"{interface}-{polling}"
            cell = cell if fault == NONE else f"{cell}-{fault}"
            planned.append(
                PlannedTrial(
                    index=index,
                    name=f"{index:03d}-{cell}-r{repetition}",
                    campaign=campaign.under(fault),
                    interface=interface,
                    repetition=repetition,
                    polling=polling,
                )
            )
    return planned


def plan_document(campaign: Campaign, planned: list[PlannedTrial]) -> dict[str, Any]:
    """What is written to plan.json."""
    trials = [{key: value for key, value in asdict(trial).items() if key != "campaign"} for trial in planned]
    for document, trial in zip(trials, planned, strict=True):
        if trial.campaign.fault_name != NONE:
            document["fault"] = trial.campaign.fault_name
    return {"campaign": campaign.name, "seed": campaign.seed, "trials": trials}
