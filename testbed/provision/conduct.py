"""Makes hosts ready, all at once, and takes back what was made: here facts, steps and wheels meet the hosts."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from testbed.errors import FedprobeError, ProvisionError
from testbed.every_host import on_every_host
from testbed.inventory import Host, Inventory
from testbed.login import login_to
from testbed.provision.changes import Action, Change, InstallDebs, InstallWheels, Run, Write, shown
from testbed.provision.debs import UPDATE, foreseen, simulation
from testbed.provision.declared import manifest_path, wheel_folder
from testbed.provision.facts import look, program_text
from testbed.provision.manifest import MadeFolder, Manifest, Record, read_manifest
from testbed.provision.progress import HostsProgress
from testbed.provision.report import Done, HostReport
from testbed.provision.steps import Case, plan, remarks
from testbed.provision.target import target_of
from testbed.provision.undo import apt_install, needs_root, taken_back_text, taking_back
from testbed.provision.wheelhouse import Wheelhouse
from testbed.shell import Shell
from testbed.ssh import connect

_Work = Callable[[Host, HostReport], None]
COMMAND_S = 60.0
INSTALL_S = 1800.0
ROUNDS = 2
"""What a first round installs, such as a service, may leave something for a second one."""


@dataclass(frozen=True, slots=True)
class Provisioning:
    """One run over the hosts of an inventory."""

    inventory: Inventory
    wheelhouse: Wheelhouse
    progress: HostsProgress

    def provision(self, hosts: Sequence[Host]) -> list[HostReport]:
        """Make the hosts ready; a host that fails says so in its report, and holds up no other."""
        return self._on(hosts, self._provision)

    def plan(self, hosts: Sequence[Host]) -> list[HostReport]:
        """What would be done; nothing is changed on any host."""
        return self._on(hosts, self._plan)

    def undo(self, hosts: Sequence[Host]) -> list[HostReport]:
        """Take back what the hosts' own records say, the last first."""
        return self._on(hosts, self._undo)

    def _on(self, hosts: Sequence[Host], work: _Work) -> list[HostReport]:
        def one(host: Host) -> HostReport:
            report = HostReport(host=host.name)
            try:
                work(host, report)
            except (FedprobeError, OSError) as error:
                text = " ".join(str(error).split())
                report.error = text if text.startswith(f"{host.name}:") else f"{host.name}: {text}"
            self.progress.ended(host.name, f"{len(report.changes)} changes{', failed' if report.error else ''}")
            return report

        return list(on_every_host(hosts, one).required().values())

    def _plan(self, host: Host, report: HostReport) -> None:
        with connect(login_to(self.inventory, host)) as shell:
            case = self._case(shell, host)
        report.remarks += remarks(case)
        report.changes += [_done(one, tuple(map(shown, one.actions))) for one in plan(case)]

    def _provision(self, host: Host, report: HostReport) -> None:
        before: list[str] = []
        for number in range(ROUNDS + 1):
            # a login of its own for each round: limits are given at the login
            with connect(login_to(self.inventory, host)) as shell:
                case = self._case(shell, host)
                changes = plan(case)
                _refuse_vain(host, changes, before, last=number == ROUNDS)
                if not changes:
                    break
                self.progress.found(host.name, len(changes))
                _Maker(self, shell, case, report).make(changes)
            before = [one.text for one in changes]
        report.remarks += remarks(case)

    def _undo(self, host: Host, report: HostReport) -> None:
        path = manifest_path(host)
        with connect(login_to(self.inventory, host)) as shell:
            manifest = read_manifest(shell.read_text(path), host.name)
            self.progress.found(host.name, len(manifest.records))
            while manifest.records:
                record, manifest = manifest.records[-1], manifest.without_last()
                if _holds_manifest(record, host):  # which is a host's first change, and goes when it is empty
                    shell.check(["rm", "-f", "--", path], timeout_s=COMMAND_S)
                    self._take_back(shell, host, report, record)
                    return
                self._take_back(shell, host, report, record)
                keep_manifest(shell, host, manifest)
            shell.check(["rm", "-f", "--", path], timeout_s=COMMAND_S)

    def _take_back(self, shell: Shell, host: Host, report: HostReport, record: Record) -> None:
        text = taken_back_text(record)
        self.progress.doing(host.name, text)
        for run in taking_back(record):
            done = shell.check(run.argv, timeout_s=run.timeout_s, sudo=run.root)
            if run.argv[0] == "sh":
                report.remarks += done.text.splitlines()
        report.changes.append(Done(step=record.kind, text=text, root=needs_root(record)))
        self.progress.made(host.name)

    def _case(self, shell: Shell, host: Host) -> Case:
        facts = look(shell, host)
        target_of(facts.python, host.name)
        return Case(
            inventory=self.inventory,
            host=host,
            facts=facts,
            manifest=read_manifest(facts.manifest, host.name),
            required=self.wheelhouse.required(facts.python),
        )


