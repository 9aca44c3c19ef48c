"""`fedprobe run`: the main job: plan, run, store, report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.commands import Commands, command

if TYPE_CHECKING:
    from testbed.run_folder import RunFolder
    from testbed.runner import Prepared

EXAMPLES = """\
examples:
  fedprobe run examples/quickstart.toml
  fedprobe run quickstart                       the same campaign, as shipped with fedprobe
  fedprobe run mine.toml --out runs/monday
  fedprobe run mine.toml --dry-run              what would be run, and in which order
  fedprobe run --resume runs/monday             finish what is missing of a run that was ended or killed
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
    import json

    from testbed.plan import plan_document
    from testbed.run_folder import RunFolder, default_folder
    from testbed.runner import alone_in_folder, alone_on_testbed, begin, check_machine, prepare

    _require_sense(options)
    if options.resume is not None:
        return _resume(options)
    prepared = prepare(campaign_file(options.campaign))
    if options.dry_run:
        document = plan_document(prepared.campaign, prepared.trials)
        print(json.dumps(document, indent=2) if options.json else _plan_lines(prepared))
        return 0
    check_machine(prepared)
    with alone_on_testbed(prepared):
        folder = RunFolder.create(options.out or default_folder(prepared.campaign.name), prepared.file)
        with alone_in_folder(folder):
            begin(prepared, folder)
            return _run(prepared, folder, as_json=options.json)


def _resume(options: argparse.Namespace) -> int:
    from testbed.run_folder import RunFolder
    from testbed.runner import alone_in_folder, alone_on_testbed, check_machine, reopen

    with alone_in_folder(RunFolder.existing(options.resume)):
        prepared, folder = reopen(options.resume, accepted=options.accept_changes)
        check_machine(prepared)
        with alone_on_testbed(prepared):
            folder.check_space()
            return _run(prepared, folder, as_json=options.json)


def _require_sense(options: argparse.Namespace) -> None:
    """Raises UsageError for options that do not go together."""
    from testbed.errors import UsageError

    if options.resume is None and options.campaign is None:
        raise UsageError("nothing to run. Name a campaign file, such as quickstart, or a run with --resume RUN_DIR.")
    if options.resume is None and options.accept_changes:
        raise UsageError("--accept-changes is about a run that goes on. Name that run with --resume RUN_DIR.")
    if options.resume is not None and (options.campaign or options.out or options.dry_run):
        raise UsageError(
            "--resume takes campaign and folder from the run itself. Leave out CAMPAIGN, --out and --dry-run."
        )


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


def campaign_file(name: str) -> Path:
    """The campaign file of that path or, for a bare name, the shipped one."""
    path = Path(name)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "examples", package.parent / "examples"):
        if (folder / f"{name}.toml").is_file():
            return folder / f"{name}.toml"
    return path


def _plan_lines(prepared: Prepared) -> str:
    from testbed.baseline.plan import Plan

    campaign = prepared.campaign
    links = campaign.clients * len(campaign.factors.interface)
    head = (
        f"{campaign.name}: {len(prepared.trials)} trials of {campaign.rounds} rounds, {campaign.clients} clients, "
        f"order drawn from seed {campaign.seed}"
    )
    baseline = [Plan(load_s=campaign.collect.baseline_s).words(links)] if campaign.collect.baseline else []
    return "\n".join([head, *baseline, *(f"  {trial.name}" for trial in prepared.trials)])


def _now_s() -> float:
    from instrument.clock import SystemClock

    return SystemClock().mono_ns() / 1e9
