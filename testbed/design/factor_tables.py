"""How a campaign file writes factors: in [factors], as quoted names or tables, or one by one as [[trial]]. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from testbed.design.factors import OTHERS, TABLES, TRACE, canonical, of_a_trial, require_name, usual_levels
from testbed.validation import stated


def gathered(written: Mapping[str, Any]) -> dict[str, Any]:
    """The [factors] table with every factor but `interface` and `polling` below `others`, by its dotted name."""
    plain = {key: value for key, value in written.items() if key != OTHERS}
    found = dict(written.get(OTHERS) or {})
    found.update(flattened(plain))
    kept = {name: found.pop(name) for name in of_a_trial() if name in found}
    for name, levels in found.items():
        require_name(name)
        _require_levels(name, levels)
    return {**kept, OTHERS: found}


def _require_levels(name: str, levels: Any) -> None:
    if not isinstance(levels, list | tuple) or not levels:
        raise stated(f"factors.{name} = {levels!r}: a factor has a list of levels. Write [{_shown(levels)}].")
    texts = [canonical(level) for level in levels]
    if len(set(texts)) != len(texts):
        raise stated(f"factors.{name} = {_shown(levels)} names a level twice. Leave one of them out.")


def _shown(levels: Any) -> str:
    return json.dumps(levels, ensure_ascii=False, default=str) if levels else "..."


def flattened(written: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested tables as one table of dotted names."""
    found: dict[str, Any] = {}
    for key, value in written.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and name not in TABLES and value:
            found.update(flattened(value, f"{name}."))
        elif isinstance(value, Mapping) and name == TRACE and _is_levels(value):
            found.update({f"{name}.{network}": levels for network, levels in value.items()})
        else:
            found[name] = value
    return found


def _is_levels(table: Mapping[str, Any]) -> bool:
    """Whether a table of traces is one of factors, `trace.5g = ["a.csv", "b.csv"]`, and no level."""
    return bool(table) and all(isinstance(value, list) for value in table.values())


def with_listed_factors(written: Mapping[str, Any]) -> dict[str, Any]:
    """A campaign's document with what its factors say besides: of a list the factors, of `clients` and `rounds` the
    most that a trial has.
    """
    document = dict(written)
    listed = _kind(document) == "list"
    if bool(document.get("trial")) != listed:
        raise stated(
            'design.kind = "list" and [[trial]] tables go together: they are the cells. Write both, or neither.'
        )
    if listed and isinstance(document["trial"], list | tuple):
        document["trial"] = [_listed_trial(place, one) for place, one in enumerate(document["trial"])]
        _require_different(document["trial"])
        if isinstance(document.get("factors", {}), Mapping):
            document["factors"] = _factors_of(document["trial"], document.get("factors"))
    factors = document.get("factors")
    if isinstance(factors, Mapping):
        for name in ("clients", "rounds"):
            _take_most(document, name, factors.get(name, (factors.get(OTHERS) or {}).get(name)))
    return document


def _kind(document: Mapping[str, Any]) -> Any:
    design = document.get("design", {})
    return design.get("kind") if isinstance(design, Mapping) else getattr(design, "kind", None)


def _take_most(document: dict[str, Any], name: str, levels: Any) -> None:
    if not isinstance(levels, list | tuple) or not all(isinstance(one, int) for one in levels) or not levels:
        return
    if document.get(name, levels[0]) not in levels:
        raise stated(
            f"{name} = {document[name]} stands beside factors.{name} = {_shown(levels)}. Leave {name} out: its "
            "levels are the factor's."
        )
    document[name] = max([one for one in levels if _is_possible(name, one)] or levels)


def _is_possible(name: str, level: int) -> bool:
    """Whether a level can be; one that cannot is refused by its factor's name later."""
    from testbed.campaign import Campaign

    bounds = Campaign.model_fields[name].metadata
    return all(getattr(one, "ge", level) <= level <= getattr(one, "le", level) for one in bounds)


def _listed_trial(place: int, one: Any) -> dict[str, Any]:
    if not isinstance(one, Mapping):
        raise stated(f"trial {place + 1} is no table. Write [[trial]] above each combination.")
    levels = flattened(one)
    for name in levels:
        require_name(name, "trial")
    return levels


def _require_different(trials: Sequence[Mapping[str, Any]]) -> None:
    texts = [canonical(one) for one in trials]
    for place, text in enumerate(texts):
        if (first := texts.index(text)) < place:
            raise stated(
                f"trial {place + 1} is the same as trial {first + 1}. Leave it out: `repetitions` says how often "
                "each is run."
            )


def _factors_of(trials: Sequence[Mapping[str, Any]], written: Any) -> dict[str, Any]:
    """The factors of a list, their levels in the order in which they first appear."""
    usual = usual_levels()
    names = list(dict.fromkeys(name for one in trials for name in one))
    for place, one in enumerate(trials):
        if lacking := [name for name in ("interface", *names) if name not in one and name not in usual]:
            raise stated(
                f"trial {place + 1} has no level of {lacking[0]}: a listed trial has one of each factor. Add it."
            )
    found = {name: _distinct(one.get(name, usual.get(name)) for one in trials) for name in names}
    if written and gathered(written) != gathered(found):
        raise stated('[factors] stands beside design.kind = "list": levels are those of [[trial]]. Leave it out.')
    return found


def _distinct(levels: Iterable[Any]) -> list[Any]:
    return list({canonical(level): level for level in levels}.values())
