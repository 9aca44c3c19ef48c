"""`fedprobe instrument`: put the probes around any flower-* command, nothing else."""

from __future__ import annotations

import argparse
from pathlib import Path

from testbed.commands import Commands, command

EXAMPLES = """\
examples:
  fedprobe instrument --out spool -- flower-superlink --insecure
  fedprobe instrument --out spool -- flower-supernode --insecure --superlink 10.0.0.1:8000
  fedprobe report spool
  fedprobe instrument --polling fast -- flower-supernode ...      Flower's waits cut to 0.25 s
  FEDPROBE_DISABLE=1 fedprobe instrument -- flower-superlink --insecure     the same without probes
"""


def add_to(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "instrument",
        summary="put the probes around any flower-* command",
        description="Starts COMMAND with the probes in it and in every Flower process that it starts. The app is not "
        "changed. Each process writes its records to a file of its own in DIR; `fedprobe report DIR` reads them.",
        examples=EXAMPLES,
        usage="fedprobe instrument [-h] [--out DIR] [--polling LEVEL] -- COMMAND [ARGUMENT ...]",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("fedprobe-spool"), help="spool folder (%(default)s)"
    )
    parser.add_argument(
        "--polling",
        metavar="LEVEL",
        choices=("stock", "fast"),
        help="stock: Flower's own waits; fast: cut to 0.25 s, and recorded (stock)",
    )
    parser.add_argument("program", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Replace this process by the command."""
    from instrument.launcher import LaunchError, launch
    from testbed.errors import UsageError

    program = options.program[1:] if options.program[:1] == ["--"] else options.program
    try:
        launch(program, options.out, polling=options.polling)
    except LaunchError as error:
        raise UsageError(str(error)) from error
    return 0
