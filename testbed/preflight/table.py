"""The findings as a table for people, and as one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from testbed.preflight.facts import Looked
from testbed.preflight.judgement import Finding

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {"unfit": "bold red", "warn": "yellow", "info": "dim"}


def is_fit(findings: Sequence[Finding]) -> bool:
    """Whether nothing forbids measuring."""
    return all(finding.severity != "unfit" for finding in findings)


def document(looked: Sequence[Looked], findings: Sequence[Finding]) -> dict[str, Any]:
    """What a script reads: the findings, and all facts they rest on."""
    return {
        "ok": is_fit(findings),
        "findings": [asdict(finding) for finding in findings],
        "hosts": {one.host: None if one.facts is None else one.facts.model_dump(mode="json") for one in looked},
    }


def print_findings(console: Console, looked: Sequence[Looked], findings: Sequence[Finding]) -> None:
    """The table, and one line that says what follows from it."""
    from rich.table import Table

    if findings:
        table = Table(box=None, pad_edge=False)
        for title in ("host", "severity", "fact", "next step"):
            table.add_column(title, overflow="fold")
        for finding in findings:
            style = STYLES[finding.severity]
            table.add_row(finding.host, f"[{style}]{finding.severity}[/]", finding.fact, finding.next_step)
        console.print(table)
    unfit = sorted({finding.host for finding in findings if finding.severity == "unfit"})
    told = f"not fit to measure: {', '.join(unfit)}" if unfit else "fit to measure"
    console.print(f"{len(looked)} hosts, {len(findings)} findings: {told}")
