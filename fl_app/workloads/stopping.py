"""Early stopping: when the server's own evaluation is good enough, or says that more rounds bring no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal["target", "patience"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStop:
    """Stop at the first round whose accuracy is `target_accuracy` (0..1) or more, or when patience is exhausted.

    `target_accuracy` = 0 is no target.
    """

    target_accuracy: float
    patience: Patience

    def __post_init__(self) -> None:
        if not 0 <= self.target_accuracy <= 1:
            raise ValueError(
                f"target-accuracy={self.target_accuracy}: is a share of correct answers, 0 to 1. Set 0 for no target."
            )

    def reason(self, accuracies: Sequence[float]) -> Reason | None:
        """Why training should end now, None where it should go on.

        The first accuracy is that of the parameters which no round has trained: it is what a first gain is measured
        from, and cannot be the end.
        """
        if self.target_accuracy > 0 and len(accuracies) > 1 and accuracies[-1] >= self.target_accuracy:
            return "target"
        return "patience" if self.patience.exhausted(accuracies) else None
