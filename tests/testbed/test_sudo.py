"""Commands as root by somebody who is not: with a sudo that lets them, one that asks for a password, and none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from testbed.errors import RemoteTimeoutError, SudoRefusedError
from testbed.framed import Frame
from testbed.host_shell import HostShell
from testbed.local_shell import LocalConnection

NOBODY = 65534
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can run a command as somebody else"
)


class AsNobody(LocalConnection):
    """This machine, as a user who may do nothing, with programs of the test's own found first."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Path("/"))
        self._path = f"{folder}:/usr/local/bin:/usr/bin:/bin"

    def execute(self, argv: Sequence[str], stdout: Frame, stderr: Frame, *, limit_s: float) -> None:
        nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        super().execute([*nobody, "env", f"PATH={self._path}", *argv], stdout, stderr, limit_s=limit_s)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that others may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


def shell_with(folder: Path, sudo: str | None) -> HostShell:
    if sudo is not None:
        (folder / "sudo").write_text(f"#!/bin/sh\n{sudo}\n")
        (folder / "sudo").chmod(0o755)
    return HostShell("pi1", "pi", AsNobody(folder))


def test_a_sudo_that_asks_for_a_password_is_told_with_the_line_that_helps(folder: Path) -> None:
    shell = shell_with(folder, "echo 'sudo: a password is required' >&2; exit 1")
    with pytest.raises(SudoRefusedError) as caught:
        shell.check(["tc", "qdisc", "show"], timeout_s=30, sudo=True)
    assert str(caught.value) == (
        "pi1: sudo does not run `tc qdisc show` for pi without a password: sudo: a password is required. "
        "Allow it on the host with this line (visudo -f /etc/sudoers.d/fedprobe): pi ALL=(root) NOPASSWD: ALL"
    )


def test_the_machines_own_sudo_or_none_is_told(folder: Path) -> None:
    with pytest.raises(SudoRefusedError, match=r"^pi1: sudo does not run `id -u` for pi without a password: .*sudo"):
        shell_with(folder, None).run(["id", "-u"], timeout_s=30, sudo=True)


def test_a_command_that_fails_as_sudo_does_is_not_taken_for_sudo(folder: Path) -> None:
    shell = shell_with(folder, '[ "$1 $2" = "-n --" ] || exit 99; shift 2; exec "$@"')
    program = "echo 'sudo: a password is required' >&2; echo \"$A\"; exit 1"
    done = shell.run(["sh", "-c", program], timeout_s=30, sudo=True, env={"A": "a 'b'"}, cwd="/usr")
    assert (done.status, done.text, done.complaint) == (1, "a 'b'\n", "sudo: a password is required")


def test_the_limit_holds_under_sudo(folder: Path) -> None:
    shell = shell_with(folder, 'shift 2; exec "$@"')
    with pytest.raises(RemoteTimeoutError, match="still running"):
        shell.run(["sleep", "1000"], timeout_s=0.3, sudo=True)


def test_without_sudo_nobody_is_nobody(folder: Path) -> None:
    assert shell_with(folder, None).check(["id", "-u"], timeout_s=30).text == f"{NOBODY}\n"
