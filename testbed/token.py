"""A server's token: from the environment, or from a file that its owner alone may read; never from anywhere else.

`INFLUXDB_V2_TOKEN` is influxdb-client's name for it. A server of 1.x takes USER:PASSWORD in its place.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.errors import UsageError

GRAFANA = ("GRAFANA_TOKEN",)
INFLUXDB = ("INFLUXDB_V2_TOKEN", "INFLUXDB_TOKEN")
LONGEST = 65_536  # bytes
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class TokenError(UsageError):
    """There is no token, or it is kept where it is none or where others may read it."""


class Token:
    """A secret: it shows itself to nobody who does not ask for its `value`."""

    __slots__ = ("value",)

    def __init__(self, value: str = "") -> None:
        self.value = value

    def __bool__(self) -> bool:
        return bool(self.value)

    def __repr__(self) -> str:
        return "Token(...)" if self.value else "Token()"

    def taken_from(self, text: str) -> str:
        """A text with three dots where it held the token, or a half of USER:PASSWORD."""
        for part in sorted({self.value, self.value.partition(":")[2]}, key=len, reverse=True):
            if part:
                text = text.replace(part, "...")
        return text


def token(environment: Mapping[str, str], names: Sequence[str], file: Path | None = None) -> Token:
    """The token in a file, else in the environment; empty where there is none. Raises TokenError."""
    if file is not None:
        return _checked(_read(file), f"token file {file}")
    name = next((name for name in names if environment.get(name)), None)
    return _checked(environment[name], name) if name else Token()


def required_token(environment: Mapping[str, str], names: Sequence[str], file: Path | None, *, maker: str) -> Token:
    """The same, where there must be one; `maker` says who makes such a token. Raises TokenError."""
    found = token(environment, names, file)
    if not found:
        raise TokenError(
            f"no token: {' or '.join(names)} is not set. {maker}. Put it into that variable, or into a file of mode "
            "600 that the command is told."
        )
    return found


def _read(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise TokenError(
            f"token file {path}: cannot be read: {error.strerror}. Write the token into a file and `chmod 600` it."
        ) from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise TokenError(f"token file {path}: is no plain file. Name the file that holds the token.")
        if mode & _OTHERS:
            raise TokenError(
                f"token file {path}: others may use it (mode {stat.S_IMODE(mode):04o}). Do `chmod 600 {path}`; where "
                "others may have read it, have the server make a new token too."
            )
        return os.read(descriptor, LONGEST).decode("utf-8", errors="replace")
    finally:
        os.close(descriptor)


def _checked(text: str, where: str) -> Token:
    """Without white space around it, as an HTTP header can hold it."""
    value = text.strip()
    if not value or not value.isascii() or not value.isprintable():
        raise TokenError(f"{where}: holds no token of one line. Put the token there, alone.")
    return Token(value)
