"""The rules of target kinds, each with a kind that breaks it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import TargetKind
from reorder_kit.testing import TARGET_KIND_RULES, check_target_kind, target_kind, target_kind_case
from wrong import assert_caught

ANGLES = [0.0, 1.0, 2.0, 3.0]


class Angle(TargetKind):
    """A direction in radians; a batch has its cosine and its sine."""

    name = "angle"

    def collate(self, items):
        angles = torch.tensor(items, dtype=torch.float32)
        return torch.stack([angles.cos(), angles.sin()], dim=1)


class Undocumented(Angle):
    __doc__ = None


class Lonely(Angle):
    """Equal only to itself."""

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)


class Transposed(Angle):
    """The batch is the second axis."""

    def collate(self, items):
        return super().collate(items).T


class Fixed(Angle):
    """It always selects the first image."""

    def take(self, targets, index):
        return super().take(targets, index if len(index) else torch.tensor([0]))


class Stays(Angle):
    """Nothing is moved."""

    def to(self, targets, device):
        return targets


class Wide(Angle):
    """A column too many."""

    def presence(self, targets, classes):
        return torch.zeros(len(targets), len(classes) + 1)


class Boxed(TargetKind):
    """A list, whose last entry it removes from the sample."""

    name = "boxed"

    def collate(self, items):
        for item in items:
            item.pop()
        return [list(item) for item in items]


WRONG = {
    target_kind.has_a_name_and_says_what_a_target_is: (Undocumented, "no docstring"),
    target_kind.is_equal_by_name_also_in_another_process: (Lonely, "pickle"),
    target_kind.takes_images_out_in_the_sequence_asked_for: (Transposed, "images 2 and 0"),
    target_kind.takes_no_images_or_all: (Fixed, "taking no images from a batch"),
    target_kind.moves_every_tensor_to_the_device: (Stays, "stays in place"),
    target_kind.presence_has_a_row_for_each_image_and_a_column_for_each_class: (Wide, "(4, 3), not (4, 2)"),
    target_kind.leaves_the_targets_of_samples_as_they_are: (Boxed, "were changed"),
}


@pytest.mark.parametrize("rule", WRONG, ids=str)
def test_a_wrong_kind_is_caught(rule):
    wrong, seen = WRONG[rule]
    items = [[1, 2, 3] for _ in ANGLES] if wrong is Boxed else ANGLES
    if wrong is Transposed:
        items = ANGLES[:3]
    assert_caught(rule, target_kind_case(wrong(), items), "" if wrong is Transposed else seen)


def test_every_rule_has_a_wrong_kind_and_a_right_one_passes():
    assert set(WRONG) == set(TARGET_KIND_RULES)
    check_target_kind(Angle(), ANGLES)


@dataclass(frozen=True)
class Pose:
    """Position and rotation of something; NaN if unknown."""

    place: torch.Tensor
    turn: np.ndarray

    def to(self, device):
        return Pose(self.place.to(device), self.turn)


class Poses(TargetKind):
    """A pose for each image."""

    name = "poses"

    def collate(self, items):
        return list(items)


class OtherTurns(Poses):
    """Selected images are rotated."""

    def take(self, targets, index):
        return [Pose(each.place, each.turn + 1) for each in super().take(targets, index)]


POSES = [Pose(torch.tensor([number, torch.nan]), np.array([np.nan, number, 2.0])) for number in range(3)]


def test_targets_may_be_dataclasses_of_arrays_in_which_numbers_are_missing():
    check_target_kind(Poses(), POSES)
    rule = target_kind.takes_images_out_in_the_sequence_asked_for
    assert_caught(rule, target_kind_case(OtherTurns(), POSES), "images 2 and 0")


def test_too_few_targets_are_refused():
    with pytest.raises(ReorderKitError, match="too few"):
        check_target_kind(Angle(), ANGLES[:2])
