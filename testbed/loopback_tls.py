"""What Flower's programs are told of TLS and of SuperNodes' identity on loopback: by files, or that there is none."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.authentication import new_supernode_key
from testbed.certificates import certificates_for


class Plain:
    """No TLS."""

    server: Sequence[str] = ("--insecure",)
    client: Sequence[str] = ("--insecure",)
    runtime: Sequence[str] = ()
    connection: str = "insecure = true"

    def remove(self) -> None:
        """There is nothing."""


class PemFiles:
    """One certificate for every server of a host, and whom its clients trust.

    `server`, `client` and `runtime` are the options of a SuperLink, of whoever asks it, and of a SuperNode for its
    apps; `connection` is the line of Flower's config.toml. Private keys are for their owner alone.
    """

    def __init__(self, host: str, folder: Path) -> None:
        made = certificates_for([host])
        self._folder = folder
        folder.mkdir(parents=True, mode=0o700)
        authority, server, key = self._written(
            {"authority.pem": made.authority, "server.pem": made.server, "key.pem": made.server_key}
        )
        self.server = ("--ssl-ca-certfile", authority, "--ssl-certfile", server, "--ssl-keyfile", key)
        self.runtime = self.server
        self.client = ("--root-certificates", authority)
        self.connection = f'root-certificates = "{authority}"'

    def supernode_key(self, name: str) -> tuple[str, str]:
        """The files of a new SuperNode's private and public key."""
        key = new_supernode_key()
        private, public = self._written({f"{name}.key": key.private, f"{name}.pub": key.public})
        return private, public

    def remove(self) -> None:
        """Remove every file."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _written(self, texts: Mapping[str, str]) -> list[str]:
        paths = [self._folder / name for name in texts]
        for path, text in zip(paths, texts.values(), strict=True):
            path.touch(mode=0o600)
            path.write_text(text, encoding="ascii")
        return [str(path) for path in paths]
