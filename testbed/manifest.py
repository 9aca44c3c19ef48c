"""The manifest of a run: versions, this machine, the link profiles with the origin of each number, the hosts."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from analysis.revision import revision
from instrument.identity import versions
from instrument.redaction import recorded_variables
from testbed.emulation.profiles import Profiles
from testbed.inventory import Inventory


def manifest(inventory: Inventory | None, profiles: Profiles | None) -> dict[str, Any]:
    """Facts of the machine and the testbed that the results depend on; None: the testbed is still to be built."""
    return {
        "created": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "fedprobe": revision(),
        "versions": versions(),
        "controller": {
            "kernel": platform.release(),
            "machine": platform.machine(),
            "processor": _processor(),
            "cpus": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        },
        "inventory": described(inventory) if inventory else None,
        "profiles": profiles.text if profiles else None,
    }


def described(inventory: Inventory) -> dict[str, Any]:
    """An inventory, without what its variables hold: a proxy's password, a service's token."""
    document = inventory.model_dump(mode="json")
    for host in document["hosts"]:
        host["environment"] = recorded_variables(host["environment"])
    return document


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text(encoding="utf-8").splitlines()
            if line.lower().startswith(("model name", "model\t"))
        ]
        if cpuinfo.exists()
        else []
    )
    return names[-1] if names else platform.processor()