class _Maker:
    """Makes the changes of one round on one host, and keeps the host's record of them."""

    def __init__(self, run: Provisioning, shell: Shell, case: Case, report: HostReport) -> None:
        self._run = run
        self._shell = shell
        self._case = case
        self._report = report
        self._manifest = case.manifest

    def make(self, changes: Sequence[Change]) -> None:
        """All of them, in order."""
        host = self._case.host
        for change in changes:
            self._run.progress.doing(host.name, f"{change.step}: {change.text}")
            if change.record is not None and not _holds_manifest(change.record, host):
                self._remember(change.record)
            for action in change.actions:
                self._do(action)
            if change.record is not None and _holds_manifest(change.record, host):
                self._remember(change.record)
            self._report.changes.append(_done(change))
            self._run.progress.made(host.name)

    def _do(self, action: Action) -> None:
        match action:
            case Run(argv=argv, root=root, timeout_s=timeout_s):
                self._shell.check(argv, timeout_s=timeout_s, sudo=root)
            case Write(path=path, text=text):
                self._write(path, text)
            case InstallDebs(packages=packages):
                self._install_debs(packages)
            case InstallWheels(venv=venv, names=names):
                self._install_wheels(venv, names)

    def _write(self, path: str, text: str) -> None:
        """By way of the user's own folder: sftp is not root's."""
        near = posixpath.join(self._case.host.work_folder, "provision.file")
        self._shell.write_text(near, text)
        copy = ["install", "-D", "-m", "644", "-o", "root", "-g", "root", "--", near, path]
        self._shell.check(copy, timeout_s=COMMAND_S, sudo=True)
        self._shell.check(["rm", "--", near], timeout_s=COMMAND_S)

    def _install_debs(self, packages: tuple[str, ...]) -> None:
        """Lists of packages are fetched anew where the simulation does not know one."""
        simulate = simulation(packages)
        told = self._shell.run(simulate.argv, timeout_s=simulate.timeout_s)
        if told.status:
            self._shell.check(UPDATE.argv, timeout_s=UPDATE.timeout_s, sudo=UPDATE.root)
            told = self._shell.check(simulate.argv, timeout_s=simulate.timeout_s)
        self._remember(foreseen(told.text))
        install = apt_install(packages)
        self._shell.check(install.argv, timeout_s=install.timeout_s, sudo=install.root)

    def _install_wheels(self, venv: str, names: tuple[str, ...]) -> None:
        case = self._case
        required = [case.required[name] for name in names]
        archive = self._run.wheelhouse.archive(target_of(case.facts.python, case.host.name), required)
        folder = wheel_folder(case.host)
        there = f"{folder}.zip"
        self._shell.put(archive, there)
        asked = json.dumps({"archive": there, "folder": folder, "venv": venv})
        command = [case.facts.python.path, "-I", "-c", program_text("install"), asked]
        done = self._shell.run(command, timeout_s=INSTALL_S)
        if done.status:
            raise ProvisionError(
                f"{case.host.name}: the wheels cannot be installed into {venv}: {done.complaint}. "
                "Look for room on its disk; a damaged wheel is removed from the wheelhouse by hand."
            )

    def _remember(self, record: Record) -> None:
        self._manifest = self._manifest.with_record(record)
        keep_manifest(self._shell, self._case.host, self._manifest)


def keep_manifest(shell: Shell, host: Host, manifest: Manifest) -> None:
    """Replace a host's record of changes at once."""
    path = manifest_path(host)
    shell.write_text(f"{path}.new", manifest.model_dump_json(indent=2) + "\n")
    shell.check(["mv", "--", f"{path}.new", path], timeout_s=COMMAND_S)


def _refuse_vain(host: Host, changes: Sequence[Change], before: Sequence[str], *, last: bool) -> None:
    for change in changes:
        if last or change.text in before:
            raise ProvisionError(
                f"{host.name}: {change.step}: it was done, and is still to be done: {change.text}. {change.hint}"
            )


def _holds_manifest(record: Record, host: Host) -> bool:
    return isinstance(record, MadeFolder) and record.path == host.work_folder


def _done(change: Change, commands: tuple[str, ...] = ()) -> Done:
    return Done(step=change.step, text=change.text, root=change.root, commands=commands)
