"""Which settings of a campaign can be factors, by which names, and a campaign with levels put in.

A factor is named by its place in the campaign file: `clients`, `testbed.pi_cpu`, `workload.settings.layout`. A file
may write the name as one quoted key or as tables. `interface` and `polling` are of a trial alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from testbed.errors import UsageError
from testbed.validation import explained, stated

if TYPE_CHECKING:
    from testbed.campaign import Campaign

OTHERS = "others"  # where [factors] keeps the factors that vary a setting; what stands beside it is of a trial alone
APP_SETTINGS = "workload.settings"
_KNOWN_TO_THE_PLAN = ("interface", "polling")  # a planned trial says these itself
NONE = "none"  # of testbed and limits, the level that leaves a setting out: TOML has no word for it
_MAY_BE_LEFT_OUT = ("testbed.", "limits.")
_WHOLE = "is of the whole campaign and can be no factor"
_REFUSED = {
    "name": _WHOLE,
    "description": _WHOLE,
    "seed": f"{_WHOLE}: it decides the order. The app's own is workload.settings.seed",
    "repetitions": f"{_WHOLE}: it says how often each combination is run",
    "testbed.kind": "cannot be a factor: a campaign runs on one testbed",
    "testbed.inventory": "cannot be a factor: a campaign runs on one testbed",
    "collect.baseline": "cannot be a factor: links are measured once, before the first trial",
    "collect.baseline_s": "cannot be a factor: links are measured once, before the first trial",
    f"{APP_SETTINGS}.num-server-rounds": "is given by `rounds`. Write factors.rounds",
    f"{APP_SETTINGS}.num-clients": "is given by `clients`. Write factors.clients",
}
_ABSENT = object()
_NOT_SETTINGS = ("factors", "design", "trial", "fault", "churn", "influxdb")
TRACE = "testbed.trace"
_OPEN = (APP_SETTINGS, TRACE)  # tables whose keys the campaign's model does not know
TABLES = (TRACE, "testbed.background")  # levels may also be whole tables


class DesignError(UsageError):
    """The design asks for something that cannot be; the message does not name the file."""


def of_a_trial() -> list[str]:
    """The factors that vary no setting of the campaign: `interface`, `polling`, …"""
    from testbed.campaign import Factors

    return [name for name in Factors.model_fields if name != OTHERS]


def usual_levels() -> dict[str, Any]:
    """Of those, the ones that a file need not name, with the level that they then have."""
    from testbed.campaign import Factors

    own = {name: Factors.model_fields[name] for name in of_a_trial()}
    return {name: item.default[0] for name, item in own.items() if not item.is_required()}


def known_names() -> list[str]:
    """The names that a factor can have; below `workload.settings` and `testbed.trace` there are more."""
    from testbed.campaign import Campaign

    return [*of_a_trial(), *(name for name in _settings(Campaign, "") if name not in _REFUSED)]


def _settings(model: type[BaseModel], above: str) -> Iterable[str]:
    for key, item in model.model_fields.items():
        name = f"{above}{item.alias or key}"
        if name in _NOT_SETTINGS:
            continue
        inner = _model_in(item.annotation)
        if inner is None or name in TABLES:
            yield from _keys_of_table(name, item.annotation)
        if inner is not None:
            yield from _settings(inner, f"{name}.")


def _keys_of_table(name: str, annotation: Any) -> Iterable[str]:
    """The setting itself; of a table with a closed list of keys, such as `priorities`, each of them."""
    keys = get_args(get_args(annotation)[0]) if getattr(annotation, "__origin__", None) is dict else ()
    if keys and all(isinstance(key, str) for key in keys):
        yield from (f"{name}.{key}" for key in keys)
    elif name != APP_SETTINGS:
        yield name


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def require_name(name: str, place: str = "factors") -> None:
    """Raises an error that says all, where no setting of that name can be a factor."""
    if name in _REFUSED:
        raise stated(f"{place}.{name} {_REFUSED[name]}.")
    if _is_below_open(name) or name in (known := known_names()):
        return
    raise stated(f"unknown key {place}.{name}. {_hint(name, known)}")


def _hint(name: str, known: Sequence[str]) -> str:
    last = name.rpartition(".")[2]
    if same := [one for one in known if one.rpartition(".")[2] == last]:
        return f"Did you mean {same[0]}?"
    candidates = [*known, *([f"{APP_SETTINGS}.{last}"] if "." in name else [])]
    if near := get_close_matches(name, candidates, n=1, cutoff=0.6):  # layout is not near fault
        return f"Did you mean {near[0]}?"
    return (
        f"A factor is interface, polling, or a setting by its dotted name; of the app's own settings that is "
        f"{APP_SETTINGS}.{last} (docs/campaign.md)."
    )


def canonical(level: Any) -> str:
    """A level as a text that is the same for the same level and no other."""
    return json.dumps(level, sort_keys=True, ensure_ascii=False, default=str)


def with_levels(campaign: Campaign, levels: Mapping[str, Any]) -> Campaign:
    """The campaign with a level of each factor put in its place, checked. Raises DesignError.

    Of a factor that is of a trial alone, other than `interface` and `polling`, it has that one level.
    """
    from testbed.campaign import Campaign

    own = of_a_trial()
    changed = {name: level for name, level in levels.items() if name not in own}
    narrowed = {name: (levels[name],) for name in own if name in levels and name not in _KNOWN_TO_THE_PLAN}
    if not changed and not narrowed:
        return campaign
    parts: dict[str, Any] = {name: getattr(campaign, name) for name in Campaign.model_fields}
    parts["factors"] = campaign.factors.model_copy(update=narrowed)
    for name, level in changed.items():
        absent = level == NONE and name.startswith(_MAY_BE_LEFT_OUT)
        _put(parts, name.split(".", _depth(name)), _ABSENT if absent else level)
    try:
        return Campaign.model_validate(parts)
    except ValidationError as error:
        named = ", ".join(f"factors.{name} has the level {_shown_level(level)}" for name, level in changed.items())
        raise DesignError(f"{named}: {explained(error, Campaign)}") from error


def _depth(name: str) -> int:
    """How many dots part keys: those of an app's own setting are part of its name."""
    return 2 if _is_below_open(name) else name.count(".")


def _is_below_open(name: str) -> bool:
    return any(name.startswith(f"{table}.") for table in _OPEN)


def _shown_level(level: Any) -> str:
    return json.dumps(level, ensure_ascii=False, default=str)


def _put(parts: dict[str, Any], place: Sequence[str], level: Any) -> None:
    first, *deeper = place
    if not deeper:
        if level is _ABSENT:
            parts.pop(first, None)
        else:
            parts[first] = level
        return
    inner = parts.get(first)
    inner = inner.model_dump(exclude_unset=True) if isinstance(inner, BaseModel) else dict(inner or {})
    _put(inner, deeper, level)
    parts[first] = inner
