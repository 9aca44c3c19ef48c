"""Bytes as Flower sends arrays, and back: what both sides of the payload workload use."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from flwr.app import Array, ArrayRecord

from .payload import Bytes


def to_record(arrays: Mapping[str, Bytes]) -> ArrayRecord:
    """The arrays as Flower sends them: each with numpy's own header of 128 bytes before it."""
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


def to_bytes(record: ArrayRecord) -> dict[str, Bytes]:
    """The arrays of a message, each read as its bytes whatever its type says."""
    return {name: np.ascontiguousarray(array.numpy()).view(np.uint8) for name, array in record.items()}
