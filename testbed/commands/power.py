"""`fedprobe power`: how many repetitions an effect needs, and how small an effect a number of them detects."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.commands import Commands, command

if TYPE_CHECKING:
    from testbed.design.detectable import Variability

EXAMPLES = """\
examples:
  fedprobe power --deviation 0.08 --effect 1.1          repetitions that find a difference of 10 %
  fedprobe power --from runs/monday --effect 1.1        the same, from how much its trials differ
  fedprobe power --from runs/monday --metric uplink_active
  fedprobe power --deviation 0.08 --repetitions 5 --cells 6
  fedprobe run mine.toml --dry-run --from runs/monday   what that campaign's own plan detects
"""
REPETITIONS = (2, 3, 5, 10, 20)


def add_to(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "power",
        summary="how many repetitions an effect needs",
        description="Tells how many repetitions find an effect, a ratio of two settings' mean times, and how small "
        "an effect is found with some. It rests on how much trials of the same settings differ: stated, or taken "
        "from the trials of a run.",
        examples=EXAMPLES,
    )
    spread = parser.add_mutually_exclusive_group(required=True)
    spread.add_argument(
        "--deviation", metavar="SD", type=float, help="of the logarithm of a trial's mean; 0.1 is about 10 percent"
    )
    spread.add_argument(
        "--from", dest="earlier", metavar="RUN_DIR", type=Path, help="take it from the trials of a run"
    )
    parser.add_argument("--metric", default="t_r", help="of those trials: t_r, wall, or a phase of the report (t_r)")
    parser.add_argument("--effect", metavar="RATIO", type=float, help="the ratio worth detecting, such as 1.1")
    parser.add_argument("--repetitions", metavar="N", type=int, help="of each cell (2, 3, 5, 10 and 20)")
    parser.add_argument("--cells", metavar="N", type=int, default=2, help="combinations in a block (2)")
    parser.add_argument("--power", metavar="SHARE", type=float, default=0.8, help="the chance to find it (0.8)")
    parser.add_argument("--level", metavar="SHARE", type=float, default=0.05, help="of significance (0.05)")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else on stdout")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Print both answers for both comparisons."""
    import json

    from analysis.power import PowerError
    from testbed.errors import UsageError

    if options.cells < 2 or (options.repetitions is not None and options.repetitions < 2):
        raise UsageError("--cells and --repetitions are 2 or more: one trial tells no difference. Correct it.")
    try:
        found = _document(options, _variability(options))
    except PowerError as error:
        raise UsageError(f"{error}. Correct the options; fedprobe power --help has examples.") from error
    print(json.dumps(found, indent=2) if options.json else "\n".join(_lines(found)))
    return 0


def _variability(options: argparse.Namespace) -> Variability:
    from testbed.commands.report import trials_of
    from testbed.design.detectable import stated, variability_of

    if options.earlier is None:
        return stated(options.deviation, "stated")
    return variability_of(trials_of([options.earlier]), options.metric, str(options.earlier))


def _document(options: argparse.Namespace, known: Variability) -> dict[str, Any]:
    from dataclasses import asdict

    from analysis.power import Comparison

    asked: Sequence[int] = [options.repetitions] if options.repetitions else REPETITIONS
    comparisons = {
        "two groups": (known.between, Comparison("two groups")),
        "blocks": (known.in_blocks, Comparison("blocks", cells=options.cells)),
    }
    return {
        "variability": asdict(known),
        "power": options.power,
        "level": options.level,
        "effect": options.effect,
        "cells": options.cells,
        "comparisons": {
            kind: _answers(options, deviation, comparison, asked)
            for kind, (deviation, comparison) in comparisons.items()
        },
    }


def _answers(options: argparse.Namespace, deviation: float, comparison: Any, asked: Sequence[int]) -> dict[str, Any]:
    from analysis.power import repetitions_needed, smallest_ratio

    shares = {"wanted": options.power, "level": options.level}
    smallest = {
        str(number): smallest_ratio(deviation=deviation, repetitions=number, comparison=comparison, **shares)
        for number in asked
    }
    found: dict[str, Any] = {"deviation": deviation, "smallest_ratio": smallest}
    if options.effect is not None:
        found["repetitions_needed"] = repetitions_needed(
            options.effect, deviation=deviation, comparison=comparison, **shares
        )
    return found


def _lines(found: dict[str, Any]) -> list[str]:
    from testbed.design.detectable import smallest_in_words

    known = found["variability"]
    interval = f" [{known['interval'][0]:.3g}, {known['interval'][1]:.3g}]" if known["interval"] else ""
    said = [
        f"trials of one cell differ by {known['between']:.3g}{interval} in the logarithm ({known['source']})",
        f"power {found['power'] * 100:g} %, level {found['level'] * 100:g} %",
    ]
    names = {
        "two groups": "two cells, as the report compares them",
        "blocks": f"two of {found['cells']} cells in blocks, which differ by DEVIATION within them",
    }
    for kind, name in names.items():
        of = found["comparisons"][kind]
        said.append(name.replace("DEVIATION", f"{of['deviation']:.3g}"))
        said += [
            f"  {number} repetitions detect {smallest_in_words(smallest)}"
            for number, smallest in of["smallest_ratio"].items()
        ]
        if "repetitions_needed" in of:
            said.append(f"  a ratio of {found['effect']:g} needs {of['repetitions_needed']} repetitions")
    return said
