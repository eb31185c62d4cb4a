"""The rule of padding in hierarchical backbones, with backbones that break it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reorder_kit.backbones.hierarchical import Hierarchical
from reorder_kit.interfaces import Encoded, ImageShape, Order, Proposal, ReorderKitError
from reorder_kit.testing._backbone_sequences import padding_in_levels_is_refused_or_not_read
from reorder_kit.testing.backbone import backbone_case
from wrong import assert_caught

LEVEL = {"mixer": "local", "heads": 2, "window": 1}
OPTIONS = {"patch_size": 2, "dim": 8, "levels": [LEVEL, LEVEL]}
IMAGE = ImageShape(1, 8, 12)


class Padded(Hierarchical):
    """Declares all cells padding in every level except the first."""

    says = staticmethod(torch.zeros_like)

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        finest, *coarser = super().encode(sequence, start, stop, extra_tokens).levels
        coarser = [level if level.valid is None else replace(level, valid=self.says(level.valid)) for level in coarser]
        return Encoded([finest, *coarser][-1], levels=(finest, *coarser))


class NeverPadded(Padded):
    """Declares no cell padding in every level except the first."""

    says = staticmethod(torch.ones_like)


class MergesByPadding(Hierarchical):
    """A cell takes the place of its first patch, valid or not."""

    def _merged(self, sequence, level):
        right = super()._merged(sequence, level)
        order = sequence.order or Order.identity(sequence.num_slots)
        return Proposal(order.merged(right.grid)).apply(Proposal(right.order).restore(right).without_order())


class RefusesPaddingLater(Hierarchical):
    """Refuses only leading padding."""

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        if sequence.valid is not None and not sequence.valid[0, 0]:
            raise ReorderKitError("it reads no padding in front", "move it back")
        return super().encode(sequence, start, stop, extra_tokens)


class CountsPadding(Hierarchical):
    """Adds the amount of leading padding to the readout."""

    def summarize(self, encoded):
        valid = encoded.levels[0].valid
        in_front = 0 if valid is None else valid.int().argmax(dim=1, keepdim=True)
        return super().summarize(encoded) + in_front


class ReadsPadding(Hierarchical):
    """Marks padding correctly, but treats it as patches."""

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        right = super().encode(sequence, start, stop, extra_tokens).levels
        wrong = super().encode(replace(sequence, valid=None), start, stop, extra_tokens).levels
        levels = tuple(replace(one, valid=other.valid) for one, other in zip(wrong, right, strict=True))
        return Encoded(levels[-1], levels=levels)


class Refuses(Hierarchical):
    """Refuses all padding, which is allowed."""

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        if sequence.valid is not None:
            raise ReorderKitError("it reads no padding", "give images without padding")
        return super().encode(sequence, start, stop, extra_tokens)


WRONG = [
    (Padded, "for each image, the valid cells of level 1 is [[]"),
    (NeverPadded, "for each image, the valid cells of level 1 is [[0, 1, 2, 3, 4, 5]"),
    (MergesByPadding, "the valid cell in each slot of level 1"),
    (CountsPadding, "when padding is behind the valid slots, the readout differs"),
    (ReadsPadding, "valid cells of level 1"),
    (RefusesPaddingLater, "it reads no padding in front"),
]


@pytest.mark.parametrize(("wrong", "seen"), WRONG)
def test_a_wrong_backbone_is_caught(wrong, seen):
    assert_caught(padding_in_levels_is_refused_or_not_read, backbone_case(wrong, OPTIONS, IMAGE), seen)


@pytest.mark.parametrize("right", [Hierarchical, Refuses])
def test_a_right_backbone_passes(right):
    padding_in_levels_is_refused_or_not_read(backbone_case(right, OPTIONS, IMAGE))
