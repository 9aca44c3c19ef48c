"""Where a run is exported to: what the command line says, and for the rest the campaign's [influxdb]."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from testbed.run_folder import CAMPAIGN
from testbed.sink.errors import SinkUsageError
from testbed.sink.table import InfluxTable
from testbed.sink.target import Api, Target, checked_url, require_certificates
from testbed.validation import explained


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says; None: nothing."""

    url: str | None = None
    bucket: str | None = None
    org: str | None = None
    api: Api | None = None
    ca: Path | None = None
    create: bool | None = None
    token_file: Path | None = None


def target_of(given: Options, run_dir: Path) -> tuple[Target, Path | None]:
    """The database, and the file of its token where one is named. Raises SinkUsageError."""
    table = None if given.url else campaign_table(run_dir)
    url = given.url or (table.url if table else None)
    bucket = given.bucket or (table.bucket if table else None)
    if url is None or bucket is None:
        absent = " and ".join(name for name, value in (("--url", url), ("--bucket", bucket)) if value is None)
        raise SinkUsageError(
            f"{absent}: not given, and {run_dir / CAMPAIGN} has no [influxdb] that says it. Say where to write, such "
            "as --url http://127.0.0.1:8086 --bucket fl."
        )
    if not bucket.strip():
        raise SinkUsageError("--bucket: is empty. Name the bucket or database.")
    ca = given.ca or (table.ca if table else None)
    target = Target(
        url=checked_url(url),
        bucket=bucket,
        org=given.org if given.org is not None else (table.org if table else ""),
        api=given.api or (table.api if table else None),
        ca=require_certificates(ca.expanduser()) if ca else None,
        create=given.create if given.create is not None else bool(table and table.create),
    )
    file = given.token_file or (table.token_file if table else None)
    return target, file.expanduser() if file else None


def campaign_table(run_dir: Path) -> InfluxTable | None:
    """The [influxdb] of a run's campaign; None: it has none. Raises SinkUsageError where it cannot be meant."""
    path = run_dir / CAMPAIGN
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8")).get("influxdb")
    except (OSError, ValueError):
        return None
    if written is None:
        return None
    try:
        return InfluxTable.model_validate(written)
    except ValidationError as error:
        raise SinkUsageError(f"{path}, [influxdb]: {explained(error, InfluxTable)}") from error
