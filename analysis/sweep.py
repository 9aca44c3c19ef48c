"""Time by size: what a transfer costs once, for each byte and for each object, where a run swept its sizes.

seconds = a + b x bytes + c x objects, by least squares over rounds, for whole and active time apart. 8 / b is the
goodput in bit/s with the fixed costs taken out: what each client got while the others of its round sent too.

A point of the fit is a round's mean over its transfers of one direction, since transfers of one round share the cell
and the server's processors and are no independent sample; so intervals are over rounds, those of all trials, and
say nothing about the next run. Bytes and objects count everything that crossed, small records included.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.estimators import EstimateError, t_quantile
from analysis.model import Transfer, TrialTimes
from analysis.samples import DIRECTIONS, good_transfers

LEAST_SPREAD = 1.25
"""The largest over the smallest payload from which on sizes count as swept: below, b takes the noise of a."""

TOGETHER = 0.999
"""Squared correlation of bytes and objects from which on their costs count as one: intervals are 30 times as wide."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Point:
    """One round: means over its transfers of payload (bytes), objects (a number) and time (seconds)."""

    payload_bytes: float
    objects: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """A fitted number with its 95 % interval; None where no round is left over to tell the spread from."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Seconds as a + b x bytes + c x objects: `fixed_s` is a, `per_byte_s` b, and `per_object_s` c.

    `per_object_s` is None where all transfers had as many objects: their cost is then part of `fixed_s`.
    `residual_sd_s` is the standard deviation of rounds about the fit, None where it goes through every point;
    `r_squared` the share of the variance it explains, None where all times are equal. `points` counts rounds.
    """

    fixed_s: Coefficient
    per_byte_s: Coefficient
    per_object_s: Coefficient | None
    residual_sd_s: float | None
    r_squared: float | None
    points: int

    @property
    def goodput_bit_per_s(self) -> Coefficient | None:
        """8 / b; its interval ends at infinity where that of b reaches zero. None where b is not positive."""
        if self.per_byte_s.value <= 0:
            return None
        if self.per_byte_s.interval is None:
            return Coefficient(value=8 / self.per_byte_s.value, interval=None)
        low, high = self.per_byte_s.interval
        return Coefficient(value=8 / self.per_byte_s.value, interval=(8 / high, 8 / low if low > 0 else math.inf))


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """One direction of one interface: both fits, or the reason why there are none.

    `n` counts transfers, `rounds` the points; `payload_bytes` and `objects` are the least and most of a round.
    """

    n: int
    rounds: int
    payload_bytes: tuple[float, float]
    objects: tuple[float, float]
    active: Fit | None
    whole: Fit | None
    reason: str = ""


def sweeps_of(placed: Mapping[str, Sequence[tuple[int, TrialTimes]]]) -> dict[str, dict[str, Swept]]:
    """Both directions of every interface that has transfers; empty where no size was swept on any.

    Raises EstimateError where a time is not finite.
    """
    found = {
        name: {side: _swept(rounds) for side in DIRECTIONS if (rounds := _rounds(of, side))}
        for name, of in placed.items()
    }
    every = [swept for sides in found.values() for swept in sides.values()]
    if not any(_varies(swept.payload_bytes) or _varies(swept.objects) for swept in every):
        return {}
    return {name: sides for name, sides in found.items() if sides}


def refusal(points: Sequence[Point]) -> str:
    """Why these sizes allow no honest fit, and what would; empty where they do."""
    if not points:
        return "there is no round to fit. See the verdicts for what became of them."
    sizes, objects = [point.payload_bytes for point in points], [point.objects for point in points]
    if not _varies((min(sizes), max(sizes))):
        return (
            f"payloads of {min(sizes):,.0f} to {max(sizes):,.0f} bytes differ too little for a time per byte. "
            f"Sweep sizes that differ by a factor of {LEAST_SPREAD:g} or more."
        )
    if min(objects) != max(objects) and _correlation(sizes, objects) ** 2 > TOGETHER:
        return (
            "bytes and objects grow together, so that their costs cannot be told apart. "
            "Sweep the number of arrays at each of several sizes."
        )
    return ""


