"""The steps: each holds facts of a host against what is wanted and gives the changes that are still to be made.

A host on which a step finds all as it should be gets no change from it, so that a second run changes nothing. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from testbed.errors import ProvisionError
from testbed.inventory import Host, Inventory
from testbed.provision.changes import BY_HAND, Change, InstallDebs, InstallWheels, Run, Write, set_command
from testbed.provision.declared import (
    CHRONY,
    CHRONY_NEEDED,
    LIMITS_FILE,
    OPEN_FILES,
    SETTINGS,
    SETTINGS_FILE,
    chrony_file,
    limits_text,
    named_venv,
    needed_on,
    own_venv,
    settings_text,
)
from testbed.provision.facts import HostFacts, Installed, Venv
from testbed.provision.manifest import ChangedSetting, EnabledService, MadeFolder, MadeVenv, Manifest, WroteFile

VENV_S = 120.0


@dataclass(frozen=True, slots=True)
class Required:
    """A distribution at the version that every host gets; `content` is known of the project's own wheel alone."""

    name: str
    version: str
    content: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A host as it stands, and what it is to have."""

    inventory: Inventory
    host: Host
    facts: HostFacts
    manifest: Manifest
    required: Mapping[str, Required]

    @property
    def own_system(self) -> bool:
        """Whether its packages and files are its own: those of an emulated host are the machine's."""
        return self.inventory.kind == "real"


Step = Callable[[Case], Iterator[Change]]


def plan(case: Case) -> list[Change]:
    """What is to be changed, in order. Raises ProvisionError where something is in the way."""
    return [change for step in STEPS for change in step(case)]


def remarks(case: Case) -> list[str]:
    """What a reader must know about what is not done here, and why."""
    found = []
    if case.inventory.clock == "shared":
        found.append("clock = shared in the inventory: time synchronisation is not provisioned")
    if not case.own_system:
        found.append("an emulated host's packages, /etc and limits are the machine's: they are left as they are")
        lacking = sorted({one.package for one in needed_on(case.host) if not case.facts.programs[one.program]})
        if lacking:
            found.append(f"the machine lacks {', '.join(lacking)}, which some measurements use")
    elif case.inventory.clock == "own" and case.facts.programs[CHRONY_NEEDED.program] and not _chrony_state(case):
        found.append("there is no systemd: see to it that chronyd is started with the host, by hand")
    named, chosen = named_venv(case.host), venv_path(case)
    if chosen != named:
        python = f"{case.facts.venvs[chosen].absolute}/bin/python"
        found.append(
            f"python = {case.host.python!r} is not provision's to change; campaigns use the virtual environment "
            f'when the inventory says python = "{python}"'
        )
    return found


def venv_path(case: Case) -> str:
    """Where the host's virtual environment goes.

    The place that the inventory's `python` is in, unless somebody else made what is there: then the work folder, and
    what is there stays.
    """
    named = named_venv(case.host)
    if named is None:
        return own_venv(case.host)
    venv = case.facts.venvs[named]
    theirs = venv.kind in {"venv", "other"} and not _is_ours(case, named)
    return own_venv(case.host) if theirs and not _is_complete(case, venv) else named


def _folders(case: Case) -> Iterator[Change]:
    """The work folder; and the virtual environment's where only root may make it, which is then given to the user."""
    user = case.host.management.user
    for path, what in ((case.host.work_folder, "work folder"), (venv_path(case), "virtual environment's folder")):
        fact = case.facts.folders[path]
        if fact.exists or (what != "work folder" and fact.writable):
            continue
        root = not fact.writable
        give = (Run(("chown", f"{user}:", path), root=True),) if root else ()
        yield Change(
            step="folders",
            text=f"make the {what} {path}{f', for {user}' if root else ''}",
            root=root,
            record=MadeFolder(path=path, root=root),
            actions=(Run(("mkdir", "-p", "--", path), root=root), *give),
        )


def _system_packages(case: Case) -> Iterator[Change]:
    """Debian packages whose programs are missing."""
    if not case.own_system:
        return
    wanted = needed_on(case.host) + ([CHRONY_NEEDED] if case.inventory.clock == "own" else [])
    packages = tuple(dict.fromkeys(one.package for one in wanted if not case.facts.programs[one.program]))
    if not packages:
        return
    if not case.facts.programs["apt-get"]:
        raise ProvisionError(
            f"{case.host.name}: there is no apt-get. Install with the system's own tools what Debian calls "
            f"{' '.join(packages)}, and run it again."
        )
    yield Change(
        step="system packages",
        text=f"install {', '.join(packages)}",
        root=True,
        actions=(InstallDebs(packages),),
    )


def _time(case: Case) -> Iterator[Change]:
    """chrony: nodes follow the server."""
    if case.inventory.clock == "shared" or not case.own_system:
        return
    path, text = chrony_file(case.inventory, case.host)
    yield from _file(case, "time synchronisation", path, text, service=CHRONY)
    if case.facts.programs[CHRONY_NEEDED.program] and _chrony_state(case) not in {"active", ""}:
        yield Change(
            step="time synchronisation",
            text="start chrony, now and with the host",
            root=True,
            record=EnabledService(name=CHRONY),
            actions=(Run(("systemctl", "enable", "--now", CHRONY), root=True),),
        )


def _chrony_state(case: Case) -> str:
    return case.facts.services[CHRONY]


