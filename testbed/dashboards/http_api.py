"""Questions to a server's HTTP API, in JSON: what cannot be had becomes one message.

TLS certificates are verified, by the system's authorities or by a file of the user's. Redirects are not followed: a
token would go along.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from testbed.dashboards.errors import InstallError, InstallUsageError

if TYPE_CHECKING:
    import httpx

LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and what came with it: the JSON, None where it was none."""

    status: int
    document: Any

    def __getitem__(self, name: str) -> Any:
        return self.document.get(name) if isinstance(self.document, dict) else None

    @property
    def said(self) -> str:
        """The server's own words, in one line."""
        words = self["message"] or self["error"] or self["code"] or "no reason"
        return " ".join(str(words).split())[:300].rstrip(".")


@dataclass(slots=True)
class Api:
    """One server. `name` is what messages call it; `authorization` the header's value."""

    name: str
    url: str
    authorization: str
    authorities: Path | None = None
    _client: httpx.Client | None = field(default=None, init=False)

    def __enter__(self) -> Api:
        import httpx

        self._client = httpx.Client(
            base_url=checked_url(self.url, self.name),
            headers={"Authorization": self.authorization, "Accept": "application/json"},
            verify=_verified(self.authorities),
            timeout=LIMIT_S,
            follow_redirects=False,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()

    def get(self, path: str, **query: str) -> Answer:
        """Ask. Raises InstallError where no answer comes, or one that is a redirect."""
        return self._asked("GET", path, params=query)

    def post(self, path: str, document: Any) -> Answer:
        """Send a document. Raises InstallError as `get`."""
        return self._asked("POST", path, json=document)

    def put(self, path: str, document: Any) -> Answer:
        """Replace a document. Raises InstallError as `get`."""
        return self._asked("PUT", path, json=document)

    def _asked(self, method: str, path: str, **more: Any) -> Answer:
        import httpx

        assert self._client is not None
        try:
            answer = self._client.request(method, path, **more)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._no_answer(error) from error
        if answer.is_redirect:
            raise InstallError(
                f"{self.name} at {self.url}: sends on to {answer.headers.get('location', 'nowhere')}. State that "
                "address, if it is the server's own."
            )
        try:
            return Answer(answer.status_code, answer.json())
        except (json.JSONDecodeError, UnicodeDecodeError):
            return Answer(answer.status_code, None)

    def _no_answer(self, error: Exception) -> InstallError:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return InstallError(
                f"{self.name} at {self.url}: its certificate is not accepted: {cause.verify_message}. State the "
                "authority that signed it (--ca), or the name that the certificate is for."
            )
        if isinstance(cause, ssl.SSLError):
            return InstallError(
                f"{self.name} at {self.url}: no TLS connection comes about: {cause.reason or cause}. Is it http:// "
                "there?"
            )
        words = str(error) or type(error).__name__
        return InstallError(
            f"{self.name} at {self.url}: no answer: {words}. Is it running, and is the address right?"
        )


def checked_url(url: str, name: str) -> str:
    """The address without a slash at its end. Raises InstallUsageError where it is none, or holds a password."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
    except ValueError:
        known = None
    if not known:
        shown = "what is given" if "@" in url else repr(url)  # there may be a password in it
        raise InstallUsageError(f"{name}: {shown} is no address. Give one such as https://grafana.lab:3000.")
    if parts.username is not None or parts.password is not None:
        raise InstallUsageError(f"{name}: the address holds a user or password. Leave it out: a token is used.")
    if parts.query or parts.fragment:
        raise InstallUsageError(f"{name}: {url!r} holds more than an address. End it before ? and #.")
    return url.rstrip("/")


def is_in_clear(url: str) -> bool:
    """Whether a token would cross a network unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}


def _verified(authorities: Path | None) -> ssl.SSLContext:
    if authorities is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(authorities))
    except ssl.SSLError as error:
        raise InstallUsageError(
            f"--ca {authorities}: holds no certificate: {error.reason}. Name a file in PEM form."
        ) from error
