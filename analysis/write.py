"""Writes a report beside the records it was made from: report.html, summary.json, figures/."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.baseline import Baseline, with_baseline
from analysis.document import to_json
from analysis.figure_data import csv_files
from analysis.html import page
from analysis.model import TrialTimes
from analysis.paper_figures import write_figures
from analysis.selftest_cited import with_selftest
from analysis.summary import Summary, summarise

TITLE = "Where the time of federated learning goes"


def write_report(
    out: Path,
    trials: Sequence[TrialTimes],
    *,
    title: str = TITLE,
    selftest: Mapping[str, Any] | None = None,
    baseline: Baseline | None = None,
) -> Summary:
    """Summarise the trials and write the report into a folder, which is made where it does not exist."""
    summary = with_baseline(with_selftest(summarise(trials), selftest), baseline)
    write_summary(out, summary, title=title)
    return summary


def write_summary(out: Path, summary: Summary, *, title: str = TITLE) -> None:
    """Write report.html, summary.json and figures/ of a summary; a text file appears whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    document = json.dumps(to_json(summary), allow_nan=False, indent=1)
    _replace(out / "summary.json", document + "\n")
    _replace(out / "report.html", page(summary, title=title))
    folder = out / "figures"
    folder.mkdir(exist_ok=True)
    for name, text in csv_files(summary).items():
        _replace(folder / name, text)
    write_figures(folder, summary)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
