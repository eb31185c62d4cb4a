"""The training images and targets that are used before training."""

from __future__ import annotations

import torch

from reorder_kit.data.training_patches import TrainingPatches
from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.interfaces import CAPTION, DataSplits, ImageShape, Sample, Unreadable
from reorder_kit.orders.grid import Grid


class Numbered:
    """An image of its number, with some noise as augmentation; every fifth cannot be read."""

    def __init__(self):
        self.read = []

    def __len__(self):
        return 40

    def __getitem__(self, index):
        self.read.append(index)
        if index % 5 == 0:
            return Unreadable(f"{index}.png", "broken")
        return Sample(index + torch.rand(1, 4, 4), f"target {index}")


class Told(Numbered):
    """The same, which knows the targets without the images."""

    def target(self, index):
        return Unreadable(f"{index}.png", "broken") if index % 5 == 0 else f"target {index}"


def training(samples, seed=0):
    unused = object()
    return TrainingSplit(DataSplits(ImageShape(1, 4, 4), ["a", "b"], samples, unused, unused), seed, CAPTION)


READABLE = [f"target {index}" for index in range(40) if index % 5]


def test_it_knows_what_the_data_are():
    data = training(Numbered())
    assert (data.image, list(data.classes), len(data)) == (ImageShape(1, 4, 4), ["a", "b"], 40)


def test_targets_come_by_number_without_those_of_unreadable_images():
    assert list(training(Numbered()).targets()) == READABLE


def test_no_image_is_read_where_targets_are_known_without():
    samples = Told()
    assert list(training(samples).targets()) == READABLE
    assert samples.read == []


def test_batches_hold_images_with_their_targets_and_name_what_is_missing():
    batches = list(training(Numbered()).batches(30, batch_size=8))
    assert len(batches) == 4
    for batch in batches:
        numbers = batch.images.flatten(1).amin(dim=1).floor().int().tolist()
        assert batch.targets == [f"target {number}" for number in numbers]
    names = [name for batch in batches for name in batch.targets]
    missing = [unreadable.path for batch in batches for unreadable in batch.unreadable]
    assert len(set(names)) == len(names)
    assert len(names) + len(missing) == 30
    assert missing


def test_the_choice_and_the_augmentation_hang_on_the_seed_alone():
    once, again, other = (list(training(Numbered(), seed).batches(30)) for seed in (3, 3, 4))
    assert all(torch.equal(one.images, two.images) for one, two in zip(once, again, strict=True))
    assert once[0].targets != other[0].targets
    # Regardless of batches; a smaller selection is a prefix of a larger one.
    few = torch.cat([batch.images for batch in training(Numbered(), 3).batches(10, batch_size=3)])
    assert torch.equal(few, once[0].images[: len(few)])


def test_a_batch_without_a_readable_image_is_none():
    class Broken(Numbered):
        def __getitem__(self, index):
            return Unreadable(f"{index}.png", "broken")

    assert list(training(Broken()).batches(40)) == []
    assert list(training(Broken()).targets()) == []


def test_the_global_random_stream_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    list(training(Numbered()).batches(40))
    list(training(Numbered()).targets())
    assert torch.equal(torch.rand(1), expected)


def test_patches_are_those_of_the_same_images():
    samples = Numbered()
    data = training(samples)
    images = torch.cat([batch.images for batch in data.batches(40)])
    patches = torch.cat(list(data.patches(Grid(2, 1), 40)))
    assert torch.equal(patches, images.view(len(images), 2, 8))
    splits = DataSplits(ImageShape(1, 4, 4), ["a"], samples, samples, samples)
    assert torch.equal(torch.cat(list(TrainingPatches(splits, Grid(2, 1), 0, 40))), patches)
    assert len(TrainingPatches(splits, Grid(2, 1), 0, 500)) == 40


def test_it_reads_what_priors_always_read():
    # The choice is that of a permutation drawn with the seed; the stream of an image is seeded with seed and number.
    data = training(Told(), seed=9)
    chosen = torch.randperm(40, generator=torch.Generator().manual_seed(9))[:12].tolist()
    expected = []
    with torch.random.fork_rng(devices=[]):
        for index in chosen:
            torch.manual_seed((9 << 32) + index)
            if index % 5:
                expected.append(index + torch.rand(1, 4, 4))
    assert torch.equal(torch.cat([batch.images for batch in data.batches(12)]), torch.stack(expected))


class Viewed(Numbered):
    """The same with views, whose noise is negative."""

    def view(self, index):
        sample = Numbered.__getitem__(self, index)
        return sample if isinstance(sample, Unreadable) else Sample(sample.image - 1, sample.target)


def test_further_versions_of_images_stand_beside_them_with_noise_of_their_own():
    plain = list(training(Numbered(), 3).batches(30))
    for batch, alone in zip(training(Numbered(), 3).batches(30, views=2), plain, strict=True):
        assert torch.equal(batch.images, alone.images)
        assert batch.unreadable == alone.unreadable
        first, second = batch.views
        for version in (first, second):
            assert torch.equal(version.images.floor(), batch.images.floor())
            assert version.targets == batch.targets
            assert not torch.equal(version.images, batch.images)
        assert not torch.equal(first.images, second.images)
        seeds = torch.cat([batch.seeds, first.seeds, second.seeds])
        assert len(seeds.unique()) == len(seeds)


def test_versions_are_views_where_a_source_has_them():
    (batch,) = training(Viewed(), 3).batches(10)
    (with_views,) = training(Viewed(), 3).batches(10, views=1)
    assert torch.equal(with_views.images, batch.images)
    assert torch.equal(with_views.views[0].images.ceil(), batch.images.floor())
