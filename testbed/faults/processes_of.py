"""Finds the processes of a trial on this host: by the mark in their environment, and by what they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from instrument.identity import role_of

COLLECTOR = "collector"
_PROC = Path("/proc")


def found(trial: str, roles: Collection[str]) -> dict[int, str]:
    """The processes of these roles, by pid. Roles are those of `instrument.identity`, and "collector"."""
    return {pid: role for pid, role in _all(trial) if role in roles}


def role_in(argv: list[str], environment: list[str], trial: str) -> str:
    """What a process of a trial is; empty for a process that is none of its. Pure."""
    if f"FEDPROBE_TRIAL={trial}" in environment:
        return role_of(argv) or ""
    if "collectors" in argv[:4] and any(pair == ["--trial", trial] for pair in _pairs(argv)):
        return COLLECTOR
    return ""


def _all(trial: str) -> Iterator[tuple[int, str]]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            argv, environment = _words(entry / "cmdline"), _words(entry / "environ")
            if role := role_in(argv, environment, trial):
                yield int(entry.name), role


def _words(file: Path) -> list[str]:
    try:
        return file.read_bytes().decode("utf-8", "replace").split("\0")[:-1]
    except OSError:  # it ended, or is another user's
        return []


def _pairs(argv: list[str]) -> Iterator[list[str]]:
    return ([argv[place], argv[place + 1]] for place in range(len(argv) - 1))
