"""`fedprobe testbed`: the emulated testbed by hand."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.commands import Commands, command

if TYPE_CHECKING:
    from testbed.emulation.conditions import Background

DEFAULT_PROFILES = "default"

EXAMPLES = """\
examples:
  fedprobe testbed up --nodes 4           build it; prints where its inventory is
  fedprobe testbed up --profiles paper-5g --pi-cpu 0.4
  fedprobe testbed up --trace 5g=drive.csv --background 5g=5000000,20000000
  fedprobe testbed status
  fedprobe testbed down
"""


def add_to(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "testbed",
        summary="the emulated testbed by hand: up, status, down",
        description="Builds, shows or removes an emulated testbed: a server and Pis, each a host of its own with "
        "sshd, on emulated Ethernet, WiFi and 5G. `fedprobe run` makes one for itself; this is for looking around.",
        examples=EXAMPLES,
    )
    parser.add_argument("action", choices=("up", "status", "down"))
    parser.add_argument("id", nargs="?", help="for down: which testbed (this clone's)")
    parser.add_argument("--nodes", type=_positive, default=4, help="how many Pis (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the hosts' clock offsets and the links' noise")
    parser.add_argument(
        "--profiles",
        default=DEFAULT_PROFILES,
        metavar="NAME",
        help="link profiles: shipped ones, or a .toml file (%(default)s)",
    )
    parser.add_argument(
        "--pi-cpu", type=float, metavar="SHARE", help="what each Pi gets of one core, 0.4 say: Pi-like, not a Pi's"
    )
    parser.add_argument(
        "--trace",
        action="append",
        default=[],
        type=_trace,
        metavar="NETWORK=FILE[,FILE]",
        help="rates over time: a CSV, or the downlink's and the uplink's Mahimahi trace",
    )
    parser.add_argument(
        "--background",
        type=_background,
        metavar="NETWORK=UP[,DOWN]",
        help="one more client that sends all the time, at these rates in bit/s",
    )
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Do the action."""
    return {"up": _up, "status": _status, "down": _down}[options.action](options)


def _up(options: argparse.Namespace) -> int:
    from testbed.emulation import lifecycle
    from testbed.emulation.conditions import Conditions
    from testbed.emulation.profiles import chosen_profiles
    from testbed.interrupts import Interrupts

    profiles = chosen_profiles(options.profiles, Path.cwd())
    conditions = Conditions(
        pi_cpu_cores=options.pi_cpu, traces=dict(options.trace), background=_sender(options.background)
    )
    with Interrupts():
        inventory = lifecycle.up(
            options.nodes, profiles=profiles, held=True, seed=options.seed, conditions=conditions
        )
    made = next(one for one in lifecycle.status() if one.testbed_id == inventory.name)
    hosts = ", ".join(f"{host.name} {host.management.address}" for host in inventory.hosts)
    is_rootless = inventory.emulator is not None and inventory.emulator.rootless
    without_root = " (without root: nothing has real-time priority)" if is_rootless else ""
    print(f"testbed {inventory.name}{without_root}: {hosts}")
    if options.pi_cpu is not None:
        print(f"Pi-like: each node has {options.pi_cpu:g} of one core of this machine, which is no Pi")
    print(f"inventory: {made.inventory}")
    return 0


def _status(_options: argparse.Namespace) -> int:
    from testbed.capabilities import require_root
    from testbed.emulation import lifecycle, rootless

    if rootless.holds_a_testbed():
        require_root("your testbed")
    found = lifecycle.status()
    for one in found:
        if one.owner is None and not one.abandoned:
            print(f"{one.testbed_id}  of another user")
            continue
        state = "left behind: the next `up` removes it" if one.abandoned else "in use" if one.alive else "held"
        owner = f"`{' '.join(one.owner.command)}` in {one.owner.prefix}" if one.owner else "nobody known"
        print(f"{one.testbed_id}  {state}  {owner}  {one.inventory or 'not built to the end'}")
    if not found:
        print("no testbed on this machine")
    return 0


def _down(options: argparse.Namespace) -> int:
    from testbed.emulation import lifecycle
    from testbed.errors import UsageError

    swept = lifecycle.sweep()
    chosen = options.id
    if chosen is None:
        held = lifecycle.held_here()
        chosen = held.testbed_id if held else None
    if chosen is None and not swept:
        raise UsageError("no testbed of this clone is up. `fedprobe testbed status` shows those there are.")
    if chosen is not None:
        lifecycle.down(chosen)
    print(f"removed: {', '.join([*swept, *([chosen] if chosen else [])])}")
    return 0


def _trace(text: str) -> tuple[str, tuple[Path, ...]]:
    network, _, files = text.partition("=")
    if not files:
        raise argparse.ArgumentTypeError(f"{text!r} is not NETWORK=FILE, such as 5g=drive.csv")
    return network, tuple(Path(one).expanduser().absolute() for one in files.split(","))


def _background(text: str) -> tuple[str, int, int]:
    network, _, rates = text.partition("=")
    up, _, down = rates.partition(",")
    if not up.isdigit() or not (down or "0").isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not NETWORK=UP,DOWN in bit/s, such as 5g=5000000,20000000")
    return network, int(up), int(down or "0")


def _sender(asked: tuple[str, int, int] | None) -> Background | None:
    from testbed.emulation.conditions import Background

    if asked is None:
        return None
    network, up, down = asked
    return Background(network=network, uplink_bit_per_s=up, downlink_bit_per_s=down)


def _positive(text: str) -> int:
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return value
