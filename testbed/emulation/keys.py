"""SSH keys of an emulated testbed: one for each host, one for the controller, and who is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_PRIVATE = 0o600


def new_key(path: Path) -> str:
    """Write a new ed25519 private key and return its public line, `ssh-ed25519 AAAA…`."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    path.touch(mode=_PRIVATE)
    path.chmod(_PRIVATE)
    path.write_bytes(private)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return public.decode("ascii")


def known_hosts(public_keys: Mapping[str, str]) -> str:
    """The text of a known_hosts file: address -> public line."""
    return "".join(f"{address} {line}\n" for address, line in public_keys.items())
