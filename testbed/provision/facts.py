"""What `on_host/look.py` tells of a host, as types, and what it is asked."""

from __future__ import annotations

import json
import posixpath
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, ValidationError

from testbed.errors import ProvisionError
from testbed.inventory import Host
from testbed.provision.declared import FILES, PROGRAMS, SERVICES, SETTINGS, manifest_path, venv_paths
from testbed.shell import Shell

LOOK_S = 90.0
OLD_PYTHON = 97  # no interpreter's own exit status
# $1 is a program, $2 its argument; then interpreters: the first that is new enough runs it
_FIND = f"""
program=$1 argument=$2
shift 2
for python in "$@"; do
    "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
        exec "$python" -I -c "$program" "$argument"
done
exit {OLD_PYTHON}
"""
_CANDIDATES = ("python3", "python3.13", "python3.12", "python3.11", "python3.14")


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interpreter(_Fact):
    """A host's Python. `markers` are the variables of requirements' conditions, PEP 508."""

    path: str
    bits: int
    libc: tuple[str, str]
    markers: dict[str, str]


class Installed(_Fact):
    """A distribution. `content` is a digest over its files' own; `fault`: which file is not as it was installed."""

    version: str
    content: str
    fault: str | None


class Venv(_Fact):
    """A virtual environment, or what is in its place; `python` is its version, None: it does not run."""

    kind: str  # absent, empty, link, venv, other
    absolute: str
    link: str | None
    ours: bool
    python: str | None
    installed: dict[str, Installed]


class Folder(_Fact):
    """`writable`: by the user who logs in; of a folder that is not there, whether he may make it."""

    exists: bool
    writable: bool


class HostFacts(_Fact):
    """How a host stands. `files`: SHA-256, or None where there is none; `services`: empty without systemd."""

    python: Interpreter
    open_files: tuple[int, int]
    venvs: dict[str, Venv]
    folders: dict[str, Folder]
    files: dict[str, str | None]
    programs: dict[str, bool]
    settings: dict[str, str]
    services: dict[str, str]
    manifest: str


def program_text(name: str) -> str:
    """A program of `on_host`, to be run by `python -c`."""
    return files("testbed.provision.on_host").joinpath(f"{name}.py").read_text(encoding="utf-8")


def look_command(host: Host) -> list[str]:
    """What tells a host's facts, run on it. Pure, but for reading our own program."""
    venvs = venv_paths(host)
    asked = {
        "venvs": venvs,
        "folders": [host.work_folder, *venvs],
        "files": list(FILES),
        "programs": list(PROGRAMS),
        "settings": list(SETTINGS),
        "services": list(SERVICES),
        "manifest": manifest_path(host),
    }
    return ["sh", "-c", _FIND, "look", program_text("look"), json.dumps(asked), host.python, *_CANDIDATES]


def look(shell: Shell, host: Host) -> HostFacts:
    """A host's facts. Raises RemoteError, and ProvisionError where it has no Python that is new enough."""
    done = shell.run(look_command(host), timeout_s=LOOK_S, env=host.environment)
    if done.status == OLD_PYTHON:
        raise ProvisionError(
            f"{host.name}: there is no Python from 3.11 on, neither {host.python} nor {', '.join(_CANDIDATES)}. "
            "Raspberry Pi OS 12 and Debian 12 have it as python3: install one of these, or name an interpreter."
        )
    if done.status:
        last = done.complaint.splitlines()[-1]
        raise ProvisionError(
            f"{host.name}: cannot tell how it stands: {last}. Run `{posixpath.basename(host.python)}` there by hand."
        )
    try:
        return HostFacts.model_validate_json(done.stdout)
    except ValidationError as error:
        raise ProvisionError(
            f"{host.name}: its Python printed something else than its facts: {done.text[:80]!r}. "
            "Look for a sitecustomize.py there that prints."
        ) from error
