"""What wheels a host takes: its Python, its processor, its C library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import ProvisionError
from testbed.provision.facts import Interpreter

if TYPE_CHECKING:
    from packaging.tags import Tag

# the oldest glibc that manylinux wheels of a processor may ask for, and the names from before PEP 600
_OLDEST = {"x86_64": 5, "aarch64": 17}
_LEGACY = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A kind of host. `python` is 3.11's (3, 11), `glibc` the minor version of 2.x."""

    machine: str
    python: tuple[int, int]
    glibc: int

    @property
    def interpreter(self) -> str:
        """CPython 3.11 is cp311."""
        return f"cp{self.python[0]}{self.python[1]}"

    @property
    def name(self) -> str:
        """What its folder in the wheelhouse is called."""
        return f"{self.interpreter}-manylinux_2_{self.glibc}_{self.machine}"

    @property
    def platforms(self) -> list[str]:
        """Platform tags that it takes, the newest first. Source: PEP 600."""
        found = []
        for minor in range(self.glibc, _OLDEST[self.machine] - 1, -1):
            found.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in _LEGACY and (self.machine == "x86_64" or minor == 17):
                found.append(f"{_LEGACY[minor]}_{self.machine}")
        return [*found, f"linux_{self.machine}"]

    def tags(self) -> list[Tag]:
        """All tags of wheels that it takes, the best first."""
        from packaging.tags import compatible_tags, cpython_tags

        found = cpython_tags(self.python, abis=[self.interpreter], platforms=self.platforms)
        return [*found, *compatible_tags(self.python, self.interpreter, self.platforms)]

    def __str__(self) -> str:
        return f"Python {self.python[0]}.{self.python[1]} on {self.machine} with glibc 2.{self.glibc}"


def target_of(interpreter: Interpreter, host: str) -> Target:
    """A host's kind. Raises ProvisionError where there are no wheels for it, such as 32-bit systems."""
    markers = interpreter.markers
    machine, (library, version) = markers["platform_machine"], interpreter.libc
    if interpreter.bits != 64 or machine not in _OLDEST:
        raise ProvisionError(
            f"{host}: its system is {interpreter.bits}-bit, on {machine}, and there are wheels for 64-bit "
            f"{' and '.join(_OLDEST)}. Install the 64-bit Raspberry Pi OS."
        )
    if markers["implementation_name"] != "cpython" or library != "glibc":
        raise ProvisionError(
            f"{host}: {interpreter.path} is {markers['implementation_name']} with {library or 'another C library'}, "
            "and wheels are for CPython with glibc. Install Raspberry Pi OS, Debian or Ubuntu there."
        )
    major, minor = markers["python_version"].split(".")[:2]
    return Target(machine, (int(major), int(minor)), int(version.split(".")[1]))
