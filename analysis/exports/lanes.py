"""Lanes of a timeline: stretches that overlap are drawn one below the other, what belongs together in one line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Stretch(Protocol):
    """What has a place on a timeline, start <= end, in whole units of its resolution."""

    @property
    def start(self) -> int:
        """Its start."""

    @property
    def end(self) -> int:
        """Its end."""


StretchT = TypeVar("StretchT", bound=Stretch)


def layers(stretches: Iterable[StretchT]) -> list[list[StretchT]]:
    """The stretches in their order of time, parted so that those of one layer do not overlap: as few as possible."""
    found: list[list[StretchT]] = []
    for stretch in sorted(stretches, key=lambda one: (one.start, one.end)):
        free = next((layer for layer in found if layer[-1].end <= stretch.start), None)
        if free is None:
            found.append([stretch])
        else:
            free.append(stretch)
    return found


@dataclass
class Lanes(Generic[StretchT]):
    """The lanes of one group: each knows until when it is taken."""

    until: list[int] = field(default_factory=list)

    def place(self, stretches: Sequence[StretchT]) -> int:
        """The first lane that is free over all of these, in order of time; a new one where none is."""
        for lane, taken in enumerate(self.until):
            if taken <= stretches[0].start:
                self.until[lane] = stretches[-1].end
                return lane
        self.until.append(stretches[-1].end)
        return len(self.until) - 1
