"""Wrappers expose exactly the abilities of the samples below them."""

from __future__ import annotations

import pickle

import pytest
import torch

from reorder_kit.data.scrambled_images import scramble
from reorder_kit.data.shuffled_targets import ShuffledTargets, shuffle_targets
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, HasTargets, HasViews, ImageShape, Sample, Unreadable
from reorder_kit.jobs.smoke import _First
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

SHAPE = ImageShape(1, 2, 2)


class Plain:
    """Sample k is filled with k; sample 1 cannot be read."""

    def __init__(self, reads=None):
        self.reads = [] if reads is None else reads

    def __len__(self):
        return 3

    def __getitem__(self, index):
        self.reads.append(index)
        return self.sample(index, 1)

    def sample(self, index, sign):
        if index == 1:
            return Unreadable("one.png", "torn")
        return Sample(sign * torch.tensor([[[10.0, 11.0], [12.0, 13.0]]]) * (index + 1), index)


class Rich(Plain):
    """With views, which are negative, and known targets."""

    def view(self, index):
        return self.sample(index, -1)

    def target(self, index):
        return index


def scrambled(samples):
    return scramble(DataSplits(SHAPE, ["a"], samples, samples, samples), Grid(2, 2), Order([3, 2, 1, 0])).test


def shuffled(samples):
    return ShuffledTargets(samples, torch.tensor([2, 0, 1]))


def first(samples):
    return _First(samples, 2)


WRAPPERS = [scrambled, shuffled, first]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_wrapper_has_what_the_set_below_it_has(wrap):
    assert isinstance(wrap(Rich()), HasViews)
    assert isinstance(wrap(Rich()), HasTargets)
    assert not isinstance(wrap(Plain()), HasViews)
    assert not isinstance(wrap(Plain()), HasTargets)
    assert isinstance(wrap(wrap(Rich())), HasViews)
    sent = pickle.loads(pickle.dumps(wrap(Rich())))
    assert torch.equal(sent.view(0).image, wrap(Rich()).view(0).image)
    assert sent.target(1) == wrap(Rich()).target(1)
    assert isinstance(wrap(Rich()).view(1), Unreadable)


def test_views_are_scrambled_like_their_samples():
    samples = scrambled(Rich())
    assert samples[0].image.tolist() == [[[13.0, 12.0], [11.0, 10.0]]]
    assert samples.view(2).image.tolist() == [[[-39.0, -36.0], [-33.0, -30.0]]]
    assert samples.target(2) == samples[2].target == 2


def test_views_get_the_target_of_the_same_other_sample():
    samples = shuffled(Rich())
    assert [samples[0].target, samples.view(0).target, samples.target(0)] == [2, 2, 2]
    assert samples.view(0).image.max() < 0


def test_no_image_is_read_for_a_known_target():
    reads = []
    assert shuffled(Rich(reads))[2].target == 1  # that of the image that cannot be read
    assert reads == [2]
    reads = []
    assert shuffled(Plain(reads))[0].target == 2
    assert reads == [0, 2]
    assert isinstance(shuffled(Plain())[2], Unreadable)


def test_dealing_out_targets_leaves_evaluation_alone():
    splits = shuffle_targets(DataSplits(SHAPE, ["a"], Rich(), Rich(), Rich()), seed=1)
    assert sorted(splits.train.target(index) for index in range(3)) == [0, 1, 2]
    assert isinstance(splits.test, Rich)


def test_patches_of_clips_are_scrambled_across_frames():
    clip = ImageShape(1, 2, 2, frames=2)
    image = torch.arange(8.0).view(1, 2, 2, 2)
    samples = [Sample(image, 0)]
    splits = DataSplits(clip, ["a"], samples, samples, samples)
    # Two frames of 1x2 patches: each patch is a column of two pixels in one of the frames.
    seen = scramble(splits, Grid(1, 2, 2), Order([3, 0, 1, 2])).test[0].image
    patches = [image[0, frame, :, column] for frame in (0, 1) for column in (0, 1)]
    for place, patch in enumerate([3, 0, 1, 2]):
        frame, column = divmod(place, 2)
        assert torch.equal(seen[0, frame, :, column], patches[patch])


@pytest.mark.parametrize("grid", [Grid(1, 2), Grid(1, 2, frames=2), Grid(1, 3, frames=4), Grid(3, 2, frames=4)])
def test_clips_that_patches_do_not_fill_are_not_scrambled(grid):
    samples = [Sample(torch.zeros(1, 4, 2, 2), 0)]
    splits = DataSplits(ImageShape(1, 2, 2, frames=4), ["a"], samples, samples, samples)
    with pytest.raises(
        ReorderKitError, match=r"data\.plant: an image of 4x2x2 pixels cannot be divided into .* whole patches"
    ):
        scramble(splits, grid, Order.identity(grid.num_patches))
