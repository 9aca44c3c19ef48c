"""A server's token: from the environment, or from a file that its owner alone may read."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.dashboards.errors import InstallUsageError

GRAFANA = ("GRAFANA_TOKEN",)
INFLUXDB = ("INFLUXDB_V2_TOKEN", "INFLUXDB_TOKEN")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def secret(environment: Mapping[str, str], names: Sequence[str], file: Path | None, *, maker: str) -> str:
    """The token in the file, else in the environment. Raises InstallUsageError where there is none that can be used.

    `maker` says who makes such a token.
    """
    if file is not None:
        return _one_line(_read(file), f"token file {file}")
    for name in names:
        if environment.get(name):
            return _one_line(environment[name], name)
    raise InstallUsageError(
        f"no token: {' or '.join(names)} is not set. {maker}. Put it into that variable, or into a file of mode 600 "
        "that the command is told."
    )


def optional(environment: Mapping[str, str], names: Sequence[str]) -> str:
    """The token in the environment, empty where there is none."""
    return next((_one_line(environment[name], name) for name in names if environment.get(name)), "")


def _read(path: Path) -> str:
    with path.open("rb") as opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InstallUsageError(f"token file {path}: is no plain file. Name the file that holds the token.")
        if status.st_mode & _OTHERS:
            mode = stat.S_IMODE(status.st_mode)
            raise InstallUsageError(
                f"token file {path}: others may use it (mode {mode:04o}). Do `chmod 600 {path}`; where others may "
                "have "
                "read it, make a new token too."
            )
        return opened.read(65_536).decode("utf-8", errors="replace")


def _one_line(text: str, where: str) -> str:
    value = text.strip()
    if not value or not value.isascii() or not value.isprintable():
        raise InstallUsageError(f"{where}: holds no token of one line. Put the token there, alone.")
    return value