def fit(points: Sequence[Point]) -> Fit:
    """Ordinary least squares over the points, with t intervals of n - 2 or n - 3 degrees of freedom.

    Raises EstimateError where a value is not finite, or where the sizes do not allow a fit (see `refusal`).
    Source: Draper and Smith, Applied Regression Analysis, 3rd ed. 1998, sections 5.1 and 5.2; Donald and Lang,
    "Inference with difference-in-differences and other panel data", 2007, for means of groups as points with as many
    degrees of freedom as groups leave.
    """
    import numpy as np

    _refuse_unusable(points)
    ordered = sorted(points)  # a sum of floats depends on its order
    table = np.array([[1.0, point.payload_bytes, point.objects] for point in ordered])
    times = np.array([point.seconds for point in ordered])
    if min(table[:, 2]) == max(table[:, 2]):
        table = table[:, :2]
    scale = np.abs(table).max(axis=0)  # columns of like size: bytes are a million times objects
    orthogonal, triangle = np.linalg.qr(table / scale)
    inverse = np.linalg.inv(triangle)
    values = inverse @ (orthogonal.T @ times) / scale
    residuals = times - table @ values
    squares, spread = float(residuals @ residuals), float(((times - times.mean()) ** 2).sum())
    degrees = len(ordered) - table.shape[1]
    sd_s = math.sqrt(squares / degrees) if degrees else None
    errors = [None] * len(scale) if sd_s is None else sd_s * np.sqrt((inverse**2).sum(axis=1)) / scale
    made = [_coefficient(float(value), error, degrees) for value, error in zip(values, errors, strict=True)]
    return Fit(
        fixed_s=made[0],
        per_byte_s=made[1],
        per_object_s=made[2] if len(made) > 2 else None,
        residual_sd_s=sd_s,
        r_squared=1 - squares / spread if spread else None,
        points=len(ordered),
    )


def _coefficient(value: float, error: float | None, degrees: int) -> Coefficient:
    if error is None:
        return Coefficient(value=value, interval=None)
    half = t_quantile(degrees) * float(error)
    return Coefficient(value=value, interval=(value - half, value + half))


def _rounds(placed: Sequence[tuple[int, TrialTimes]], direction: str) -> list[list[Transfer]]:
    found: dict[tuple[int, int], list[Transfer]] = defaultdict(list)
    for place, trial in placed:
        for message, transfer in good_transfers(trial):
            if transfer.direction == direction:
                found[place, message.round].append(transfer)
    return list(found.values())


def _swept(rounds: Sequence[Sequence[Transfer]]) -> Swept:
    active = [_point(of, [transfer.active_s for transfer in of]) for of in rounds]
    whole = [_point(of, [transfer.whole_s for transfer in of]) for of in rounds]
    reason = refusal(active)
    sizes, objects = [point.payload_bytes for point in active], [point.objects for point in active]
    return Swept(
        n=sum(len(of) for of in rounds),
        rounds=len(rounds),
        payload_bytes=(min(sizes), max(sizes)),
        objects=(min(objects), max(objects)),
        active=None if reason else fit(active),
        whole=None if reason else fit(whole),
        reason=reason,
    )


def _point(transfers: Sequence[Transfer], seconds: Sequence[float]) -> Point:
    count = len(transfers)
    return Point(
        payload_bytes=sum(transfer.payload_bytes for transfer in transfers) / count,
        objects=sum(transfer.objects for transfer in transfers) / count,
        seconds=math.fsum(seconds) / count,
    )


def _varies(ends: tuple[float, float]) -> bool:
    return ends[1] >= LEAST_SPREAD * ends[0] and ends[1] > ends[0]


def _correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Pearson's, for values that differ. Two points lie on a line: 1 or -1."""
    mean_one, mean_other = math.fsum(one) / len(one), math.fsum(other) / len(other)
    apart = [(x - mean_one, y - mean_other) for x, y in zip(one, other, strict=True)]
    product = math.fsum(x * y for x, y in apart)
    return product / math.sqrt(math.fsum(x * x for x, _ in apart) * math.fsum(y * y for _, y in apart))


def _refuse_unusable(points: Sequence[Point]) -> None:
    for point in points:
        if not all(math.isfinite(value) for value in (point.payload_bytes, point.objects, point.seconds)):
            raise EstimateError(f"{point} among {len(points)} rounds: a measurement is finite, or it is not one")
    if reason := refusal(points):
        raise EstimateError(f"cannot fit time by size: {reason}")
