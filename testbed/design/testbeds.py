"""Which testbeds a plan needs: one for each `testbed_key`, with the networks of all its trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.campaign import Campaign, CampaignError
from testbed.campaign_conditions import conditions_of, profiles_of
from testbed.campaign_testbed import inventory_of
from testbed.design.names import words
from testbed.emulation import lifecycle
from testbed.emulation.conditions import NONE, Conditions
from testbed.emulation.profiles import Profiles
from testbed.errors import InventoryError, UsageError
from testbed.inventory import Inventory
from testbed.plan import PlannedTrial


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTestbed:
    """What the trials of one `testbed_key` run on. `profiles` is None on the hosts of an inventory.

    `whose` says for messages which trials these are; empty where it is all of them.
    """

    key: str
    clients: int
    networks: tuple[str, ...]
    profiles: Profiles | None
    conditions: Conditions = NONE
    whose: str = ""

    def require_possible(self) -> None:
        """Raises FedprobeError where this machine cannot carry it. Nothing is built; real hosts are not looked at."""
        if self.profiles is None:
            return
        try:
            lifecycle.require_possible(self.clients, self.networks, self.profiles, self.conditions)
        except UsageError as error:
            raise CampaignError(f"{self.whose and f'trials with {self.whose}: '}{error}") from error


def testbeds_of(
    planned: Sequence[PlannedTrial], campaign: Campaign, campaign_file: Path
) -> tuple[Mapping[str, AskedTestbed], Inventory | None]:
    """The testbeds of a plan by key, in the order of their first use, held against what they are asked for; and the
    inventory, of which no network is built (None: they are emulated).

    Raises CampaignError, InventoryError, ProfileError or UsageError where one cannot be.
    """
    groups: dict[str, list[PlannedTrial]] = {}
    for trial in planned:
        groups.setdefault(trial.testbed_key, []).append(trial)
    found: dict[str, AskedTestbed] = {}
    inventory: Inventory | None = None
    for key, trials in groups.items():
        networks = tuple(name for name in campaign.factors.interface if name in {one.interface for one in trials})
        largest = max((one.campaign for one in trials), key=lambda one: one.clients)
        factors = campaign.factors.model_copy(update={"interface": networks})
        asked = largest.model_copy(update={"factors": factors})
        whose = _whose(trials[0])
        try:
            inventory = inventory_of(asked, campaign_file)
        except InventoryError:  # names its own file
            raise
        except UsageError as error:
            raise _named(error, whose, campaign_file) from error
        found[key] = AskedTestbed(
            key=key,
            clients=largest.clients,
            networks=networks,
            profiles=profiles_of(asked, campaign_file) if inventory is None else None,
            conditions=conditions_of(asked, campaign_file),
            whose=whose,
        )
    return found, inventory


def _whose(trial: PlannedTrial) -> str:
    """The levels by which its testbed may be another than the other trials'."""
    of_testbed = [name for name in trial.levels if name == "clients" or name.startswith("testbed.")]
    return words({name: level for name, level in trial.levels.items() if name in of_testbed}, of_testbed)


def _named(error: UsageError, whose: str, campaign_file: Path) -> UsageError:
    said = str(error)
    if not said.startswith(str(campaign_file)):
        said = f"{campaign_file}: {said}"
    return type(error)(f"{said} (trials with {whose})" if whose else said)
