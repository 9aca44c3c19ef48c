"""Hosts of an emulated testbed: own network, mount, pid, uts and time namespaces, and a real sshd inside.

A host sees the machine's file system, apart from: its own passwd and shadow (root's home is a folder of the
testbed), its own host names, an empty /run, and its own processes under /proc. Its monotonic clock has an
offset of its own, so that whoever subtracts timestamps of two hosts is found out.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from instrument.clock import SystemClock, sleep_s
from testbed.emulation import namespaces, programs
from testbed.emulation.addresses import Topology, management_address
from testbed.emulation.cpu_limit import inside_group
from testbed.errors import EmulationError

SSH_PORT = 22
_ROOTLESS_ID = 1000  # not 0: as root sshd changes its identity, and here there is no other
_OFFSETS_S = range(100_000, 10_000_000)  # 1 to 115 days
_READY_TIMEOUT_S = 15.0
_POLL_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """One host. `monotonic_offset_s` is None where the kernel or unshare has no time namespaces."""

    name: str
    namespace: str
    folder: Path
    address: str  # on the management network
    monotonic_offset_s: int | None
    rootless: bool = False  # its root is an ordinary user, who alone can log in there

    @property
    def user(self) -> str:
        """Who logs in."""
        return "pi" if self.rootless else "root"

    @property
    def home(self) -> Path:
        """Home folder of root."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """What TMPDIR names in SSH sessions."""
        return self.folder / "tmp"

    @property
    def work(self) -> Path:
        """Where fedprobe may keep its files on this host."""
        return self.home / "fedprobe"

    @property
    def venv(self) -> Path:
        """Where Python is: a link to the controller's own at first; `fedprobe provision` makes a real one there."""
        return self.work / "venv"

    @property
    def log(self) -> Path:
        """What sshd and the start script say."""
        return self.folder / "sshd.log"


def host_plans(
    topology: Topology, folder: Path, seed: int, *, time_namespaces: bool, rootless: bool = False
) -> tuple[HostPlan, ...]:
    """The hosts of a topology; the same seed gives the same clock offsets."""
    random = Random(seed)  # noqa: S311 (clock offsets, not secrets)
    offsets_s = random.sample(_OFFSETS_S, len(topology.hosts))
    return tuple(
        HostPlan(
            name=host,
            namespace=topology.namespace(host),
            folder=folder / "hosts" / host,
            address=management_address(host),
            monotonic_offset_s=offset_s if time_namespaces else None,
            rootless=rootless,
        )
        for host, offset_s in zip(topology.hosts, offsets_s, strict=True)
    )


def kernel_has_time_namespaces() -> bool:
    """Whether `unshare --time` works here, tried."""
    argv = ["unshare", "--time", "--monotonic", "1", "--boottime", "1", "--fork", "true"]
    return subprocess.run(argv, env=programs.environment(""), capture_output=True, check=False).returncode == 0


def write_files(plan: HostPlan, plans: Sequence[HostPlan], controller_key: str) -> None:
    """Everything the host reads when it starts, but its host key."""
    for folder in (plan.home, plan.temporary, plan.work):
        folder.mkdir(parents=True, exist_ok=True)
    plan.venv.symlink_to(Path(sys.executable).parent.parent)
    for folder in (plan.folder, plan.home):
        folder.chmod(0o700)
    texts = {
        "passwd": passwd(Path("/etc/passwd").read_text(encoding="utf-8"), plan.user, plan.home),
        "shadow": f"{plan.user}:*:19000:0:99999:7:::\nsshd:!:19000::::::\n",
        "hosts": host_table(plans),
        "authorized_keys": f"{controller_key} fedprobe-controller\n",
        "sshd_config": sshd_config(plan),
        "start.sh": start_script(plan),
    }
    for name, text in texts.items():
        path = plan.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600 if name == "shadow" else 0o644)


def passwd(original: str, user: str, home: Path) -> str:
    """The machine's users, with `user` living in `home` and using sh. Pure."""
    number = 0 if user == "root" else _ROOTLESS_ID
    others = [line for line in original.splitlines() if line and not line.startswith(f"{user}:")]
    return "\n".join([f"{user}:x:{number}:{number}:{user}:{home}:/bin/sh", *others, ""])


def host_table(plans: Sequence[HostPlan]) -> str:
    """/etc/hosts: every host by its management address. Pure."""
    return "127.0.0.1 localhost\n" + "".join(f"{plan.address} {plan.name}\n" for plan in plans)


