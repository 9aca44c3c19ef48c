"""What a run's report says of the self-test: how true this instrument's uplink and downlink times are, and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.formats import percent
from analysis.summary import Summary
from analysis.verdicts import SEVERITIES, Verdict

FILE = "selftest.json"
_KEPT = ("made", "ok", "transfers", "reference", "made_by", "versions")


def read_selftest(run: Path) -> dict[str, Any] | None:
    """The self-test's result in a run folder; None where there is none, or it cannot be read."""
    try:
        found = json.loads((run / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "errors" in found else None


def with_selftest(summary: Summary, selftest: Mapping[str, Any] | None) -> Summary:
    """The summary of a run with its self-test; that there is none, or that it failed, is a verdict."""
    verdict = _verdict(selftest)
    verdicts = sorted([*summary.verdicts, *verdict], key=lambda one: SEVERITIES.index(one.severity))
    return replace(summary, selftest=selftest, verdicts=verdicts)


def cited(selftest: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The part of a result that `fedprobe report --json` repeats: when, by what, and the headline's errors."""
    if selftest is None:
        return None
    return {**{key: selftest.get(key) for key in _KEPT}, "headline": _headline(selftest)}


def citation(selftest: Mapping[str, Any]) -> str:
    """One sentence for the terminal and the page."""
    parts = [
        f"{direction} {percent(made['median_abs'])} in the median, {percent(made['p95_abs'])} in 19 of 20"
        for direction, made in _headline(selftest).items()
    ]
    return f"Self-test of {selftest.get('made', 'an unknown day')} against packets: {'; '.join(parts)}."


def _headline(selftest: Mapping[str, Any]) -> dict[str, Any]:
    limited = selftest.get("errors", {}).get("limited", {})
    return {side: limited[side]["headline"] for side in ("uplink", "downlink") if "headline" in limited.get(side, {})}


def _verdict(selftest: Mapping[str, Any] | None) -> list[Verdict]:
    if selftest is None:
        return [
            Verdict(
                severity="info",
                rule="no_selftest",
                finding="no self-test of this instrument was kept on this machine when the run began.",
                next_step="Run fedprobe selftest --quick (two minutes, root); the next report cites it.",
            )
        ]
    if not selftest.get("ok"):
        return [
            Verdict(
                severity="warn",
                rule="selftest_failed",
                finding=f"the self-test of {selftest.get('made', 'an unknown day')} missed its limits.",
                next_step="Read its verdicts (selftest.json of this run) before you believe t_u and t_d.",
            )
        ]
    return []
