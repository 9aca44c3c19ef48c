"""Puts the probes around a command: sets the environment that `bootstrap/sitecustomize.py` reads, and execs it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from instrument.clock_error import ClockError
from instrument.polling import VARIABLE, Polling, polling_of, variables
from instrument.probe import disabled

BOOTSTRAP = Path(__file__).resolve().parent / "bootstrap"
# Flower's own calls home would be traffic and processor time inside the measurement
QUIET_FLOWER = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}


class LaunchError(ValueError):
    """The command cannot be started, or its spool folder cannot be written."""


def environment_for(
    out: Path, base: Mapping[str, str], *, trial: str = "", nice: Mapping[str, int] | None = None
) -> dict[str, str]:
    """The environment under which every Flower process writes its records to `out`.

    `nice` gives each role its priority, as in {"flwr-clientapp": 10}; what the kernel refuses is recorded.
    With FEDPROBE_DISABLE set in `base` the probes stay out and only Flower's telemetry is switched off.
    FEDPROBE_POLLING=fast in `base` asks the probes to cut Flower's waits short.
    """
    environment = {**base, **QUIET_FLOWER}
    if disabled(dict(base)):
        return environment
    environment |= variables(polling_of(base))
    before = base.get("PYTHONPATH")
    inherited = [path for path in before.split(os.pathsep) if path != str(BOOTSTRAP)] if before else []
    environment["PYTHONPATH"] = os.pathsep.join([str(BOOTSTRAP), *inherited])
    environment["FEDPROBE_OUT"] = str(out.resolve())
    if trial:
        environment["FEDPROBE_TRIAL"] = trial
    if nice:
        environment["FEDPROBE_NICE"] = ",".join(f"{role}={value}" for role, value in nice.items())
    return environment


def launch(command: Sequence[str], out: Path, *, polling: Polling | None = None) -> None:
    """Replace this process by the command, with the probes around it. Raises LaunchError; returns never.

    `polling` is put before what FEDPROBE_POLLING says; None leaves that.
    """
    if not command:
        raise LaunchError(
            "no command given. Put it after two dashes: fedprobe instrument -- flower-superlink --insecure"
        )
    program = shutil.which(command[0])
    if program is None:
        raise LaunchError(
            f"{command[0]}: no such program on PATH. Activate the environment that Flower is installed in, "
            "or name the program by its path."
        )
    if not disabled(os.environ):
        _check_writable(out)
        try:
            ClockError.of(os.environ)
        except ValueError as error:
            raise LaunchError(str(error)) from error
    asked = {VARIABLE: polling} if polling else {}
    environment = environment_for(out, {**os.environ, **asked})
    try:
        os.execve(program, [program, *command[1:]], environment)
    except OSError as error:
        raise LaunchError(
            f"{program} cannot be started: {error.strerror}. Name a program that this machine can run."
        ) from error


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out) as file:
            file.write(b"\0" * 4096)
    except OSError as error:
        raise LaunchError(
            f"spool folder {out} cannot be written: {error.strerror}. Name another with --out DIR."
        ) from error
