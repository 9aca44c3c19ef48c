"""How wrong each estimator is, and whether the headline keeps the limits. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from analysis.estimators import quantile
from analysis.verdicts import Verdict
from testbed.selftest.cells import LIMITED_BIT_PER_S
from testbed.selftest.naive import METHODS
from testbed.selftest.reference import Compared

DIRECTIONS = ("uplink", "downlink", "both")
OURS: Mapping[str, str] = {
    "headline": "fedprobe's headline",
    "two_ended": "two-ended",
    "one_host": "one-host",
}
NAMES: Mapping[str, str] = {**OURS, **METHODS}
MEDIAN_LIMIT = 0.005
P95_LIMIT = 0.03
LIMITED, UNLIMITED = "limited", "unlimited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """One estimator against the wire over `n` transfers: shares of the wire's time, and `bias_s` in seconds.

    `bias` is the mean of the signed errors, the others are of their absolute values.
    """

    bias: float
    median_abs: float
    p95_abs: float
    worst_abs: float
    bias_s: float
    median_abs_s: float
    n: int


def errors_of(rows: Sequence[Compared], estimator: str) -> Errors | None:
    """The errors of one estimator on the rows that have it; None where none has."""
    pairs = [(row.estimates[estimator], row.wire_s) for row in rows if estimator in row.estimates]
    if not pairs:
        return None
    shares = [found / true - 1 for found, true in pairs]
    seconds = [found - true for found, true in pairs]
    sizes = [abs(share) for share in shares]
    return Errors(
        bias=math.fsum(shares) / len(shares),
        median_abs=statistics.median(sizes),
        p95_abs=quantile(sizes, 0.95),
        worst_abs=max(sizes),
        bias_s=math.fsum(seconds) / len(seconds),
        median_abs_s=statistics.median(abs(value) for value in seconds),
        n=len(pairs),
    )


def is_limited(row: Compared) -> bool:
    """Whether the limits hold for this transfer: an unknown rate, of a laboratory's own link, is held to them."""
    return row.rate_bit_per_s is None or row.rate_bit_per_s <= LIMITED_BIT_PER_S


def verdicts_of(rows: Sequence[Compared]) -> list[Verdict]:
    """What may not be believed; empty where every limit is kept."""
    found = []
    for direction in ("uplink", "downlink"):
        made = errors_of([row for row in rows if row.direction == direction and is_limited(row)], "headline")
        if made is None:
            found.append(_unfit(f"no {direction} was compared with the wire", "See the trials' logs and captures."))
            continue
        size = f"bias {made.bias_s * 1e3:+.1f} ms, n = {made.n}"
        if made.median_abs > MEDIAN_LIMIT:
            found.append(
                _unfit(
                    f"{direction}: the median error is {made.median_abs:.2%} (allowed: {MEDIAN_LIMIT:.1%}; {size})",
                    "Do not use its times from this set-up; look at the offsets of the clocks and the captures.",
                )
            )
        if made.p95_abs > P95_LIMIT:
            found.append(
                _unfit(
                    f"{direction}: one transfer in twenty is off by {made.p95_abs:.1%} or more "
                    f"(allowed: {P95_LIMIT:.0%}; {size})",
                    "Give the hosts more cores or fewer clients, and set priorities; then run the self-test again.",
                )
            )
    return found


def _unfit(finding: str, next_step: str) -> Verdict:
    return Verdict(severity="unfit", rule="selftest", finding=f"{finding}.", next_step=next_step)


def document_of(rows: Sequence[Compared], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """`errors.<limited|unlimited>.<direction>.<estimator>`, the same by cell, the limits and the verdicts."""
    groups = {
        LIMITED: [row for row in rows if is_limited(row)],
        UNLIMITED: [row for row in rows if not is_limited(row)],
    }
    return {
        "ok": not verdicts,
        "transfers": {side: sum(row.direction == side for row in rows) for side in ("uplink", "downlink")},
        "reference": sorted({row.reference for row in rows}),
        "limits": {
            "up_to_bit_per_s": LIMITED_BIT_PER_S,
            "median_abs": MEDIAN_LIMIT,
            "p95_abs": P95_LIMIT,
        },
        "errors": {name: _by_direction(group) for name, group in groups.items() if group},
        "cells": [_cell(key, members) for key, members in sorted(_cells(rows).items())],
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }


def _by_direction(rows: Sequence[Compared]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for direction in DIRECTIONS:
        of = [row for row in rows if row.direction == direction]
        made = {name: asdict(errors) for name in NAMES if (errors := errors_of(of, name)) is not None}
        read = [row.application_read_s for row in of if row.application_read_s is not None]
        if read:
            made["application_read"] = {"median_s": statistics.median(read), "worst_s": max(read), "n": len(read)}
        found[direction] = made
    return found


Key = tuple[int, int, bool, int]


def _cells(rows: Sequence[Compared]) -> dict[Key, list[Compared]]:
    found: dict[Key, list[Compared]] = {}
    for row in rows:
        found.setdefault((row.rate_bit_per_s or 0, row.arrays, row.tls, row.delay_ns), []).append(row)
    return found


def _cell(key: Key, rows: Sequence[Compared]) -> dict[str, Any]:
    rate, arrays, tls, delay_ns = key
    return {
        "rate_bit_per_s": rate or None,
        "arrays": arrays,
        "tls": tls,
        "delay_s": delay_ns / 1e9,
        "errors": _by_direction(rows),
    }
