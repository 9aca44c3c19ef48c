"""All of this machine that a testbed touches, as sets to be compared: what was there before must be there after."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from testbed.emulation import ownership
from testbed.emulation.programs import TESTBED_VARIABLE

PROC = Path("/proc")
KINDS = ("net", "mnt", "pid", "uts", "time")
_STATE_FIELD = 0


def inventory() -> dict[str, set[str]]:
    """By kind: named and nameless namespaces, links, addresses, routes, mounts, processes, rules, groups, folders."""
    return {
        "named namespaces": {path.name for path in Path("/run/netns").glob("*")},
        "namespaces": _namespaces(),
        "links": {line.split(": ")[1] for line in _lines(["ip", "-o", "link"])},
        "routes": set(_lines(["ip", "route", "show", "table", "all"])) | set(_lines(["ip", "rule"])),
        "mounts": {" ".join(line.split()[3:]) for line in (PROC / "self/mountinfo").read_text().splitlines()},
        "processes": _processes(),
        "iptables": {line for line in _lines(["iptables-save"]) if line[:1] not in "#:"},
        "control groups": {
            str(Path(folder) / name)
            for folder, names, _ in os.walk("/sys/fs/cgroup")
            for name in names
            if "fedprobe" in name
        },
        "registered": {path.name for path in ownership.REGISTRY.glob("*")} | {str(ownership.REGISTRY.exists())},
        "state folders": {path.name for path in ownership.testbeds_folder().glob("*")},
    }


def difference(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, tuple[list[str], list[str]]]:
    """By kind what is new and what is missing; empty where nothing differs."""
    return {
        kind: (sorted(after[kind] - before[kind]), sorted(before[kind] - after[kind]))
        for kind in before
        if after[kind] != before[kind]
    }


def _namespaces() -> set[str]:
    """Namespaces that a process of a testbed holds: of others there are more or fewer every second."""
    return {
        f"{kind}:{link.name}"
        for process in PROC.glob("[0-9]*")
        if _is_of_testbed(process)
        for kind in KINDS
        if (link := _target(process / "ns" / kind)) is not None
    }


def _processes() -> set[str]:
    return {f"{process.name} {_words(process)[:120]}" for process in PROC.glob("[0-9]*") if _is_of_testbed(process)}


def _is_of_testbed(process: Path) -> bool:
    """Marked, or in another network namespace than this process; what has ended and waits to be buried is not."""
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[_STATE_FIELD]
        if state in "ZX":
            return False
        marked = f"{TESTBED_VARIABLE}=".encode() in (process / "environ").read_bytes()
        return marked or (process / "ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    except OSError:
        return False


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
