"""`fedprobe provision`: makes every host of an inventory ready, or takes back what it made."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.commands import Commands, command

if TYPE_CHECKING:
    from testbed.inventory import Host, Inventory

EXAMPLES = """\
examples:
  fedprobe provision lab.toml --dry-run           every command that it would run, host by host
  fedprobe provision lab.toml
  fedprobe provision lab.toml --only pi07 --only shelf-a
  fedprobe provision lab.toml --undo              take back what it changed, on each host
  fedprobe provision lab.toml --json | jq .changes

exit codes: 0 every host is ready, 1 a host failed (the others are ready), 2 the inventory is wrong
"""


def add_to(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "provision",
        summary="make every host of a testbed ready; a second run changes nothing",
        description="Gives every host of an inventory, over SSH and all at once: folders, system packages, time "
        "synchronisation, limits, network settings, and a virtual environment with this very fedprobe and its "
        "requirements, from wheels that this machine downloads once. Each step looks first and changes what is "
        "missing. Root is asked for by sudo, in the steps that say so. Each host keeps a record of what was changed.",
        examples=EXAMPLES,
    )
    parser.add_argument("inventory", metavar="INVENTORY", type=Path, help="the inventory file of the testbed")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--undo", action="store_true", help="take back what was changed, the last first")
    what.add_argument("--dry-run", action="store_true", help="print what would be done, and change nothing on a host")
    parser.add_argument(
        "--only", action="append", metavar="HOST|GROUP", help="these hosts alone; may be given several times"
    )
    parser.add_argument(
        "--wheelhouse", type=Path, metavar="DIR", help="where wheels are kept (~/.cache/fedprobe/wheelhouse)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else on stdout")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Do it on every host, then tell. Returns 0, or 1 where a host failed."""
    import json
    import tempfile

    from rich.console import Console

    from testbed.inventory_file import inventory_in
    from testbed.provision.conduct import Provisioning
    from testbed.provision.progress import HostsProgress
    from testbed.provision.report import document, print_reports
    from testbed.provision.wheelhouse import Wheelhouse, default_folder

    inventory = inventory_in(options.inventory)
    hosts = _chosen(inventory, options.only)
    mode = "undo" if options.undo else "dry-run" if options.dry_run else "provision"
    folder = options.wheelhouse or default_folder()
    with tempfile.TemporaryDirectory() as scratch, HostsProgress([host.name for host in hosts]) as progress:
        wheelhouse = Wheelhouse(folder, Path(scratch))
        run = Provisioning(inventory, wheelhouse, progress)
        reports = {"undo": run.undo, "dry-run": run.plan, "provision": run.provision}[mode](hosts)
    if options.json:
        print(json.dumps(document(reports, mode=mode, wheelhouse=str(wheelhouse.folder)), indent=2))
    else:
        print_reports(Console(highlight=False), reports, mode=mode)
    return 1 if any(report.error for report in reports) else 0


def _chosen(inventory: Inventory, names: list[str] | None) -> tuple[Host, ...]:
    """The hosts of these names and groups, in the inventory's order. Raises InventoryError."""
    if not names:
        return inventory.hosts
    known = {host.name for host in inventory.hosts}
    groups = {group for host in inventory.hosts for group in host.groups}
    chosen: set[str] = set()
    for name in names:
        found = inventory.group(name) if name in groups and name not in known else (inventory.host(name),)
        chosen |= {host.name for host in found}
    return tuple(host for host in inventory.hosts if host.name in chosen)
