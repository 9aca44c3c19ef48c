"""Processes with all that they started, and signals to their sessions."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

import psutil


def family(pid: int) -> list[psutil.Process]:
    """The process and all its descendants; none if it has gone."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal the process's session, which exists as long as one of its members does."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
