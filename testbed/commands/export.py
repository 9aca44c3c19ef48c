"""`fedprobe export`: a run for other programs."""

from __future__ import annotations

from testbed.commands import Commands, command
from testbed.commands.formats import csv, influxdb

FORMATS = (
    csv,
    influxdb,
)
EXAMPLES = """\
examples:
  fedprobe export csv RUN_DIR --out tables           for a spreadsheet, R or pandas
  fedprobe export FORMAT --help                      what a format holds, with examples

The run folder is only read, but for the export itself where no --out names another place.
"""


def add_to(commands: Commands) -> None:
    """Describe the command and its formats."""
    parser = command(
        commands,
        "export",
        summary="a run for other programs",
        description="Writes what a run measured for other programs. Every time is on the server host's wall clock; "
        "numbers are those of the report. Trials that are invalid or unfinished are exported too, and marked so.",
        examples=EXAMPLES,
    )
    formats = parser.add_subparsers(dest="format", metavar="FORMAT", title="formats", required=True)
    for each in FORMATS:
        each.add_to(formats)
