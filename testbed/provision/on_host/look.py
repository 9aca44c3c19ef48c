"""Tells, as JSON, how a host stands: its Python, virtual environments, folders, files, programs and settings.

Its argument is JSON too: {"venvs", "folders", "files", "programs", "settings", "services": lists, "manifest": a path}.
Relative paths begin at the home folder. Nothing is changed.
"""

import csv
import hashlib
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
from typing import Any

MARK = ".fedprobe"
RUNS_S = 20
VERSION = "import platform; print(platform.python_version())"
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def looked(asked: dict[str, Any]) -> dict[str, Any]:
    """What is asked for."""
    return {
        "python": interpreter(),
        "open_files": [limit if limit >= 0 else 2**63 - 1 for limit in resource.getrlimit(resource.RLIMIT_NOFILE)],
        "venvs": {path: venv(path) for path in asked["venvs"]},
        "folders": {path: folder(path) for path in asked["folders"]},
        "files": {path: digest(path) for path in asked["files"]},
        "programs": {name: program(name) for name in asked["programs"]},
        "settings": {key: text(setting_file(key)).strip() for key in asked["settings"]},
        "services": {name: service(name) for name in asked["services"]},
        "manifest": text(asked["manifest"]),
    }


def interpreter() -> dict[str, Any]:
    """The Python below this one's virtual environment, and what requirements ask of it (PEP 508)."""
    version = platform.python_version()
    return {
        "path": getattr(sys, "_base_executable", None) or sys.executable,
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "libc": list(platform.libc_ver()),
        "markers": {
            "implementation_name": sys.implementation.name,
            "implementation_version": version,
            "os_name": os.name,
            "platform_machine": platform.machine(),
            "platform_python_implementation": platform.python_implementation(),
            "platform_release": platform.release(),
            "platform_system": platform.system(),
            "platform_version": platform.version(),
            "python_full_version": version,
            "python_version": ".".join(platform.python_version_tuple()[:2]),
            "sys_platform": sys.platform,
        },
    }


def venv(path: str) -> dict[str, Any]:
    """A virtual environment, or what stands in its place."""
    found: dict[str, Any] = {"absolute": os.path.abspath(path), "link": None, "ours": False, "python": None}
    found["installed"] = {}
    if os.path.islink(path):
        return {**found, "kind": "link", "link": os.readlink(path)}
    if not os.path.isdir(path):
        return {**found, "kind": "other" if os.path.exists(path) else "absent"}
    names = os.listdir(path)
    found["ours"] = MARK in names
    if not names:
        return {**found, "kind": "empty"}
    if "pyvenv.cfg" not in names:
        return {**found, "kind": "other"}
    found["python"] = version = version_of(os.path.join(path, "bin", "python"))
    if version is not None:
        minor = ".".join(version.split(".")[:2])
        found["installed"] = installed(os.path.join(path, "lib", f"python{minor}", "site-packages"))
    return {**found, "kind": "venv"}


def version_of(python: str) -> "str | None":
    """An interpreter's version; None: it does not run."""
    try:
        done = subprocess.run([python, "-I", "-c", VERSION], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=RUNS_S)  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("ascii", "replace").strip() or None if done.returncode == 0 else None


def installed(site: str) -> dict[str, Any]:
    """The distributions in a folder of packages, by normalised name."""
    found: dict[str, Any] = {}
    own_machine = machine("/proc/self/exe")
    for entry in sorted(os.listdir(site)) if os.path.isdir(site) else []:
        if entry.endswith(".dist-info"):
            stem, _, version = entry[: -len(".dist-info")].rpartition("-")
            name = re.sub(r"[-_.]+", "-", stem).lower()
            one = distribution(site, entry, own_machine)
            if name in found:
                one["fault"] = "two versions of it are there"
            found[name] = {**one, "version": version}
    return found


def distribution(site: str, info: str, own_machine: "tuple[int, int] | None") -> dict[str, Any]:
    """Whether all files are there that RECORD names, in the size it names and for this machine."""
    files = []
    try:
        with open(os.path.join(site, info, "RECORD"), newline="", encoding="utf-8") as record:
            rows = [(row + ["", ""])[:3] for row in csv.reader(record) if row]
    except OSError:
        return {"content": "", "fault": "its list of files is missing"}
    for path, digest_, size in rows:
        fault = file_fault(os.path.normpath(os.path.join(site, path)), size, own_machine)
        if fault:
            return {"content": "", "fault": f"{path} {fault}"}
        if digest_ and not path.startswith("..") and ".dist-info/" not in path:
            files.append(f"{path},{digest_}")
    return {"content": hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest(), "fault": None}


def file_fault(path: str, size: str, own_machine: "tuple[int, int] | None") -> "str | None":
    """What is wrong with an installed file; None: nothing. Files without a size are made after the installation."""
    if not size:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return "is missing"
    if found.st_size != int(size):
        return f"has {found.st_size} bytes and not {size}"
    if path.endswith(".so") and machine(path) not in {None, own_machine}:
        return "is made for another machine"
    return None


def machine(path: str) -> "tuple[int, int] | None":
    """Class and machine of an ELF file: EI_CLASS and e_machine of elf(5); None: it is none."""
    try:
        with open(path, "rb") as file:
            head = file.read(20)
    except OSError:
        return None
    return (head[4], int.from_bytes(head[18:20], sys.byteorder)) if head[:4] == b"\x7fELF" else None


def folder(path: str) -> dict[str, bool]:
    """Whether a folder is there, and whether this user may write to it or, where it is not, may make it."""
    above = os.path.abspath(path)
    while not os.path.exists(above):
        above = os.path.dirname(above)
    return {"exists": os.path.isdir(path), "writable": os.access(above, os.W_OK)}


def digest(path: str) -> "str | None":
    """The SHA-256 of a file; None: there is none, or it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None


def program(name: str) -> bool:
    """Whether a program is there, also where users' search paths do not lead."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}") is not None


def setting_file(key: str) -> str:
    """Where the kernel keeps a setting, sysctl(8)."""
    return "/proc/sys/" + key.replace(".", "/")


def service(name: str) -> str:
    """The state of a service of systemd's; empty: there is no systemd."""
    if not os.path.isdir("/run/systemd/system"):
        return ""
    done = subprocess.run(["systemctl", "is-active", name], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=RUNS_S)  # fmt: skip
    return done.stdout.decode("utf-8", "replace").strip() or "unknown"


def text(path: str) -> str:
    """The text of a small file; empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


if __name__ == "__main__":
    print(json.dumps(looked(json.loads(sys.argv[1]))))
