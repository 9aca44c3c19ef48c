"""The reference paper's figures, set beside ours by each definition, and what forbids equating them.

Source: "Federated Learning over 5G, WiFi, and Ethernet: Measurements and Evaluation", arXiv 2504.04678.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.measured import Measured

SOURCE = "arXiv 2504.04678"
CAVEAT = (
    "The paper's model size over the air, link rates, number of devices and exact definition of uplink time are not "
    "public, so its figures are a reference, not a target; ours hold for this testbed and the definition named."
)
UPLINK_RATIOS: Mapping[str, float] = {"5g/ethernet": 33.3, "5g/wifi": 17.8, "wifi/ethernet": 1.87}
UPLINK_SHARE = 0.23


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One figure of the paper and ours by the definitions that could stand behind it."""

    claim: str
    paper: float
    unit: str
    ours: Mapping[str, float]


def claims(measured: Measured) -> list[Claim]:
    """The paper's figures that this run has something to set beside; none where it has one network only."""
    found = []
    for pair, figure in UPLINK_RATIOS.items():
        ours = {
            name: measured.ratios[phase][pair].ratio.ratio
            for phase, name in (("uplink_active", "active"), ("uplink", "whole"))
            if pair in measured.ratios.get(phase, {})
        }
        beside = measured.ratios.get("uplink_active", {}).get(pair)
        if beside is not None and beside.bound_ratio is not None:
            ours["bounds"] = beside.bound_ratio
        if ours:
            found.append(Claim(claim=f"uplink time, {pair}", paper=figure, unit="ratio", ours=ours))
    if "5g" in measured.rounds:
        found.append(
            Claim(claim="5g uplink in an average round", paper=UPLINK_SHARE, unit="share", ours=_shares(measured))
        )
    return found


def _shares(measured: Measured) -> dict[str, float]:
    rounds = measured.rounds["5g"]
    ours = {"of wall, critical path": measured.share("5g").get("uplink", 0.0)}
    uplink = measured.phases["5g"].get("uplink")
    if uplink is not None and rounds.t_r is not None:
        ours["mean t_u of mean t_r"] = uplink.mean / rounds.t_r.mean
        ours["mean t_u of mean wall"] = uplink.mean / rounds.wall.mean
    return ours
