"""The pinned requirements: what a distribution needs, at the very versions that the controller has.

So every host gets what this machine was tested with. Conditions of requirements (PEP 508) are those of the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from testbed.errors import WheelhouseError


@dataclass(frozen=True, slots=True)
class Known:
    """A distribution here: its version, and its requirements in PEP 508's words."""

    version: str
    requirements: tuple[str, ...]


def pinned(roots: Iterable[str], known: Callable[[str], Known | None], markers: Mapping[str, str]) -> dict[str, str]:
    """Versions by normalised name of all that the roots need, such as `fedprobe[node]`, on a host with these markers.

    Raises WheelhouseError for a requirement that is not installed here.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    waiting = [(Requirement(root), "") for root in roots]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, wanted_by = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (distribution := known(name)) is None:
            raise WheelhouseError(
                f"{requirement} is needed by {wanted_by or 'every host'} and is not installed here, so no version of "
                f"it is tried. Install it beside fedprobe: python -m pip install '{requirement.name}'."
            )
        found[name] = distribution.version
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in distribution.requirements:
                needed = Requirement(text)
                if needed.marker is None or needed.marker.evaluate({**markers, "extra": extra}):
                    waiting.append((needed, name))
    return dict(sorted(found.items()))


def installed_here(name: str) -> Known | None:
    """A distribution of the controller's own environment."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    return Known(found.version, tuple(found.requires or ()))
