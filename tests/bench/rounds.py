"""Rounds with and without the probes, one after the other: what they take, and what they cost the processor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from tests.bench import intervals
from tests.bench.arms import Arm, Round, two_arms, two_testbeds
from tests.bench.intervals import Estimate
from tests.bench.progress import say
from tests.bench.record_mix import counted

Pair = tuple[Round, Round]
"""One round with the probes and the one without them beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsResult:
    """`ratio` and `processor_ratio`: with over without. `added_wall_ms`: what a round takes longer. `roles`: mean
    processor seconds a round, with and without; `added_ms`: what each role has more with the probes. `records`: how
    many of each kind the probes wrote."""

    ratio: Estimate
    processor_ratio: Estimate
    wall_s: tuple[float, float]
    added_wall_ms: Estimate
    processor_s: tuple[float, float]
    roles: Mapping[str, tuple[float, float]]
    added_ms: Mapping[str, Estimate]
    pair_spread: float
    records: Mapping[str, int]


def measure(network: str, *, blocks: int, pairs: int) -> RoundsResult:
    """`blocks` times two fresh deployments, each with a round that does not count and `pairs` that do."""
    made: list[list[Pair]] = []
    records: Counter[str] = Counter()
    with two_testbeds(network) as testbeds:
        for block in range(blocks):
            with two_arms(network, testbeds, block=block, rounds=pairs + 1) as arms:
                made.append(paired_rounds(arms, pairs, block=block))
                records += counted(arms[0])
            say(f"rounds: block {block + 1} of {blocks}: {_summary(made[-1])}")
    return result(made, records)


def paired_rounds(arms: tuple[Arm, Arm], pairs: int, *, block: int) -> list[Pair]:
    """Pairs after a cold round of each arm: with first, without first, and so on. A pair's polls have one phase."""
    for arm in arms:
        arm.round("cold")
    made = []
    for pair in range(pairs):
        found = {arm.probed: arm.round(f"{block}-{pair}") for arm in (arms if pair % 2 == block % 2 else arms[::-1])}
        made.append((found[True], found[False]))
    return made


def result(blocks: list[list[Pair]], records: Mapping[str, int]) -> RoundsResult:
    """What the pairs say."""
    pairs = [pair for block in blocks for pair in block]
    walls = [[(on.wall_s, off.wall_s) for on, off in block] for block in blocks]
    costs = [[(total(on), total(off)) for on, off in block] for block in blocks]
    roles = sorted({role for on, off in pairs for role in (*on.processor_s, *off.processor_s)})
    return RoundsResult(
        ratio=intervals.ratio_over_blocks(walls),
        processor_ratio=intervals.ratio_over_blocks(costs),
        wall_s=_means([(on.wall_s, off.wall_s) for on, off in pairs]),
        added_wall_ms=intervals.mean_over_blocks(
            [[1000 * (on.wall_s - off.wall_s) for on, off in block] for block in blocks]
        ),
        processor_s=_means([(total(on), total(off)) for on, off in pairs]),
        roles={
            role: _means([(on.processor_s.get(role, 0.0), off.processor_s.get(role, 0.0)) for on, off in pairs])
            for role in roles
        },
        added_ms={role: intervals.mean_over_blocks([_added_ms(block, role) for block in blocks]) for role in roles},
        pair_spread=intervals.spread([on.wall_s / off.wall_s for on, off in pairs]),
        records=records,
    )


def total(one: Round) -> float:
    """Processor seconds of all processes."""
    return sum(one.processor_s.values())


def _added_ms(pairs: list[Pair], role: str) -> list[float]:
    return [1000 * (on.processor_s.get(role, 0.0) - off.processor_s.get(role, 0.0)) for on, off in pairs]


def _means(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    return fmean(on for on, _ in pairs), fmean(off for _, off in pairs)


def _summary(pairs: list[Pair]) -> str:
    found = result([pairs], {})
    return (
        f"{len(pairs)} pairs, round {found.wall_s[0]:.3f} s with and {found.wall_s[1]:.3f} s without, "
        f"ratio {found.ratio.value:.4f}; processor {found.processor_s[0]:.3f} and {found.processor_s[1]:.3f} s, "
        f"ratio {found.processor_ratio.value:.4f}"
    )
