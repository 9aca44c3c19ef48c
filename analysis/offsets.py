"""How far one clock is from another, and how wrong that may be, out of four-timestamp exchanges.

An exchange says that the offset at its middle is `theta` up to half of what its way there and back took: this
holds for any asymmetry of the two ways. Several exchanges bound the drift between them in the same manner, so the
error stated here is a bound and no estimate, as long as clocks drift evenly and by no more than `MAX_DRIFT`.
Sources: RFC 5905, section 8 (theta, delta) and section 10 (the clock filter's minimum delay); Marzullo and Owicki
1983, on intervals that hold the true time and their intersection.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

MAX_DRIFT = 200e-6  # between two hosts: twice what a bare crystal is sold with
KEPT_SHARE = 10  # one in so many exchanges counts: the low-delay decile
WINDOW_NS = 10_000_000_000  # of each window the best are kept, so that drift shows over the whole trial
ROUNDING_NS = 4.0  # of sums of nanoseconds in a double, for clocks up to a year old
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FourStamps:
    """Sent and received on the local clock, arrived and answered on the reference clock, in ns."""

    sent: int
    arrived: int
    answered: int
    received: int

    @property
    def middle(self) -> int:
        """When, on the local clock, the offset was `theta`."""
        return (self.sent + self.received) // 2

    @property
    def delay_ns(self) -> int:
        """What the way there and back took, the peer's own time taken out."""
        return (self.received - self.sent) - (self.answered - self.arrived)

    @property
    def theta_ns(self) -> float:
        """Reference clock less local clock."""
        return ((self.arrived - self.sent) + (self.answered - self.received)) / 2

    @property
    def bound_ns(self) -> float:
        """Half of the delay, and what the clocks may drift apart while the exchange lasts."""
        return self.delay_ns / 2 + MAX_DRIFT * (self.received - self.sent)


@dataclass(frozen=True, slots=True)
class ClockMap:
    """Maps one clock's readings onto the reference clock: `local + offset + drift * (local - origin)`.

    `anchors` bound its error at the moments of exchanges, in order of time: (when, error). No anchor is bounded
    better by another one and the drift between the two, so the nearest ones bound every moment best.
    """

    offset_ns: int = 0
    drift: float = 0.0
    drift_error: float = 0.0
    origin_ns: int = 0
    anchors: tuple[tuple[int, float], ...] = ((0, 0.0),)

    def at(self, local_ns: int) -> int:
        """The reference clock's reading at this moment."""
        return local_ns + self.offset_ns + round(self.drift * (local_ns - self.origin_ns))

    def error_ns(self, local_ns: int) -> float:
        """Bound of the error of `at` for this moment: the better of the anchors before and after it."""
        after = bisect_left(self.anchors, (local_ns,))
        near = self.anchors[max(0, after - 1) : after + 1]
        return min((error + self.drift_error * abs(local_ns - when) for when, error in near), default=float("inf"))

    def worst_error_ns(self, start_ns: int, end_ns: int) -> float:
        """No `error_ns` of a stretch of local time is larger: between two moments it rises by no more than drift."""
        inside = sorted(when for when, _ in self.anchors if start_ns < when < end_ns)
        errors = [(when, self.error_ns(when)) for when in (start_ns, *inside, end_ns)]
        return max(
            (one + other + self.drift_error * (later - earlier)) / 2
            for (earlier, one), (later, other) in pairwise(errors)
        )


IDENTITY = ClockMap()


