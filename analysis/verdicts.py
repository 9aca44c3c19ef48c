"""What of a report may be believed: a finding with its number, and the step that would change it.

Severities: "unfit" means the numbers must not be used as they are (exit code 3), "warn" that they carry a stated
weakness, "info" what a reader has to know to read them right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SEVERITIES = ("unfit", "warn", "info")
EXIT_GOOD, EXIT_UNFIT = 0, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One finding with its number, and what to do about it; `rule` names the rule that found it."""

    severity: str
    finding: str
    next_step: str
    rule: str


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """3 where any verdict is `unfit`, else 0."""
    return EXIT_UNFIT if any(verdict.severity == "unfit" for verdict in verdicts) else EXIT_GOOD


def worst(verdicts: Sequence[Verdict]) -> str:
    """The gravest severity, "good" where there is no verdict graver than info."""
    present = {verdict.severity for verdict in verdicts}
    return next((severity for severity in SEVERITIES[:2] if severity in present), "good")
