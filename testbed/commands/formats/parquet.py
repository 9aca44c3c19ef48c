"""`fedprobe export parquet`: every table of a run as partitioned Parquet."""

from __future__ import annotations

import argparse

from testbed.commands import Commands
from testbed.commands.formats import add_out, add_trials, export_format

EXAMPLES = """\
examples:
  fedprobe export parquet RUN_DIR                  into RUN_DIR/report/parquet
  fedprobe export parquet RUN_DIR --out lake       campaigns of several runs may share a folder
  duckdb -c "SELECT interface, avg(whole_s) FROM read_parquet('lake/transfers/*/*/*.parquet', hive_partitioning=true)
             WHERE compared AND direction = 'uplink' AND function = 'train' GROUP BY ALL"
"""


def add_to(formats: Commands) -> None:
    """Describe the format."""
    parser = export_format(
        formats,
        "parquet",
        summary="tables as Parquet, partitioned by campaign and trial",
        description="Writes TABLE/campaign=NAME/trial=NAME/*.parquet, the same tables as csv, for DuckDB, Spark, Ray "
        "Data and pandas. A campaign that this run wrote there before is replaced; those of other runs stay.",
        examples=EXAMPLES,
    )
    add_trials(parser)
    add_out(parser, "RUN_DIR/report/parquet")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Write the files and say how many rows there are."""
    from testbed.exports.parquet_folder import write_parquet
    from testbed.exports.selection import selected
    from testbed.exports.target import out_folder

    selection = selected(options.run, options.trials)
    folder = out_folder(options.run, options.out, below="parquet")
    counts = write_parquet(folder, selection.run, selection.trials())
    print("rows: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    print(f"parquet: {folder.resolve()}")
    return 0
