"""The one table of pollers: name to class, imported when chosen."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import cast

from collectors.errors import CollectError, UnknownCollectorError
from collectors.protocol import Poller, Site

POLLERS: Mapping[str, str] = {
    "host": "collectors.host:Host",
    "process": "collectors.process:FlowerProcesses",
    "interfaces": "collectors.interfaces:Interfaces",
    "chrony": "collectors.chrony:Chrony",
    "other_programs": "collectors.other_programs:OtherPrograms",
    "throttling": "collectors.throttling:Throttling",
}


def chosen(names: Sequence[str], site: Site) -> dict[str, Poller]:
    """The pollers of these names, in order. Raises UnknownCollectorError, or CollectError for a missing library."""
    return {name: _made(name, site) for name in names}


def _made(name: str, site: Site) -> Poller:
    target = POLLERS.get(name)
    if target is None:
        raise UnknownCollectorError(_unknown(name))
    module, _, attribute = target.partition(":")
    try:
        return cast("Poller", getattr(importlib.import_module(module), attribute)(site))
    except ModuleNotFoundError as error:
        raise CollectError(
            f"collector {name} needs {error.name}, which is not installed here. Run: pip install 'fedprobe[node]'"
        ) from error


def _unknown(name: str) -> str:
    nearest = difflib.get_close_matches(name, POLLERS, n=1, cutoff=0.0)
    return f"no collector is named {name!r}; the nearest is {nearest[0]!r}. There are: {', '.join(sorted(POLLERS))}."
