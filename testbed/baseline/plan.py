"""How a link is measured, and what that costs. Pure."""

from __future__ import annotations

from dataclasses import dataclass

PACKET_BYTES = 84  # an echo request of ping's own size, IP header included
AROUND_S = 3.0  # of a link: path MTU, logins, the start and end of iperf3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """iperf3 runs for `omitted_s` + `load_s` each way; only `load_s` of it counts.

    Echo requests go at `pings_per_s`, `idle_pings` of them on the idle link, under load as many as end before that.
    """

    load_s: int
    omitted_s: int = 1
    pings_per_s: int = 20
    idle_pings: int = 100

    @property
    def loaded_pings(self) -> int:
        """Echo requests of each loaded direction."""
        return (self.load_s - 1) * self.pings_per_s

    @property
    def filled_s(self) -> int:
        """How long a link is full in each direction."""
        return self.omitted_s + self.load_s

    def about_s(self, links: int) -> float:
        """Seconds that measuring so many links takes."""
        return links * (2 * self.filled_s + self.idle_pings / self.pings_per_s + AROUND_S)

    def words(self, links: int) -> str:
        """What measuring so many links takes, for who pays for bytes."""
        return (
            f"link baseline before the first trial: {links} links, about {self.about_s(links):.0f} s; each is full "
            f"for {self.filled_s} s up and {self.filled_s} s down, at 100 Mbit/s {self.filled_s * 12.5:g} MB each way"
        )
