"""What a shell needs of the way to a host, and what its failures are called."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from testbed.errors import DigestError, RemoteError, RemoteTimeoutError, UnreachableError
from testbed.framed import Frame
from testbed.transfers import Files


class Connection(Protocol):
    """How commands and files reach a host."""

    @property
    def files(self) -> Files:
        """The files of the host."""
        ...

    def execute(self, argv: Sequence[str], stdout: Frame, stderr: Frame, *, limit_s: float) -> None:
        """Run a command and fill the frames, until both are whole or both streams end.

        Raises TimeoutError after `limit_s`, and ConnectionError where the host is lost.
        """
        ...

    def close(self) -> None:
        """End it."""
        ...


@contextlib.contextmanager
def about(host: str, what: str) -> Iterator[None]:
    """What goes wrong on the way, as a RemoteError about a command or a path."""
    try:
        yield
    except DigestError as error:
        raise DigestError(f"{host}: {what}: {error}.") from error
    except TimeoutError as error:
        raise RemoteTimeoutError(f"{host}: {what}: {error}. Check the host and its link.") from error
    except ConnectionError as error:
        raise UnreachableError(
            f"{host}: the connection is lost at {what}: {error or type(error).__name__}. Connect again."
        ) from error
    except OSError as error:
        raise RemoteError(
            f"{host}: {error.filename or what}: {error.strerror or error or type(error).__name__}. "
            "Check that the path exists on both sides."
        ) from error
