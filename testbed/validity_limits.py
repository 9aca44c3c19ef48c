"""How much may be wrong with a trial before it is invalid: the campaign file's `[validity]` table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Versioned = Literal["fedprobe", "flwr", "httpx", "uvicorn", "numpy", "torch", "python", "kernel"]


class ValidityLimits(BaseModel):
    """What is still allowed; each reason's meaning is in docs/validity.md.

    `clock_error_ms` bounds the error of every host's clock on the server's axis; `other_load_cpu` is the share of a
    host's processors, 0 to 1, that programs other than the campaign's may take on the average of a trial;
    `throttled_samples` counts readings of a slowed processor; `dropped_packets` are of all captures together;
    `dropped_records` were lost by a full buffer, `cut_files` end before their process's last record;
    `same_versions` are the packages that all hosts must have alike.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clock_error_ms: Annotated[float, Field(gt=0)] = 25.0
    other_load_cpu: Annotated[float, Field(ge=0, le=1)] = 0.25
    throttled_samples: Annotated[int, Field(ge=0)] = 0
    dropped_packets: Annotated[int, Field(ge=0)] = 0
    dropped_records: Annotated[int, Field(ge=0)] = 0
    cut_files: Annotated[int, Field(ge=0)] = 0
    same_versions: tuple[Versioned, ...] = ("fedprobe", "flwr")
