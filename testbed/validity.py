"""Why a trial is invalid: a closed list, so that reports can count and readers can compare."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

Reason = Literal[
    "interrupted",  # the controller or its user ended it
    "not started",  # a host, a process or a link was not ready within its time
    "node lost",  # a SuperNode or its host went away
    "time limit",  # a step or the trial took longer than the campaign allows
    "run failed",  # Flower or the app ended the run with an error
    "another interface",  # bytes went by a network that is not the trial's
    "clock error",  # the clocks' error bound is larger than the campaign allows
    "throttled",  # a processor was slowed down by heat or undervoltage
    "capture dropped",  # packets are missing from a capture
    "records missing",  # a record that was made did not arrive
    "other load",  # programs that are not the campaign's took the processors
    "version mismatch",  # the hosts do not run the same software
    "not stored",  # the controller could not keep what arrived
]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, slots=True)
class Invalid:
    """One reason against a trial, and the fact behind it in a sentence."""

    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


def as_documents(found: Iterable[Invalid]) -> list[dict[str, Any]]:
    """What trial.json holds under `reasons`."""
    return [{"reason": one.reason, "detail": one.detail} for one in found]


def text_of(found: Iterable[Invalid]) -> str:
    """What trial.json holds under `reason`, for people: the facts, parted by semicolons."""
    return "; ".join(one.detail for one in found)


def from_documents(documents: Iterable[dict[str, Any]]) -> list[Invalid]:
    """The reasons that trial.json holds."""
    return [Invalid(one["reason"], one["detail"]) for one in documents]
