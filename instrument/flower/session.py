"""The probe of this process. Hooks reach it through `probe()`, so that none of them holds state of its own."""

from __future__ import annotations

import os

from instrument.identity import command_line, segment_header
from instrument.probe import Probe
from instrument.spool import SegmentWriter, segment_name


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


def _renew() -> Probe:
    _Session.pid = os.getpid()
    _Session.probe = Probe(_open_writer)
    _Session.probe.start()
    return _Session.probe


def _open_writer() -> SegmentWriter:
    from pathlib import Path

    header = segment_header(_Session.role, os.environ, command_line())
    return SegmentWriter(Path(os.environ["FEDPROBE_OUT"]) / segment_name(header), header)
