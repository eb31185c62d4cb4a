"""The digits, and the random split shared by all sources."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pydantic
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import Tensor

from reorder_kit.data.splits import split_off
from reorder_kit.data_sources.digits import Digits
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import SampleSet


def images_of(samples: SampleSet) -> Tensor:
    return torch.stack([samples[index][0] for index in range(len(samples))])


def targets_of(samples: SampleSet) -> list[int]:
    return [samples[index][1] for index in range(len(samples))]


def test_digits_are_split_into_1200_100_and_497() -> None:
    splits = Digits().open(seed=0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (1200, 100, 497)
    assert list(splits.classes) == list("0123456789")


def test_digits_hold_every_bundled_image_once_with_its_target() -> None:
    splits = Digits().open(seed=0)
    samples = [split[index] for split in (splits.train, splits.validation, splits.test) for index in range(len(split))]
    # Standardization preserves the order of values, so ranks of values identify an image.
    bundled = load_digits()
    values = torch.cat([image.flatten() for image, *_ in samples]).unique()
    assert len(values) == 17
    found = {(tuple(torch.searchsorted(values, image.flatten()).tolist()), target) for image, target, *_ in samples}
    expected = zip(bundled.data.astype(int).tolist(), bundled.target.tolist(), strict=True)
    assert found == {(tuple(image), target) for image, target in expected}


def test_more_digits_for_validation_leave_the_test_split_alone() -> None:
    few, many = Digits().open(0), Digits(Digits.Options(validation_images=300)).open(0)
    assert (len(many.train), len(many.validation)) == (1000, 300)
    assert targets_of(few.test) == targets_of(many.test)
    assert targets_of(many.validation)[-100:] == targets_of(few.validation)


def test_digits_are_the_same_for_every_seed() -> None:
    assert torch.equal(images_of(Digits().open(0).train), images_of(Digits().open(7).train))


def test_digits_are_standardised_with_the_training_images() -> None:
    train = images_of(Digits().open(0).train)
    assert train.dtype == torch.float32
    assert train.mean().item() == pytest.approx(0.0, abs=1e-5)
    assert train.std().item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("images", [0, 1300])
def test_digits_keep_images_for_training_and_for_validation(images: int) -> None:
    with pytest.raises(pydantic.ValidationError, match="validation_images"):
        Digits.Options(validation_images=images)


def test_a_split_takes_the_same_share_of_every_class() -> None:
    targets = [0] * 40 + [1] * 20 + [2] * 10
    stay, aside = split_off(targets, 0.2, seed=0, field="data.test_fraction")
    assert Counter(targets[index] for index in aside) == {0: 8, 1: 4, 2: 2}
    assert Counter(targets[index] for index in stay) == {0: 32, 1: 16, 2: 8}


def test_a_split_of_small_classes_still_has_the_right_size() -> None:
    _, aside = split_off([0, 1, 2, 3, 4] * 4, 0.1, seed=0, field="")
    assert len(aside) == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=4, max_size=80), st.floats(0.05, 0.6), st.integers(0, 2**31))
def test_a_split_is_a_split(targets: list[int], fraction: float, seed: int) -> None:
    try:
        stay, aside = split_off(targets, fraction, seed, "data.test_fraction")
    except ReorderKitError:
        assert len(targets) * fraction < 0.5 or max(Counter(targets).values()) == 1
        return
    assert sorted(stay + aside) == list(range(len(targets)))
    assert len(aside) <= len(targets) * fraction + 0.5
    assert {targets[index] for index in stay} == set(targets)


def test_a_split_depends_on_the_seed_alone() -> None:
    targets = [0, 1] * 50
    assert split_off(targets, 0.2, 1, "") == split_off(targets, 0.2, 1, "")
    assert split_off(targets, 0.2, 1, "") != split_off(targets, 0.2, 2, "")


def test_every_image_has_the_same_chance_to_be_set_aside() -> None:
    drawn = np.zeros(20)
    for seed in range(400):
        drawn[split_off([0] * 10 + [1] * 10, 0.25, seed, "")[1]] += 1
    # 400 draws at 0.25: mean 100, standard deviation 8.7
    assert np.abs(drawn - 100).max() < 40
    # Each time 2 of either class and a fifth by lot: mean 1,000, standard deviation 10
    assert abs(drawn[:10].sum() - 1000) < 50


def test_a_share_that_leaves_nothing_is_refused_by_its_field() -> None:
    with pytest.raises(ReorderKitError, match=r"data\.validation_fraction: 0\.01 of 10 images is zero images"):
        split_off([0] * 10, 0.01, 0, "data.validation_fraction")
    with pytest.raises(ReorderKitError, match="is zero images"):
        split_off([0, 1, 2], 0.5, 0, "data.validation_fraction")
