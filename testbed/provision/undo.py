"""How each change is taken back. Pure. What somebody has changed since is left, and said: see the scripts' output."""

from __future__ import annotations

from testbed.provision.changes import APT_S, Run, set_command
from testbed.provision.manifest import (
    ChangedSetting,
    EnabledService,
    InstalledPackages,
    MadeFolder,
    MadeVenv,
    Record,
    WroteFile,
)

# $1 is the file, $2 the SHA-256 it was written with, $3 a service that reads it, or nothing
_REMOVE_FILE = """
[ -e "$1" ] || exit 0
if [ "$(sha256sum <"$1" | cut -d' ' -f1)" != "$2" ]; then
    echo "$1 is kept: it was changed since"
    exit 0
fi
rm -- "$1"
[ -z "$3" ] || systemctl try-restart "$3"
"""
# $1 is the place, $2 where a link that was there led, or nothing. Only what carries provision's mark is removed.
_REMOVE_VENV = """
if [ -d "$1" ] && [ ! -L "$1" ]; then
    if [ ! -e "$1/.fedprobe" ] && [ -n "$(ls -A "$1")" ]; then
        echo "$1 is kept: it is not as provision made it"
        exit 0
    fi
    find "$1" -mindepth 1 ! -path "$1/.fedprobe" -delete
    rm -f -- "$1/.fedprobe"
    rmdir -- "$1" 2>/dev/null
fi
[ -z "$2" ] || [ -e "$1" ] || ln -s -- "$2" "$1"
"""
# $1 is the file of the setting, $2 what it was set to, $3 what it was before
_RESTORE_SETTING = """
if [ "$(cat "$1")" != "$2" ]; then
    echo "$1 is kept: it was changed since"
    exit 0
fi
printf '%s\\n' "$3" >"$1"
"""
# $1 is the folder
_REMOVE_FOLDER = """
[ -d "$1" ] || exit 0
rmdir -- "$1" 2>/dev/null || echo "$1 is kept: there are files in it"
"""


def taking_back(record: Record) -> tuple[Run, ...]:
    """The commands that take a change back; what they print is for the reader."""
    match record:
        case MadeFolder(path=path, root=root):
            return (Run(("sh", "-c", _REMOVE_FOLDER, "remove-folder", path), root=root),)
        case MadeVenv(path=path, link=link):
            return (Run(("sh", "-c", _REMOVE_VENV, "remove-venv", path, link or "")),)
        case InstalledPackages(installed=installed, removed=removed):
            purge = (Run(("dpkg", "--purge", *installed), root=True, timeout_s=APT_S),) if installed else ()
            return (*purge, *((apt_install(removed),) if removed else ()))
        case WroteFile(path=path, sha256=sha256, service=service):
            return (Run(("sh", "-c", _REMOVE_FILE, "remove-file", path, sha256, service or ""), root=True),)
        case ChangedSetting(key=key, before=before, after=after):
            file = set_command(key, before)[-2]
            return (Run(("sh", "-c", _RESTORE_SETTING, "restore", file, after, before), root=True),)
        case EnabledService(name=name):
            return (Run(("systemctl", "disable", "--now", name), root=True),)


def taken_back_text(record: Record) -> str:
    """What taking it back is, in words."""
    match record:
        case MadeFolder(path=path):
            return f"remove the folder {path}"
        case MadeVenv(path=path, link=link):
            return f"remove the virtual environment {path}{f', and link it to {link} again' if link else ''}"
        case InstalledPackages(installed=installed, removed=removed):
            again = f", and install {', '.join(removed)} again" if removed else ""
            return f"purge {', '.join(installed)}{again}"
        case WroteFile(path=path):
            return f"remove {path}"
        case ChangedSetting(key=key, before=before):
            return f"{key} = {before}"
        case EnabledService(name=name):
            return f"stop {name}, now and with the host"


def needs_root(record: Record) -> bool:
    """Whether taking it back takes root."""
    return any(run.root for run in taking_back(record))


def apt_install(packages: tuple[str, ...], *more: str) -> Run:
    """apt-get that asks nothing, installs nothing that is only recommended, and waits for another one."""
    quiet = ("env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "-o", "DPkg::Lock::Timeout=300")
    command = (*quiet, "install", "-y", "--no-install-recommends", *more, "--", *packages)
    return Run(command, root=not more, timeout_s=APT_S)
