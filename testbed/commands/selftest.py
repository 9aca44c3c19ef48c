"""`fedprobe selftest`: the instrument measured against truth, on this hardware."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.commands import Commands, command

if TYPE_CHECKING:
    from testbed.inventory import Inventory

EXAMPLES = """\
examples:
  fedprobe selftest --quick               two trials on emulated links, about two minutes
  fedprobe selftest                       eight trials, about twelve minutes:
                                          {5, 20, 100, 1000} Mbit/s x {1, 52} arrays
                                          x {plain, TLS} x {0, 14 ms}
  fedprobe selftest --inventory lab.toml  on a laboratory's own links
  fedprobe selftest --from DIR --shift-ms 50     must fail: the test of the test

exit codes: 0 every limit is kept, 3 one is missed, 1 it could not be carried out
"""


def add_to(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "selftest",
        summary="the instrument measured against packet captures",
        description="Runs real Flower rounds with captures at both ends and prints how wrong uplink and downlink "
        "times are against the packets, for each estimator and for the common ways of measuring the same transfers. "
        "The result is kept; campaigns of this machine cite it.",
        examples=EXAMPLES,
    )
    parser.add_argument("--quick", action="store_true", help="two trials instead of eight")
    parser.add_argument("--inventory", metavar="FILE", type=Path, help="measure on the hosts of an inventory")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where records go (runs/selftest-TIME)")
    parser.add_argument("--from", dest="earlier", metavar="DIR", type=Path, help="judge an earlier self-test again")
    parser.add_argument(
        "--shift-ms", type=float, default=0.0, metavar="MS", help="spoil the receivers' stamps by so much, as a test"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else on stdout")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Measure, compare, print. Returns 0, or 3 where a limit is missed."""
    import json

    from testbed.selftest.results import keep
    from testbed.selftest.table import print_result

    folder = _measured(options)
    document = _judged(folder, shift_ms=options.shift_ms)
    if options.earlier is None and not options.shift_ms:
        keep(document)
    if options.json:
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        print_result(document)
        print(f"records: {folder}")
        print(f"RESULT {json.dumps(document, allow_nan=False)}")
    return 0 if document["ok"] else 3


def _measured(options: argparse.Namespace) -> Path:
    """The folder of the self-test's trials, which are run first unless an earlier one's are named."""
    from testbed.capabilities import require_emulation, require_programs
    from testbed.errors import UsageError
    from testbed.inventory_file import read_inventory
    from testbed.run_folder import RunFolder, default_folder
    from testbed.selftest.cells import full, laboratory, quick
    from testbed.selftest.conduct import run

    if options.earlier is not None:
        if not (options.earlier / "trials").is_dir():
            raise UsageError(f"{options.earlier}: no self-test was run there. Name the folder it printed.")
        return Path(options.earlier).resolve()
    inventory = read_inventory(options.inventory) if options.inventory else None
    if inventory is None or inventory.emulator:
        require_emulation()
        require_programs(["tcpdump"], "the self-test")
    batches = (quick() if options.quick else full()) if inventory is None else laboratory(_usable(inventory))
    folder = RunFolder.bare(options.out or default_folder("selftest"))
    run(batches, folder, inventory)
    return folder.path


def _usable(inventory: Inventory) -> list[str]:
    """As many networks as there are nodes to put on them, each node on one that it has."""
    found: list[str] = []
    for node in inventory.nodes:
        free = [network for network in node.interfaces if network not in found]
        found += free[:1]
    return found


def _judged(folder: Path, *, shift_ms: float) -> dict[str, Any]:
    from datetime import UTC, datetime

    from analysis.revision import revision
    from instrument.identity import versions
    from testbed.selftest.judgement import document_of, verdicts_of
    from testbed.selftest.reference import compared

    trials = sorted(path for path in (folder / "trials").iterdir() if path.is_dir())
    rows = [row for trial in trials for row in compared(trial, shift_ns=round(shift_ms * 1e6))]
    return {
        "made": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "made_by": dict(revision()),
        "versions": versions(),
        "shift_ms": shift_ms,
        **document_of(rows, verdicts_of(rows)),
    }
