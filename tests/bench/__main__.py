"""What the instrument costs: `make bench`. Writes docs/benchmarks.md; the last line of its output is `RESULT {json}`.

`--quick` runs a few pairs and writes nothing; it is for work on the benchmark itself. `--only export` measures the
export to a database alone, in some minutes, and writes its part of the page.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import FedprobeError
from tests.bench import export, hot_path, micro, on_wire, rounds
from tests.bench.capture_reader import read_rate_ratio
from tests.bench.page import page
from tests.bench.progress import say
from tests.bench.report import Figures, document, rows
from tests.bench.table import markdown

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    blocks: int
    pairs: int
    wire_blocks: int
    wire_pairs: int
    idle_s: float


WHOLE = Size(blocks=14, pairs=10, wire_blocks=4, wire_pairs=4, idle_s=8.0)
QUICK = Size(blocks=2, pairs=3, wire_blocks=2, wire_pairs=2, idle_s=4.0)


def main(arguments: list[str]) -> int:
    """Measure, print the table, write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few pairs; docs/benchmarks.md is left as it is")
    parser.add_argument("--only", choices=("export",), help="this part alone; the rest of the page stays")
    options = parser.parse_args(arguments)
    quick = bool(options.quick)
    try:
        say("the export to a database")
        exported = exporting(quick=quick)
        if options.only:
            return only_export(exported, quick=quick)
        found = measured(QUICK if quick else WHOLE)
    except FedprobeError as error:
        print(f"bench: {error}", file=sys.stderr)
        print(f"RESULT {json.dumps({'error': str(error), 'ok': False})}")
        return 1
    table = [*rows(found), *export.rows(exported)]
    good = all(row.ok is not False for row in table)
    print(markdown(table))
    if not quick:
        DOCS.write_text(export.with_part(page(found, rows(found)), export.part(exported)), encoding="utf-8")
        say(f"written: {DOCS}")
    result: dict[str, Any] = {**document(found), "export": export.document(exported), "ok": good}
    print(f"RESULT {json.dumps(result)}")
    return 0 if good else 1


def exporting(*, quick: bool) -> export.ExportResult:
    """The export, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        return export.measure(Path(name), quick=quick)


def only_export(exported: export.ExportResult, *, quick: bool) -> int:
    """Print and write that part alone."""
    print(markdown(export.rows(exported)))
    if not quick:
        DOCS.write_text(export.with_part(DOCS.read_text(encoding="utf-8"), export.part(exported)), encoding="utf-8")
    print(f"RESULT {json.dumps({'export': export.document(exported), 'ok': exported.ok})}")
    return 0 if exported.ok else 1


def measured(size: Size) -> Figures:
    """All figures. The small ones come first: they are done in a minute."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["FEDPROBE_OUT"] = name
        say("the hot path")
        costs, rate = hot_path.microseconds(), hot_path.written_per_s(folder)
        say("requests over loopback, the command line, the capture reader")
        request, helped, reader = micro.request_ratio(), micro.help_ratio(), read_rate_ratio(folder)
    say("5G, by capture")
    wire = on_wire.measure(blocks=size.wire_blocks, pairs=size.wire_pairs, idle_s=size.idle_s)
    say("rounds on Ethernet")
    paired = rounds.measure("ethernet", blocks=size.blocks, pairs=size.pairs)
    return Figures(
        rounds=paired,
        wire=wire,
        hot_path_us=costs,
        written_per_s=rate,
        request_ratio=request,
        help_ratio=helped,
        capture_reader=reader,
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
