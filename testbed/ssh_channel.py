"""Channels of an SSH connection, none of which waits for ever."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paramiko import Channel, Transport

CHANNEL_TIMEOUT_S = 15.0


def open_channel(transport: Transport, timeout_s: float = CHANNEL_TIMEOUT_S) -> Channel:
    """A channel for one command or for sftp.

    Raises TimeoutError, and SSHException, OSError or EOFError where the connection has ended.
    """
    from paramiko import SSHException

    try:
        return transport.open_session(timeout=timeout_s)
    except SSHException as error:
        if transport.is_active() and "Timeout" in str(error):
            raise TimeoutError(f"no answer within {timeout_s:g} s") from error
        raise


@contextlib.contextmanager
def time_limit(channel: Channel, limit_s: float) -> Iterator[None]:
    """Close the channel where the block takes longer, which ends every wait on it. Raises TimeoutError then."""
    expired = threading.Event()

    def give_up() -> None:
        expired.set()
        channel.close()

    timer = threading.Timer(limit_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if expired.is_set():
            raise TimeoutError(f"no answer within {limit_s:g} s") from error
        raise
    finally:
        timer.cancel()
        timer.join()
    if expired.is_set():
        raise TimeoutError(f"no answer within {limit_s:g} s")
