"""One server over HTTP, as urllib3 has it: no proxy, certificates verified, every failure as an error of ours."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from testbed.errors import FedprobeError
from testbed.sink.answers import error_of
from testbed.sink.errors import AwayError, SinkError, SinkUsageError
from testbed.sink.target import Target
from testbed.token import Token

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

CONNECT_S = 5.0
_BLOCK = 1 << 16


class Http:
    """Requests to one server. Raises AwayError, RefusedError and SinkUsageError."""

    def __init__(self, target: Target, token: Token) -> None:
        import urllib3

        self.target = target
        self.token = token
        self._pool = urllib3.PoolManager(
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=target.timeout_s),
            ca_certs=str(target.ca) if target.ca else None,
            cert_reqs="CERT_REQUIRED",
        )

    def close(self) -> None:
        """Close its connections."""
        self._pool.clear()

    def get(self, path: str, **parameters: str) -> BaseHTTPResponse:
        """The answer to a GET, whatever its status."""
        return self._asked("GET", self._address(path, parameters))

    def write(self, path: str, body: bytes, **parameters: str) -> None:
        """POST lines."""
        headers: dict[str, str] = {"Content-Type": "text/plain; charset=utf-8"}
        if not self.target.on_loopback:
            import gzip

            body, headers["Content-Encoding"] = gzip.compress(body, 3), "gzip"
        answer = self._asked("POST", self._address(path, parameters), body=body, headers=headers)
        if answer.status not in {200, 204}:
            raise self.refusal(answer)

    def lines(
        self, path: str, *, form: Mapping[str, str] | None = None, parameters: Mapping[str, str] | None = None
    ) -> Iterator[Any]:
        """An answer of one JSON document a line, one after another: no more of it in memory than its longest line."""
        body = urlencode(form).encode() if form is not None else None
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
        address = self._address(path, parameters or {})
        answer = self._asked("POST" if form else "GET", address, body=body, headers=headers, preload_content=False)
        try:
            if answer.status != 200:
                answer.read()
                raise self.refusal(answer)
            for line in self._split(answer):
                yield json.loads(line)
        except ValueError as error:
            raise SinkError(f"{self.target.url}: answers a query with what is no JSON. Is it an InfluxDB?") from error
        finally:
            answer.close()

    def refusal(self, answer: BaseHTTPResponse) -> FedprobeError:
        """The error that an answer stands for."""
        return error_of(
            answer.status,
            self.token.taken_from(answer.data.decode("utf-8", "replace")).encode(),
            answer.headers,
            self.target,
        )

    def failure(self, error: Exception) -> FedprobeError:
        """The error that a failed request stands for."""
        return failure(error, self.target)

    def _split(self, answer: BaseHTTPResponse) -> Iterator[bytes]:
        import urllib3

        rest = b""
        try:
            for block in answer.stream(_BLOCK):
                *whole, rest = (rest + block).split(b"\n")
                yield from (line for line in whole if line.strip())
        except urllib3.exceptions.HTTPError as error:
            raise self.failure(error) from error
        if rest.strip():
            yield rest

    def _asked(self, method: str, address: str, **more: Any) -> BaseHTTPResponse:
        import urllib3

        headers = {**more.pop("headers", {}), **authorization(self.token, self.target)}
        try:
            return self._pool.request(method, address, headers=headers, redirect=False, **more)
        except urllib3.exceptions.HTTPError as error:
            raise self.failure(error) from error

    def _address(self, path: str, parameters: Mapping[str, str]) -> str:
        return f"{self.target.url}{path}{'?' + urlencode(parameters) if parameters else ''}"


def authorization(token: Token, target: Target) -> dict[str, str]:
    """The header that shows the token; USER:PASSWORD in the way of 1.x."""
    if not token:
        return {}
    if target.api == "v1" and ":" in token.value:
        return {"Authorization": f"Basic {base64.b64encode(token.value.encode()).decode()}"}
    return {"Authorization": f"Token {token.value}"}


def failure(error: Exception, target: Target) -> FedprobeError:
    """A request that got no answer, as fact, cause and next step."""
    import urllib3

    errors = urllib3.exceptions
    cause: BaseException = error.reason if isinstance(error, errors.MaxRetryError) and error.reason else error
    if isinstance(cause, errors.SSLError):
        return _tls_failure(cause, target)
    if isinstance(cause, errors.NameResolutionError):
        return AwayError(f"{target.url}: no host of that name is known. Correct the address (--url).")
    if isinstance(cause, errors.NewConnectionError):
        return AwayError(f"{target.url}: {_last_words(cause)}. Start the server, or correct the address (--url).")
    if isinstance(cause, errors.ConnectTimeoutError):
        return AwayError(f"{target.url}: does not answer within {CONNECT_S:g} s. Correct the address, or start it.")
    if isinstance(cause, errors.ReadTimeoutError):
        return AwayError(f"{target.url}: did not answer within {target.timeout_s:g} s. See its log.")
    return AwayError(f"{target.url}: the connection broke off: {_innermost(cause)}. See its log, then try again.")


def _innermost(error: BaseException) -> str:
    """What the system or the protocol said: `('Connection aborted.', ConnectionResetError(104, ...))` holds it."""
    within = next((one for one in error.args[1:] if isinstance(one, Exception)), None)
    if within is not None:
        return _innermost(within)
    return error.strerror if isinstance(error, OSError) and error.strerror else _last_words(error)


def _tls_failure(error: BaseException, target: Target) -> SinkUsageError:
    if "WRONG_VERSION" in str(error):
        return SinkUsageError(f"{target.url}: does not speak TLS. Write http:// where its network is to be trusted.")
    return SinkUsageError(
        f"{target.url}: its certificate is not accepted: {_last_words(error)}. Name the certificate of the "
        "authority that signed it with --ca, or correct the address."
    )


def _last_words(error: BaseException) -> str:
    """`[SSL: ...] certificate verify failed: self-signed certificate (_ssl.c:1006)` -> what stands between."""
    text = re.sub(r" \(_ssl\.c.*", "", str(error)).rpartition("] ")[2]
    return text.removeprefix("Failed to establish a new connection: ").rstrip(")'. ")
