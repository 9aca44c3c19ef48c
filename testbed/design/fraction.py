"""Regular fractions of designs whose factors have two levels, and what such a fraction cannot tell apart. Pure.

The first level of a factor counts as -1, the second as +1. A generator `C = A B` runs only the combinations in which
C's sign is the product of the others'; so each halves the design. The words of the defining relation are the products
that are +1 in every run; the length of the shortest is the resolution. A factor with another number of levels takes
no part: the fraction is crossed with it in full.
Source: Box and Hunter 1961, "The 2^(k-p) Fractional Factorial Designs", Technometrics 3(3), 311-351.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from testbed.design.factors import DesignError, canonical
from testbed.validation import nearest

Word = frozenset[str]
LEAST_RESOLUTION = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fraction:
    """`factors` are those with two levels, `words` the defining relation."""

    factors: Sequence[str]
    generators: Mapping[str, Sequence[str]]
    words: Sequence[Word]

    @property
    def resolution(self) -> int:
        """The length of the shortest word."""
        return min(len(word) for word in self.words)

    @property
    def share(self) -> str:
        """How much of the full design is run: 1/2, 1/4, …"""
        return f"1/{2 ** len(self.generators)}"

    def aliases(self, effect: Word) -> list[Word]:
        """What cannot be told apart from an effect (a factor, or an interaction of several), shortest first."""
        others = {word ^ effect for word in self.words}
        return sorted(others, key=lambda word: (len(word), sorted(word)))

    def contains(self, levels: Mapping[str, Any], all_levels: Mapping[str, Sequence[Any]]) -> bool:
        """Whether a combination is in the fraction."""
        signs = {name: -1 if _same(levels[name], all_levels[name][0]) else 1 for name in self.factors}
        return all(
            signs[name] == math.prod(signs[other] for other in others) for name, others in self.generators.items()
        )

    def lines(self) -> list[str]:
        """The fraction in words: its share, resolution, defining relation, and the aliases of factors and pairs."""
        relation = " = ".join(["I", *(_product(word, self.factors) for word in self.words)])
        head = f"{self.share} of the two-level factors, resolution {_roman(self.resolution)}: {relation}"
        effects = [frozenset(of) for size in (1, 2) for of in combinations(self.factors, size)]
        return [head, *(line for effect in effects if (line := self._alias_line(effect)))]

    def _alias_line(self, effect: Word) -> str:
        near = [alias for alias in self.aliases(effect) if 1 <= len(alias) <= 2]
        if not near:
            return ""
        names = [_product(word, self.factors) for word in (effect, *near)]
        return f"{names[0]} cannot be told from {', '.join(names[1:])}"


def fraction_of(levels: Mapping[str, Sequence[Any]], generators: Mapping[str, Sequence[str]]) -> Fraction:
    """The fraction that generators ask for. Raises DesignError where they cannot be, or tell no two factors apart."""
    two = [name for name, of in levels.items() if len(of) == 2]
    for name, others in generators.items():
        for one in (name, *others):
            if one not in two:
                raise DesignError(f"design.generators names {one!r}: {_why_not(one, levels, two)}")
        if len(set(others)) != len(others) or name in others or len(others) < 2:
            raise DesignError(
                f"design.generators.{name} = {list(others)}: a factor follows the product of two or more others, "
                "each named once. Correct it."
            )
    if chained := [name for name in generators if any(name in others for others in generators.values())]:
        raise DesignError(
            f"design.generators: {chained[0]} follows others and others follow it. Write each generator in factors "
            "that have none."
        )
    found = Fraction(factors=tuple(two), generators=dict(generators), words=_words(generators))
    if found.resolution < LEAST_RESOLUTION:
        worst = min(found.words, key=len)
        raise DesignError(
            f"design.generators make {' and '.join(sorted(worst))} the same: no run would tell them apart. Choose "
            "other products."
        )
    return found


def _words(generators: Mapping[str, Sequence[str]]) -> list[Word]:
    single = [frozenset((name, *others)) for name, others in generators.items()]
    found = []
    for size in range(1, len(single) + 1):
        for chosen in combinations(single, size):
            word: Word = frozenset()
            for one in chosen:
                word ^= one
            found.append(word)
    return sorted(found, key=lambda word: (len(word), sorted(word)))


def _why_not(name: str, levels: Mapping[str, Sequence[Any]], two: Sequence[str]) -> str:
    if name in levels:
        return (
            f"it has {len(levels[name])} levels, and a fraction is of factors with two. Leave it out: it is crossed."
        )
    return f"no factor of this campaign. {nearest(name, two) if two else 'None has two levels.'}"


def _same(one: Any, other: Any) -> bool:
    return canonical(one) == canonical(other)


def _product(word: Word, order: Sequence[str]) -> str:
    return " x ".join(name for name in order if name in word) or "the mean"


def _roman(number: int) -> str:
    numerals = ("III", "IV", "V", "VI", "VII", "VIII")
    place = number - LEAST_RESOLUTION
    return numerals[place] if place < len(numerals) else str(number)
