"""Early stopping: when the server's own evaluation says that more rounds bring no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Stop after `rounds` rounds in a row without an accuracy `min_delta` (0..1) above the best before.

    `rounds` = 0 never stops.
    """

    rounds: int
    min_delta: float

    def __post_init__(self) -> None:
        if self.rounds < 0 or self.min_delta < 0:
            raise ValueError(
                f"patience={self.rounds} min-delta={self.min_delta}: neither may be negative. "
                "Set patience=0 to train all rounds."
            )

    def waited(self, accuracies: Sequence[float]) -> int:
        """Rounds since the last improvement, for the accuracies of all rounds so far, the oldest first."""
        best, since = float("-inf"), 0
        for accuracy in accuracies:
            improved = accuracy > best + self.min_delta
            since = 0 if improved else since + 1
            best = accuracy if improved else best
        return since

    def exhausted(self, accuracies: Sequence[float]) -> bool:
        """Whether training should end now."""
        return self.rounds > 0 and self.waited(accuracies) >= self.rounds
