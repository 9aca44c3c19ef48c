"""The seams of the collectors: what is read once a tick, and what listens until it is told to stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from collectors.stopping import Stop


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at one subject gave; names and types are those of `instrument.metrics`."""

    subject: str
    values: Mapping[str, int | float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a collector runs: the folder that its records go to."""

    spool: Path


class Poller(Protocol):
    """Read once a tick. A reading is timed from the one before it, so that the costs of a tick add up."""

    def read(self) -> Iterable[Reading]:
        """One reading for each subject that exists now; what cannot be read is left out."""
        ...


class Listener(Protocol):
    """Runs on a thread of its own, beside the pollers."""

    def run(self, stop: Stop) -> None:
        """Return soon after `stop` is set."""
        ...
