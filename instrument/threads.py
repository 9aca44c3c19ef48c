"""The kernel's number of the calling thread, asked once a thread: each time would be a system call."""

from __future__ import annotations

import os
import threading


class _Own(threading.local):
    """What belongs to the thread that looks; made for each thread when it first does."""

    def __init__(self) -> None:
        self.native_id = threading.get_native_id()


_OWN = _Own()


def native_id() -> int:
    """As `threading.get_native_id`."""
    return _OWN.native_id


def _renew() -> None:
    _OWN.native_id = threading.get_native_id()


# the thread that forks lives on in the child, under another number
os.register_at_fork(after_in_child=_renew)
