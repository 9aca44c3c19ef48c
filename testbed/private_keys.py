"""The private keys to log in with: a file that the inventory names, or the agent, whose affair passphrases are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import KeyFileError, LoginRefusedError
from testbed.login import Login

if TYPE_CHECKING:
    from paramiko import PKey


@contextlib.contextmanager
def keys_for(login: Login) -> Iterator[list[PKey]]:
    """The keys to offer to a host, in turn. Raises KeyFileError, and LoginRefusedError where there is none."""
    if login.key is not None:
        yield [_key_in_file(login)]
        return
    from paramiko import Agent, SSHException

    if not Path(os.environ.get("SSH_AUTH_SOCK", "")).is_socket():
        raise _no_key(login)
    try:
        agent = Agent()
    except SSHException as error:
        raise LoginRefusedError(f"{login.name}: the SSH agent of SSH_AUTH_SOCK does not answer: {error}.") from error
    try:
        found = list(agent.get_keys())
        if not found:
            raise _no_key(login)
        yield found
    finally:
        agent.close()


def _no_key(login: Login) -> LoginRefusedError:
    return LoginRefusedError(
        f"{login.name}: the inventory names no key for it, and no SSH agent with a key runs here. Name the key's "
        "file in the inventory, or load it: ssh-add KEY (under sudo: sudo --preserve-env=SSH_AUTH_SOCK)."
    )


def _key_in_file(login: Login) -> PKey:
    from paramiko import PasswordRequiredException, PKey

    path = login.key
    try:
        return PKey.from_path(path)
    except OSError as error:
        raise KeyFileError(
            f"{login.name}: the key {path} cannot be read: {error.strerror or error}. "
            "Correct `key` in the inventory, or the file's owner and permissions."
        ) from error
    except (PasswordRequiredException, TypeError) as error:  # TypeError is how cryptography asks for a passphrase
        raise KeyFileError(
            f"{login.name}: the key {path} has a passphrase. Load it into the agent (ssh-add {path}) and leave `key` "
            "out of the inventory, or name a key without one."
        ) from error
    except Exception as error:  # the libraries below have no common error for what is no key
        raise KeyFileError(
            f"{login.name}: {path} holds no private key that can be used: {type(error).__name__}. "
            "Name the private half, such as ~/.ssh/id_ed25519 (RSA, ECDSA or Ed25519)."
        ) from error
