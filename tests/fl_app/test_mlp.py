from __future__ import annotations

import numpy as np
import pytest

from fl_app.workloads import digits, mlp


def test_the_model_is_as_large_as_the_one_it_stands_for() -> None:
    model = mlp.initial(seed=1)
    assert sum(part.size for part in model) == 727_510
    assert {part.dtype for part in model} == {np.dtype(np.float32)}
    (flat,) = mlp.to_arrays(model, "flat").values()
    assert flat.nbytes == 2_910_040


@pytest.mark.parametrize("layout", mlp.LAYOUTS)
def test_a_layout_brings_back_the_same_model(layout: mlp.Layout) -> None:
    model = mlp.initial(seed=1, hidden=13)
    arrays = mlp.to_arrays(model, layout)
    assert len(arrays) == {"flat": 1, "native": 4}[layout]
    back = mlp.from_arrays(arrays)
    assert all(np.array_equal(one, other) for one, other in zip(model, back, strict=True))
    assert all(part.flags.writeable for part in back)


def test_the_gradient_agrees_with_finite_differences(samples: digits.Samples) -> None:
    generator = np.random.default_rng(11)
    # in float64, and away from zero weights, so that the difference quotient is exact to many digits
    model = mlp.Parameters(*(generator.standard_normal(shape) * 0.3 for shape in mlp.shapes(7)))
    few = digits.Samples(images=samples.images[:23].astype(np.float64), labels=samples.labels[:23])
    _, gradient = mlp.loss_and_gradient(model, few)
    step = 1e-6
    for part, slopes in zip(model, gradient, strict=True):
        for index in generator.choice(part.size, size=min(23, part.size), replace=False):
            place = np.unravel_index(index, part.shape)
            value = part[place]
            part[place] = value + step
            above = mlp.evaluate(model, few).loss
            part[place] = value - step
            below = mlp.evaluate(model, few).loss
            part[place] = value
            assert slopes[place] == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-8)


def test_training_lowers_the_loss(samples: digits.Samples) -> None:
    model, few = mlp.initial(seed=1, hidden=101), samples.take(np.arange(200))
    before = mlp.evaluate(model, few).loss
    mlp.train(model, few, epochs=5, batch_size=32, learning_rate=0.05, generator=np.random.default_rng(1))
    assert mlp.evaluate(model, few).loss < before / 2


def test_an_untrained_model_knows_nothing(samples: digits.Samples) -> None:
    assert mlp.evaluate(mlp.initial(seed=1), samples).loss == pytest.approx(np.log(10), rel=1e-6)
