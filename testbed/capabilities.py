"""What this machine must have for a task, and what to do where it has not."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from testbed.errors import MissingCapabilityError, NeedsRootError

WITHOUT_EMULATION = (
    "Without it these work: `fedprobe instrument`, `fedprobe report`, and `fedprobe run` on a real "
    "testbed of an inventory file."
)


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the system, the Debian package that has it, and what it is needed for."""

    name: str
    package: str
    purpose: str


PROGRAMS = {
    program.name: program
    for program in (
        Program("ip", "iproute2", "shows and enters the namespaces of the emulated testbed"),
        Program("tc", "iproute2", "sets up half-duplex links and reads queues back"),
        Program("iptables-restore", "iptables", "hands packets to the delayer"),
        Program("unshare", "util-linux", "gives each emulated host its own processes and clock"),
        Program("mount", "mount", "gives each emulated host its own home"),
        Program("umount", "mount", "gives each emulated host its own home"),
        Program("sshd", "openssh-server", "is how the controller reaches every host"),
        Program("tcpdump", "tcpdump", "captures packets"),
        Program("iperf3", "iperf3", "measures what a link carries"),
        Program("ping", "iputils-ping", "measures how long a link takes there and back"),
        Program("chronyc", "chrony", "tells how well a host's clock is disciplined"),
    )
}
EMULATION_PROGRAMS = ("ip", "tc", "iptables-restore", "unshare", "mount", "umount", "sshd")


def find_program(name: str) -> str | None:
    """Full path of a program, also where only root has its folder on the search path; None: it is not here."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")


def missing_programs(names: Iterable[str]) -> list[Program]:
    """The programs of PROGRAMS that this machine lacks."""
    return [PROGRAMS[name] for name in names if find_program(name) is None]


def require_programs(names: Iterable[str], task: str) -> None:
    """Raises MissingCapabilityError that names what `task` lacks and the command that installs it."""
    missing = missing_programs(names)
    if not missing:
        return
    each = "; ".join(f"{program.name} ({program.purpose})" for program in missing)
    packages = " ".join(dict.fromkeys(program.package for program in missing))
    raise MissingCapabilityError(
        f"{task} needs programs that are not here: {each}. Install them: apt install {packages}"
    )


def require_root(task: str) -> None:
    """Raises NeedsRootError for anybody but root."""
    if os.geteuid() != 0:
        raise NeedsRootError(
            f"{task} needs root: network namespaces and packet queues belong to the kernel. Run it "
            f"as root: sudo {shlex.join(_this_command())}."
        )


def _this_command() -> list[str]:
    """What was typed, or what Python made of it where that was no program."""
    is_module = sys.argv[0].endswith(".py")
    return [sys.executable, *sys.orig_argv[1:]] if is_module else sys.argv


def require_emulation() -> None:
    """Raises MissingCapabilityError where this machine cannot carry an emulated testbed."""
    task = "the emulated testbed"
    if sys.platform != "linux":
        raise MissingCapabilityError(
            f"{task} needs Linux and this is {sys.platform}. Use a Linux machine, a virtual one will do. "
            f"{WITHOUT_EMULATION}"
        )
    try:
        require_programs(EMULATION_PROGRAMS, task)
    except MissingCapabilityError as error:
        raise MissingCapabilityError(f"{error}. {WITHOUT_EMULATION}") from None
    require_root(task)
