"""The contract of data sources."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from unittest.mock import patch

import torch
from PIL import Image

from reorder_kit.interfaces import (
    DataSource,
    DataSplits,
    HasIdentities,
    HasTargets,
    HasViews,
    Sample,
    SampleSet,
    TargetKind,
)
from reorder_kit.testing._targets import TARGET_RULES
from reorder_kit.testing._values import are_same
from reorder_kit.testing.component import COMPONENT_RULES, ComponentCase, OptionsGiven, expect_no_draw, options_of
from reorder_kit.testing.rule import Rule, SeenError, expect, expect_equal, hold, rule

VIEWED = 8
"""The number of images of each split whose views are checked."""


@dataclass(frozen=True)
class DataSourceCase(ComponentCase[DataSource]):
    """A data source.

    Args:
        target_kind: the kind of the targets.
    """

    target_kind: TargetKind

    def __str__(self) -> str:
        return f"{super().__str__()} with targets of kind {self.target_kind}"

    @cached_property
    def source(self) -> DataSource:
        """Built."""
        return self.component(self.options, self.target_kind)

    @cached_property
    def splits(self) -> DataSplits:
        """Opened."""
        return self.source.open(seed=0)

    @cached_property
    def samples(self) -> dict[str, list[Sample]]:
        """The readable samples of each split."""
        return {name: samples_of(split) for name, split in by_name(self.splits).items()}


def by_name(splits: DataSplits) -> dict[str, SampleSet]:
    """The splits by name."""
    return {"train": splits.train, "validation": splits.validation, "test": splits.test}


def samples_of(split: SampleSet) -> list[Sample]:
    """The readable samples of a split."""
    return [sample for index in range(len(split)) if isinstance(sample := split[index], Sample)]


def contents(splits: DataSplits) -> dict[str, list[bytes]]:
    """The pixels of every image of each split."""
    named = by_name(splits)
    return {name: [sample.image.numpy().tobytes() for sample in samples_of(split)] for name, split in named.items()}


@rule
def names_the_kinds_of_its_targets(case: DataSourceCase) -> None:
    """Set ``target_kinds`` to a tuple of kinds, such as ``(CLASS,)``, and return targets of ``self.target_kind``."""
    kinds = case.component.target_kinds
    expect(isinstance(kinds, tuple) and kinds, f"target_kinds is {kinds!r}")
    expect(all(isinstance(kind, TargetKind) for kind in kinds), f"target_kinds is {kinds!r}")
    expect_equal(case.source.target_kind, case.target_kind, "target_kind")


@rule
def the_shape_it_declares_is_that_of_its_images(case: DataSourceCase) -> None:
    """Set ``image`` to the shape that ``open`` returns, or to None if it is only known from the data."""
    declared = case.source.image
    if declared is not None:
        expect_equal(declared, case.splits.image, "image")


@rule
def the_scale_it_declares_has_a_number_for_each_channel(case: DataSourceCase) -> None:
    """Set ``pixel_scale`` to one mean and one std for each channel of the images, or to None if they are not known."""
    scale = case.source.pixel_scale
    if scale is not None:
        expect_equal([len(scale.mean), len(scale.std)], [case.splits.image.channels] * 2, "the numbers in pixel_scale")


@rule
def every_split_has_samples_of_the_declared_shape(case: DataSourceCase) -> None:
    """Return a ``Sample`` for each index, with a finite float32 image of shape ``splits.image``."""
    for name, split in by_name(case.splits).items():
        expect(len(split) > 0, f"the {name} split is empty")
        expect(len(case.samples[name]) == len(split), f"{name}: not every item is a Sample")
        for number, sample in enumerate(case.samples[name]):
            where = f"image {number} of {name}"
            expect_equal(tuple(sample.image.shape), case.splits.image.axes, f"the shape of {where}")
            expect_equal(sample.image.dtype, torch.float32, f"the type of {where}")
            expect(sample.image.isfinite().all(), f"{where} has values that are not finite")


@rule
def without_downloads_it_fetches_nothing(case: DataSourceCase) -> None:
    """Override ``without_downloads`` if ``downloads`` says that opening downloads something: the source that it returns
    must download nothing.
    """
    downloads = case.source.downloads
    expect(downloads is None or (isinstance(downloads, str) and downloads), f"downloads is {downloads!r}")
    without = case.source.without_downloads()
    expect(isinstance(without, DataSource), f"without_downloads() returns a {type(without).__name__}")
    expect(without.downloads is None, f"the source without downloads still downloads {without.downloads}")


@rule
def classes_have_different_names(case: DataSourceCase) -> None:
    """Make ``classes`` of the splits distinct texts: targets are indices into it."""
    classes = list(case.splits.classes)
    expect(all(isinstance(name, str) for name in classes), f"classes are {classes}")
    expect_equal(len(set(classes)), len(classes), "the number of different classes")


@rule
def padding_is_zero(case: DataSourceCase) -> None:
    """Put the image into the top left corner with zeros around it, and its height and width into ``content``."""
    for name, samples in case.samples.items():
        for number, sample in enumerate(samples):
            if sample.content is not None:
                height, width = sample.content
                rest = sample.image[..., height:, :].any() or sample.image[..., width:].any()
                expect(not rest, f"image {number} of {name} is not zero outside its content of {height}x{width}")


@rule
def no_image_is_in_two_splits(case: DataSourceCase) -> None:
    """Split before repeating or augmenting images: a test image that was used for training measures nothing."""
    found = {name: {sample.image.numpy().tobytes() for sample in samples} for name, samples in case.samples.items()}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        shared = len(found[one] & found[other])
        expect(not shared, f"{shared} images of {one} are also in {other}")


@rule
def samples_have_different_names(case: DataSourceCase) -> None:
    """If a set has ``identity``, give all splits one, and give each sample a unique name."""
    splits = by_name(case.splits)
    named = {name: split for name, split in splits.items() if isinstance(split, HasIdentities)}
    expect(len(named) in (0, len(splits)), f"only {', '.join(named)} can name their samples")
    names = [split.identity(index).name for split in named.values() for index in range(len(split))]
    twice = [name for name, count in Counter(names).items() if count > 1]
    expect(not twice, f"{len(twice)} names belong to several samples, such as {twice[:1]}")


@rule
def opening_twice_gives_the_same(case: DataSourceCase) -> None:
    """Sort the files of a folder, and shuffle with your own generator and a constant seed."""
    again = case.component(case.options, case.target_kind).open(seed=0)
    expect_equal(
        (again.image, list(again.classes)), (case.splits.image, list(case.splits.classes)), "shape and classes"
    )
    for name, split in by_name(again).items():
        second = samples_of(split)
        expect_equal(len(second), len(case.samples[name]), f"the number of images in {name}")
        for number, (one, other) in enumerate(zip(case.samples[name], second, strict=True)):
            expect(torch.equal(one.image, other.image), f"image {number} of {name} differs")
            expect(are_same(one.target, other.target), f"target {number} of {name} differs")


@rule
def runs_of_every_seed_are_measured_on_the_same_images(case: DataSourceCase) -> None:
    """Choose validation and test images by a seed that is an option, not by the seed passed to ``open``."""
    first, other = contents(case.splits), contents(case.component(case.options, case.target_kind).open(seed=7))
    for name, images in first.items():
        expect(other[name] == images, f"with another seed, {name} has other images")


@rule
def opening_draws_nothing_from_the_global_random_stream(case: DataSourceCase) -> None:
    """Use ``torch.Generator().manual_seed(...)``: seeding or using the global stream changes the run."""
    expect_no_draw(lambda: case.component(case.options, case.target_kind).open(seed=0))


@rule
def splits_can_be_sent_to_loader_processes(case: DataSourceCase) -> None:
    """Define sample sets at the top of a module, and open files only when a sample is requested: sets are pickled."""
    for name, split in by_name(case.splits).items():
        sent = samples_of(pickle.loads(pickle.dumps(split)))
        expect_equal(len(sent), len(case.samples[name]), f"the number of images in {name} after pickle")
        for number, (one, other) in enumerate(zip(case.samples[name], sent, strict=True)):
            expect(torch.equal(one.image, other.image), f"image {number} of {name} differs after pickle")
            expect(are_same(one.target, other.target), f"target {number} of {name} differs after pickle")


@rule
def views_are_of_the_same_sample(case: DataSourceCase) -> None:
    """Let ``view(index)`` draw the same sample with the training transform, in validation and test as well."""
    for name, split in by_name(case.splits).items():
        if isinstance(split, HasViews):
            for number, sample in enumerate(case.samples[name][:VIEWED]):
                where = f"view of image {number} of {name}"
                view = split.view(number)
                if not isinstance(view, Sample):
                    raise SeenError(f"the {where} is {type(view).__name__}, not Sample")
                expect_equal(tuple(view.image.shape), case.splits.image.axes, f"the shape of the {where}")
                if not case.target_kind.lies_in_image:
                    expect(are_same(view.target, sample.target), f"the target of the {where} differs")
                if name == "train":
                    expect(
                        torch.equal(view.image, sample.image), f"the {where} differs although there is no augmentation"
                    )
                _expect_nearest(view, number, case.samples[name], where)


@rule
def targets_are_known_without_opening_images(case: DataSourceCase) -> None:
    """Define ``target(index)`` only if it does not decode an image; it must return the sample's target."""

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("target() opens an image")

    for name, split in by_name(case.splits).items():
        if isinstance(split, HasTargets):
            expected = [sample.target for sample in case.samples[name]]
            with patch.object(Image, "open", refused):
                found = [split.target(index) for index in range(len(split))]
            expect(are_same(found, expected), f"the targets of {name} differ from those of its samples")


