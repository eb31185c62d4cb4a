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
"""Images of each split whose views are looked at."""


@dataclass(frozen=True)
class DataSourceCase(ComponentCase[DataSource]):
    """A data source.

    Args:
        target_kind: of the targets.
    """

    target_kind: TargetKind

    def __str__(self) -> str:
        return f"{super().__str__()} with targets of the kind {self.target_kind}"

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
        """What can be read of each split."""
        return {name: samples_of(split) for name, split in by_name(self.splits).items()}


def by_name(splits: DataSplits) -> dict[str, SampleSet]:
    """The splits."""
    return {"train": splits.train, "validation": splits.validation, "test": splits.test}


def samples_of(split: SampleSet) -> list[Sample]:
    """What can be read of a split."""
    return [sample for index in range(len(split)) if isinstance(sample := split[index], Sample)]


def contents(splits: DataSplits) -> dict[str, list[bytes]]:
    """The pixels of every image of each split."""
    named = by_name(splits)
    return {name: [sample.image.numpy().tobytes() for sample in samples_of(split)] for name, split in named.items()}


@rule
def names_the_kinds_of_its_targets(case: DataSourceCase) -> None:
    """Let ``target_kinds`` be a tuple of kinds, such as ``(CLASS,)``, and give targets of ``self.target_kind``."""
    kinds = case.component.target_kinds
    expect(isinstance(kinds, tuple) and kinds, f"target_kinds is {kinds!r}")
    expect(all(isinstance(kind, TargetKind) for kind in kinds), f"target_kinds is {kinds!r}")
    expect_equal(case.source.target_kind, case.target_kind, "target_kind")


@rule
def the_shape_it_declares_is_that_of_its_images(case: DataSourceCase) -> None:
    """Let ``image`` be what ``open`` gives, or None where only the data tells."""
    declared = case.source.image
    if declared is not None:
        expect_equal(declared, case.splits.image, "image")


@rule
def every_split_has_samples_of_the_declared_shape(case: DataSourceCase) -> None:
    """Give a ``Sample`` for each number: its image is of ``splits.image``, float32 and finite."""
    for name, split in by_name(case.splits).items():
        expect(len(split) > 0, f"the {name} split is empty")
        expect(len(case.samples[name]) == len(split), f"{name}: not everything is a Sample")
        for number, sample in enumerate(case.samples[name]):
            where = f"image {number} of {name}"
            expect_equal(tuple(sample.image.shape), case.splits.image.axes, f"the shape of {where}")
            expect_equal(sample.image.dtype, torch.float32, f"the type of {where}")
            expect(sample.image.isfinite().all(), f"{where} holds numbers that are not finite")


@rule
def without_downloads_it_fetches_nothing(case: DataSourceCase) -> None:
    """Override ``without_downloads`` if ``downloads`` says that opening fetches something: the source that it returns
    fetches nothing."""
    downloads = case.source.downloads
    expect(downloads is None or (isinstance(downloads, str) and downloads), f"downloads is {downloads!r}")
    without = case.source.without_downloads()
    expect(isinstance(without, DataSource), f"without_downloads() gives a {type(without).__name__}")
    expect(without.downloads is None, f"the source without downloads still fetches {without.downloads}")


@rule
def classes_have_names_of_their_own(case: DataSourceCase) -> None:
    """Let ``classes`` of the splits be texts, each there once: targets are places in it."""
    classes = list(case.splits.classes)
    expect(all(isinstance(name, str) for name in classes), f"classes are {classes}")
    expect_equal(len(set(classes)), len(classes), "the number of different classes")


@rule
def padding_is_zero(case: DataSourceCase) -> None:
    """Put the image into the top left corner, zeros around it, and its height and width into ``content``."""
    for name, samples in case.samples.items():
        for number, sample in enumerate(samples):
            if sample.content is not None:
                height, width = sample.content
                rest = sample.image[..., height:, :].any() or sample.image[..., width:].any()
                expect(not rest, f"image {number} of {name} is not zero beyond its content of {height}x{width}")


@rule
def no_image_is_in_two_splits(case: DataSourceCase) -> None:
    """Split before anything is repeated or augmented: a test image that was trained on measures nothing."""
    found = {name: {sample.image.numpy().tobytes() for sample in samples} for name, samples in case.samples.items()}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        shared = len(found[one] & found[other])
        expect(not shared, f"{shared} images of {one} are in {other}, too")


@rule
def samples_have_names_of_their_own(case: DataSourceCase) -> None:
    """Where a set has ``identity``, let all splits have it, and give each sample a name that no other has."""
    splits = by_name(case.splits)
    named = {name: split for name, split in splits.items() if isinstance(split, HasIdentities)}
    expect(len(named) in (0, len(splits)), f"only {', '.join(named)} can tell how their samples are called")
    names = [split.identity(index).name for split in named.values() for index in range(len(split))]
    twice = [name for name, count in Counter(names).items() if count > 1]
    expect(not twice, f"{len(twice)} names belong to several samples, such as {twice[:1]}")


