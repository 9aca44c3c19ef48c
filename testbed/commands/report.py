"""`fedprobe report`: tables, verdicts and the report's files, from records alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.commands import Commands, command

if TYPE_CHECKING:
    from analysis.model import TrialTimes

EXAMPLES = """\
examples:
  fedprobe report runs/quickstart-20260102T030405Z
  fedprobe report spool-server spool-pi1 spool-pi2        folders that `fedprobe instrument` wrote
  fedprobe report RUN_DIR --against OTHER_RUN_DIR           phase by phase, this run over the other
  fedprobe report RUN_DIR --json | jq .ratios
"""


def add_to(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "report",
        summary="tables, verdicts and the HTML report of a run",
        description="Reads a run folder, or spool folders that `fedprobe instrument` wrote on one or several hosts, "
        "and nothing else. For a run folder it writes DIR/report/ anew. Exit code 3: measured but not trustworthy.",
        examples=EXAMPLES,
    )
    parser.add_argument("folders", metavar="DIR", nargs="+", type=Path, help="a run folder, or spool folders")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else on stdout")
    parser.add_argument("--against", metavar="RUN_DIR", type=Path, help="compare with another run, phase by phase")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Print the report of the folders."""
    return print_report(
        options.folders, as_json=options.json, write=_is_run(options.folders), against=options.against
    )


def print_report(folders: Sequence[Path], *, as_json: bool, write: bool, against: Path | None = None) -> int:
    """Print the summary and, for a run folder, write its report. Returns 0, or 3 where a verdict says unfit."""
    import json

    from rich.console import Console

    from analysis.baseline import read_baseline
    from analysis.compare import compare, comparison_json, comparison_table
    from analysis.document import to_json
    from analysis.selftest_cited import read_selftest
    from analysis.summary import summarise
    from analysis.terminal import print_summary
    from analysis.verdicts import exit_code
    from analysis.write import write_report

    trials = trials_of(folders)
    if write:
        run = folders[0]
        summary = write_report(run / "report", trials, selftest=read_selftest(run), baseline=read_baseline(run))
    else:
        summary = summarise(trials)
    compared = compare(summary, summarise(trials_of([against]))) if against is not None else []
    if as_json:
        more = {"against": comparison_json(compared)} if against is not None else {}
        print(json.dumps({**to_json(summary), **more}, indent=2, allow_nan=False))
    else:
        print_summary(summary)
        if against is not None:
            Console().print(comparison_table(compared))
        if write:
            print(f"report: {(folders[0] / 'report' / 'report.html').resolve()}")
    return exit_code(summary.verdicts)


def trials_of(folders: Sequence[Path]) -> list[TrialTimes]:
    """The trials below the folders. Raises UsageError where there is nothing to read, or what cannot be read."""
    from analysis.store import StoreError
    from analysis.trial import TrialError, load_spool, load_trial
    from instrument.spool import SpoolError
    from testbed.errors import UsageError

    if _is_run(folders):
        begun = sorted(path for path in (folders[0] / "trials").iterdir() if (path / "trial.json").exists())
        try:
            return [load_trial(path) for path in begun]
        except TrialError as error:
            raise UsageError(f"{error}. Restore that file, or move its trial's folder elsewhere.") from error
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder. Name a run folder or a spool folder.")
    try:
        return [load_spool(*folders)]
    except (SpoolError, StoreError) as error:
        raise UsageError(str(error)) from error


def _is_run(folders: Sequence[Path]) -> bool:
    return len(folders) == 1 and (folders[0] / "trials").is_dir()