def sshd_config(plan: HostPlan) -> str:
    """Key login on the management address, and nothing else. Pure."""
    return f"""\
ListenAddress {plan.address}:{SSH_PORT}
HostKey {plan.folder}/host_key
AuthorizedKeysFile {plan.folder}/authorized_keys
StrictModes no
AllowUsers {plan.user}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PidFile none
PrintMotd no
MaxStartups 100
MaxSessions 100
SetEnv TMPDIR={plan.temporary}
Subsystem sftp internal-sftp
"""


def start_script(plan: HostPlan) -> str:
    """What the host's first process does before it becomes sshd. Pure.

    The mounts of other namespaces are let go: a copy kept here would keep the links of a testbed that is gone.
    """
    binds = "".join(
        f"mount --bind '{plan.folder}/{name}' /etc/{name}\n"
        for name in ("passwd", "shadow", "hosts")
        if Path(f"/etc/{name}").exists()
    )
    # an ordinary user makes the network namespace here, so that its addresses come later
    named = f"hostname {plan.name}" if plan.rootless else f"echo {plan.name} > /proc/sys/kernel/hostname"
    wait = f"until ip -o -4 address | grep -qF ' {plan.address}/'; do sleep 0.02; done\n" if plan.rootless else ""
    return f"""\
set -eu
{named}
umount -a -l -t nsfs || true
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd /run/lock
{binds}\
{wait}\
cd '{plan.home}'
exec {sshd_program()} -D -e -f '{plan.folder}/sshd_config'
"""


def sshd_program() -> str:
    """sshd by its full path, which it insists on."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "/usr/sbin/sshd"


def unshare_command(plan: HostPlan) -> list[str]:
    """The program that makes the host's namespaces and starts it there. Pure."""
    offset_s = plan.monotonic_offset_s
    clock = [] if offset_s is None else ["--time", f"--monotonic={offset_s}", f"--boottime={offset_s}"]
    own = ["--user", f"--map-user={_ROOTLESS_ID}", f"--map-group={_ROOTLESS_ID}", "--keep-caps", "--net"]
    spaces = [*(own if plan.rootless else []), "--mount", "--pid", "--uts", *clock]
    return ["unshare", *spaces, "--fork", "--kill-child", "--mount-proc", "sh", f"{plan.folder}/start.sh"]


def start(plan: HostPlan, testbed_id: str, group: Path | None = None) -> int:
    """Start a host, in a control group where one is given; returns the pid of its `unshare`, which outlives us."""
    argv = unshare_command(plan)
    argv = argv if group is None else inside_group(group, argv)
    if not plan.rootless:
        return spawn(argv, plan.namespace, testbed_id, log=plan.log, extra={})
    pid = spawn(argv, None, testbed_id, log=plan.log, extra={})
    namespaces.adopt(plan.namespace, pid)
    return pid


def spawn(argv: Sequence[str], namespace: str | None, testbed_id: str, *, log: Path, extra: Mapping[str, str]) -> int:
    """Start a process in a namespace (None: in this one), in a session of its own, with its output in `log`.

    Returns its pid.
    """
    writing = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), writing, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    environment = {**programs.environment(testbed_id), **extra}

    def started() -> int:
        return os.posix_spawnp(argv[0], list(argv), environment, file_actions=actions, setsid=True)

    return started() if namespace is None else namespaces.inside(namespace, started)


def wait_until_reachable(plans: Sequence[HostPlan], controller_namespace: str) -> None:
    """Until every host's sshd answers on the management network. Raises EmulationError with the host's log."""

    def wait() -> None:
        clock = SystemClock()
        deadline_ns = clock.mono_ns() + int(_READY_TIMEOUT_S * 1e9)
        for plan in plans:
            while not _answers(plan.address):
                if clock.mono_ns() > deadline_ns:
                    raise _unreachable(plan)
                sleep_s(_POLL_S)

    namespaces.inside(controller_namespace, wait)


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, SSH_PORT), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _unreachable(plan: HostPlan) -> EmulationError:
    said = plan.log.read_text(encoding="utf-8", errors="replace").strip() if plan.log.exists() else ""
    return EmulationError(
        f"{plan.name}: sshd does not answer at {plan.address}:{SSH_PORT} after {_READY_TIMEOUT_S:.0f} s. "
        f"It said: {said[-500:] or 'nothing'}. Correct that and run up again."
    )
