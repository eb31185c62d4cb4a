"""The rules of data sources, each with a source that breaks it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

from reorder_kit.interfaces import (
    BOXES,
    CAPTION,
    CLASS,
    IGNORED,
    MASK,
    MULTI_LABEL,
    NONE,
    BoxTarget,
    DataSource,
    DataSplits,
    Identity,
    ImageShape,
    Sample,
    TargetKind,
)
from reorder_kit.testing import DATA_SOURCE_RULES, _targets, check_data_source, data_source
from reorder_kit.testing.data_source import data_source_case
from wrong import assert_caught, own_rules

SHAPE = ImageShape(1, 8, 8)


class Noise:
    """Images of noise; the lower half of odd ones is padding."""

    def __init__(self, kind, seed, count=6):
        self.kind = kind
        self.images = torch.randn(count, *SHAPE.axes, generator=torch.Generator().manual_seed(seed))
        self.images[1::2, :, 4:] = 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        content = (4, 8) if index % 2 else None
        return Sample(self.images[index], self.label(index), content)

    def label(self, index):
        if self.kind == MULTI_LABEL:
            return torch.tensor([1.0, float(index % 2)])
        if self.kind == BOXES:
            return BoxTarget(torch.tensor([[0.0, 1.0, 8.0, 4.0]]), torch.tensor([index % 2]), torch.tensor([False]))
        if self.kind == MASK:
            mask = torch.full((8, 8), index % 2, dtype=torch.uint8)
            mask[4 if index % 2 else 8 :] = IGNORED
            return mask
        return {CLASS: index % 2, CAPTION: "noise", NONE: None}[self.kind]

    def view(self, index):
        return self[index]

    def target(self, index):
        return self.label(index)


class Noises(DataSource):
    """Images of noise."""

    name = "noises"
    target_kinds = (CLASS, MULTI_LABEL, BOXES, MASK, CAPTION, NONE)
    image = SHAPE
    classes = ("even", "odd")
    samples = Noise

    def open(self, seed):
        return DataSplits(SHAPE, self.classes, *(self.samples(self.target_kind, part) for part in range(3)))


def source(samples=Noise, **attributes):
    """Noises, with a mistake."""
    return type("Wrong", (Noises,), {"__doc__": "A wrong one.", "samples": samples, **attributes})


def samples(**methods):
    """Noise, with a mistake."""
    return type("WrongSamples", (Noise,), methods)


def labelled(label):
    """Noise with other targets."""
    return source(samples(label=lambda self, index: label(index)))


class InDoubles(Noise):
    def __getitem__(self, index):
        return super().__getitem__(index)._replace(image=self.images[index].double())


class Unclean(Noise):
    def __init__(self, kind, seed, count=6):
        super().__init__(kind, seed, count)
        self.images[1::2, :, 4:] = 0.1


class WithALambda(Noise):
    def __init__(self, kind, seed, count=6):
        super().__init__(kind, seed, count)
        self.read = lambda index: index


class OtherViews(Noise):
    def view(self, index):
        return self[index + 1]


class OtherImagesOfTheClass(Noise):
    def view(self, index):
        return self[(index + 2) % len(self)]


class TrainsBrighter(Noise):
    def __init__(self, kind, seed, count=6):
        super().__init__(kind, seed, count)
        self.training = seed == 0

    def view(self, index):
        return self[index]._replace(image=1.1 * self.images[index])


class BrighterInEvaluation(TrainsBrighter):
    """Evaluation images differ from training images, whose views are right."""

    def view(self, index):
        return self[index] if self.training else super().view(index)


class ForgetsTheLast(Noise):
    """After unpickling, the last image is empty."""

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.images[-1] = 0


class Decodes(Noise):
    def target(self, index):
        Image.open("nothing.png")
        return self.label(index)


class OtherTargets(Noise):
    def target(self, index):
        return 1 - self.label(index)


class Repeated(Noises):
    """Test images are training images."""

    def open(self, seed):
        return DataSplits(SHAPE, self.classes, *(Noise(self.target_kind, part % 2) for part in range(3)))


class Number(Identity):
    """Names samples by number."""

    def __init__(self, number):
        self.number = number

    @property
    def name(self):
        return str(self.number)

    def encoded(self):
        return b""


class NamedByNumber(Noise):
    """Every split is numbered from 0."""

    def identity(self, index):
        return Number(index)


class OnlyTrainIsNamed(Noises):
    """Validation and test images have no names."""

    def open(self, seed):
        sets = (NamedByNumber, Noise, Noise)
        return DataSplits(SHAPE, self.classes, *(of(self.target_kind, part) for part, of in enumerate(sets)))


class Moody(Noises):
    """Different images each time."""

    calls = itertools.count()

    def open(self, seed):
        first = 10 * next(self.calls)
        return DataSplits(SHAPE, self.classes, *(Noise(self.target_kind, first + part) for part in range(3)))


class BySeed(Noises):
    """The split depends on the seed of the run."""

    def open(self, seed):
        return DataSplits(SHAPE, self.classes, *(Noise(self.target_kind, 10 * seed + part) for part in range(3)))


class Draws(Noises):
    """It draws from the global random stream."""

    def open(self, seed):
        torch.rand(1)
        return super().open(seed)


def box(left, top, right, bottom):
    return BoxTarget(torch.tensor([[left, top, right, bottom]]), torch.tensor([0]), torch.tensor([False]))


WRONG = [
    (data_source.names_the_kinds_of_its_targets, source(target_kinds=[CLASS]), CLASS, "target_kinds is ["),
    (
        data_source.the_shape_it_declares_is_that_of_its_images,
        source(image=ImageShape(1, 4, 4)),
        CLASS,
        "1x4x4, not 1x8x8",
    ),
    (
        data_source.without_downloads_it_fetches_nothing,
        source(downloads="it all, to here"),
        CLASS,
        "still downloads it all",
    ),
    (data_source.every_split_has_samples_of_the_declared_shape, source(InDoubles), CLASS, "torch.float64"),
    (data_source.classes_have_different_names, source(classes=("a", "a")), CLASS, "is 1, not 2"),
    (_targets.class_targets_are_numbers_of_classes, labelled(torch.tensor), CLASS, "Tensor"),
    (_targets.class_targets_are_numbers_of_classes, labelled(lambda index: 2), CLASS, "2, of 2 classes"),
    (_targets.class_targets_are_numbers_of_classes, labelled(lambda index: 1), CLASS, "the classes [0]"),
    (
        _targets.multi_label_targets_have_a_value_for_every_class,
        labelled(lambda index: torch.tensor([1, 1])),
        MULTI_LABEL,
        "torch.int64",
    ),
    (
        _targets.multi_label_targets_have_a_value_for_every_class,
        labelled(lambda index: torch.tensor([1.0, 0.0])),
        MULTI_LABEL,
        "[6.0, 0.0]",
    ),
    (_targets.boxes_lie_in_the_content_of_the_image, labelled(lambda index: box(0.0, 0, 8, 8)), BOXES, "8x4 pixels"),
    (_targets.boxes_lie_in_the_content_of_the_image, labelled(lambda index: box(3.0, 0, 3, 2)), BOXES, "no area"),
    (
        _targets.masks_cover_the_content_of_the_image,
        labelled(lambda index: torch.zeros(8, 8, dtype=torch.uint8)),
        MASK,
        "not ignored",
    ),
    (_targets.captions_are_texts_and_missing_targets_are_none, labelled(lambda index: index), CAPTION, "a target is 0"),
    (_targets.captions_are_texts_and_missing_targets_are_none, labelled(lambda index: index), NONE, "a target is 0"),
    (_targets.targets_can_be_collated, labelled(lambda index: torch.ones(index)), MULTI_LABEL, "RuntimeError"),
    (data_source.padding_is_zero, source(Unclean), CLASS, "image 1 of train"),
    (data_source.no_image_is_in_two_splits, Repeated, CLASS, "6 images of train are also in test"),
    (data_source.samples_have_different_names, source(NamedByNumber), CLASS, "6 names"),
    (data_source.samples_have_different_names, OnlyTrainIsNamed, CLASS, "only train"),
    (data_source.opening_twice_gives_the_same, Moody, CLASS, "image 0 of train differs"),
    (data_source.runs_of_every_seed_are_measured_on_the_same_images, BySeed, CLASS, "train has other images"),
    (data_source.opening_draws_nothing_from_the_global_random_stream, Draws, CLASS, "random stream"),
    (data_source.splits_can_be_sent_to_loader_processes, source(WithALambda), CLASS, "pickle"),
    (data_source.splits_can_be_sent_to_loader_processes, source(ForgetsTheLast), CLASS, "image 5 of train"),
    (data_source.views_are_of_the_same_sample, source(OtherViews), CLASS, "the target of the view"),
    (data_source.views_are_of_the_same_sample, source(OtherImagesOfTheClass), CLASS, "view of image 0 of train"),
    (data_source.views_are_of_the_same_sample, source(OtherImagesOfTheClass), MASK, "view of image 0 of train"),
    (data_source.views_are_of_the_same_sample, source(TrainsBrighter), CLASS, "there is no augmentation"),
    (data_source.targets_are_known_without_opening_images, source(Decodes), CLASS, "opens an image"),
    (
        data_source.targets_are_known_without_opening_images,
        source(OtherTargets),
        CLASS,
        "differ from those of its samples",
    ),
]


@pytest.mark.parametrize(("rule", "wrong", "kind", "seen"), WRONG, ids=lambda value: str(value)[:60])
def test_a_wrong_source_is_caught(rule, wrong, kind, seen):
    assert_caught(rule, data_source_case(wrong, target_kind=kind), seen)


def test_every_rule_has_a_wrong_source_and_a_right_one_passes():
    assert {rule for rule, *_ in WRONG} == own_rules(DATA_SOURCE_RULES)
    check_data_source(Noises)


def test_evaluation_may_have_a_transform_of_its_own_but_views_are_most_like_their_own_sample():
    rule = data_source.views_are_of_the_same_sample
    rule(data_source_case(source(BrighterInEvaluation)))
    lost = samples(view=lambda self, index: self[index if len(self.images) == 6 else (index + 2) % 4])

    class FewInEvaluation(Noises):
        """A view of evaluation is another image of the class."""

        def open(self, seed):
            parts = [lost(self.target_kind, part, 4 if part else 6) for part in range(3)]
            return DataSplits(SHAPE, self.classes, *parts)

    assert_caught(rule, data_source_case(FewInEvaluation), "view of image 0 of validation is more like image 2")


@dataclass(frozen=True)
class Pose:
    place: torch.Tensor
    turn: np.ndarray


class Poses(TargetKind):
    """A pose, with NaN if unknown."""

    name = "poses"

    def collate(self, items):
        return list(items)


def posed(turn):
    """A source of poses, turned by the number of the image."""

    def label(self, index):
        return {"pose": [Pose(torch.tensor([index, torch.nan]), np.array([np.nan, turn(index)]))]}

    return source(samples(label=label), target_kinds=(Poses(),))


def test_targets_may_be_dataclasses_of_arrays_in_which_numbers_are_missing():
    calls = itertools.count()
    moody = posed(lambda index: next(calls))
    kept = {data_source.opening_twice_gives_the_same, data_source.targets_are_known_without_opening_images}
    for rule in kept | {data_source.views_are_of_the_same_sample}:
        rule(data_source_case(posed(float)))
    for rule in kept:
        assert_caught(rule, data_source_case(moody), "target")
