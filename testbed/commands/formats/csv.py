"""`fedprobe export csv`: every table of a run as CSV."""

from __future__ import annotations

import argparse

from testbed.commands import Commands
from testbed.commands.formats import add_out, add_trials, export_format

EXAMPLES = """\
examples:
  fedprobe export csv RUN_DIR                      into RUN_DIR/report/csv
  fedprobe export csv RUN_DIR --out tables
  python -c "import pandas; print(pandas.read_csv('tables/transfers.csv').groupby('interface').whole_s.mean())"
"""


def add_to(formats: Commands) -> None:
    """Describe the format."""
    parser = export_format(
        formats,
        "csv",
        summary="tables as CSV, with a description of their columns",
        description="Writes one CSV file (RFC 4180, UTF-8) for each table, units in the names of columns, and "
        "columns.csv, which says what each column is. Trials that are invalid or unfinished are there too, marked in "
        "the column 'valid'; rows that enter the report's numbers are marked in 'compared'.",
        examples=EXAMPLES,
    )
    add_trials(parser)
    add_out(parser, "RUN_DIR/report/csv")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Write the files and say how many rows there are."""
    from testbed.exports.csv_folder import write_csv
    from testbed.exports.selection import selected
    from testbed.exports.target import out_folder

    selection = selected(options.run, options.trials)
    folder = out_folder(options.run, options.out, below="csv")
    counts = write_csv(folder, selection.trials())
    print("rows: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    print(f"csv: {folder.resolve()}")
    return 0
