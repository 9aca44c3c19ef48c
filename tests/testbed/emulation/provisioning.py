"""What the tests of provisioning share: running the command, a wheelhouse, and the end of a host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.inventory import Inventory
from testbed.inventory_file import write_inventory

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nowhere", "PIP_CONFIG_FILE": "/dev/null"}


@dataclass(frozen=True)
class Outcome:
    """How a run of `fedprobe provision --json` ended."""

    code: int
    document: dict[str, Any]
    talk: str

    @property
    def changes(self) -> int:
        return int(self.document["changes"])

    @property
    def errors(self) -> dict[str, str]:
        return {one["host"]: one["error"] for one in self.document["hosts"] if one["error"]}

    def texts(self, host: str) -> list[str]:
        (found,) = [one for one in self.document["hosts"] if one["host"] == host]
        return [change["text"] for change in found["changes"]]

    def remarks(self, host: str) -> list[str]:
        (found,) = [one["remarks"] for one in self.document["hosts"] if one["host"] == host]
        return list(found)


def command(path: Path, wheelhouse: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "testbed.cli", "provision", str(path), "--wheelhouse", str(wheelhouse), *options]


def provision(
    inventory: Inventory, folder: Path, wheelhouse: Path, *options: str, env: Mapping[str, str] | None = None
) -> Outcome:
    """Run it on an inventory that is written anew."""
    path = folder / "inventory.toml"
    write_inventory(inventory, path)
    full = [*command(path, wheelhouse, "--json"), *options]
    done = subprocess.run(full, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in {0, 1}, done.stderr
    return Outcome(done.returncode, json.loads(done.stdout), done.stderr)


def with_host(inventory: Inventory, name: str, **update: Any) -> Inventory:
    hosts = tuple(host.model_copy(update=update) if host.name == name else host for host in inventory.hosts)
    return inventory.model_copy(update={"hosts": hosts})


def end_host(inventory: Inventory, name: str) -> None:
    """Kill a host's first process, and with it the host, as if it lost its power."""
    start = f"/{name}/start.sh".encode()
    folder = str(inventory.known_hosts.parent).encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            children = (process / "task" / process.name / "children").read_text().split()
        except OSError:
            continue
        if words.startswith(b"unshare\0") and folder in words and start in words:
            os.kill(int(children[0]), signal.SIGKILL)
            return
    raise AssertionError(f"there is no host {name}")
