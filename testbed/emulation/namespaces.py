"""Network namespaces: make, enter from a thread of its own, remove.

The caller's thread never changes its namespace: work inside one runs on a thread that ends there. Named
namespaces are the files below /run/netns that `ip netns` knows too.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from instrument.clock import SystemClock, sleep_s
from testbed.errors import EmulationError

FOLDER = Path("/run/netns")
_THIS_THREAD = "/proc/thread-self/ns/net"
_CLONE_NEWNET = 0x40000000  # Source: linux/sched.h
_MS_BIND = 0x1000  # Source: linux/mount.h
_MNT_DETACH = 2
_ADOPT_TIMEOUT_S = 10.0
_POLL_S = 0.005
_LIBC = ctypes.CDLL(None, use_errno=True)
T = TypeVar("T")


def create(name: str) -> None:
    """Make a named namespace. Raises EmulationError where the kernel refuses."""
    FOLDER.mkdir(mode=0o755, exist_ok=True)
    path = FOLDER / name
    path.touch(mode=0o444, exist_ok=False)
    on_own_thread(lambda: _bind_new_namespace(path))


def adopt(name: str, pid: int) -> None:
    """Name the namespace that a process makes for itself, as soon as it has. Raises EmulationError."""
    FOLDER.mkdir(mode=0o755, exist_ok=True)
    path = FOLDER / name
    path.touch(mode=0o444, exist_ok=False)
    theirs, mine = Path(f"/proc/{pid}/ns/net"), Path(_THIS_THREAD).readlink()
    clock = SystemClock()
    deadline_ns = clock.mono_ns() + int(_ADOPT_TIMEOUT_S * 1e9)
    while _link(theirs) in {mine, None}:
        if _link(theirs) is None or clock.mono_ns() > deadline_ns:
            raise EmulationError(f"{name}: process {pid} makes no network namespace. See sshd.log of that host.")
        sleep_s(_POLL_S)
    bound = _LIBC.mount(os.fsencode(theirs), os.fsencode(path), b"none", _MS_BIND, None)
    _checked(bound, f"bind the namespace to {path}")


def remove(name: str) -> None:
    """Remove a named namespace; nothing happens where there is none or only a part of one."""
    path = FOLDER / name
    while _LIBC.umount2(os.fsencode(path), _MNT_DETACH) == 0:
        pass
    path.unlink(missing_ok=True)


def _link(path: Path) -> Path | None:
    with contextlib.suppress(OSError):
        return path.readlink()
    return None


def exists(name: str) -> bool:
    """Whether a namespace has that name."""
    return (FOLDER / name).exists()


def names(prefix: str) -> list[str]:
    """The named namespaces whose name begins with `prefix`."""
    return sorted(path.name for path in FOLDER.glob(f"{prefix}*"))


def identity(name: str) -> int | None:
    """What /proc/PID/ns/net of a process inside shows; None for a name that was never bound."""
    try:
        found = (FOLDER / name).stat()
    except OSError:
        return None
    return found.st_ino if found.st_dev != FOLDER.stat().st_dev else None


@contextlib.contextmanager
def opened(name: str) -> Iterator[int]:
    """A file descriptor of a named namespace."""
    descriptor = os.open(FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def inside(name: str, action: Callable[[], T]) -> T:
    """What `action` returns when it runs in a namespace; processes it starts are born there."""

    def entered() -> T:
        with opened(name) as descriptor:
            _checked(_LIBC.setns(descriptor, _CLONE_NEWNET), f"enter the namespace {name}")
        return action()

    return on_own_thread(entered)


def inside_scratch(action: Callable[[], T]) -> T:
    """What `action` returns in a nameless namespace that is gone afterwards: for trying what the kernel can."""

    def entered() -> T:
        _checked(_LIBC.unshare(_CLONE_NEWNET), "make a network namespace")
        return action()

    return on_own_thread(entered)


def on_own_thread(action: Callable[[], T]) -> T:
    """Run `action` on a new thread and hand over its result or its exception."""
    results: list[T] = []
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            results.append(action())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=guarded, name="fedprobe-namespace", daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def write_sysctl(key: str, value: str) -> None:
    """Set a network sysctl of this thread's namespace; a key this kernel does not have is left out."""
    path = Path("/proc/sys") / key.replace(".", "/")
    if path.exists():
        path.write_text(value, encoding="ascii")


def _bind_new_namespace(path: Path) -> None:
    _checked(_LIBC.unshare(_CLONE_NEWNET), "make a network namespace")
    bound = _LIBC.mount(_THIS_THREAD.encode(), os.fsencode(path), b"none", _MS_BIND, None)
    _checked(bound, f"bind the namespace to {path}")


def _checked(status: int, what: str) -> None:
    if status == 0:
        return
    number = ctypes.get_errno()
    advice = "Run as root on a machine that allows network namespaces."
    cause = f"{os.strerror(number)} ({errno.errorcode.get(number, number)})"
    raise EmulationError(f"cannot {what}: {cause}. {advice}")
