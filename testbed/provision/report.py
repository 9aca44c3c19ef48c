"""What came of it on each host, for people and as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A change that was made, or taken back, or that a dry run has found; `commands` are a plan's."""

    step: str
    text: str
    root: bool
    commands: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class HostReport:
    """One host. `error` says why it is not ready; the changes before that were made."""

    host: str
    changes: list[Done] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    error: str | None = None


def document(reports: Sequence[HostReport], *, mode: str, wheelhouse: str) -> dict[str, Any]:
    """What a script reads. `mode`: "provision", "undo" or "dry-run"; then `changes` are those that would be made."""
    return {
        "ok": all(report.error is None for report in reports),
        "mode": mode,
        "changes": sum(len(report.changes) for report in reports),
        "wheelhouse": wheelhouse,
        "hosts": [
            {
                "host": report.host,
                "changes": [{"step": one.step, "text": one.text, "root": one.root} for one in report.changes],
                "remarks": report.remarks,
                "error": report.error,
            }
            for report in reports
        ],
    }


def print_reports(console: Console, reports: Sequence[HostReport], *, mode: str) -> None:
    """Changes by host, remarks once for all hosts they are about, and one line that says what follows."""
    for report in reports:
        for one in report.changes:
            told = f"{report.host}: {one.step}: {one.text}{' (root)' if one.root else ''}"
            console.print(told, markup=False, soft_wrap=True)
            for command in one.commands:
                console.print(f"    {command}", markup=False, soft_wrap=True)
    for text in dict.fromkeys(text for report in reports for text in report.remarks):
        about = [report.host for report in reports if text in report.remarks]
        console.print(f"note: {', '.join(about)}: {text}", markup=False, soft_wrap=True)
    for report in reports:
        if report.error is not None:
            console.print(f"failed: {report.error}", markup=False, soft_wrap=True)
    console.print(_sum(reports, mode), markup=False)


def _sum(reports: Sequence[HostReport], mode: str) -> str:
    changes, failed = sum(len(one.changes) for one in reports), sum(one.error is not None for one in reports)
    what = {"provision": "changes", "undo": "changes taken back", "dry-run": "changes would be made"}[mode]
    return f"{len(reports)} hosts, {changes} {what}{f', {failed} failed' if failed else ''}"
