"""What a trial is called: its place in the plan, its levels, its repetition. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_SAID_ALONE = ("interface", "polling", "fault")  # whose levels say what they are
LONGEST = 80  # of the levels: a name is a folder on every host


def trial_name(index: int, trials: int, levels: Mapping[str, Any], varied: Sequence[str], repetition: int) -> str:
    """`007-5g-fast-clients4-layout_flat-r2`: interface, polling unless it is stock, each other factor that varies.

    Numbers are long enough that the names of a plan sort in its order.
    """
    width = max(3, len(str(trials - 1)))
    parts = [str(levels["interface"])]
    if levels.get("polling", "stock") != "stock":
        parts.append(str(levels["polling"]))
    parts += [_part(name, levels[name]) for name in varied if name not in {"interface", "polling"}]
    cell = "-".join(filter(None, parts))
    return f"{index:0{width}d}-{cell[:LONGEST].rstrip('-')}-r{repetition}"


def words(levels: Mapping[str, Any], varied: Sequence[str]) -> str:
    """The same levels for a reader: `5g, fast, clients 4, layout flat`."""
    return ", ".join(
        str(level) if name in _SAID_ALONE else f"{name.rpartition('.')[2]} {shown(level)}"
        for name, level in levels.items()
        if name == "interface" or name in varied
    )


def shown(level: Any) -> str:
    """A level as a reader writes it."""
    match level:
        case bool():
            return "true" if level else "false"
        case float():
            return f"{level:g}"
        case dict():
            return "; ".join(f"{key} {shown(value)}" for key, value in level.items()) or "none"
        case list() | tuple():
            return "+".join(shown(one) for one in level) or "none"
    return str(level)


def _part(name: str, level: Any) -> str:
    text = re.sub(r"[^A-Za-z0-9.]+", "_", shown(level)).strip("_.")
    if name in _SAID_ALONE:
        return "" if text == "none" else text
    number = isinstance(level, int | float) and not isinstance(level, bool)
    return f"{name.rpartition('.')[2]}{'' if number else '_'}{text}"
