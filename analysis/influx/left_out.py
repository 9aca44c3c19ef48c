"""What could not become a point or a field of one, counted by reason: nothing is left out in silence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

NOT_FINITE = "not finite"
WRONG_TYPE = "of another type than the schema says"
UNKNOWN = "not in this version's registry"
TOO_LONG = "longer than a field can hold"


@dataclass(slots=True)
class LeftOut:
    """Values that were not written, by measurement, field and reason."""

    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def add(self, measurement: str, name: str, reason: str) -> None:
        """Count one value."""
        self.counts[measurement, name, reason] += 1

    @property
    def total(self) -> int:
        """How many values."""
        return self.counts.total()

    def told(self) -> list[str]:
        """One line of each, for a reader: `link interface_rx_bytes: 3 not finite`."""
        return [f"{of} {name}: {count} {reason}" for (of, name, reason), count in sorted(self.counts.items())]