DATA_SOURCE_RULES: tuple[Rule[Any], ...] = (
    *COMPONENT_RULES,
    names_the_kinds_of_its_targets,
    the_shape_it_declares_is_that_of_its_images,
    every_split_has_samples_of_the_declared_shape,
    without_downloads_it_fetches_nothing,
    classes_have_different_names,
    *TARGET_RULES,
    padding_is_zero,
    no_image_is_in_two_splits,
    samples_have_different_names,
    opening_twice_gives_the_same,
    runs_of_every_seed_are_measured_on_the_same_images,
    opening_draws_nothing_from_the_global_random_stream,
    splits_can_be_sent_to_loader_processes,
    views_are_of_the_same_sample,
    targets_are_known_without_opening_images,
)


def data_source_case(
    source: type[DataSource], options: OptionsGiven = None, target_kind: TargetKind | None = None
) -> DataSourceCase:
    """A case for the rules of data sources; see :func:`check_data_source`."""
    return DataSourceCase(source, options_of(source, options), target_kind or source.target_kinds[0])


def check_data_source(
    source: type[DataSource], options: OptionsGiven = None, target_kind: TargetKind | None = None
) -> None:
    """Check a data source against its contract. Every image is read several times, so a few dozen are enough.

    Args:
        source: the class.
        options: options as in a recipe, with little data and without augmentation, which would differ from call to
            call.
        target_kind: the kind of the targets; each of the source's kinds if not given.

    Raises:
        BrokenRulesError: naming each broken rule, what was seen, and what to do.
        ReorderKitError: if the options are refused.

    >>> from reorder_kit.data_sources.scenes import Scenes
    >>> small = {"image_size": 32, "train_images": 20, "validation_images": 4, "test_images": 4}
    >>> check_data_source(Scenes, small)
    """
    for kind in source.target_kinds if target_kind is None else (target_kind,):
        hold(data_source_case(source, options, kind), DATA_SOURCE_RULES)


def _expect_nearest(view: Sample, number: int, samples: list[Sample], where: str) -> None:
    """Check that a view is closest to its own sample; evaluation images may be resized differently from training
    images.
    """
    distances = [float((view.image - sample.image).square().sum()) for sample in samples]
    nearest = distances.index(min(distances))
    expect(distances[number] <= distances[nearest], f"the {where} is more like image {nearest}")
