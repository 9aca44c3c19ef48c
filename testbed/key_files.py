"""Are the private keys of an inventory there, and would SSH take them? Reads the files, logs in nowhere."""

from __future__ import annotations

import stat
from pathlib import Path

from testbed.inventory import Account, Inventory

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def key_mistakes(inventory: Inventory) -> list[str]:
    """What is wrong with the key files of hosts and jump hosts, each file once, with its next step."""
    users: dict[Path, str] = {}
    for host in inventory.hosts:
        jump = host.management.jump
        logins: list[tuple[str, Account]] = [(host.name, host.management)]
        logins += [(f"jump host {jump.name}", jump)] if jump else []
        for name, login in logins:
            if login.key is not None:  # else the keys of the SSH agent are offered
                users.setdefault(login.key, name)
    return [f"key {path} (of {name}): {found}" for path, name in users.items() if (found := _mistake(path))]


def _mistake(path: Path) -> str:
    """Empty where the file is a private key that its owner alone can use, without a passphrase."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            return "it is a folder, or no plain file. Name the key file in it"
        private = path.read_bytes()
    except FileNotFoundError:
        return f"there is no such file. Correct the path, or make one: `ssh-keygen -t ed25519 -f {path}`"
    except OSError as error:
        return f"cannot be read: {error.strerror}. Run as the user who may read it, or correct its owner"
    return _content_mistake(path, private) or _mode_mistake(path, mode)


def _mode_mistake(path: Path, mode: int) -> str:
    if mode & _OTHERS:
        return f"others may use it (mode {stat.S_IMODE(mode):04o}), which SSH refuses. Do `chmod 600 {path}`"
    return ""


def _content_mistake(path: Path, private: bytes) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    if b"PRIVATE KEY-----" not in private:
        return "is no private key. If it is the public half, name the file without .pub"
    try:
        if b"BEGIN OPENSSH" in private:
            load_ssh_private_key(private, password=None)
        else:
            load_pem_private_key(private, password=None)
    except TypeError:  # of both, where a passphrase is asked for
        return (
            f"has a passphrase, which nobody is there to type. Load it into the SSH agent (`ssh-add {path}`) and "
            f"leave key out of the inventory, or take the passphrase off: `ssh-keygen -p -f {path}`"
        )
    except (ValueError, UnsupportedAlgorithm) as error:
        why = str(error).rstrip(".")
        return f"is damaged, or of a kind that is not known: {why}. Make a new one: `ssh-keygen -t ed25519 -f {path}`"
    return ""
