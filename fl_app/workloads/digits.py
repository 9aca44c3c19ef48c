"""The handwritten digits that travel inside the app, and their fixed division into three splits."""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

DATA_FILE = Path(__file__).with_name("digits.json")
"""JSON because Flower's app bundle carries it and would leave an .npz behind."""

PIXELS = 64
CLASSES = 10
BRIGHTEST = 16
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.1


class DataFileError(Exception):
    """The data file is not the one this app was written for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Images (n x 64, 0..1) and their digits (n, 0..9)."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: npt.NDArray[np.int64]) -> Samples:
        return Samples(images=self.images[indices], labels=self.labels[indices])


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Three disjoint parts of the data: the clients train on the first, nobody trains on the others."""

    train: Samples
    validation: Samples
    test: Samples


def load(data_file: Path = DATA_FILE) -> Samples:
    """All 1,797 samples in the order of the source.

    Raises: DataFileError if the decoded bytes are not those of the recorded digest.
    """
    record = json.loads(data_file.read_text(encoding="utf-8"))
    content = lzma.decompress(base64.b85decode(record["data"]))
    digest = hashlib.sha256(content).hexdigest()
    if digest != record["sha256"]:
        raise DataFileError(
            f"{data_file.name}: the decoded bytes have SHA-256 {digest}, the file says {record['sha256']}: "
            "it was changed or cut. Install the app again."
        )
    table = np.frombuffer(content, dtype=np.uint8).reshape(record["columns"], record["rows"]).T
    return Samples(
        images=np.ascontiguousarray(table[:, :PIXELS], dtype=np.float32) / np.float32(BRIGHTEST),
        labels=table[:, PIXELS].astype(np.int64),
    )


def split(samples: Samples, *, seed: int) -> Splits:
    """Divide the samples at random: 20 % for the test, 10 % for validation, the rest to train on."""
    order = np.random.default_rng([seed, len(samples)]).permutation(len(samples))
    test_end = int(len(samples) * TEST_SHARE)
    validation_end = test_end + int(len(samples) * VALIDATION_SHARE)
    return Splits(
        test=samples.take(order[:test_end]),
        validation=samples.take(order[test_end:validation_end]),
        train=samples.take(order[validation_end:]),
    )