@rule
def opening_twice_gives_the_same(case: DataSourceCase) -> None:
    """Sort what a folder lists, and shuffle with a generator of your own that is always seeded alike."""
    again = case.component(case.options, case.target_kind).open(seed=0)
    expect_equal(
        (again.image, list(again.classes)), (case.splits.image, list(case.splits.classes)), "shape and classes"
    )
    for name, split in by_name(again).items():
        second = samples_of(split)
        expect_equal(len(second), len(case.samples[name]), f"the number of images in {name}")
        for number, (one, other) in enumerate(zip(case.samples[name], second, strict=True)):
            expect(torch.equal(one.image, other.image), f"image {number} of {name} is another one")
            expect(are_same(one.target, other.target), f"target {number} of {name} is another one")


@rule
def runs_of_every_seed_are_measured_on_the_same_images(case: DataSourceCase) -> None:
    """Set aside validation and test images by a seed that is an option, not by the seed that ``open`` is given."""
    first, other = contents(case.splits), contents(case.component(case.options, case.target_kind).open(seed=7))
    for name, images in first.items():
        expect(other[name] == images, f"with another seed, {name} holds other images")


@rule
def opening_draws_nothing_from_the_global_random_stream(case: DataSourceCase) -> None:
    """Use ``torch.Generator().manual_seed(...)``: whoever seeds or uses the global stream changes the run."""
    expect_no_draw(lambda: case.component(case.options, case.target_kind).open(seed=0))


@rule
def splits_can_be_sent_to_loader_processes(case: DataSourceCase) -> None:
    """Define sample sets at the top of a module, and open files when a sample is asked for: they are pickled."""
    for name, split in by_name(case.splits).items():
        sent = samples_of(pickle.loads(pickle.dumps(split)))
        expect_equal(len(sent), len(case.samples[name]), f"the number of images in {name} after pickle")
        for number, (one, other) in enumerate(zip(case.samples[name], sent, strict=True)):
            expect(torch.equal(one.image, other.image), f"image {number} of {name} is another one after pickle")
            expect(are_same(one.target, other.target), f"target {number} of {name} is another one after pickle")


@rule
def views_are_of_the_same_sample(case: DataSourceCase) -> None:
    """Let ``view(index)`` draw the same sample under the training transform, in validation and test, too."""
    for name, split in by_name(case.splits).items():
        if isinstance(split, HasViews):
            for number, sample in enumerate(case.samples[name][:VIEWED]):
                where = f"view of image {number} of {name}"
                view = split.view(number)
                if not isinstance(view, Sample):
                    raise SeenError(f"the {where} is {type(view).__name__}, no Sample")
                expect_equal(tuple(view.image.shape), case.splits.image.axes, f"the shape of the {where}")
                if not case.target_kind.lies_in_image:
                    expect(are_same(view.target, sample.target), f"the target of the {where} is another one")
                if name == "train":
                    expect(torch.equal(view.image, sample.image), f"the {where} differs, without any augmentation")
                _expect_nearest(view, number, case.samples[name], where)


@rule
def targets_are_known_without_opening_images(case: DataSourceCase) -> None:
    """Have ``target(index)`` only where no image has to be decoded for it; it is what the sample has."""

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("target() opens an image")

    for name, split in by_name(case.splits).items():
        if isinstance(split, HasTargets):
            expected = [sample.target for sample in case.samples[name]]
            with patch.object(Image, "open", refused):
                found = [split.target(index) for index in range(len(split))]
            expect(are_same(found, expected), f"the targets of {name} are not those of its samples")


DATA_SOURCE_RULES: tuple[Rule[Any], ...] = (
    *COMPONENT_RULES,
    names_the_kinds_of_its_targets,
    the_shape_it_declares_is_that_of_its_images,
    every_split_has_samples_of_the_declared_shape,
    without_downloads_it_fetches_nothing,
    classes_have_names_of_their_own,
    *TARGET_RULES,
    padding_is_zero,
    no_image_is_in_two_splits,
    samples_have_names_of_their_own,
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
    """What the rules of data sources are held to; see :func:`check_data_source`."""
    return DataSourceCase(source, options_of(source, options), target_kind or source.target_kinds[0])


def check_data_source(
    source: type[DataSource], options: OptionsGiven = None, target_kind: TargetKind | None = None
) -> None:
    """Hold a data source to its contract. Every image is read several times: give it a few dozen.

    Args:
        source: the class.
        options: as a recipe gives them: small data, and no augmentation, which would differ from one time to the next.
        target_kind: of the targets; if not given, each of the source's kinds.

    Raises:
        BrokenRulesError: naming each rule that is broken, what was seen, and what to do.
        ReorderKitError: if the options are refused.

    >>> from reorder_kit.data_sources.scenes import Scenes
    >>> small = {"image_size": 32, "train_images": 20, "validation_images": 4, "test_images": 4}
    >>> check_data_source(Scenes, small)
    """
    for kind in source.target_kinds if target_kind is None else (target_kind,):
        hold(data_source_case(source, options, kind), DATA_SOURCE_RULES)


def _expect_nearest(view: Sample, number: int, samples: list[Sample], where: str) -> None:
    """Images of evaluation may be resized otherwise than those of training; a view is still most like its own."""
    distances = [float((view.image - sample.image).square().sum()) for sample in samples]
    nearest = distances.index(min(distances))
    expect(distances[number] <= distances[nearest], f"the {where} is more like image {nearest}")
