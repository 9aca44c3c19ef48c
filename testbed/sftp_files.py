"""The files of a host over SFTP, as transfers need them."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from testbed.shell import RemoteFile
from testbed.ssh_channel import open_channel, time_limit
from testbed.transfers import BLOCK_BYTES

if TYPE_CHECKING:
    from paramiko import SFTPClient, SFTPFile, Transport

SILENCE_S = 60.0
"""How long a host may send nothing while it is asked for something."""
_OPEN_S = 15.0
_REQUESTS_AHEAD = 64  # as OpenSSH's own sftp; a reader that is slower than the network keeps no more than that
_REQUEST_BYTES = 32_768  # below it, one request reads it all and nothing is gained by asking ahead


class SftpFiles:
    """Files by their path, a relative one below the home folder. The channel is opened when first used."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._opened: SFTPClient | None = None

    def size_bytes(self, path: str) -> int | None:
        """How long a file is; None: there is none."""
        with self._errors():
            try:
                return self._client().stat(path).st_size or 0
            except FileNotFoundError:
                return None

    def read(self, path: str, start: int, end: int | None) -> Iterator[bytes]:
        """The bytes from `start` to before `end`, or to the end of the file."""
        with self._errors(), self._client().open(path, "rb") as file:
            file.seek(start)
            if end is not None and end - start > _REQUEST_BYTES:
                _ask_ahead(file, end)
            while block := file.read(BLOCK_BYTES if end is None else min(BLOCK_BYTES, end - start)):
                start += len(block)
                yield block

    def write(self, path: str, start: int, blocks: Iterable[bytes]) -> None:
        """Keep the first `start` bytes of a file and write these after them."""
        with self._errors(), self._client().open(path, "r+b" if start else "wb") as file:
            if start:
                file.truncate(start)
                file.seek(start)
            file.set_pipelined(pipelined=True)
            for block in blocks:
                file.write(block)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in place of a file that has it."""
        with self._errors():
            self._client().posix_rename(old, new)

    def remove(self, path: str) -> None:
        """Remove a file."""
        with self._errors():
            self._client().remove(path)

    def entries(self, path: str) -> list[RemoteFile]:
        """What is in a folder; links are not followed."""
        with self._errors():
            found = self._client().listdir_attr(path)
        return [RemoteFile(one.filename, one.st_size or 0, stat.S_ISDIR(one.st_mode or 0)) for one in found]

    def close(self) -> None:
        """Close the channel, of which a host that is lost cannot be told."""
        from paramiko import SSHException

        if self._opened is not None:
            with contextlib.suppress(OSError, EOFError, SSHException):
                self._opened.close()
            self._opened = None

    def _client(self) -> SFTPClient:
        if self._opened is None:
            from paramiko import SFTPClient, SSHException

            channel = open_channel(self._transport)
            try:
                with time_limit(channel, _OPEN_S):
                    channel.invoke_subsystem("sftp")
                    self._opened = SFTPClient(channel)
            except (SSHException, EOFError) as error:
                if not self._transport.is_active():
                    raise
                raise OSError("its sshd offers no sftp (in sshd_config: Subsystem sftp internal-sftp)") from error
            channel.settimeout(SILENCE_S)
        return self._opened

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """What paramiko raises as OSError, ConnectionError or TimeoutError."""
        from paramiko import SFTPError, SSHException

        try:
            yield
        except (EOFError, SSHException, SFTPError) as error:
            raise ConnectionError(f"sftp ended: {error or type(error).__name__}") from error
        except TimeoutError as error:
            raise TimeoutError(f"nothing arrived for {SILENCE_S:g} s") from error
        except OSError as error:
            if self._transport.is_active():
                raise
            raise ConnectionError(f"the connection ended: {error.strerror or error}") from error


def _ask_ahead(file: SFTPFile, end: int) -> None:
    """Ask for what comes next before it is read.

    paramiko does that on a thread of its own, which would print a traceback when the connection is lost; who reads is
    told of that anyway.
    """
    from paramiko import SSHException

    ask = file._prefetch_thread  # noqa: SLF001 there is no other place to catch it

    def ask_quietly(*arguments: object) -> None:
        with contextlib.suppress(OSError, EOFError, SSHException):
            ask(*arguments)

    file._prefetch_thread = ask_quietly  # noqa: SLF001
    file.prefetch(end, _REQUESTS_AHEAD)
