"""The rules of backbones, each with a backbone that breaks it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
import torch
from pydantic import Field
from torch import nn

from reorder_kit.interfaces import Backbone, BackboneFacts, Encoded, ImageShape
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import PatchOptions, patch_geometry
from reorder_kit.layers.readout import last_slot
from reorder_kit.testing import BACKBONE_RULES, _backbone_facts, _backbone_sequences, backbone, check_backbone
from reorder_kit.testing.backbone import backbone_case
from two_levels import TwoLevels
from wrong import assert_caught, own_rules

IMAGE = ImageShape(3, 12, 20)


class RunningMean(Backbone):
    """Every slot adds the mean of the slots so far; the last one is read out."""

    name = "running-mean"
    says = {}

    class Options(PatchOptions):
        dim: int = Field(8, ge=1, description="width of the embedding")

    @classmethod
    def facts(cls, options, image):
        grid = patch_geometry(options, image).grid
        said = {"is_causal": True, "has_positions": True, **cls.says}
        return BackboneFacts(grid, options.dim, depth=2, **said)

    def __init__(self, options, image):
        super().__init__(options, image)
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), options.dim, positions="learned")
        self.norm = nn.LayerNorm(options.dim)
        self.blocks = nn.ModuleList(nn.Linear(options.dim, options.dim) for _ in range(2))

    def tokenize(self, images):
        return self.embedding(images)

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        patches = sequence.patches
        weights = torch.ones_like(patches[..., :1]) if sequence.valid is None else sequence.valid[..., None].float()
        for block in self.blocks[start:stop]:
            patches = patches + torch.tanh(block(self.mean(self.norm(patches), weights)))
        return Encoded(sequence.with_patches(patches))

    def mean(self, patches, weights):
        return (patches * weights).cumsum(dim=1) / weights.cumsum(dim=1).clamp(min=1)

    def summarize(self, encoded):
        return last_slot(encoded.sequence)

    def reach(self, num_slots):
        return torch.ones(num_slots, dtype=torch.bool)


class SaysItsWidthIsIdle(RunningMean):
    """Any width is the same."""

    says = MappingProxyType({"idle": {"dim": "it is wide enough"}})


class Highest(RunningMean):
    """The readout is the largest number of all slots, in each channel."""

    def summarize(self, encoded):
        sequence = encoded.sequence
        if sequence.valid is None:
            return sequence.patches.amax(dim=1)
        lowest = sequence.patches.masked_fill(~sequence.valid[..., None], -torch.inf).amax(dim=1)
        return lowest.masked_fill(~sequence.valid.any(dim=1, keepdim=True), 0)


class LooksUpPlaces(RunningMean):
    """It adds to each slot the number of its patch."""

    needs = frozenset({"order"})

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        slots = torch.arange(sequence.num_slots).expand(sequence.batch, -1)
        places = slots if sequence.order is None else sequence.order.per_image(sequence.batch)
        added = places[..., None] / 10 if start == 0 and stop != 0 else 0
        return super().encode(sequence.with_patches(sequence.patches + added), start, stop)


class CountsSlots(LooksUpPlaces):
    """It confuses the number of a slot with that of its patch."""

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        return super().encode(sequence.without_order(), start, stop)


class Hasty(RunningMean):
    """It builds a layer to know its width."""

    @classmethod
    def facts(cls, options, image):
        nn.Linear(2, 2)
        return super().facts(options, image)


class Wide(RunningMean):
    """It declares the wrong width."""

    @classmethod
    def facts(cls, options, image):
        return BackboneFacts(patch_geometry(options, image).grid, options.dim + 1, 2, is_causal=True)


class WithToken(RunningMean):
    """Its CLS token is among the patches."""

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        patches = sequence.patches
        return Encoded(sequence.with_patches(torch.cat([patches[:, :1], patches], dim=1)))


class LooksAhead(RunningMean):
    """The mean is over all slots, although it declares that it is causal."""

    def mean(self, patches, weights):
        return ((patches * weights).sum(dim=1, keepdim=True) / weights.sum(dim=1, keepdim=True)).expand_as(patches)


class Modest(RunningMean):
    """It does not declare that it is causal."""

    says = {"is_causal": False}


class Insensitive(RunningMean):
    """It declares that orders make no difference."""

    says = {"order_sensitive": False, "slots_order_sensitive": True}


class AlikeSlots(RunningMean):
    """It declares that orders make no difference to its slots."""

    says = {"slots_order_sensitive": False}


class BlindSlots(RunningMean):
    """Its slots are the same in every order but its readout is not, and it declares both alike."""

    says = {"is_causal": False}

    def mean(self, patches, weights):
        return ((patches * weights).sum(dim=1, keepdim=True) / weights.sum(dim=1, keepdim=True)).expand_as(patches)


class Lost(RunningMean):
    """It declares that it has no positions."""

    says = {"has_positions": False}


class ShortSighted(RunningMean):
    """It declares that only the last slot reaches the readout."""

    def reach(self, num_slots):
        return torch.arange(num_slots) == num_slots - 1


class StopsGradients(RunningMean):
    """Nothing is learned through the mean."""

    def mean(self, patches, weights):
        return super().mean(patches.detach(), weights)


class Crops(RunningMean):
    """It takes images of any size, and crops them."""

    def tokenize(self, images):
        return super().tokenize(images[..., : self.image.height, : self.image.width])


class Downloads(RunningMean):
    """It declares a download without an alternative."""

    says = {"downloads": True}


class Backwards(RunningMean):
    """Its patches begin at the lower right."""

    def tokenize(self, images):
        sequence = super().tokenize(images)
        return sequence.with_patches(sequence.patches.flip(1))


class NormsEachTime(RunningMean):
    """Its final norm follows any block."""

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        encoded = super().encode(sequence, start, stop).sequence
        return Encoded(encoded.with_patches(self.norm(encoded.patches)))


class Forgiving(RunningMean):
    """It makes a new CLS token if that of the first block is missing."""

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        token = torch.zeros_like(sequence.patches[:, :1]) if extra_tokens is None else extra_tokens
        return Encoded(super().encode(sequence, start, stop).sequence, token + 1)


class OverTheBatch(RunningMean):
    """It subtracts the mean of the batch."""

    def tokenize(self, images):
        return super().tokenize(images - images.mean(dim=0))


class ReadsPadding(RunningMean):
    """It ignores validity."""

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        encoded = super().encode(sequence.__class__(sequence.patches, sequence.grid), start, stop)
        return Encoded(sequence.with_patches(encoded.sequence.patches))


class Divides(RunningMean):
    """The readout is a mean over valid slots, even if there are none."""

    def summarize(self, encoded):
        sequence = encoded.sequence
        weights = torch.ones_like(sequence.patches[..., 0]) if sequence.valid is None else sequence.valid.double()
        return (sequence.patches * weights[..., None]).sum(dim=1) / weights.sum(dim=1, keepdim=True)


class OfOneLength(RunningMean):
    """It adds something to every slot of the grid."""

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        added = torch.linspace(0, 1, self.grid.num_patches)[:, None]
        return super().encode(sequence.with_patches(sequence.patches + added), start, stop)


class LosesCells(TwoLevels):
    """Its cells stay where they were, whatever the order."""

    def _merged(self, sequence):
        merged = super()._merged(sequence)
        return merged.with_patches(merged.order.restore(merged.patches))


class TakesPartial(TwoLevels):
    """It fills in what a partial order leaves out."""

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        if sequence.order is not None and not sequence.order.is_full:
            return Encoded(sequence)
        return super().encode(sequence, start, stop, extra_tokens)


class MergesPadding(TwoLevels):
    """It treats padding as patches."""

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        return super().encode(replace(sequence, valid=None), start, stop, extra_tokens)


class Hidden(RunningMean):
    """A weight that is neither a parameter nor a buffer."""

    def __init__(self, options, image):
        super().__init__(options, image)
        self.hidden = [torch.randn(options.dim)]

    def summarize(self, encoded):
        return super().summarize(encoded) + self.hidden[0]


class Idle(RunningMean):
    """A layer that is never used."""

    def __init__(self, options, image):
        super().__init__(options, image)
        self.idle = nn.Linear(2, 2)


class Imprecise(RunningMean):
    """The logarithm of a small difference of large numbers."""

    def mean(self, patches, weights):
        small = self.blocks[0](super().mean(patches, weights)).abs()
        return torch.log((small + 1e4) - 1e4)


class InPlace(RunningMean):
    """It makes images twice as bright."""

    def tokenize(self, images):
        return super().tokenize(images.mul_(2))


WRONG = [
    (_backbone_facts.facts_build_no_weights_and_draw_nothing, Hasty, "random stream"),
    (_backbone_facts.what_is_built_matches_the_facts, Wide, "(3, 15, 8), not (3, 15, 9)"),
    (_backbone_facts.encoding_keeps_slots_and_has_the_levels_of_the_facts, WithToken, "(3, 16, 8), not (3, 15, 8)"),
    (_backbone_facts.is_causal_if_no_slot_depends_on_a_later_one, LooksAhead, "is_causal is True, not False"),
    (_backbone_facts.is_causal_if_no_slot_depends_on_a_later_one, Modest, "is_causal is False, not True"),
    (_backbone_facts.is_order_sensitive_if_an_order_can_change_the_readout, Insensitive, "is False, not True"),
    (
        _backbone_facts.is_order_sensitive_if_an_order_can_change_the_readout,
        AlikeSlots,
        "slots_order_sensitive is False",
    ),
    (
        _backbone_facts.is_order_sensitive_if_an_order_can_change_the_readout,
        BlindSlots,
        "slots_order_sensitive is True",
    ),
    (_backbone_facts.has_positions_if_equal_patches_are_distinguished, Lost, "has_positions is False"),
    (_backbone_facts.reach_is_the_slots_that_change_the_readout, ShortSighted, "reach is [False"),
    (_backbone_facts.slots_in_reach_have_influence, StopsGradients, "which slots get a gradient is [False"),
    (_backbone_facts.idle_options_change_nothing, SaysItsWidthIsIdle, "dim is idle, but 9 changes the output"),
    (_backbone_facts.images_of_another_shape_are_refused, Crops, "3x12x40"),
    (_backbone_facts.without_downloads_is_the_same_backbone, Downloads, "still download"),
    (_backbone_sequences.patches_are_row_major_and_embedded_alone, Backwards, "what changes is [14], not [0]"),
    (_backbone_sequences.encoding_in_two_parts_equals_encoding_in_one, NormsEachTime, "stopped before block"),
    (_backbone_sequences.extra_tokens_must_be_passed_on, Forgiving, "without the extra tokens"),
    (_backbone_sequences.an_image_is_encoded_the_same_in_any_batch, OverTheBatch, "one by one"),
    (_backbone_sequences.padding_is_not_read, ReadsPadding, "valid were"),
    (_backbone_sequences.padding_is_not_read, CountsSlots, "valid were"),
    (_backbone_sequences.an_image_of_only_padding_gives_no_nan_and_affects_no_other, Divides, "not finite"),
    (_backbone_sequences.fewer_slots_than_patches_are_a_shorter_sequence, OfOneLength, "RuntimeError"),
    (backbone.weights_come_back_from_a_state_dict, Hidden, "the readout differs"),
    (backbone.the_gradient_reaches_every_parameter, Idle, "['idle.weight', 'idle.bias']"),
    (backbone.bfloat16_autocast_is_finite_both_ways, Imprecise, "not finite"),
    (backbone.encoding_does_not_change_images_or_sequence, InPlace, "images were changed"),
]
HIERARCHICAL = [
    (_backbone_sequences.each_level_is_restored_by_its_own_order, LosesCells, "level 1"),
    (_backbone_sequences.padding_in_levels_is_refused_or_not_read, MergesPadding, "level 0 does not mark"),
    (_backbone_sequences.fewer_slots_than_patches_are_a_shorter_sequence, TakesPartial, "a partial order is accepted"),
]


@pytest.mark.parametrize(("rule", "wrong", "seen"), WRONG, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_wrong_backbone_is_caught(rule, wrong, seen):
    assert_caught(rule, backbone_case(wrong, {"patch_size": 4}, IMAGE), seen)


@pytest.mark.parametrize(("rule", "wrong", "seen"), HIERARCHICAL, ids=lambda value: getattr(value, "__name__", None))
def test_a_wrong_hierarchical_backbone_is_caught(rule, wrong, seen):
    assert_caught(rule, backbone_case(wrong, {"patch_size": 2}, ImageShape(3, 8, 12)), seen)


@pytest.mark.parametrize("right", [RunningMean, Highest, LooksUpPlaces])
def test_every_rule_has_a_wrong_backbone_and_right_ones_pass(right):
    assert {rule for rule, *_ in [*WRONG, *HIERARCHICAL]} == own_rules(BACKBONE_RULES)
    check_backbone(right, {"patch_size": 4})
