"""Where points go: the server's address, the database, how it is spoken to. Pure; the token is no part of it."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from testbed.sink.errors import SinkUsageError

Api = Literal["v1", "v2"]
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A database. `bucket` is the database's name on 1.x and 3, `org` is 2.x's; `api` None: the server is asked.

    `ca`: certificates to trust in place of the system's. `create`: make a database of 1.x that is not there.
    """

    url: str
    bucket: str
    org: str = ""
    api: Api | None = None
    ca: Path | None = None
    create: bool = False
    timeout_s: float = TIMEOUT_S

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.url} ({self.bucket})"

    @property
    def id(self) -> str:
        """What its files in a run folder are called by: the same for the same database, and for no other."""
        key = "\n".join([self.url, self.bucket, self.org])
        return hashlib.sha256(key.encode()).hexdigest()[:12]

    @property
    def on_loopback(self) -> bool:
        """Whether it is on this machine."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @property
    def in_the_clear(self) -> bool:
        """Whether what is sent there, a token too, can be read on its way."""
        return not self.on_loopback and urlsplit(self.url).scheme == "http"


def checked_url(url: str) -> str:
    """The address without its last slash. Raises SinkUsageError where it cannot be a server's."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise SinkUsageError(f"url = {url!r}: {error}. Write it like http://127.0.0.1:8086.") from error
    if parts.username or parts.password:
        raise SinkUsageError(
            f"url: holds a user or a password, which would stand in process lists and in the run folder. Write "
            f"{parts.scheme}://{host}{f':{port}' if port else ''} and give USER:PASSWORD as INFLUXDB_TOKEN in the "
            "environment, or by --token-file."
        )
    if parts.scheme not in {"http", "https"} or not host:
        raise SinkUsageError(f"url = {url!r} is no http or https address. Write it like http://127.0.0.1:8086.")
    if parts.query or parts.fragment:
        raise SinkUsageError(
            "url: ends in parameters. Write the server's address alone, like http://127.0.0.1:8086; database and "
            "organisation are --bucket and --org."
        )
    return url.rstrip("/")


def require_certificates(ca: Path) -> Path:
    """The file of own certificates. Raises SinkUsageError where it holds none."""
    import ssl

    try:
        ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise SinkUsageError(
            f"ca {ca}: no certificates can be read from it: {why}. Name a file of certificates in PEM."
        ) from error
    return ca