def low_delay(exchanges: Sequence[FourStamps]) -> list[FourStamps]:
    """The exchanges worth counting: of each window the decile with the least delay, at least one.

    An exchange with a negative delay is impossible and dropped.
    """
    windows: dict[int, list[FourStamps]] = {}
    for exchange in exchanges:
        if exchange.delay_ns >= 0:
            windows.setdefault(exchange.middle // WINDOW_NS, []).append(exchange)
    kept = []
    for window in windows.values():
        best = sorted(window, key=lambda item: (item.delay_ns, item.sent))
        kept += best[: -(-len(best) // KEPT_SHARE)]
    return sorted(kept, key=lambda item: item.middle)


def fitted(exchanges: Sequence[FourStamps]) -> ClockMap:
    """The map of these exchanges; without anchors, so of infinite error, where none is possible.

    Drift and offset come of those with little delay. The error comes of all: nothing arrives before it is sent, so
    the quickest way there bounds the offset from above and the quickest way back, of whichever exchange, from below.
    """
    kept = low_delay(exchanges)
    if not kept:
        return ClockMap(anchors=())
    base = round(kept[0].theta_ns)
    origin = kept[0].middle
    when = np.array([item.middle - origin for item in kept], dtype=np.float64)
    theta = np.array([item.theta_ns - base for item in kept], dtype=np.float64)
    bound = np.array([item.bound_ns for item in kept], dtype=np.float64)
    drift, drift_error = _drift(when, theta, bound)
    moments = sorted(item.middle - origin for item in exchanges if item.delay_ns >= 0)
    line = ClockMap(offset_ns=base, drift=drift, drift_error=drift_error, origin_ns=origin)
    high, low = _limits(exchanges, line, np.array(moments, dtype=np.float64))
    offset = round(float(np.median((high + low) / 2)))
    error = np.maximum(high - offset, offset - low) + ROUNDING_NS
    if (high < low).any():  # they contradict each other: a clock was stepped, and each is true of its own time alone
        error = np.full(len(moments), (np.abs(theta - offset - drift * when) + bound).max() + ROUNDING_NS)
    return ClockMap(
        offset_ns=base + offset,
        drift=drift,
        drift_error=drift_error,
        origin_ns=origin,
        anchors=tuple(
            (moment + origin, max(0.0, float(bounded))) for moment, bounded in zip(moments, error, strict=True)
        ),
    )


def _limits(exchanges: Sequence[FourStamps], line: ClockMap, moments: Floats) -> tuple[Floats, Floats]:
    """How far above and below `line` all exchanges allow the offset to be at each moment (from the line's origin).

    What an exchange says of its own moment it says of another one too, weaker by what the drift may be off meanwhile.
    """
    possible = [item for item in exchanges if item.delay_ns >= 0]
    sent = np.array([item.sent - line.origin_ns for item in possible], dtype=np.float64)
    received = np.array([item.received - line.origin_ns for item in possible], dtype=np.float64)
    there = np.array([item.arrived - item.sent - line.offset_ns for item in possible], dtype=np.float64)
    back = np.array([item.answered - item.received - line.offset_ns for item in possible], dtype=np.float64)
    high = _lowest(sent, there - line.drift * sent, moments, line.drift_error)
    low = -_lowest(received, line.drift * received - back, moments, line.drift_error)
    return high, low


def _lowest(when: Floats, values: Floats, moments: Floats, rate: float) -> Floats:
    """At each moment the least of `values` + `rate` x the time between; moments are in order."""
    order = np.argsort(when, kind="stable")
    when, values = when[order], values[order]
    before = np.concatenate([[np.inf], np.minimum.accumulate(values - rate * when)])
    after = np.concatenate([np.minimum.accumulate((values + rate * when)[::-1])[::-1], [np.inf]])
    place = np.searchsorted(when, moments, side="right")
    found: Floats = np.minimum(before[place] + rate * moments, after[place] - rate * moments)
    return found


def _drift(when: Floats, theta: Floats, bound: Floats) -> tuple[float, float]:
    """Middle of the drifts that the bounds of every pair of exchanges allow, and how far off it may be.

    Where no drift fits them all the clocks did not drift evenly: then any drift up to the limit may be true.
    """
    low, high = -MAX_DRIFT, MAX_DRIFT
    for first in range(len(when)):
        apart = when[first + 1 :] - when[first]
        later = apart > 0
        if later.any():
            slope = (theta[first + 1 :] - theta[first])[later] / apart[later]
            slack = (bound[first + 1 :] + bound[first])[later] / apart[later]
            low, high = max(low, float((slope - slack).max())), min(high, float((slope + slack).min()))
    middle = min(max((low + high) / 2, -MAX_DRIFT), MAX_DRIFT)
    return middle, (high - low) / 2 if low <= high else MAX_DRIFT + abs(middle)
