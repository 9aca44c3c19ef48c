"""Tells, as JSON, how a host stands: its Python, virtual environments, folders, files, programs and settings.

Its argument is JSON too: lists of "venvs", "folders", "files", "programs", "settings" and "services", and the path of
the "manifest". Relative paths begin at the home folder. Nothing is changed.
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
from pathlib import Path
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
    """The Python that a virtual environment's leads to, and what requirements ask of it (PEP 508)."""
    version = platform.python_version()
    return {
        "path": str(Path(sys.executable).resolve()),
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
    place = Path(path)
    found: dict[str, Any] = {"absolute": str(place.absolute()), "link": None, "ours": False, "python": None}
    found["installed"] = {}
    if place.is_symlink():
        return {**found, "kind": "link", "link": str(place.readlink())}
    if not place.is_dir():
        return {**found, "kind": "other" if place.exists() else "absent"}
    names = {entry.name for entry in place.iterdir()}
    found["ours"] = MARK in names
    if not names:
        return {**found, "kind": "empty"}
    if "pyvenv.cfg" not in names:
        return {**found, "kind": "other"}
    found["python"] = version = version_of(place / "bin" / "python")
    if version is not None:
        minor = ".".join(version.split(".")[:2])
        found["installed"] = installed(place / "lib" / f"python{minor}" / "site-packages")
    return {**found, "kind": "venv"}


def version_of(python: Path) -> "str | None":
    """An interpreter's version; None: it does not run."""
    status, said = ran([str(python), "-I", "-c", VERSION])
    return said if status == 0 and said else None


def ran(command: list[str]) -> tuple[int, str]:
    """How a program ended, and what it printed; 127 where it cannot be run, or does not end."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=RUNS_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 127, ""
    return done.returncode, done.stdout.decode("utf-8", "replace").strip()


def installed(site: Path) -> dict[str, Any]:
    """The distributions in a folder of packages, by normalised name."""
    found: dict[str, Any] = {}
    own_machine = machine("/proc/self/exe")
    for info in sorted(site.glob("*.dist-info")):
        stem, _, version = info.name[: -len(".dist-info")].rpartition("-")
        name = re.sub(r"[-_.]+", "-", stem).lower()
        one = distribution(site, info, own_machine)
        if name in found:
            one["fault"] = "two versions of it are there"
        found[name] = {**one, "version": version}
    return found


def distribution(site: Path, info: Path, own_machine: "tuple[int, int] | None") -> dict[str, Any]:
    """Whether all files are there that RECORD names, in the size it names and for this machine."""
    files = []
    try:
        with (info / "RECORD").open(newline="", encoding="utf-8") as record:
            rows = [[*row, "", ""][:3] for row in csv.reader(record) if row]
    except OSError:
        return {"content": "", "fault": "its list of files is missing"}
    for path, digest_, size in rows:
        fault = file_fault(f"{site}/{path}", size, own_machine)
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
        found = os.stat(path)  # noqa: PTH116 (of thousands of files: a third of the time)
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
        with Path(path).open("rb") as file:
            head = file.read(20)
    except OSError:
        return None
    return (head[4], int.from_bytes(head[18:20], sys.byteorder)) if head[:4] == b"\x7fELF" else None


def folder(path: str) -> dict[str, bool]:
    """Whether a folder is there, and whether this user may write to it or, where it is not, may make it."""
    place = Path(path).absolute()
    there = next(one for one in (place, *place.parents) if one.exists())
    return {"exists": place.is_dir(), "writable": os.access(there, os.W_OK)}


def digest(path: str) -> "str | None":
    """The SHA-256 of a file; None: there is none, or it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
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
    if not Path("/run/systemd/system").is_dir():
        return ""
    return ran(["systemctl", "is-active", name])[1] or "unknown"


def text(path: str) -> str:
    """The text of a small file; empty where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


if __name__ == "__main__":
    print(json.dumps(looked(json.loads(sys.argv[1]))))
