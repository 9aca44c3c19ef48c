"""The plan of a campaign: every cell of the design as often as asked, in an order drawn from the seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from instrument.polling import Polling
from testbed.campaign import Campaign
from testbed.design.cells import Levels, cells_of
from testbed.design.factors import canonical, with_levels
from testbed.design.names import trial_name

# what of a campaign decides the plan and nothing that happens inside a trial
_OF_THE_PLAN = {"description", "repetitions", "factors", "design", "trial"}
# what of it an emulated testbed is built for; the networks are those of all trials that share the rest
_OF_THE_TESTBED = ("profiles", "pi_cpu", "trace", "background")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrial:
    """One trial to be run, under its own `campaign`, in which its `levels` are already put in.

    `repetition` and `block` count from 1. `earliest` is the time of day ("14:00", the controller's local time) at
    which its block begins; None: at once. `testbed.design.pacing.may_begin` makes a moment of it.
    """

    index: int
    name: str
    campaign: Campaign
    interface: str
    repetition: int
    polling: Polling = "stock"
    networks: Mapping[str, str] = field(default_factory=dict)  # of nodes on another network than `interface`
    levels: Levels = field(default_factory=dict)
    block: int = 1
    earliest: str | None = None

    @property
    def testbed_key(self) -> str:
        """What the testbed has to be for this trial: two trials whose keys differ need it rebuilt between them.

        Networks are no part of it: the testbed of a key has those of every trial with that key
        (`testbed.design.testbeds`). The number of clients is, since a link's shares and queues follow from it. Real
        hosts are as they are, so all trials on an inventory have one key.
        """
        asked = self.campaign.testbed
        if asked.kind == "inventory":
            return canonical({"inventory": asked.inventory})
        parts = asked.model_dump(mode="json", include=set(_OF_THE_TESTBED))
        return canonical({"clients": self.campaign.clients, **parts})

    @property
    def settings_digest(self) -> str:
        """SHA-256 of everything of the campaign file that this trial depends on."""
        settings = self.campaign.model_dump(mode="json", exclude=_OF_THE_PLAN)
        return hashlib.sha256(canonical([settings, self.levels, self.networks]).encode()).hexdigest()


def plan_of(campaign: Campaign) -> list[PlannedTrial]:
    """The trials in order: each repetition is a block that holds every cell once, shuffled by the seed or as listed.

    Blocks keep slow changes of the testbed from falling on one level alone. Raises DesignError, which names the
    factor and the level that cannot be.
    """
    _require_each_level(campaign)
    cells = cells_of(campaign)
    varied = varied_in(campaign)
    effective = [with_levels(campaign, cell) for cell in cells]
    shuffled = random.Random(campaign.seed)  # noqa: S311 a design's order, not a secret
    count = len(cells) * campaign.repetitions
    planned: list[PlannedTrial] = []
    for repetition in range(1, campaign.repetitions + 1):
        order = list(range(len(cells)))
        if campaign.design.order == "random":
            shuffled.shuffle(order)
        for place in order:
            levels, index = cells[place], len(planned)
            planned.append(
                PlannedTrial(
                    index=index,
                    name=trial_name(index, count, levels, varied, repetition),
                    campaign=effective[place],
                    interface=levels["interface"],
                    repetition=repetition,
                    polling=levels["polling"],
                    levels=levels,
                    block=repetition,
                    earliest=_hour_of(campaign, repetition),
                )
            )
    return planned


def varied_in(campaign: Campaign) -> list[str]:
    """The factors with more than one level."""
    return [name for name, levels in campaign.factors.levels.items() if len(levels) > 1]


def _hour_of(campaign: Campaign, block: int) -> str | None:
    hours = campaign.design.hours
    return hours[(block - 1) % len(hours)] if hours else None


def _require_each_level(campaign: Campaign) -> None:
    """Each level by itself, so that a refusal names the one that is wrong."""
    for name, levels in campaign.factors.others.items():
        for level in levels:
            with_levels(campaign, {name: level})


def plan_document(campaign: Campaign, planned: Sequence[PlannedTrial]) -> dict[str, Any]:
    """What is written to plan.json: the same bytes for the same campaign, and all that a resume needs."""
    return {
        "campaign": campaign.name,
        "seed": campaign.seed,
        "factors": {name: list(levels) for name, levels in campaign.factors.levels.items()},
        "design": campaign.design.model_dump(mode="json"),
        "repetitions": campaign.repetitions,
        "trials": [_trial_document(trial) for trial in planned],
    }


def _trial_document(trial: PlannedTrial) -> dict[str, Any]:
    return {
        "index": trial.index,
        "name": trial.name,
        "interface": trial.interface,
        "repetition": trial.repetition,
        "polling": trial.polling,
        "networks": dict(trial.networks),
        "levels": dict(trial.levels),
        "block": trial.block,
        "earliest": trial.earliest,
        "rounds": trial.campaign.rounds,
        "warmup_rounds": trial.campaign.design.warmup_rounds,
        "clients": trial.campaign.clients,
        "cooldown_s": trial.campaign.design.cooldown_s,
        "limit_s": trial.campaign.limits.trial_s,
        "testbed": trial.testbed_key,
        "settings_digest": trial.settings_digest,
    }
