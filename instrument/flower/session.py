"""The probe of this process. Hooks reach it through `probe()`, so that none of them holds state of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, TypeVarTuple

from instrument.identity import command_line, segment_header
from instrument.probe import Probe
from instrument.spool import SegmentWriter, segment_name

Given = TypeVarTuple("Given")
Made = TypeVar("Made")


class _Session:
    role: str = "other"
    probe: Probe | None = None
    pid: int = 0


def start(role: str) -> Probe:
    """Make this process's probe and start its writer."""
    _Session.role = role
    return _renew()


def probe() -> Probe:
    """This process's probe; a forked process gets its own."""
    current = _Session.probe
    if current is None or _Session.pid != os.getpid():
        return _renew()
    return current


def guarded(call: Callable[[*Given], Made], *arguments: *Given) -> Made | None:
    """What a piece of the probe's own work returns; None where it raises, which is recorded and goes no further.

    Hooks run inside Flower's calls: this stands around everything of theirs that is more than reading a clock.
    """
    try:
        return call(*arguments)
    except Exception as error:
        _tell(getattr(call, "__qualname__", "probe"), error)
        return None


def _tell(where: str, error: Exception) -> None:
    with suppress(Exception):
        probe().fault(where, error)


def _renew() -> Probe:
    _Session.pid = os.getpid()
    _Session.probe = Probe(_open_writer)
    with suppress(RuntimeError):  # no more threads: what is recorded is written when the process ends
        _Session.probe.start()
    return _Session.probe


def _open_writer() -> SegmentWriter:
    from pathlib import Path

    header = segment_header(_Session.role, os.environ, command_line())
    return SegmentWriter(Path(os.environ["FEDPROBE_OUT"]) / segment_name(header), header)
