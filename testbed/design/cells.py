"""The cells of a design: which combinations of levels are run. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from testbed.campaign import Campaign
from testbed.design.factor_tables import flattened
from testbed.design.factors import DesignError, canonical, usual_levels
from testbed.design.fraction import Fraction, fraction_of
from testbed.validation import nearest

Levels = Mapping[str, Any]


def cells_of(campaign: Campaign) -> list[Levels]:
    """Every cell once, in the order of the file: the last factor varies fastest. Raises DesignError."""
    levels = campaign.factors.levels
    cells: list[Levels]
    match campaign.design.kind:
        case "list":
            cells = [{name: {**usual_levels(), **one}[name] for name in levels} for one in campaign.trial]
        case "fraction":
            chosen = fraction(campaign)
            assert chosen is not None
            cells = [cell for cell in _full(levels) if chosen.contains(cell, levels)]
        case _:
            cells = _full(levels)
    return _without_excluded(campaign, cells)


def fraction(campaign: Campaign) -> Fraction | None:
    """The fraction that a campaign asks for; None: its design is none. Raises DesignError."""
    if campaign.design.kind != "fraction":
        return None
    return fraction_of(campaign.factors.levels, campaign.design.generators)


def _full(levels: Mapping[str, Sequence[Any]]) -> list[Levels]:
    return [dict(zip(levels, chosen, strict=True)) for chosen in product(*levels.values())]


def _without_excluded(campaign: Campaign, cells: Sequence[Levels]) -> list[Levels]:
    excluded = [flattened(one) for one in campaign.design.exclude]
    if excluded and campaign.design.kind == "fraction":
        raise DesignError(
            "design.exclude would unbalance the fraction, whose aliases would then be others. Use the full design, "
            "or list the combinations."
        )
    for place, one in enumerate(excluded):
        _require_levels_of(one, campaign.factors.levels, place)
    kept = [cell for cell in cells if not any(_matches(cell, one) for one in excluded)]
    if not kept:
        raise DesignError("design.exclude leaves no combination to run. Exclude less.")
    return kept


def _require_levels_of(one: Levels, levels: Mapping[str, Sequence[Any]], place: int) -> None:
    if not one:
        raise DesignError(f"design.exclude, entry {place + 1}, is empty and would exclude everything. Leave it out.")
    for name, level in one.items():
        if name not in levels:
            raise DesignError(f"design.exclude names {name!r}, no factor of this campaign. {nearest(name, levels)}")
        if canonical(level) not in map(canonical, levels[name]):
            raise DesignError(
                f"design.exclude: {name} = {level!r} is no level of it. {nearest(str(level), map(str, levels[name]))}"
            )


def _matches(cell: Levels, part: Levels) -> bool:
    return all(canonical(cell[name]) == canonical(level) for name, level in part.items())
