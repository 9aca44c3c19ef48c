from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fl_app.workloads import digits, mlp
from fl_app.workloads.partition import Partition, PartitionError, round_generator, share


def test_the_data_are_those_of_the_source(samples: digits.Samples) -> None:
    assert samples.images.shape == (1797, 64)
    assert samples.images.dtype == np.float32
    assert samples.images.min() == 0
    assert samples.images.max() == 1
    # the class counts of the test set, as the UCI page lists them
    assert np.bincount(samples.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_file_says_whose_data_they_are_and_under_which_licence() -> None:
    record = json.loads(digits.DATA_FILE.read_text(encoding="utf-8"))
    assert record["licence"] == "CC BY 4.0"
    assert record["licence_url"] == "https://creativecommons.org/licenses/by/4.0/"
    assert record["doi"] == "10.24432/C50P49"
    assert record["authors"] == "E. Alpaydin, C. Kaynak (1998)"
    assert record["source"].startswith("https://archive.ics.uci.edu/")
    assert record["changes"]
    assert digits.DATA_FILE.stat().st_size < 50_000


def test_changed_data_are_refused(tmp_path: Path) -> None:
    record = json.loads(digits.DATA_FILE.read_text(encoding="utf-8"))
    changed = tmp_path / "digits.json"
    changed.write_text(json.dumps(record | {"sha256": "0" * 64}), encoding="utf-8")
    with pytest.raises(digits.DataFileError, match="was changed or cut"):
        digits.load(changed)


def test_the_splits_are_disjoint_and_cover_the_data(samples: digits.Samples) -> None:
    numbered = digits.Samples(images=samples.images, labels=np.arange(len(samples)))
    splits = digits.split(numbered, seed=3)
    parts = [splits.train.labels, splits.validation.labels, splits.test.labels]
    assert [len(part) for part in parts] == [1259, 179, 359]
    assert sorted(np.concatenate(parts)) == list(range(1797))


def test_the_initial_scale_fits_the_pixels(samples: digits.Samples) -> None:
    assert round(float((samples.images**2).mean()), 3) == mlp.MEAN_SQUARE_PIXEL


@pytest.mark.parametrize("count", [1, 2, 4, 7, 23])
def test_the_partitions_are_disjoint_cover_and_are_equal(samples: digits.Samples, count: int) -> None:
    numbered = digits.Samples(images=samples.images, labels=np.arange(len(samples)))
    shares = [share(numbered, Partition(index=i, count=count), seed=5) for i in range(count)]
    assert sorted(np.concatenate([part.labels for part in shares])) == list(range(1797))
    sizes = [len(part) for part in shares]
    assert max(sizes) - min(sizes) <= 1


def test_a_share_is_cut_to_the_samples_asked_for(samples: digits.Samples) -> None:
    own = Partition(index=1, count=4)
    whole, cut = share(samples, own, seed=5), share(samples, own, seed=5, at_most=250)
    assert len(cut) == 250
    assert np.array_equal(whole.labels[:250], cut.labels)


def test_the_seed_decides_the_share(samples: digits.Samples) -> None:
    own = Partition(index=0, count=4)
    once, again, other = (share(samples, own, seed=seed).labels for seed in (5, 5, 6))
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_each_client_has_its_own_order_in_each_round() -> None:
    drawn = {
        tuple(round_generator(Partition(index=i, count=4), seed=seed, server_round=r).permutation(20).tolist())
        for i in range(4)
        for r in range(1, 6)
        for seed in (1, 2)
    }
    assert len(drawn) == 4 * 5 * 2


@pytest.mark.parametrize(("index", "count"), [(-1, 4), (4, 4), (0, 0)])
def test_a_partition_that_cannot_be_is_refused(index: int, count: int) -> None:
    with pytest.raises(PartitionError, match="there is no such partition"):
        Partition(index=index, count=count)
