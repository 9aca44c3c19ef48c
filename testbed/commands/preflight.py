"""`fedprobe preflight`: is this testbed fit to measure?"""

from __future__ import annotations

import argparse
from pathlib import Path

from testbed.commands import Commands, command

EXAMPLES = """\
examples:
  fedprobe preflight lab.toml
  fedprobe preflight lab.toml --json | jq '.findings[] | select(.severity == "unfit")'

exit codes: 0 fit, 3 not fit (the findings say why, and what to do), 2 the inventory is wrong
"""


def add_to(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "preflight",
        summary="is a testbed fit to measure: facts, findings, next steps",
        description="Asks every host of an inventory how it stands: reachable, the same versions, clocks, room, "
        "processor, power, devices and their links, and whether the server's port is reached on each network by that "
        "network's device. Changes nothing.",
        examples=EXAMPLES,
    )
    parser.add_argument("inventory", metavar="INVENTORY", type=Path, help="the inventory file of the testbed")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else on stdout")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Look, judge, print. Returns 0, or 3 where a finding says unfit."""
    import json

    from rich.console import Console

    from testbed.capabilities import require_emulation
    from testbed.inventory_file import read_inventory
    from testbed.preflight.conduct import looked_at
    from testbed.preflight.judgement import judged
    from testbed.preflight.table import document, is_fit, print_findings

    inventory = read_inventory(options.inventory)
    if inventory.emulator:
        require_emulation()
    looked = looked_at(inventory)
    findings = judged(inventory, looked)
    if options.json:
        print(json.dumps(document(looked, findings), indent=2, allow_nan=False))
    else:
        print_findings(Console(), looked, findings)
    return 0 if is_fit(findings) else 3
