"""What an emulated testbed does beside its links, if asked: slow nodes, rates by a trace, a sender in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from testbed.emulation.profiles import LinkProfile
from testbed.emulation.rate_trace import load_trace
from testbed.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """A sender that is one more client of a network. Rates are of Ethernet frames; 0: nothing in that direction."""

    network: str
    uplink_bit_per_s: int
    downlink_bit_per_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """`pi_cpu_cores`: what each node gets of one core; None: no limit. `traces`: the trace files of a network."""

    pi_cpu_cores: float | None = None
    traces: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    background: Background | None = None

    def require_possible(self, links: Mapping[str, LinkProfile]) -> None:
        """Reads the traces and holds all against the links of a testbed. Raises UsageError."""
        for network, files in self.traces.items():
            link = _link(network, links, "a trace")
            if link.half_duplex_capacity_bit_per_s is not None:
                raise UsageError(
                    f"a trace for {network}: it is half-duplex, and a trace has a rate for each direction. Name a "
                    "network whose profile has no half_duplex_capacity_bit_per_s."
                )
            load_trace(files)
        if self.background is not None:
            _require_background(self.background, _link(self.background.network, links, "a background sender"))


NONE = Conditions()


def _require_background(asked: Background, link: LinkProfile) -> None:
    rates = {"uplink": asked.uplink_bit_per_s, "downlink": asked.downlink_bit_per_s}
    sides = {"uplink": link.uplink, "downlink": link.downlink}
    if not any(rates.values()):
        raise UsageError(f"a background sender on {asked.network} with no rate. Give it one, up or down.")
    for direction, rate in rates.items():
        most = sides[direction].ceil_bit_per_s
        if not 0 <= rate <= most:
            raise UsageError(
                f"a background sender on {asked.network} with {rate} bit/s {direction}: one client can have 0 to "
                f"{most} there. Correct the rate."
            )


def _link(network: str, links: Mapping[str, LinkProfile], what: str) -> LinkProfile:
    if network not in links:
        raise UsageError(f"{what} for {network!r}: this testbed has {', '.join(links)}. Name one of these.")
    return links[network]
