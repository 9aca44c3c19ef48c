"""Speaks to a database: writes lines in the way of its version. Which one it is, it is asked.

2.x, 3 and victoria-metrics are written to by influxdb-client, without its batching: what `write` returns from was
acknowledged. Sources: InfluxDB 1.8 API, /ping and /write; InfluxDB OSS v2 API.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from testbed.sink.answers import error_of
from testbed.sink.errors import AwayError, RefusedError, SinkError, SinkUsageError
from testbed.sink.http import Http, failure
from testbed.sink.influxql import identifier, rows
from testbed.sink.target import Target
from testbed.token import Token

Kind = Literal["influxdb", "victoria-metrics"]


@dataclass(frozen=True, slots=True)
class Found:
    """A server that answered: what it is and calls itself, and the target with its api filled in."""

    kind: Kind
    version: str
    target: Target

    @property
    def words(self) -> str:
        """What messages call it."""
        return "victoria-metrics" if self.kind == "victoria-metrics" else f"InfluxDB {self.version}".strip()


class Writer(Protocol):
    """Writes lines, each ended by a line break. Raises AwayError, RefusedError and SinkUsageError."""

    def write(self, body: bytes) -> None:
        """Returns when the server has acknowledged all of it."""

    def close(self) -> None:
        """Close its connections."""


def found(target: Target, token: Token) -> Found:
    """What answers there. Raises AwayError where nothing does, SinkUsageError where it is no such database."""
    http = Http(target, token)
    try:
        answer = http.get("/ping")
        version = answer.headers.get("X-Influxdb-Version", "").removeprefix("v")
        if answer.status in {401, 403}:  # 3 asks for a token there too
            raise http.refusal(answer)
        if answer.status >= 500:
            raise http.refusal(answer)
        if not version and b"VictoriaMetrics" in http.get("/").data[:4096]:
            return Found("victoria-metrics", "", replace(target, api=target.api or "v2"))
        if not version and not (answer.status in {200, 204} and target.api):
            raise SinkUsageError(
                f"{target.url}: something answers there ({answer.status}), but it is no InfluxDB. Correct the "
                "address (--url), or say which it is like with --api v1 or --api v2."
            )
    finally:
        http.close()
    return Found("influxdb", version, replace(target, api=target.api or ("v1" if _is_1(version) else "v2")))


def _is_1(version: str) -> bool:
    return version.startswith(("0.", "1."))


def prepared(server: Found, token: Token) -> None:
    """See that the database is there, and make it where that is asked and can be. Raises SinkUsageError."""
    if server.kind != "influxdb" or server.target.api != "v1":
        return  # a write tells
    http = Http(server.target, token)
    try:
        names = {row["name"] for row in rows(http, "SHOW DATABASES")}
        if server.target.bucket in names:
            return
        if not server.target.create:
            raise error_of(404, b'{"error": "database not found"}', {}, server.target)
        list(rows(http, f"CREATE DATABASE {identifier(server.target.bucket)}"))
    except RefusedError as error:
        raise SinkUsageError(
            f"{server.target.url}: cannot tell or make its databases: {error.said}. Use a user who may, or make "
            f"{server.target.bucket!r} there by hand."
        ) from error
    finally:
        http.close()


def writer(server: Found, token: Token) -> Writer:
    """How that server is written to."""
    return V1Writer(server.target, token) if server.target.api == "v1" else V2Writer(server.target, token)


class V1Writer:
    """`/write` of 1.x."""

    def __init__(self, target: Target, token: Token) -> None:
        self._http = Http(target, token)
        self._database = target.bucket

    def write(self, body: bytes) -> None:
        """Returns when the server has acknowledged all of it."""
        self._http.write("/write", body, db=self._database, precision="ns")

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


class V2Writer:
    """`/api/v2/write` by influxdb-client."""

    def __init__(self, target: Target, token: Token) -> None:
        from influxdb_client.client.influxdb_client import InfluxDBClient
        from influxdb_client.client.write_api import SYNCHRONOUS

        self._target, self._token = target, token
        self._client: Any = InfluxDBClient(
            target.url,
            token.value,
            org=target.org or "-",  # influxdb-client insists on one, 3 and victoria-metrics have none
            timeout=int(target.timeout_s * 1000),
            enable_gzip=not target.on_loopback,
            verify_ssl=True,
            ssl_ca_cert=str(target.ca) if target.ca else None,
        )
        self._api: Any = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, body: bytes) -> None:
        """Returns when the server has acknowledged all of it."""
        import urllib3
        from influxdb_client.client.exceptions import InfluxDBError

        try:
            self._api.write(self._target.bucket, record=body, write_precision="ns")
        except InfluxDBError as error:
            raise self._error(error) from None  # its text has the answer's headers
        except urllib3.exceptions.HTTPError as error:
            raise failure(error, self._target) from error

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _error(self, error: Any) -> Exception:
        if error.response is None:
            why = self._token.taken_from(str(getattr(error, "message", "") or error).partition("\n")[0])
            return AwayError(f"{self._target.url}: {why}. See its log, then try again.")
        response = error.response
        body = self._token.taken_from(_text(response.data)).encode()
        headers = response.headers if hasattr(response, "headers") else response.getheaders()
        status = int(response.status)
        if not body and status < 400:
            return SinkError(f"{self._target.url}: answers {status} to a write. Correct the address (--url).")
        return error_of(status, body, headers, self._target)


def _text(data: str | bytes | None) -> str:
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else data or ""
