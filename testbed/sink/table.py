"""The campaign file's [influxdb]: where its points go while it runs. The token is never written there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from testbed.sink.errors import SinkUsageError
from testbed.sink.target import checked_url
from testbed.validation import stated


class InfluxTable(BaseModel):
    """`bucket`, or `database`, is what it is called there; `org` is 2.x's. `token_file` is a file of yours alone.

    `finish_s`: how long the end of the campaign waits for what is not there yet. `live`: points of the server host
    are written while a trial runs, too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    url: str
    bucket: Annotated[str, Field(alias="database", min_length=1)]
    org: str = ""
    api: Literal["v1", "v2"] | None = None
    ca: Path | None = None
    create: bool = False
    token_file: Path | None = None
    live: bool = False
    finish_s: Annotated[float, Field(ge=0, le=86_400)] = 120.0

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        try:
            return checked_url(url)
        except SinkUsageError as error:
            raise stated(f"influxdb.{error}") from error
