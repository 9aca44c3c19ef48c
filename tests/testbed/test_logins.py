"""Logins to real servers: by key, by agent, by way of a jump host; each refusal says what to do."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from instrument.clock import sleep_s
from testbed.emulation import keys
from testbed.errors import (
    KeyFileError,
    LoginRefusedError,
    RemoteError,
    RemoteTimeoutError,
    UnknownHostKeyError,
    UnreachableError,
    WrongHostKeyError,
)
from testbed.login import Login
from testbed.ssh import connect
from tests.testbed import real_sshd
from tests.testbed.real_sshd import Sshd

pytestmark = pytest.mark.sshd


def refusal(login: Login, kind: type[RemoteError]) -> str:
    """The one line that a refused login is told by."""
    with pytest.raises(kind) as caught:
        connect(login)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def jump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A second server."""
    made = real_sshd.start(tmp_path_factory.mktemp("jump"), "gate")
    yield made
    made.stop()


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real agent without keys; its socket is where SSH_AUTH_SOCK says."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    for _ in range(500):
        if path.exists():
            break
        sleep_s(0.02)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield path
    process.terminate()
    process.wait(timeout=10)


def add_key(path: Path) -> None:
    subprocess.run(["ssh-add", "-q", str(path)], check=True, stdin=subprocess.DEVNULL)


def test_a_key_of_the_agent_logs_in(sshd: Sshd, agent: Path, tmp_path: Path) -> None:
    for number in range(3):
        keys.new_key(tmp_path / f"strange-{number}")
        add_key(tmp_path / f"strange-{number}")
    add_key(sshd.folder / "key")
    with connect(replace(sshd.login, key=None)) as shell:
        assert shell.check(["echo", "in"], timeout_s=30).text == "in\n"


def test_an_agent_of_strangers_is_refused(sshd: Sshd, agent: Path, tmp_path: Path) -> None:
    for number in range(8):  # more than sshd looks at
        keys.new_key(tmp_path / f"strange-{number}")
        add_key(tmp_path / f"strange-{number}")
    message = refusal(replace(sshd.login, key=None), LoginRefusedError)
    assert message.startswith("host: ")
    assert "does not accept any of the agent's 8 keys" in message


def test_no_key_and_no_agent_is_told(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, agent: Path, tmp_path: Path
) -> None:
    empty = refusal(replace(sshd.login, key=None), LoginRefusedError)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "absent"))
    absent = refusal(replace(sshd.login, key=None), LoginRefusedError)
    monkeypatch.delenv("SSH_AUTH_SOCK")
    assert absent == empty == refusal(replace(sshd.login, key=None), LoginRefusedError)
    assert empty.startswith("host: the inventory names no key for it, and no SSH agent with a key runs here")


def test_a_key_file_wins_over_the_agent(sshd: Sshd, agent: Path, tmp_path: Path) -> None:
    add_key(sshd.folder / "key")
    keys.new_key(tmp_path / "strange")
    message = refusal(replace(sshd.login, key=tmp_path / "strange"), LoginRefusedError)
    assert f"does not accept the key {tmp_path}/strange. Add its public half to authorized_keys" in message


