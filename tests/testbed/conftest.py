"""Shells of each kind for the tests of the contract, and a real sshd for the tests that log in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.errors import LoginRefusedError
from testbed.local_shell import local_shell
from testbed.shell import Shell
from testbed.ssh import connect
from tests.testbed import real_sshd
from tests.testbed.real_sshd import Sshd
from tests.testbed.shells import Opener


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server that the whole session shares."""
    made = real_sshd.start(tmp_path_factory.mktemp("sshd"))
    try:
        _may_log_in(made)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module", params=["local", pytest.param("ssh", marks=pytest.mark.sshd)])
def opened(request: pytest.FixtureRequest) -> Opener:
    """Opens a shell of each kind."""
    if request.param == "local":
        return lambda: local_shell("host")
    login = request.getfixturevalue("sshd").login
    return lambda: connect(login)


@pytest.fixture(scope="module")
def shell(opened: Opener) -> Iterator[Shell]:
    """A shell that the tests of a file share."""
    with opened() as made:
        yield made


def _may_log_in(made: Sshd) -> None:
    try:
        connect(made.login).close()
    except LoginRefusedError:
        if "account is locked" in made.log:
            pytest.skip("this user's account is locked, and sshd without PAM lets no such user in")
        raise
