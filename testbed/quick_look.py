"""One quick look at a host before each trial: room on its disk, processes that an earlier trial left, versions.

It costs a start of Python on every host, all at once. `fedprobe preflight` looks for everything else, and longer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from instrument.identity import package_version
from testbed.deployment import RUN_MARK, TRIAL_MARK, Deployment
from testbed.errors import RemoteError
from testbed.every_host import on_every_host
from testbed.inventory import Host
from testbed.run_folder import SPACE_NEEDED_BYTES
from testbed.validity import Invalid

LOOK_S = 20.0
PACKAGES = ("fedprobe", "flwr")
# argv: the work folder, then the names of the marks of a trial and of its run, then packages
_LOOK = """
import importlib.metadata as metadata, json, os, shutil, sys
folder, trial, run, *packages = sys.argv[1:]
def marks(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = file.read().decode(errors="replace").split(chr(0))
    except OSError:
        return {}
    return dict(pair.partition("=")[::2] for pair in pairs if pair.startswith((trial + "=", run + "=")))
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
found = [(int(pid), marks(pid)) for pid in os.listdir("/proc") if pid.isdigit()]
print(json.dumps({
    "free_bytes": shutil.disk_usage(folder).free,
    "left": [[pid, of.get(trial, ""), of.get(run, "")] for pid, of in found if of],
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
    command = [host.python, "-I", "-c", _LOOK, host.work_folder, TRIAL_MARK, RUN_MARK, *PACKAGES]
    text = deployment.sessions[host.name].check(command, timeout_s=LOOK_S).text
    try:
        body = json.loads(text)
        left = [(int(pid), str(trial), str(run)) for pid, trial, run in body["left"]]
        return Found(free_bytes=int(body["free_bytes"]), left=left, versions=body["versions"])
    except (ValueError, KeyError, TypeError) as error:
        raise RemoteError(
            f"{host.name}: a look at it printed {text[:80]!r}. Look for what a login prints there."
        ) from error
