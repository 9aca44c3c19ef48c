"""Which host keys a testbed knows, and what to tell where a host shows another one. Nothing is accepted by itself."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import UnknownHostKeyError, WrongHostKeyError
from testbed.login import Login

if TYPE_CHECKING:
    from paramiko import PKey


def known_keys(path: Path, name: str) -> list[PKey]:
    """The keys that a known_hosts file has for a host; none where there is no file.

    Raises UnknownHostKeyError for a file that cannot be read or a line that cannot be understood: a host is not
    refused, or let in, by what a file was meant to say.
    """
    from paramiko import SSHException
    from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UnknownHostKeyError(f"{path}: cannot be read: {error}. Correct or replace the file.") from error
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        if words.startswith("@"):
            raise UnknownHostKeyError(
                f"{path}: line {number} begins with {words.split()[0]}: marked lines are not supported. "
                "Give each host a line with its own key."
            )
        try:
            names, kind, key = words.split(maxsplit=3)[:3]
            entry = HostKeyEntry.from_line(f"{names} {kind} {key}", number)
        except (InvalidHostKey, SSHException, ValueError) as error:
            raise UnknownHostKeyError(f"{path}: line {number} holds no key. Correct or remove it.") from error
        if entry is not None and any(_is(name, one) for one in entry.hostnames):
            found.append(entry.key)
    return found


def check_host_key(login: Login, shown: PKey, known: Sequence[PKey]) -> None:
    """Raises UnknownHostKeyError or WrongHostKeyError unless the key that a host shows is known."""
    if any(key == shown for key in known):
        return
    if not known:
        raise UnknownHostKeyError(
            f"{login.name}: the host key of {_place(login)} is not in {login.known_hosts}: it shows "
            f"{described(shown)}. {_compare(shown)} If it is the same, accept it: {_accept(login, shown)}"
        )
    before = ", ".join(described(key) for key in known)
    remove = shlex.join(["ssh-keygen", "-f", str(login.known_hosts), "-R", login.known_as])
    raise WrongHostKeyError(
        f"{login.name}: the host key of {_place(login)} is not the one in {login.known_hosts}: it shows "
        f"{described(shown)}, known is {before}. Another machine answers, or it was installed anew. "
        f"{_compare(shown)} Only if it is the same, remove the old line: {remove}, then accept the new one: "
        f"{_accept(login, shown)}"
    )


def described(key: PKey) -> str:
    """Type and fingerprint of a key, as OpenSSH prints them."""
    return f"{key.get_name()} {key.fingerprint}"


def _is(name: str, pattern: str) -> bool:
    from paramiko import HostKeys

    if not pattern.startswith("|1|"):
        return name == pattern
    try:
        return bool(HostKeys.hash_host(name, pattern) == pattern)
    except (AssertionError, ValueError):  # no salt
        return False


def _place(login: Login) -> str:
    return f"{login.address} port {login.port}"


def _compare(key: PKey) -> str:
    kind = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}.get(key.get_name(), "ecdsa")
    return f"Compare on the host's own console: ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub."


def _accept(login: Login, key: PKey) -> str:
    line = f"{login.known_as} {key.get_name()} {key.get_base64()}"
    return f"echo {shlex.quote(line)} >> {shlex.quote(str(login.known_hosts))}"
