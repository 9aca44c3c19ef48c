"""What a testbed could leave behind on this machine: namespaces, processes, firewall rules, mounts, links."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def machine_state() -> dict[str, set[str]]:
    """Everything of this machine's that a testbed touches, to be compared before and after."""
    return {
        "namespaces": set(_lines(["ip", "-o", "netns", "list"])),
        "links": {line.split(":")[1].strip() for line in _lines(["ip", "-o", "link"])},
        "rules": set(_lines(["iptables-save"])) - {line for line in _lines(["iptables-save"]) if line[:1] in "#:"},
        "mounts": {
            line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if "fedprobe" in line
        },
        "processes": {f"{pid}" for pid in _ours()},
        "states": {str(path) for path in Path("/var/lib/fedprobe/testbeds").glob("*") if path.is_dir()},
    }


def _ours() -> list[str]:
    """Processes of testbeds: their delayers, sshds, Flower and collectors, by their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            namespaced = (entry / "ns" / "net").readlink() != Path("/proc/self/ns/net").readlink()
        except OSError:
            continue
        text = b" ".join(words).decode(errors="replace")
        if namespaced and any(
            mark in text for mark in ("delayer", "sshd", "flower-", "flwr-", "collectors", "unshare")
        ):
            found.append(f"{entry.name} {text[:80]}")
    return found


def _lines(command: list[str]) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
