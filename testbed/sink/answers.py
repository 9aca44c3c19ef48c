"""What a server's answer means: whether it may succeed later, never for these lines, or never at all. Pure.

Sources: InfluxDB 1.6 services/httpd/handler.go; InfluxDB OSS v2 and 3 API, POST /api/v2/write; RFC 9110, Retry-After.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from testbed.errors import FedprobeError
from testbed.sink.errors import AbsentError, AwayError, RefusedError, SinkUsageError
from testbed.sink.target import Target

LONGEST = 500
_FULL = ("no space left", "not enough free", "read-only", "disk quota", "disk full", "file too large")
_OF_LINES = {400, 413, 422}


def error_of(status: int, body: bytes, headers: Mapping[str, str], target: Target) -> FedprobeError:
    """The error that an answer to a write or a query stands for."""
    said = _said(body)
    if status in {401, 403} or "authorization failed" in said:
        return _not_let_in(status, said, target)
    if status == 404:
        return _not_found(said, target)
    if status == 429 or status >= 500 or _is_full(said):
        return _away(status, said, headers, target)
    if status not in _OF_LINES:
        return SinkUsageError(
            f"{target.url}: answers {status} where points are written: it is no InfluxDB. Correct the address."
        )
    if "org" in said.lower() and "not found" in said.lower():
        return _no_org(said, target)
    return RefusedError(status, said or f"status {status}")


def _not_let_in(status: int, said: str, target: Target) -> SinkUsageError:
    if status == 403 and "authorization failed" not in said:
        return SinkUsageError(
            f"{target.url}: the token is good, but gives no right to write and read {target.bucket!r} ({said}). Use "
            "one that does."
        )
    return SinkUsageError(
        f"{target.url}: the token is not accepted ({said or status}). Put the right one into INFLUXDB_V2_TOKEN or a "
        "--token-file; a server of 1.x takes USER:PASSWORD."
    )


def _not_found(said: str, target: Target) -> SinkUsageError:
    if "org" in said.lower() and "bucket" not in said.lower():
        return _no_org(said, target)
    if "not found" not in said.lower() or "page" in said.lower() or "path" in said.lower():
        return AbsentError(
            f"{target.url}: has no address for points: it is no InfluxDB, or one that is spoken to otherwise. "
            "Correct the address, or say --api v1 for a server of 1.x, --api v2 for others."
        )
    return AbsentError(
        f"{target.url}: has no bucket or database {target.bucket!r} ({said}). Correct --bucket, or make it: --create "
        f"does on 1.x, `influx bucket create` on 2.x, `influxdb3 create database` on 3."
    )


def _no_org(said: str, target: Target) -> SinkUsageError:
    return SinkUsageError(f"{target.url}: has no organisation {target.org!r} ({said}). Correct --org.")


def _away(status: int, said: str, headers: Mapping[str, str], target: Target) -> AwayError:
    if _is_full(said) or status == 507:
        return AwayError(
            f"{target.url}: is full ({said}). Make room on its disk, then run the export again: it goes on "
            "where it was."
        )
    return AwayError(
        f"{target.url}: answers {status}{f' ({said})' if said else ''}. See its log, then run the export again: "
        "it goes on where it was.",
        after_s=_seconds(headers.get("Retry-After")),
    )


def _is_full(said: str) -> bool:
    return any(words in said.lower() for words in _FULL)


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds or as a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _said(body: bytes) -> str:
    """The server's own words: the error of its JSON, or the beginning of its text; on one line."""
    text = body.decode("utf-8", errors="replace")
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict):
        text = str(document.get("error") or document.get("message") or text)
    if "<html" in text.lower():
        text = "a web page"
    return " ".join(text.split())[:LONGEST]
