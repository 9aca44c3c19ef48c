"""Regular fractions: balanced, orthogonal, and honest about what they cannot tell apart."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from testbed.design.cells import cells_of, fraction
from testbed.design.factors import DesignError, canonical
from tests.design.campaigns import campaign

TWO: dict[str, list[Any]] = {
    "interface": ["wifi", "5g"],
    "polling": ["stock", "fast"],
    "clients": [2, 4],
    "rounds": [5, 10],
    "workload.settings.layout": ["flat", "native"],
    "collect.capture": [False, True],
}


@st.composite
def designs(draw: st.DrawFn) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
    """Two to five base factors, one or two that follow products of them, perhaps one with three levels besides."""
    names = draw(st.permutations(sorted(TWO)))
    base = names[: draw(st.integers(2, 4))]
    follow = names[len(base) : len(base) + draw(st.integers(1, 2))]
    generators = {
        name: draw(st.lists(st.sampled_from(base), min_size=2, max_size=len(base), unique=True)) for name in follow
    }
    factors = {name: TWO[name] for name in (*base, *follow)}
    factors.setdefault("interface", ["ethernet", "wifi", "5g"])
    return factors, generators


@given(designs())
def test_a_fraction_is_balanced_in_every_factor_and_every_pair(
    design: tuple[dict[str, list[Any]], dict[str, list[str]]],
) -> None:
    factors, generators = design
    asked = campaign(factors, design={"kind": "fraction", "generators": generators})
    if len({canonical(sorted(others)) for others in generators.values()}) < len(generators):
        with pytest.raises(DesignError, match="the same"):
            cells_of(asked)
        return
    cells = cells_of(asked)
    full = 1
    for levels in asked.factors.levels.values():
        full *= len(levels)
    assert len(cells) * 2 ** len(generators) == full
    for one, other in combinations(factors, 2):
        times = Counter((canonical(cell[one]), canonical(cell[other])) for cell in cells)
        assert len(times) == len(factors[one]) * len(factors[other])
        assert len(set(times.values())) == 1


def signs(cells: list[Any], word: frozenset[str], levels: dict[str, Any]) -> list[int]:
    found = []
    for cell in cells:
        sign = 1
        for name in word:
            sign *= -1 if cell[name] == levels[name][0] else 1
        found.append(sign)
    return found


@given(designs())
def test_what_is_called_an_alias_has_the_same_signs_in_every_run(
    design: tuple[dict[str, list[Any]], dict[str, list[str]]],
) -> None:
    """By the runs alone: two effects are one exactly where the fraction says so."""
    factors, generators = design
    asked = campaign(factors, design={"kind": "fraction", "generators": generators})
    assume(len({canonical(sorted(others)) for others in generators.values()}) == len(generators))
    chosen, cells = fraction(asked), cells_of(asked)
    assert chosen is not None
    effects = [frozenset(names) for size in (1, 2) for names in combinations(chosen.factors, size)]
    for one, other in combinations(effects, 2):
        together = [a * b for a, b in zip(signs(cells, one, factors), signs(cells, other, factors), strict=True)]
        same = set(together) == {1}
        assert (other in chosen.aliases(one)) == same
        if not same:
            assert sum(together) == 0


def test_a_known_design() -> None:
    """2^(4-1) with D = ABC is of resolution IV: AB and CD are one. Source: Box and Hunter 1961."""
    factors = {"interface": ["wifi", "5g"], "polling": ["stock", "fast"], "clients": [2, 4], "rounds": [5, 10]}
    generators = {"rounds": ["interface", "polling", "clients"]}
    asked = campaign(factors, design={"kind": "fraction", "generators": generators})
    chosen = fraction(asked)
    assert chosen is not None
    assert len(cells_of(asked)) == 8
    assert chosen.resolution == 4
    assert chosen.lines()[0].startswith("1/2 of the two-level factors, resolution IV: I = interface x polling x")
    assert "interface x polling cannot be told from clients x rounds" in chosen.lines()
    assert not [line for line in chosen.lines()[1:] if " x " not in line.partition(" cannot")[0]], "factors are clear"


def test_two_generators_make_their_product_a_word_too() -> None:
    factors = {name: TWO[name] for name in ("interface", "polling", "clients", "rounds", "collect.capture")}
    generators = {"rounds": ["interface", "polling"], "collect.capture": ["interface", "clients"]}
    chosen = fraction(campaign(factors, design={"kind": "fraction", "generators": generators}))
    assert chosen is not None
    assert chosen.resolution == 3
    assert sorted(map(sorted, chosen.words)) == [
        ["clients", "collect.capture", "interface"],
        ["clients", "collect.capture", "polling", "rounds"],
        ["interface", "polling", "rounds"],
    ]


@pytest.mark.parametrize(
    ("generators", "expected"),
    [
        ({"clients": ["interface", "pollin"]}, "'pollin': no factor of this campaign. Did you mean polling?"),
        ({"clients": ["interface", "rounds"]}, "'rounds': it has 3 levels"),
        ({"clients": ["polling"]}, "two or more others"),
        ({"clients": ["polling", "clients"]}, "two or more others"),
        (
            {"clients": ["interface", "polling"], "collect.capture": ["clients", "polling"]},
            "clients follows others and others follow it",
        ),
        (
            {"clients": ["interface", "polling"], "collect.capture": ["interface", "polling"]},
            "make clients and collect.capture the same",
        ),
    ],
)
def test_generators_that_cannot_be(generators: dict[str, list[str]], expected: str) -> None:
    factors = {**{name: TWO[name] for name in ("interface", "polling", "clients", "collect.capture")}}
    factors["rounds"] = [5, 6, 7]
    with pytest.raises(DesignError) as raised:
        cells_of(campaign(factors, design={"kind": "fraction", "generators": generators}))
    assert expected in str(raised.value)


def test_a_fraction_takes_no_exclusions() -> None:
    asked = campaign(
        {name: TWO[name] for name in ("interface", "polling", "clients")},
        design={
            "kind": "fraction",
            "generators": {"clients": ["interface", "polling"]},
            "exclude": [{"interface": "5g", "clients": 4}],
        },
    )
    with pytest.raises(DesignError, match="would unbalance the fraction"):
        cells_of(asked)
