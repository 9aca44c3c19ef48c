"""`fedprobe watch`: the live view of a campaign that runs elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from testbed.commands import Commands, command

EXAMPLES = """\
examples:
  fedprobe watch runs/monday              until it is over; Ctrl-C leaves, and changes nothing there
  fedprobe watch runs/monday --once       as of now, and no more
  fedprobe watch runs/monday --json | jq .remaining_s
  fedprobe watch runs/monday | tee watched.txt        by lines
"""


def add_to(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "watch",
        summary="the live view of a campaign that runs elsewhere",
        description="Shows a run as its controller sees it, from files in its run folder alone: in another terminal, "
        "or from another machine that has the folder's disk. It asks no host anything and changes nothing. Exit code "
        "1: the run's controller is gone.",
        examples=EXAMPLES,
    )
    parser.add_argument("folder", metavar="RUN_DIR", type=Path, help="the folder of a run")
    parser.add_argument("--once", action="store_true", help="print the run as of now, and end")
    parser.add_argument("--json", action="store_true", help="print the run as of now as one JSON document, and end")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Watch the run."""
    from testbed.watch.reading import RunReader
    from testbed.watch.watching import document, once, watch

    reader = RunReader(options.folder)
    if options.json:
        return document(reader)
    return once(reader) if options.once else watch(reader)
