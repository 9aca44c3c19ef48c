"""A transfer's length from its own stamps alone, without any agreement of clocks.

Each request of a message says where the server's readings lie on the client's clock: it arrived after it was sent,
and its answer was here after it was made. Together a transfer's requests leave a bracket, as wide as the fastest
way there and the fastest way back; its middle is taken. An object's own answer is not: it comes late behind the
answers of others, and those delays add up over small objects.

It shares the probes' stamps with the two-ended estimate. That the two agree says that the clocks' offset is right,
and nothing of how far a stamp is from the packet; only a packet capture can say that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.offsets import MAX_DRIFT
from analysis.timeline import four_stamps
from instrument.records import Rpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """Server's clock less client's, as a message's requests bound it: the middle, and how far off that may be."""

    offset_ns: int
    error_ns: float

    def on_client(self, server_ns: int) -> int:
        """A reading of the server's clock on the client's."""
        return server_ns - self.offset_ns


def bracket_of(requests: Iterable[Rpc | None]) -> Bracket | None:
    """What these requests leave of the offset; None where none of them has all four stamps.

    The error holds however unequal the ways there and back are: it is half of the bracket, and what the clocks may
    drift apart between the first request and the last.
    """
    stamps = [found for rpc in requests if rpc is not None and (found := four_stamps(rpc)) is not None]
    if not stamps:
        return None
    low = max(each.answered - each.received for each in stamps)
    high = min(each.arrived - each.sent for each in stamps)
    lasted_ns = max(each.received for each in stamps) - min(each.sent for each in stamps)
    return Bracket(offset_ns=(low + high) // 2, error_ns=abs(high - low) / 2 + MAX_DRIFT * lasted_ns + 1)


def error_ns(bracket: Bracket | None, stretches: int, estimate_ns: int, limits_ns: Sequence[int]) -> float:
    """Bound of an estimate's error: the bracket's for each stretch, or how far the limits are, if that is less.

    `limits_ns` are lengths, each read on one clock: the true one is at least the first and at most the second.
    """
    low, high = limits_ns
    reach_ns = float(max(estimate_ns - low, high - estimate_ns, 0))
    return reach_ns if bracket is None else min(reach_ns, bracket.error_ns * max(1, stretches))
