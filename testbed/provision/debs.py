"""What apt-get says that it would do, read."""

from __future__ import annotations

from testbed.provision.changes import APT_S, Run
from testbed.provision.manifest import InstalledPackages
from testbed.provision.undo import apt_install

UPDATE = Run(("apt-get", "-qq", "update"), root=True, timeout_s=APT_S)


def simulation(packages: tuple[str, ...]) -> Run:
    """The same installation, told and not made; root is not needed."""
    return apt_install(packages, "--simulate")


def foreseen(text: str) -> InstalledPackages:
    """What a simulation says: `Inst NAME (…)` for what comes, `Remv NAME […]` for what goes.

    `Inst NAME [OLD] (…)` is an upgrade of what is there: it is not taken back. Source: apt-get(8), --simulate.
    """
    words = [line.split() for line in text.splitlines()]
    comes = [one[1] for one in words if one[:1] == ["Inst"] and len(one) > 2 and not one[2].startswith("[")]
    goes = [one[1] for one in words if one[:1] == ["Remv"] and len(one) > 1]
    return InstalledPackages(installed=tuple(comes), removed=tuple(goes))