def test_each_key_that_cannot_be_used_has_its_own_message(sshd: Sshd, tmp_path: Path) -> None:
    def told(name: str) -> str:
        return refusal(replace(sshd.login, key=tmp_path / name), KeyFileError)

    assert told("absent").startswith(f"host: the key {tmp_path}/absent cannot be read: No such file")
    (tmp_path / "folder").mkdir()
    assert "cannot be read: Is a directory" in told("folder")
    (tmp_path / "text").write_text("hello\n")
    (tmp_path / "bytes").write_bytes(bytes(range(256)))
    (tmp_path / "empty").write_text("")
    (tmp_path / "public").write_text(f"{sshd.public}\n")
    whole = (sshd.folder / "key").read_text()
    (tmp_path / "cut").write_text(whole[: len(whole) // 2])
    for name in ("text", "bytes", "empty", "public", "cut"):
        assert told(name).startswith(f"host: {tmp_path}/{name} holds no private key that can be used"), name


@pytest.mark.parametrize("form", [(), ("-m", "PEM", "-t", "rsa")])
def test_a_key_with_a_passphrase_is_for_the_agent(sshd: Sshd, tmp_path: Path, form: tuple[str, ...]) -> None:
    path = tmp_path / "locked"
    make = ["ssh-keygen", "-q", *(form or ("-t", "ed25519")), "-N", "secret", "-f", str(path)]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    message = refusal(replace(sshd.login, key=path), KeyFileError)
    assert message.startswith(f"host: the key {path} has a passphrase. Load it into the agent (ssh-add {path})")


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_keys_of_other_types_log_in(tmp_path: Path, kind: str) -> None:
    made = real_sshd.start(tmp_path / "sshd")
    try:
        make = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(tmp_path / "key")]
        subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
        (tmp_path / "sshd" / "authorized_keys").write_text((tmp_path / "key.pub").read_text())
        connect(replace(made.login, key=tmp_path / "key")).close()
    finally:
        made.stop()


def test_a_server_that_wants_more_than_a_key_is_told(tmp_path: Path) -> None:
    made = real_sshd.start(tmp_path, more="PubkeyAuthentication no\nKbdInteractiveAuthentication yes")
    try:
        assert "wants more than a key" in refusal(made.login, LoginRefusedError)
    finally:
        made.stop()


def test_a_port_where_nothing_or_something_else_answers(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        login = replace(sshd.login, port=server.getsockname()[1])

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        other = threading.Thread(target=answer)
        other.start()
        message = refusal(login, UnreachableError)
        other.join()
        assert message.startswith(f"host: no SSH session with 127.0.0.1 port {login.port}: ")
    assert "Connection refused" in refusal(login, UnreachableError)


def test_a_jump_host_is_gone_through(sshd: Sshd, jump: Sshd) -> None:
    login = replace(sshd.login, jump=jump.login)
    with connect(login) as shell:
        words = shell.check(["sh", "-c", "echo $SSH_CONNECTION"], timeout_s=30).text.split()
        assert words[3] == str(sshd.login.port)
        content = bytes(range(256)) * 4000
        (sshd.folder / "file").write_bytes(content)
        shell.get(str(sshd.folder / "file"), sshd.folder / "back")
        assert (sshd.folder / "back").read_bytes() == content
    assert f"Accepted publickey for {jump.login.user}" in jump.log


def test_the_keys_of_both_hosts_are_checked(sshd: Sshd, jump: Sshd, tmp_path: Path) -> None:
    nobody = replace(jump.login, known_hosts=tmp_path / "none")
    assert refusal(replace(sshd.login, jump=nobody), UnknownHostKeyError).startswith("gate: the host key of")
    known = tmp_path / "known_hosts"
    known.write_text(f"{sshd.login.known_as} {keys.new_key(tmp_path / 'other')}\n")
    there = replace(sshd.login, jump=jump.login, known_hosts=known)
    assert refusal(there, WrongHostKeyError).startswith("host: the host key of")


def test_a_jump_host_that_cannot_reach_or_may_not_is_told(sshd: Sshd, jump: Sshd, tmp_path: Path) -> None:
    closed = replace(sshd.login, port=1, jump=jump.login)
    message = refusal(closed, UnreachableError)
    assert message.startswith("host: its jump host gate cannot reach 127.0.0.1 port 1: ")
    strict = real_sshd.start(tmp_path / "strict", "strict", more="AllowTcpForwarding no")
    try:
        message = refusal(replace(sshd.login, jump=strict.login), UnreachableError)
        assert "AllowTcpForwarding" in message
    finally:
        strict.stop()
    assert refusal(replace(sshd.login, jump=replace(jump.login, port=1)), UnreachableError).startswith("gate: ")


def test_two_jump_hosts_in_a_row(sshd: Sshd, jump: Sshd) -> None:
    second = replace(sshd.login, name="second", jump=jump.login)
    with connect(replace(jump.login, name="last", jump=second)) as shell:
        assert shell.name == "last"
        assert shell.check(["echo", "in"], timeout_s=30).text == "in\n"


def test_a_silent_server_is_told_in_time(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        login = replace(sshd.login, port=server.getsockname()[1])
        with pytest.raises((RemoteTimeoutError, UnreachableError)):
            connect(login, timeout_s=0.3)


def test_a_server_without_sftp_is_told_and_still_runs_commands(tmp_path: Path) -> None:
    made = real_sshd.start(tmp_path / "sshd", sftp=False)
    try:
        with connect(made.login) as shell:
            with pytest.raises(RemoteError, match="its sshd offers no sftp"):
                shell.listdir("/")
            assert shell.check(["echo", "in"], timeout_s=30).text == "in\n"
    finally:
        made.stop()
