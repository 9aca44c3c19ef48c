"""Finds the processes of a trial on this host: by what they are, and by a mark that says whose.

The mark is in their environment. Flower makes its processes unreadable to all but root, so that another user goes by
their spool files, whose names have each process's role and id.

`testbed.leftovers` finds the same processes by the same two rules, in shell: it ends all of them, whatever they are
and whether or not a Python works there. Here one of them is told from the others, collectors too, by the roles that
`instrument.identity` reads from command lines, many times while a trial runs: by what the probes themselves go by,
without a process started for each look beside what is measured.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from instrument.identity import ROLES, role_of

COLLECTOR = "collector"
_PROC = Path("/proc")
_NAMED = re.compile(rf".+-(?P<role>{'|'.join(ROLES)})-(?P<pid>\d+)-\d+")  # see `instrument.spool.segment_name`


def found(trial: str, roles: Collection[str], spool: Path) -> dict[int, str]:
    """The processes of these roles, by pid. Roles are those of `instrument.identity`, and "collector"."""
    return {pid: role for pid, role in (*_by_spool(spool), *_all(trial)) if role in roles}


def _by_spool(spool: Path) -> Iterator[tuple[int, str]]:
    """Those that have a file in the trial's spool folder and still are what they were when they made it."""
    for file in spool.glob("*.jsonl"):
        if named := _NAMED.fullmatch(file.stem):
            role, pid = named["role"], int(named["pid"])
            if role_of(_words(_PROC / str(pid) / "cmdline")) == role:
                yield pid, role


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
