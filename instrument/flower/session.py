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


def start(role: str) -> Probe:
    """Make this process's probe and start its writer."""
    _Session.role = role
    return _renew()


def probe() -> Probe:
    """This process's probe; a forked process gets its own."""
    return _Session.probe or _renew()


def guarded(call: Callable[[*Given], Made], *arguments: *Given) -> Made | None:
    """What a piece of the probe's own work returns; None where it raises, which is recorded and goes no further.

    Hooks run inside Flower's calls: this stands around everything of theirs that is more than reading a clock.
    """
    try:
        return call(*arguments)
    except Exception as error:
        tell(call, error)
        return None


def tell(call: Callable[..., object], error: Exception) -> None:
    """Record that a piece of the probe's own work raised. Never raises.

    What is done several times a request calls this from a `try` of its own, as `guarded` costs a call each time.
    """
    with suppress(Exception):
        probe().fault(getattr(call, "__qualname__", "probe"), error)


def _renew() -> Probe:
    _Session.probe = Probe(_open_writer)
    with suppress(RuntimeError):  # no more threads: what is recorded is written when the process ends
        _Session.probe.start()
    return _Session.probe


def _open_writer() -> SegmentWriter:
    from pathlib import Path

    header = segment_header(_Session.role, os.environ, command_line())
    return SegmentWriter(Path(os.environ["FEDPROBE_OUT"]) / segment_name(header), header)


def _forget() -> None:
    _Session.probe = None


# a forked process has no writer's thread, and its records are not its parent's
os.register_at_fork(after_in_child=_forget)
