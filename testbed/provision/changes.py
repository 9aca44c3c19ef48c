"""One change of a host, as data: what it is, whose it is to make, how it is made, and how it is remembered."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from testbed.provision.manifest import Record

COMMAND_S = 60.0
APT_S = 1800.0
BY_HAND = "Try it on the host by hand."


@dataclass(frozen=True, slots=True)
class Run:
    """A command, as root if `root`."""

    argv: tuple[str, ...]
    root: bool = False
    timeout_s: float = COMMAND_S


@dataclass(frozen=True, slots=True)
class Write:
    """A file of root's, written anew as a whole, for all to read."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class InstallDebs:
    """Debian packages from the host's own sources. What else comes and goes with them is asked first."""

    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InstallWheels:
    """Wheels from the controller's wheelhouse into a virtual environment, by the name of their distribution."""

    venv: str
    names: tuple[str, ...]


Action = Run | Write | InstallDebs | InstallWheels


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step's change. `hint` is the next step where it has been made and does not hold.

    `record` is None where the change belongs to one that is remembered already, or where what is to be remembered is
    known when it is made.
    """

    step: str
    text: str
    root: bool
    actions: tuple[Action, ...]
    record: Record | None = None
    hint: str = BY_HAND


def shown(action: Action) -> str:
    """An action for a plan: the command line as it is run, a script by what it is given."""
    match action:
        case Run(argv=("sh", "-c", _, name, *rest)):
            line = f"sh -c … {shlex.join([name, *rest])}"
            return f"sudo {line}" if action.root else line
        case Run(argv=argv):
            line = shlex.join(argv)
            return f"sudo {line}" if action.root else line
        case Write(path=path):
            return f"sudo tee {path}"
        case InstallDebs(packages=packages):
            return f"sudo apt-get install -y --no-install-recommends {shlex.join(packages)}"
        case InstallWheels(venv=venv, names=names):
            return f"uv pip install --offline --no-deps --python {venv}/bin/python {shlex.join(names)}"


def set_command(key: str, value: str) -> tuple[str, ...]:
    """What gives a setting of the kernel's a value; sysctl(8) is not on every host."""
    return ("sh", "-c", 'printf "%s\\n" "$2" >"$1"', "set", "/proc/sys/" + key.replace(".", "/"), value)
