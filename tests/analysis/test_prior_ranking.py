"""Rankings, their intervals and their wording, and the patches behind them."""

from __future__ import annotations

import math

import pytest
import torch

from reorder_kit.analysis.prior_ranking import rank_orderings
from reorder_kit.data.training_patches import TrainingPatches
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, ImageShape, Sample, ScoringPrior, Unreadable
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from says import says


class FirstPatch(ScoringPrior):
    """The mean of the first patch; it scores images together, as the simplest plugin does."""

    name = "first-patch"

    def score(self, patches, orders):
        return {name: float(order.apply(patches)[:, 0].mean()) for name, order in orders.items()}


def rank(firsts, names="abc", seed=0):
    """Rank orders from given scores of images, a list for each order."""
    patches = torch.tensor(firsts, dtype=torch.float64).T[:, :, None]
    places = range(len(firsts))
    orders = {
        name: Order([place, *(p for p in places if p != place)]) for place, name in zip(places, names, strict=False)
    }
    return rank_orderings(
        FirstPatch(None, ImageShape(1, 1, len(firsts)), Grid(1, len(firsts))), patches.split(3), orders, seed
    )


def test_intervals_are_those_of_a_mean_over_images():
    values = torch.randn(400, generator=torch.Generator().manual_seed(0)).double()
    ranking = rank([values.tolist(), (values - 5).tolist()])
    score = ranking.best.score
    half = 1.96 * float(values.std()) / math.sqrt(400)
    assert score.mean == pytest.approx(float(values.mean()))
    assert (score.low, score.high) == pytest.approx((score.mean - half, score.mean + half), abs=0.1 * half)


def test_differences_are_of_the_same_images():
    # Images differ by hundreds, the orders by one on each of them.
    values = [100.0 * image for image in range(50)]
    ranking = rank([[value - 1 for value in values], values])
    second = ranking.orderings[1]
    assert [ordering.name for ordering in ranking.orderings] == ["b", "a"]
    assert second.score.high > ranking.best.score.mean
    assert (second.behind.mean, second.behind.low, second.behind.high) == pytest.approx((1, 1, 1))
    assert not second.is_within_noise
    assert says(ranking.verdict(), "b scores highest", "every other", "distinguishable", "50 images")


def test_noise_is_called_noise():
    noise = torch.randn(2, 60, generator=torch.Generator().manual_seed(1))
    ranking = rank(noise.tolist())
    assert ranking.verdict().startswith("The ranking is within noise: no ordering is distinguishable from")
    worse = rank([*noise.tolist(), (noise[0] - 9).tolist()])
    assert "is within noise on 60 images; the others are distinguishable from it." in worse.verdict()
    assert worse.orderings[-1].name == "c"
    assert [ordering.is_within_noise for ordering in worse.orderings] == [True, True, False]


def test_equal_scores_stand_by_name_and_are_within_noise():
    ranking = rank([[1, 2, 3]] * 3, names="cab")
    assert [ordering.name for ordering in ranking.orderings] == ["a", "b", "c"]
    assert all(ordering.is_within_noise for ordering in ranking.orderings)


def test_one_ordering_has_nothing_to_be_compared_with():
    assert rank([[1, 2]], names="a").verdict() == "There is no ordering to compare a with."


def test_the_seed_decides_the_resampling():
    values = [[1, 5, 2, 8, 4], [2, 4, 4, 4, 4]]
    assert rank(values) == rank(values)
    assert rank(values, seed=1) != rank(values)


def test_one_image_is_too_few():
    with pytest.raises(ReorderKitError, match="intervals need at least 2 training images, and 1 could be read"):
        rank([[1], [2]])


class Augmented:
    """Image i holds i plus fresh noise; every fourth file cannot be read."""

    read = 0

    def __len__(self):
        return 100

    def __getitem__(self, index):
        if index % 4 == 0:
            return Unreadable(str(index), "broken")
        return Sample(torch.cat([torch.full((1, 2, 4), float(index)), torch.rand(1, 2, 4)]), 0)


def patches(seed=0, images=80):
    samples = Augmented()
    return TrainingPatches(
        DataSplits(ImageShape(2, 2, 4), ["one"], samples, samples, samples), Grid(1, 2), seed, images
    )


def test_patches_come_in_batches_and_are_the_same_every_time():
    found = patches()
    first, second = list(found), list(found)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert max(len(batch) for batch in first) <= 32
    numbers = torch.cat(first)[:, 0, 0].tolist()
    assert len(set(numbers)) == len(numbers)
    assert 50 <= len(numbers) < 80
    assert first[0].shape[1:] == (2, 8)
    assert torch.cat(first)[:, :, :4].eq(torch.tensor(numbers)[:, None, None]).all()
    assert not torch.equal(first[0], next(iter(patches(seed=1))))


def test_the_global_random_stream_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    list(patches())
    assert torch.equal(torch.rand(1), expected)
