"""What a campaign asks of the emulated testbed beside its networks: profiles, and conditions."""

from __future__ import annotations

from pathlib import Path

from testbed.campaign import BackgroundKeys, Campaign
from testbed.emulation.conditions import Background, Conditions
from testbed.emulation.profiles import Profiles, chosen_profiles, load_profiles


def profiles_of(campaign: Campaign, campaign_file: Path) -> Profiles:
    """The link profiles that a campaign names, or the built-in ones. Raises ProfileError."""
    named = campaign.testbed.profiles
    return load_profiles() if named is None else chosen_profiles(named, campaign_file.resolve().parent)


def conditions_of(campaign: Campaign, campaign_file: Path) -> Conditions:
    """The conditions that a campaign asks for; files are not read here. Pure."""
    folder, asked = campaign_file.resolve().parent, campaign.testbed
    traces = {
        network: tuple(folder / Path(one).expanduser() for one in ((files,) if isinstance(files, str) else files))
        for network, files in asked.trace.items()
    }
    return Conditions(
        pi_cpu_cores=asked.pi_cpu,
        traces=traces,
        background=_sender(asked.background),
    )


def _sender(asked: BackgroundKeys | None) -> Background | None:
    if asked is None:
        return None
    return Background(
        network=asked.network,
        uplink_bit_per_s=asked.uplink_bit_per_s,
        downlink_bit_per_s=asked.downlink_bit_per_s,
    )
