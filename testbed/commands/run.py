"""`fedprobe run`: the main job: plan, run, store, report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.commands import Commands, command

if TYPE_CHECKING:
    from testbed.design.detectable import Variability
    from testbed.prepared import Prepared
    from testbed.run_folder import RunFolder

EXAMPLES = """\
examples:
  fedprobe run examples/quickstart.toml
  fedprobe run quickstart                       the same campaign, as shipped with fedprobe
  fedprobe run mine.toml --out runs/monday
  fedprobe run mine.toml --dry-run              the plan, its time, its power, and every command
  fedprobe run mine.toml --dry-run --from runs/monday    the same, from how earlier trials went
  fedprobe run --resume runs/monday             finish a run that was ended or killed
"""


def add_to(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "run",
        summary="run a campaign: the main job",
        description="Runs every trial of a campaign, keeps what was measured, and writes the report.",
        examples=EXAMPLES,
    )
    parser.add_argument(
        "campaign", metavar="CAMPAIGN", nargs="?", help="a campaign file, or the name of a shipped one"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="run folder, which must be new (runs/NAME-TIME)")
    parser.add_argument("--dry-run", action="store_true", help="check and plan, start nothing")
    parser.add_argument(
        "--from",
        dest="earlier",
        metavar="RUN_DIR",
        type=Path,
        help="estimate times, and differences between trials, from the trials of this run",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else on stdout")
    parser.add_argument(
        "--resume", metavar="RUN_DIR", type=Path, help="finish what is missing of that run, in the planned order"
    )
    parser.add_argument(
        "--accept-changes",
        action="store_true",
        help="with --resume: go on although campaign, code or testbed have changed; the run folder records it",
    )
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Prepare, run, report. Exit code 1 where a trial failed, 3 where the result is not trustworthy."""
    from testbed.design.disk import require_space
    from testbed.design.earlier import earlier_trials
    from testbed.opening import alone_in_folder, begin
    from testbed.prepared import check_machine, prepare
    from testbed.run_folder import RunFolder, default_folder
    from testbed.run_lock import alone_on

    _require_sense(options)
    if options.resume is not None:
        return _resume(options)
    earlier = earlier_trials(options.earlier) if options.earlier is not None else ()
    prepared = prepare(campaign_file(options.campaign), earlier)
    if options.dry_run:
        _tell(prepared, options.earlier, as_json=options.json)
        return 0
    check_machine(prepared)
    out = options.out or default_folder(prepared.campaign.name)
    require_space(out, [prepared.estimates[trial.name] for trial in prepared.trials])
    with alone_on(prepared.inventory):
        folder = RunFolder.create(out, prepared.file)
        with alone_in_folder(folder):
            begin(prepared, folder)
            return _run(prepared, folder, as_json=options.json)


def _resume(options: argparse.Namespace) -> int:
    from testbed.opening import alone_in_folder, reopen
    from testbed.prepared import check_machine
    from testbed.run_folder import RunFolder
    from testbed.run_lock import alone_on

    with alone_in_folder(RunFolder.existing(options.resume)):
        prepared, folder = reopen(options.resume, accepted=options.accept_changes)
        check_machine(prepared)
        with alone_on(prepared.inventory):
            folder.check_space()
            return _run(prepared, folder, as_json=options.json)


def _require_sense(options: argparse.Namespace) -> None:
    """Raises UsageError for options that do not go together."""
    from testbed.errors import UsageError

    if options.resume is None and options.campaign is None:
        raise UsageError("nothing to run. Name a campaign file, such as quickstart, or a run with --resume RUN_DIR.")
    if options.resume is None and options.accept_changes:
        raise UsageError("--accept-changes is about a run that goes on. Name that run with --resume RUN_DIR.")
    if options.resume is not None and (options.campaign or options.out or options.dry_run or options.earlier):
        raise UsageError(
            "--resume takes campaign and folder from the run itself. Leave out CAMPAIGN, --out, --dry-run and --from."
        )


def _tell(prepared: Prepared, earlier: Path | None, *, as_json: bool) -> None:
    """Print what would be done: one document, a table on a terminal, or plain lines."""
    import json

    from testbed.design import dry_run

    unchecked = _unchecked(prepared)
    known = dry_run.variability(prepared, _variability_of(earlier))
    if as_json:
        print(json.dumps(dry_run.document(prepared, known), indent=2, ensure_ascii=False))
        return
    print("\n".join(dry_run.head_lines(prepared)))
    _print_rows(dry_run.rows(prepared))
    print("\n".join([*dry_run.power_lines(prepared, known), *unchecked, *dry_run.command_lines(prepared)]))


def _unchecked(prepared: Prepared) -> list[str]:
    """Hold every testbed against this machine; a line where it lacks what that takes, or its user the right."""
    from testbed.errors import MissingCapabilityError

    try:
        for asked in prepared.testbeds.values():
            asked.require_possible()
    except MissingCapabilityError as error:
        return [f"not held against this machine: {error}"]
    return []


def _variability_of(earlier: Path | None) -> Variability | None:
    """How much the trials of a run differ; None where they are too few to tell."""
    from testbed.commands.report import trials_of
    from testbed.design.detectable import DEFAULT_METRIC, variability_of
    from testbed.design.factors import DesignError

    if earlier is None:
        return None
    try:
        return variability_of(trials_of([earlier]), DEFAULT_METRIC, str(earlier))
    except DesignError:
        return None


def _print_rows(rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        print("\n".join("  " + "  ".join(row).strip() for row in rows))
        return
    table = Table(box=None, header_style="bold")
    for name in ("block", "trial", "levels", "begins", "takes"):
        left = name in {"block", "trial", "levels"}
        table.add_column(name, justify="left" if left else "right", no_wrap=name != "levels")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _run(prepared: Prepared, folder: RunFolder, *, as_json: bool) -> int:
    import sys

    from testbed.commands.report import print_report
    from testbed.interrupts import Interrupted
    from testbed.runner import run

    began = _now_s()
    interrupted = False
    try:
        ran = run(prepared, folder)
    except Interrupted:
        ran, interrupted = 1, True
        print(
            "fedprobe: interrupted: everything was taken down, what was measured is kept. "
            f"To finish it: fedprobe run --resume {folder.path}",
            file=sys.stderr,
        )
    print(f"campaign: {_now_s() - began:.0f} s", file=sys.stderr)
    try:
        code = print_report([folder.path], as_json=as_json, write=True)
    except KeyboardInterrupt:
        print(f"fedprobe: interrupted: the report is not written. fedprobe report {folder.path}", file=sys.stderr)
        code, interrupted = 1, True
    if not as_json:
        print(f"run folder: {folder.path}")
    return 1 if interrupted else ran or code


_NO_CAMPAIGNS = ("lab",)  # an inventory


def campaign_file(name: str) -> Path:
    """The campaign file of that path or, for a bare name, the shipped one. Raises UsageError where there is none."""
    from testbed.errors import UsageError
    from testbed.validation import nearest

    path = Path(name)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    package = Path(__file__).resolve().parents[1]
    shipped = {
        file.stem: file
        for folder in (package / "examples", package.parent / "examples")
        for file in sorted(folder.glob("*.toml"))
        if file.stem not in _NO_CAMPAIGNS
    }
    if name not in shipped:
        raise UsageError(f"{name}: no such file, and no shipped campaign has that name. {nearest(name, shipped)}")
    return shipped[name]


def _now_s() -> float:
    from instrument.clock import SystemClock

    return SystemClock().mono_ns() / 1e9