def _limits(case: Case) -> Iterator[Change]:
    """So many open files as a server of many nodes needs."""
    if case.own_system and case.facts.open_files[0] < OPEN_FILES:
        text = limits_text(case.host.management.user, case.facts.open_files[1])
        hint = "sshd there must use PAM (UsePAM yes), and PAM pam_limits."
        yield from _file(case, "limits", LIMITS_FILE, text, anyway=True, hint=hint)


def _network(case: Case) -> Iterator[Change]:
    """Kernel settings where a host has several interfaces: now, and with every start."""
    devices = {one.device for one in case.host.interfaces.values()} | {case.host.management.device}
    if len(devices) < 2:
        return
    if case.own_system:
        yield from _file(case, "network settings", SETTINGS_FILE, settings_text())
    for key, value in SETTINGS.items():
        before = case.facts.settings[key]
        if before != value:
            yield Change(
                step="network settings",
                text=f"{key} = {value} (was {before})",
                root=True,
                record=ChangedSetting(key=key, before=before, after=value),
                actions=(Run(set_command(key, value), root=True),),
            )


def _virtual_environment(case: Case) -> Iterator[Change]:
    """A virtual environment that runs, of the host's own Python."""
    path = venv_path(case)
    venv = case.facts.venvs[path]
    if venv.kind == "venv" and venv.python == case.facts.python.markers["python_full_version"]:
        return
    if venv.kind == "venv" and not _is_ours(case, path):
        return  # complete, or it would not have been chosen
    if venv.kind == "other" and not _is_ours(case, path):
        raise ProvisionError(
            f"{case.host.name}: {path} is there, is no virtual environment, and was not made by provision. "
            "Move it away, or name another `python` or `work_folder` in the inventory."
        )
    make = Run(("sh", "-c", _MAKE_VENV, "venv", path, case.facts.python.path), timeout_s=VENV_S)
    unlink = (Run(("rm", "--", path)),) if venv.kind == "link" else ()
    yield Change(
        step="virtual environment",
        text=_venv_text(path, venv),
        root=False,
        record=MadeVenv(path=path, link=venv.link),
        actions=(*unlink, make),
    )


def _venv_text(path: str, venv: Venv) -> str:
    match venv.kind:
        case "link":
            return f"make {path}, where a link leads to {venv.link}"
        case "venv" | "other":
            return f"make {path} anew: it was made half, or its Python is not the host's any more"
    return f"make {path}"


def _python_packages(case: Case) -> Iterator[Change]:
    """The project's wheel and its pinned requirements, each whole."""
    path = venv_path(case)
    venv = case.facts.venvs[path]
    fresh = any(True for _ in _virtual_environment(case))
    faults = {one.name: "" for one in case.required.values()} if fresh else _faults(case.required, venv.installed)
    if not faults:
        return
    yield Change(
        step="Python packages",
        text=_packages_text(case.required, faults),
        root=False,
        actions=(InstallWheels(path, tuple(faults)),),
        hint="Of a file for another machine, the wheel belies its name: remove it from the wheelhouse.",
    )


def _packages_text(required: Mapping[str, Required], faults: Mapping[str, str]) -> str:
    project = required["fedprobe"]
    if len(faults) == len(required):
        return f"install fedprobe {project.version} and {len(required) - 1} requirements"
    told = [f"{name} {required[name].version}{f' ({fault})' if fault else ''}" for name, fault in faults.items()]
    return f"install {', '.join(told[:5])}{f' and {len(told) - 5} more' if len(told) > 5 else ''}"


def _faults(required: Mapping[str, Required], installed: Mapping[str, Installed]) -> dict[str, str]:
    """What is missing or not as it should be, each with what is wrong; nothing to say of what is not there at all."""
    found = {}
    for name, wanted in required.items():
        have = installed.get(name)
        if have is None:
            found[name] = ""
        elif have.fault:
            found[name] = have.fault
        elif have.version != wanted.version:
            found[name] = f"was {have.version}"
        elif wanted.content not in {None, have.content}:
            found[name] = "was of another source"
    return found


def _is_complete(case: Case, venv: Venv) -> bool:
    return venv.python is not None and not _faults(case.required, venv.installed)


def _is_ours(case: Case, path: str) -> bool:
    """By its mark, or by the host's record, where the mark was not written yet."""
    recorded = any(isinstance(one, MadeVenv) and one.path == path for one in case.manifest.records)
    return case.facts.venvs[path].ours or recorded


def _file(
    case: Case,
    step: str,
    path: str,
    text: str,
    *,
    service: str | None = None,
    anyway: bool = False,
    hint: str = BY_HAND,
) -> Iterator[Change]:
    """A file of root's with this text. `anyway`: write it though it is there, for it did not work."""
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    if case.facts.files[path] == sha256 and not anyway:
        return
    restart = Run(("systemctl", "try-restart", service or ""), root=True)
    reads = bool(service and case.facts.services[service])
    yield Change(
        step=step,
        text=f"write {path}",
        root=True,
        record=WroteFile(path=path, sha256=sha256, service=service),
        hint=hint,
        actions=(Write(path, text), *((restart,) if reads else ())),
    )


# $1 is the place, $2 the interpreter. The folder stays: its parent may be root's. The mark first, so that what is cut
# off here is known as ours.
_MAKE_VENV = """
mkdir -p -- "$1" && find "$1" -mindepth 1 -delete && : >"$1/.fedprobe" && exec "$2" -I -m venv --without-pip "$1"
"""

STEPS: Sequence[Step] = (_folders, _system_packages, _time, _limits, _network, _virtual_environment, _python_packages)
