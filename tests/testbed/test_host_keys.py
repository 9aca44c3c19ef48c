"""Host keys, against real servers: nobody is let in by default, and the way out that a message offers works."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.emulation import keys
from testbed.errors import RemoteError, UnknownHostKeyError, WrongHostKeyError
from testbed.login import Login
from testbed.ssh import connect
from tests.testbed import real_sshd
from tests.testbed.real_sshd import Sshd

pytestmark = pytest.mark.sshd


def fingerprint(public: str) -> str:
    """What OpenSSH says of a key."""
    done = subprocess.run(["ssh-keygen", "-lf", "-"], input=public, capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def refusal(login: Login, kind: type[RemoteError]) -> str:
    with pytest.raises(kind) as caught:
        connect(login)
    return str(caught.value)


def follow(message: str, pattern: str) -> None:
    """Do what a message says, as somebody would who copies it into a terminal."""
    found = re.search(pattern, message)
    assert found, message
    subprocess.run(["sh", "-c", found[0]], check=True, capture_output=True)


def log_in(login: Login) -> None:
    with connect(login) as shell:
        shell.check(["true"], timeout_s=30)


@pytest.mark.parametrize("there", [True, False])
def test_an_unknown_key_is_refused_until_it_is_accepted(sshd: Sshd, tmp_path: Path, there: bool) -> None:
    known = tmp_path / "known hosts"
    if there:
        known.write_text(f"# another\nelsewhere {sshd.public}\n127.0.0.1 {sshd.public}\n")
    login = replace(sshd.login, known_hosts=known)
    message = refusal(login, UnknownHostKeyError)
    begins = f"host: the host key of 127.0.0.1 port {login.port} is not in {known}: it shows ssh-ed25519"
    assert message.startswith(begins)
    assert fingerprint(sshd.public) in message
    assert "\n" not in message
    follow(message, r"echo '\[127.*$")
    log_in(login)


def test_a_changed_key_is_refused_until_it_is_replaced(sshd: Sshd, tmp_path: Path) -> None:
    known, before = tmp_path / "known_hosts", keys.new_key(tmp_path / "before")
    known.write_text(f"{sshd.login.known_as} {before}\nelsewhere {before}\n")
    login = replace(sshd.login, known_hosts=known)
    message = refusal(login, WrongHostKeyError)
    assert fingerprint(sshd.public) in message
    assert fingerprint(before) in message
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in message
    assert "\n" not in message

    follow(message, r"echo '\[127.*$")  # OpenSSH, too, takes a host by any of its lines
    log_in(login)
    known.write_text(f"{sshd.login.known_as} {before}\nelsewhere {before}\n")
    follow(message, r"ssh-keygen -f \S+ -R '\S+'")
    assert f"elsewhere {before}" in known.read_text()
    assert refusal(login, UnknownHostKeyError)


def test_a_host_with_several_keys_is_known_by_any_of_them(tmp_path: Path) -> None:
    made = real_sshd.start(tmp_path / "sshd", key_types=("rsa", "ecdsa"))
    try:
        for kind in ("rsa", "ecdsa"):
            public = (tmp_path / "sshd" / f"host_key_{kind}.pub").read_text()
            known = tmp_path / f"known_{kind}"
            known.write_text(f"{made.login.known_as} {public}")
            log_in(replace(made.login, known_hosts=known))
        other = keys.new_key(tmp_path / "other")
        known.write_text(f"{made.login.known_as} {public}{made.login.known_as} {other}\n")
        assert fingerprint(made.public) in refusal(replace(made.login, known_hosts=known), WrongHostKeyError)
    finally:
        made.stop()


def test_hashed_names_are_understood(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"elsewhere {sshd.public}\n{sshd.login.known_as} {sshd.public}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(known)], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    log_in(replace(sshd.login, known_hosts=known))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("@revoked * ssh-ed25519 AAAA", "line 2 begins with @revoked"),
        ("@cert-authority *.lab ssh-ed25519 AAAA", "line 2 begins with @cert-authority"),
        ("host ssh-ed25519", "line 2 holds no key"),
        ("host ssh-ed25519 A", "line 2 holds no key"),
        ("host ssh-ed25519 AAAA", "line 2 holds no key"),
    ],
)
def test_a_line_that_cannot_be_understood_is_not_passed_over(
    sshd: Sshd, tmp_path: Path, line: str, said: str
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"{sshd.login.known_as} {sshd.public}\n{line}\n")
    message = refusal(replace(sshd.login, known_hosts=known), UnknownHostKeyError)
    assert message.startswith(f"{known}: {said}")


def test_a_file_that_is_none_is_named(sshd: Sshd, tmp_path: Path) -> None:
    message = refusal(replace(sshd.login, known_hosts=tmp_path), UnknownHostKeyError)
    assert message.startswith(f"{tmp_path}: cannot be read: ")


def test_the_usual_port_has_no_brackets(tmp_path: Path) -> None:
    login = Login(name="pi1", address="2001:db8::11", known_hosts=tmp_path / "known_hosts")
    assert login.known_as == "2001:db8::11"
    assert replace(login, port=2222).known_as == "[2001:db8::11]:2222"
