"""The formats of `fedprobe export`: each module has `add_to(formats)` and `execute(options)`, as commands have."""

from __future__ import annotations

import argparse
from pathlib import Path

from testbed.commands import Commands, command


def export_format(
    formats: Commands, name: str, *, summary: str, description: str, examples: str
) -> argparse.ArgumentParser:
    """A format's parser with the run folder that every format reads."""
    parser = command(formats, name, summary=summary, description=description, examples=examples)
    parser.add_argument("run", metavar="RUN_DIR", type=Path, help="the folder of a run")
    return parser


def add_trials(parser: argparse.ArgumentParser) -> None:
    """The option that picks trials."""
    parser.add_argument(
        "--trial", metavar="NAME", dest="trials", action="append", default=[], help="only this trial; may be repeated"
    )


def add_out(parser: argparse.ArgumentParser, default: str) -> None:
    """The option that names the folder to write to."""
    parser.add_argument("--out", metavar="DIR", type=Path, help=f"the folder to write to ({default})")
