"""Installs the probes in one Flower process: its priority, the hooks for its role, and the way out."""

from __future__ import annotations

import atexit
import os
import signal
import threading
from types import FrameType
from typing import NoReturn

from instrument.flower import importing, session
from instrument.flower.gc_pauses import record_pauses
from instrument.flower.names import SUPPORTED, hooks_for
from instrument.flower.priority import PRIORITY, set_priority
from instrument.identity import package_version
from instrument.probe import described
from instrument.records import Hook

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)


def install(role: str) -> None:
    """Called once, by `bootstrap/sitecustomize.py`, before anything else is imported."""
    refused = set_priority(role, os.environ)  # first: the writer's thread keeps the priority it is born with
    probe = session.start(role)
    if refused:
        probe.fault(PRIORITY, refused)
    _close_on_exit()
    version = package_version("flwr")
    if not _supported(version):
        probe.fault("flwr", f"flwr {version} is not supported (>= {SUPPORTED[0]}, < {SUPPORTED[1]}): nothing hooked")
        return
    record_pauses()
    importing.install(hooks_for(role), _record_hook)


def _record_hook(name: str, error: BaseException | None) -> None:
    probe = session.probe()
    reason = None if error is None else described(error)
    probe.emit(Hook(name=name, mono_ns=probe.clock.mono_ns(), found=error is None, error=reason))
    if error is not None:
        probe.fault(f"hook {name}", error)


def _supported(version: str | None) -> bool:
    if version is None:
        return False
    major_minor = tuple(int(part) for part in version.split(".")[:2])
    low, high = (tuple(int(part) for part in bound.split(".")) for bound in SUPPORTED)
    return low <= major_minor < high


def _close() -> None:
    """The probe's last act in a process that is about to end: no signal but KILL cuts its trailer short."""
    _ignore_ending_signals()
    session.probe().close()


def _ignore_ending_signals() -> None:
    """Ignore from here on what would raise in the main thread, the one that Python's signal handlers run in.

    Flower's processes send themselves SIGINT some tenths of a second after their parent has gone, when they are on
    their way out themselves.
    """
    if threading.current_thread() is threading.main_thread():
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)


def _close_and_die(number: int, _frame: FrameType | None) -> None:
    """For servers that end by SIGTERM's default action (uvicorn raises it again at its end): no atexit runs then."""
    _close()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _close_on_exit() -> None:
    leave = os._exit

    def leave_with_records(status: int) -> NoReturn:
        session.guarded(_close)
        leave(status)

    os._exit = leave_with_records
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # who was told to ignore it goes on ignoring it
        signal.signal(signal.SIGTERM, _close_and_die)
    atexit.register(_close)
    atexit.register(_ignore_ending_signals)  # runs first: a signal that came before raises there, and not in `_close`
