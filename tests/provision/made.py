"""Facts of hosts, made for the tests of steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from testbed.inventory import Inventory
from testbed.inventory_file import parse_inventory
from testbed.provision.declared import FILES, PROGRAMS, SERVICES, SETTINGS, venv_paths
from testbed.provision.facts import HostFacts
from testbed.provision.manifest import Manifest
from testbed.provision.steps import Case, Required

REQUIRED = {"fedprobe": Required("fedprobe", "0.1.0", "c0"), "numpy": Required("numpy", "2.4.6")}
MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.2",
    "os_name": "posix",
    "platform_machine": "aarch64",
    "platform_python_implementation": "CPython",
    "platform_release": "6.6",
    "platform_system": "Linux",
    "platform_version": "1",
    "python_full_version": "3.11.2",
    "python_version": "3.11",
    "sys_platform": "linux",
}
INVENTORY = """
name = "lab"
known_hosts = "known_hosts"
{more}
[defaults]
user = "pi"
python = "/opt/fedprobe/bin/python"
work_folder = "/home/pi/fedprobe"
[defaults.devices]
ethernet = "eth0"
wifi = "wlan0"
5g = "wwan0"
management = "eth1"
[server]
name = "server"
management = "192.0.2.1"
interfaces = {{ ethernet = "198.51.100.1", wifi = "203.0.113.1", 5g = "10.45.255.1" }}
[[nodes]]
name = "pi[1-2]"
management = "192.0.2.11"
interfaces = {{ ethernet = "198.51.100.11", wifi = "203.0.113.11", 5g = "10.45.0.11" }}
"""


def inventory(more: str = "") -> Inventory:
    return parse_inventory(INVENTORY.format(more=more), Path("/lab/lab.toml"))


def venv(kind: str = "absent", **update: Any) -> dict[str, Any]:
    made = {"kind": kind, "absolute": "/opt/fedprobe", "link": None, "ours": False, "python": None, "installed": {}}
    return {**made, **update}


def ready_venv(**update: Any) -> dict[str, Any]:
    """One that provision made, with all that is required."""
    installed = {
        one.name: {"version": one.version, "content": one.content or "", "fault": None} for one in REQUIRED.values()
    }
    return venv(**{"kind": "venv", "ours": True, "python": "3.11.2", "installed": installed, **update})


def case(
    host: str = "pi1",
    *,
    lab: Inventory | None = None,
    manifest: Manifest | None = None,
    named: dict[str, Any] | None = None,
    **update: Any,
) -> Case:
    """A host as the installation of its system left it, but for what is said."""
    chosen = lab or inventory()
    one = chosen.host(host)
    paths = venv_paths(one)
    facts = {
        "python": {"path": "/usr/bin/python3", "bits": 64, "libc": ("glibc", "2.36"), "markers": MARKERS},
        "open_files": (1024, 1048576),
        "venvs": {path: venv() for path in paths} | ({paths[0]: named} if named else {}),
        "folders": {path: {"exists": False, "writable": True} for path in (one.work_folder, *paths)},
        "files": dict.fromkeys(FILES),
        "programs": dict.fromkeys(PROGRAMS, False) | {"apt-get": True, "ip": True},
        "settings": dict.fromkeys(SETTINGS, "0"),
        "services": dict.fromkeys(SERVICES, "inactive"),
        "manifest": "",
        **update,
    }
    return Case(
        inventory=chosen,
        host=one,
        facts=HostFacts.model_validate(facts),
        manifest=manifest or Manifest(),
        required=REQUIRED,
    )
