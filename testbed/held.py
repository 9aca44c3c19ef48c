"""What a folder holds: each file's length and SHA-256, on a host and here, to hold one against the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.host_shell import COMMAND_S
from testbed.remote_scripts import DIGESTS_SCRIPT, LINES_SCRIPT
from testbed.shell import Shell
from testbed.transfers import PART

_BYTES_PER_S = 5_000_000  # a Pi's processor takes the SHA-256 of tenfold, its card perhaps not


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file of a folder; `sha256` in hexadecimal."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Account:
    """All files of a folder: `lines` are whole ones, `sha256` is of the names and digests in order of names."""

    files: int
    lines: int
    size_bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.files} files, {self.lines} lines, {self.size_bytes} bytes, SHA-256 {self.sha256[:16]}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A host's folder beside its copy; `missing` names what the copy lacks, or has with other content."""

    host: str
    there: Account
    here: Account
    missing: tuple[str, ...]

    def __str__(self) -> str:
        found = f"not here: {', '.join(self.missing)}" if self.missing else "all here"
        return f"{self.host}: there {self.there}; here {self.here}: {found}"


def compare(shell: Shell, remote: str, local: Path) -> Comparison:
    """Hold what a host's folder has, such as a trial's spool, against the copy. Raises RemoteError and OSError."""
    there, here = held_there(shell, remote), held_here(local)
    limit_s = COMMAND_S + sum(file.size_bytes for file in there.values()) / _BYTES_PER_S
    lines = int(shell.check(["sh", "-c", LINES_SCRIPT, "lines", remote], timeout_s=limit_s).text)
    return Comparison(
        host=shell.name,
        there=account(there.values(), lines),
        here=account(here.values(), sum((local / name).read_bytes().count(b"\n") for name in here)),
        missing=tuple(name for name, file in sorted(there.items()) if here.get(name) != file),
    )


def account(files: Iterable[HeldFile], lines: int) -> Account:
    """Counts and one digest of files. Pure."""
    ordered = sorted(files, key=lambda file: file.name)
    digest = hashlib.sha256(
        "".join(f"{file.sha256}  {file.name}\n" for file in ordered).encode("utf-8", "surrogateescape")
    )
    return Account(len(ordered), lines, sum(file.size_bytes for file in ordered), digest.hexdigest())


def held_there(shell: Shell, folder: str) -> Mapping[str, HeldFile]:
    """The files of a host's folder, in order of names, those of folders in it left out. Raises RemoteError."""
    sizes = {entry.name: entry.size_bytes for entry in shell.listdir(folder) if not entry.is_folder}
    if not sizes:
        return {}
    limit_s = COMMAND_S + sum(sizes.values()) / _BYTES_PER_S
    said = shell.check(["sh", "-c", DIGESTS_SCRIPT, "digests", folder], timeout_s=limit_s).stdout
    found = {}
    for entry in said.split(b"\0")[:-1]:
        digest, _, path = entry.decode("utf-8", "surrogateescape").partition("  ./")
        if path in sizes:
            found[path] = HeldFile(path, sizes[path], digest)
    return {name: found[name] for name in sorted(found)}


def held_here(folder: Path) -> Mapping[str, HeldFile]:
    """The files of a folder of this machine by name; unfinished copies are none. Raises OSError."""
    if not folder.is_dir():
        return {}
    files = (path for path in folder.iterdir() if path.is_file() and path.suffix != PART)
    return {path.name: held_file(path) for path in files}


def held_file(path: Path) -> HeldFile:
    """One file of this machine. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return HeldFile(path.name, file.tell(), digest.hexdigest())
