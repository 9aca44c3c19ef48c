"""The emulated testbed of an ordinary user: every command that needs root runs again where this user is root.

That is a user namespace with a network, a mount and a process namespace below it, one for each user, held by a
process for as long as a testbed stands in it. What is root's on the machine stays out of reach: there is no real-time
priority, and no priority above that of other programs.

Source: user_namespaces(7), pid_namespaces(7), setns(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from instrument.clock import sleep_s
from testbed.capabilities import WITHOUT_EMULATION
from testbed.emulation import processes
from testbed.emulation.ownership import REGISTRY, STATE_VARIABLE, this_prefix
from testbed.errors import MissingCapabilityError, NeedsRootError

_NAMESPACES = {"user": 0x10000000, "mnt": 0x00020000, "net": 0x40000000, "pid_for_children": 0x20000000}
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
# /run is the namespaces' own: the machine's belongs to root
_HOLDER_SCRIPT = """
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
echo ready
exec sleep infinity >/dev/null 2>&1
"""
_NOR = "Nor can it be done without root:"
_SWITCHES = {
    "user.max_user_namespaces": ("0", "15000"),
    "kernel.unprivileged_userns_clone": ("0", "1"),  # Debian's and Arch's kernels
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),  # Ubuntu's, from 23.10 on
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that holds a user's namespaces; its pid alone may be another process by now."""

    pid: int
    start_ticks: int
    boot_id: str

    @property
    def lives(self) -> bool:
        """Whether it still runs."""
        return self.boot_id == processes.boot_id() and processes.start_ticks(self.pid) == self.start_ticks


def is_rootless() -> bool:
    """Whether root here is an ordinary user outside: the only user there is, so that nobody else can be become."""
    words = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
    return words[2:] == ["1"]


def holds_a_testbed() -> bool:
    """Whether namespaces of this ordinary user stand, and a testbed in them."""
    if os.geteuid() == 0:
        return False
    holder = _recorded(_folder())
    return holder is not None and holder.lives


def run_again(arguments: Sequence[str], needed: NeedsRootError) -> NoReturn:
    """Become a process that runs this command in the user's namespaces.

    Raises MissingCapabilityError where this system makes none.
    """
    try:
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "making", fcntl.LOCK_EX):
            if (holder := _recorded(folder)) is None or not holder.lives:
                _record(folder, _held())
    except OSError as error:
        raise MissingCapabilityError(
            f"{needed} {_NOR} {error.filename}: {error.strerror}. Name a folder of your own: {STATE_VARIABLE}=DIR. "
            f"{WITHOUT_EMULATION}"
        ) from error
    except _RefusedError as error:
        raise MissingCapabilityError(f"{needed} {_NOR} {error} {WITHOUT_EMULATION}") from None
    sys.stdout.flush()
    importable = os.pathsep.join([this_prefix(), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, STATE_VARIABLE: str(folder), "PYTHONPATH": importable}
    os.execve(sys.executable, _python("testbed.emulation.rootless", arguments), environment)


def refusal(switches: Mapping[str, str], said: str) -> str:
    """Why this system makes no user namespace, and the remedy. Pure.

    `switches` are the kernel's settings that there are, `said` is what the attempt complained about.
    """
    for name, (off, on) in _SWITCHES.items():
        if switches.get(name) == off:
            return (
                f"{name} = {off} keeps ordinary users from making user namespaces. Allow it: sudo sysctl {name}={on}"
            )
    return (
        f"no user namespace can be made or set up here ({said}), as in most containers. "
        "Use the machine itself, or a container with --security-opt seccomp=unconfined and an unmasked /proc"
    )


class _RefusedError(Exception):
    """This system makes no user namespaces for this user."""


def _folder() -> Path:
    home = os.environ.get("HOME") or "/nonexistent"
    base = os.environ.get("XDG_STATE_HOME") or f"{home}/.local/state"
    return Path(os.environ.get(STATE_VARIABLE) or f"{base}/fedprobe").absolute()


def _held() -> Holder:
    """A new holder. Raises _RefusedError."""
    spaces = ["--user", "--map-root-user", "--net", "--mount", "--pid", "--mount-proc"]
    argv = ["unshare", *spaces, "--fork", "--kill-child", "sh", "-ec", _HOLDER_SCRIPT]
    path = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
    process = subprocess.Popen(
        argv,
        env={"PATH": path, "LANG": "C.UTF-8"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = []
    with process.stdout as stream:
        for line in stream:
            said.append(line.strip())
            if said[-1] == "ready":
                break
    if said[-1:] != ["ready"]:
        process.kill()
        process.wait()
        raise _RefusedError(f"{refusal(_switches(), '; '.join(said) or 'no message')}.")
    return Holder(pid=process.pid, start_ticks=processes.start_ticks(process.pid) or 0, boot_id=processes.boot_id())


def _switches() -> dict[str, str]:
    found = {}
    for name in _SWITCHES:
        with contextlib.suppress(OSError):
            found[name] = Path("/proc/sys", *name.split(".")).read_text(encoding="ascii").strip()
    return found


def _recorded(folder: Path) -> Holder | None:
    try:
        return Holder(**json.loads((folder / "holder.json").read_text(encoding="ascii")))
    except (OSError, ValueError, TypeError):
        return None


def _record(folder: Path, holder: Holder) -> None:
    (folder / "holder.json").write_text(json.dumps(asdict(holder)), encoding="ascii")


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        os.close(descriptor)


def main(arguments: Sequence[str]) -> int:
    """Run fedprobe in the namespaces of this user's holder, and end the holder when nothing stands there any more.

    Needs a process with one thread, which is why it is a program of its own. Returns fedprobe's exit code.
    """
    folder = _folder()
    with _locked(folder / "users", fcntl.LOCK_SH) as users:
        holder = _recorded(folder)
        if holder is None or not holder.lives:
            print("fedprobe: this user's namespaces have ended meanwhile. Run the command again.", file=sys.stderr)
            return 1
        code = _inside(holder, arguments)
        with contextlib.suppress(BlockingIOError), _locked(folder / "making", fcntl.LOCK_EX):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody else is in there, or on the way
            if not REGISTRY.exists():
                os.kill(holder.pid, signal.SIGKILL)
                _wait_for_its_processes()
                (folder / "holder.json").unlink(missing_ok=True)
    return code


def _inside(holder: Holder, arguments: Sequence[str]) -> int:
    here = Path.cwd()
    descriptors = {
        os.open(f"/proc/{holder.pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC): kind
        for name, kind in _NAMESPACES.items()
    }
    for descriptor, kind in descriptors.items():
        if _LIBC.setns(descriptor, kind):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), f"/proc/{holder.pid}/ns")
    os.chdir(here)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        os.execv(sys.executable, _python("testbed.cli", arguments))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: os.kill(child, number))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _wait_for_its_processes() -> None:
    """Until the process namespace whose /proc is seen here is empty."""
    for _ in range(500):
        if not any(path.name.isdigit() for path in Path("/proc").iterdir()):
            return
        sleep_s(0.01)


def _python(module: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-P", "-m", module, *arguments]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
