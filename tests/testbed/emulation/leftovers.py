"""All of this machine that a testbed touches, as sets to be compared: what was there before must be there after."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from testbed.emulation import namespaces, ownership
from testbed.emulation.addresses import namespace_prefix
from testbed.emulation.programs import TESTBED_VARIABLE

PROC = Path("/proc")
KINDS = ("net", "mnt", "pid", "uts", "time")
_STATE_FIELD = 0


def inventory() -> dict[str, set[str]]:
    """By kind: named and nameless namespaces, links, routes, mounts, processes, rules, groups, folders."""
    others = _others()
    theirs = {namespaces.identity(name) for other in others for name in namespaces.names(namespace_prefix(other))}
    processes = [process for process in PROC.glob("[0-9]*") if _is_of_testbed(process, others, theirs)]
    found = {
        "named namespaces": {path.name for path in Path("/run/netns").glob("*")},
        "namespaces": _namespaces(processes),
        "links": {line.split(": ")[1] for line in _lines(["ip", "-o", "link"])},
        "routes": set(_lines(["ip", "route", "show", "table", "all"])) | set(_lines(["ip", "rule"])),
        "mounts": {" ".join(line.split()[3:]) for line in (PROC / "self/mountinfo").read_text().splitlines()},
        "processes": {f"{process.name} {_words(process)[:120]}" for process in processes},
        "iptables": {line for line in _lines(["iptables-save"]) if line[:1] not in "#:"},
        "control groups": {
            str(Path(folder) / name)
            for folder, names, _ in os.walk("/sys/fs/cgroup")
            for name in names
            if "fedprobe" in name
        },
        "registered": {path.name for path in ownership.REGISTRY.glob("*")} - others,
        "registry": {"left"} if ownership.REGISTRY.exists() and not others else set(),
        "state folders": {path.name for path in ownership.testbeds_folder().glob("*")},
    }
    marks = [mark for name in others for mark in (f"fp-{name}-", f"fedprobe-{name}")]
    return {kind: {one for one in all_ if not any(mark in one for mark in marks)} for kind, all_ in found.items()}


def difference(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, tuple[list[str], list[str]]]:
    """By kind what is new and what is missing; empty where nothing differs."""
    return {
        kind: (sorted(after[kind] - before[kind]), sorted(before[kind] - after[kind]))
        for kind in before
        if after[kind] != before[kind]
    }


def _others() -> set[str]:
    ours = ownership.testbeds_folder()
    links = [path for path in ownership.REGISTRY.glob("*") if path.is_symlink()]
    return {link.name for link in links if (target := _target(link)) is not None and ours not in target.parents}


def _namespaces(processes: list[Path]) -> set[str]:
    """Namespaces that a process of a testbed holds: of others there are more or fewer every second."""
    links = [_target(process / "ns" / kind) for process in processes for kind in KINDS]
    return {str(link) for link in links if link is not None}


def _is_of_testbed(process: Path, others: set[str], theirs: set[int | None]) -> bool:
    """Marked, or in another network namespace than this process; what has ended and waits to be buried is not."""
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[_STATE_FIELD]
        if state in "ZX":
            return False
        variables = (process / "environ").read_bytes().decode(errors="replace").split("\0")
        network = (process / "ns/net").readlink()
        inode = (process / "ns/net").stat().st_ino
    except OSError:
        return False
    mark = next((one.partition("=")[2] for one in variables if one.startswith(f"{TESTBED_VARIABLE}=")), None)
    if mark in others or inode in theirs:
        return False
    return mark is not None or network != Path("/proc/self/ns/net").readlink()


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None


def _words(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "gone"


def _lines(command: list[str]) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
