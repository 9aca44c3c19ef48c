"""What Flower's programs are told of TLS on loopback: certificates in files, or that there are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from testbed.certificates import certificates_for


class Plain:
    """No TLS."""

    server: Sequence[str] = ("--insecure",)
    client: Sequence[str] = ("--insecure",)
    runtime: Sequence[str] = ()
    connection: str = "insecure = true"


class PemFiles:
    """One certificate for every server of a host, and whom its clients trust.

    `server`, `client` and `runtime` are the options of a SuperLink, of whoever asks it, and of a SuperNode for its
    apps; `connection` is the line of Flower's config.toml.
    """

    def __init__(self, host: str, folder: Path) -> None:
        made = certificates_for([host])
        folder.mkdir(parents=True)
        paths = []
        for name, text in (("authority", made.authority), ("server", made.server), ("key", made.server_key)):
            path = folder / f"{name}.pem"
            path.write_text(text, encoding="ascii")
            paths.append(str(path))
        authority, server, key = paths
        self.server = ("--ssl-ca-certfile", authority, "--ssl-certfile", server, "--ssl-keyfile", key)
        self.runtime = self.server
        self.client = ("--root-certificates", authority)
        self.connection = f'root-certificates = "{authority}"'
