"""One quick look at a host before each trial: room on its disk, processes that an earlier trial left, versions.

It costs a start of Python on every host, all at once. `fedprobe preflight` looks for everything else, and longer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from instrument.identity import ROLES, package_version
from testbed.deployment import RUN_MARK, TRIAL_MARK, Deployment
from testbed.errors import RemoteError
from testbed.every_host import on_every_host
from testbed.inventory import Host
from testbed.run_folder import SPACE_NEEDED_BYTES
from testbed.validity import Invalid

LOOK_S = 20.0
PACKAGES = ("fedprobe", "flwr")
# argv: the work folder, the names of the marks of a trial and of its run, the roles of Flower's processes with commas
# between them, then packages. Flower makes its processes unreadable to all but root: an own one is told by its role.
# Processes of containers, and of emulated hosts, are not this host's.
_LOOK = """
import importlib.metadata as metadata, json, os, shutil, sys
folder, trial, run, roles, *packages = sys.argv[1:]
def read(pid, name):
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read().decode(errors="replace")
def is_own(pid):
    line = next(line for line in read(pid, "status").splitlines() if line.startswith("Uid:"))
    return int(line.split()[1]) == os.getuid()
def is_elsewhere(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid")
    except PermissionError:
        return False
def has_role(pid):
    return any(f"/{role}\\0" in read(pid, "cmdline") for role in roles.split(","))
def marks(pid):
    try:
        pairs = read(pid, "environ").split("\\0")
    except PermissionError:
        return {trial: ""} if is_own(pid) and has_role(pid) else {}
    return dict(pair.partition("=")[::2] for pair in pairs if pair.startswith((trial + "=", run + "=")))
def found():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            of = marks(pid)
        except OSError:
            continue
        if of and not is_elsewhere(pid):
            yield int(pid), of.get(trial, ""), of.get(run, "")
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
print(json.dumps({
    "free_bytes": shutil.disk_usage(folder).free,
    "left": list(found()),
    "versions": {name: version(name) for name in packages},
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a look saw. `left` are processes: pid, trial, run; a version is empty where the package is not there."""

    free_bytes: int
    left: Sequence[tuple[int, str, str]]
    versions: Mapping[str, str]


def unfit(deployment: Deployment) -> list[Invalid]:
    """What speaks against beginning a trial now; nothing may have been started yet."""
    seen = on_every_host(deployment.hosts, lambda host: _look(deployment, host))
    silent = [Invalid("not started", f"{name} does not answer: {error}") for name, error in seen.errors.items()]
    own = {name: package_version(name) or "" for name in PACKAGES}
    return silent + [problem for name, found in seen.results.items() for problem in problems(name, found, own)]


def problems(host: str, found: Found, own: Mapping[str, str]) -> list[Invalid]:
    """What a look says against a trial; `own` are the controller's versions. Pure."""
    against: list[Invalid] = []
    if found.free_bytes < SPACE_NEEDED_BYTES:
        free = f"{found.free_bytes / 1e6:.0f} MB free, a trial may need {SPACE_NEEDED_BYTES / 1e6:.0f} MB"
        against.append(Invalid("not started", f"{host}: {free}. Make room there."))
    if found.left:
        pids = " ".join(str(pid) for pid, _, _ in found.left)
        whose = sorted({f"trial {trial or '?'} of {run or 'another run'}" for _, trial, run in found.left})
        text = (
            f"{host}: processes {pids} of {', '.join(whose)} are still there. Finish or resume that run "
            f"first, or end them on that host: kill {pids}"
        )
        against.append(Invalid("not started", text))
    for name, version in found.versions.items():
        if version != own[name]:
            text = f"{host} has {name} {version or 'not installed'}, the controller {own[name] or 'has not'}"
            against.append(Invalid("version mismatch", f"{text}. Make them the same: fedprobe provision."))
    return against


def _look(deployment: Deployment, host: Host) -> Found:
    command = [host.python, "-I", "-c", _LOOK, host.work_folder, TRIAL_MARK, RUN_MARK, ",".join(ROLES), *PACKAGES]
    text = deployment.sessions[host.name].check(command, timeout_s=LOOK_S).text
    try:
        body = json.loads(text)
        left = [(int(pid), str(trial), str(run)) for pid, trial, run in body["left"]]
        return Found(free_bytes=int(body["free_bytes"]), left=left, versions=body["versions"])
    except (ValueError, KeyError, TypeError) as error:
        raise RemoteError(
            f"{host.name}: a look at it printed {text[:80]!r}. Look for what a login prints there."
        ) from error
