"""A campaign held against its testbed, before anything is started: its networks, its nodes, its inventory file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from analysis.formats import listed
from testbed.campaign import Campaign, CampaignError
from testbed.campaign_conditions import conditions_of, profiles_of
from testbed.inventory import Inventory
from testbed.inventory_file import read_inventory
from testbed.validation import did_you_mean


def inventory_of(campaign: Campaign, campaign_file: Path) -> Inventory | None:
    """The inventory that a campaign names, ready for use; None: it asks for an emulated testbed, of which its
    networks are known.

    Raises CampaignError where the testbed cannot carry the campaign, InventoryError for a wrong inventory file, and
    UsageError for profiles or conditions that cannot be.
    """
    if campaign.testbed.kind == "emulated":
        links = profiles_of(campaign, campaign_file).links
        _require_networks(campaign, campaign_file, links, "the emulated testbed")
        used = {name: links[name] for name in campaign.factors.interface}
        conditions_of(campaign, campaign_file).require_possible(used)
        return None
    if campaign.testbed.emulated_only:
        raise CampaignError(
            f"{campaign_file}: {listed(campaign.testbed.emulated_only)}: real hosts and networks are as they are. "
            'Leave it out, or write testbed.kind = "emulated".'
        )
    if campaign.testbed.inventory is None:
        raise CampaignError(
            f'{campaign_file}: testbed.kind = "inventory" needs testbed.inventory. Name the inventory file there.'
        )
    inventory = read_inventory(campaign_file.resolve().parent / campaign.testbed.inventory.expanduser())
    require(campaign, campaign_file, inventory)
    return inventory


def require(campaign: Campaign, campaign_file: Path, inventory: Inventory) -> None:
    """Raises CampaignError where an inventory has not what the campaign asks for. Pure."""
    _require_networks(campaign, campaign_file, inventory.networks, f"inventory {inventory.name}")
    if len(inventory.nodes) < campaign.clients:
        raise CampaignError(
            f"{campaign_file}: clients = {campaign.clients}, but {inventory.name} has {len(inventory.nodes)} nodes. "
            "Ask for fewer clients or add nodes to the inventory."
        )
    for network in campaign.factors.interface:
        without = [node.name for node in inventory.nodes[: campaign.clients] if network not in node.interfaces]
        if without:
            raise CampaignError(
                f"{campaign_file}: factors.interface has {network!r}, on which inventory {inventory.name} gives no "
                f"address to {listed(without)}, of the first {campaign.clients}. Leave it out of the factors, or "
                "add it to the inventory."
            )


def _require_networks(campaign: Campaign, campaign_file: Path, known: Iterable[str], whose: str) -> None:
    networks = list(known)
    for name in campaign.factors.interface:
        if name not in networks:
            hint = did_you_mean(name, networks) or "Name one of these."
            raise CampaignError(
                f"{campaign_file}: factors.interface = {name!r} is no network of {whose}, which has "
                f"{listed(networks, most=len(networks))}. {hint}"
            )
