"""The contract of backbones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from reorder_kit.interfaces import Backbone, ImageShape, PatchSequence
from reorder_kit.testing._backbone_case import BackboneCase, summary
from reorder_kit.testing._backbone_facts import FACT_RULES
from reorder_kit.testing._backbone_sequences import SEQUENCE_RULES
from reorder_kit.testing.component import COMPONENT_RULES, OptionsGiven, options_of
from reorder_kit.testing.rule import Rule, expect, expect_equal, hold, rule

IMAGES: tuple[ImageShape, ...] = (ImageShape(1, 8, 8), ImageShape(3, 12, 20), ImageShape(3, 4, 12))


@rule
@torch.no_grad()
def weights_come_back_from_a_state_dict(case: BackboneCase) -> None:
    """Keep every weight in parameters and buffers: checkpoints contain nothing else."""
    one, other = case.build(seed=1), case.build(seed=2)
    images = case.images()
    expected = summary(one, one.tokenize(images))
    expect(not torch.equal(summary(other, other.tokenize(images)), expected), "random weights have no effect")
    other.load_state_dict(one.state_dict())
    expect(torch.equal(summary(other, other.tokenize(images)), expected), "with the same state, the readout differs")


@rule
def the_gradient_reaches_every_parameter(case: BackboneCase) -> None:
    """Build no unused weights: with several processes, a weight without a gradient stops the run. If a level has a
    single cell, the gradient may be zero, as for a decay, but must exist.
    """
    backbone = case.build()
    encoded = backbone.encode(backbone.tokenize(case.images()))
    noise = torch.Generator().manual_seed(4)
    for vectors in (backbone.summarize(encoded), encoded.sequence.patches):
        weights = torch.randn(vectors.shape, generator=noise, dtype=vectors.dtype)
        torch.autograd.backward((vectors * weights).sum(), retain_graph=True)
    unmoved = [name for name, value in backbone.named_parameters() if value.requires_grad and value.grad is None]
    if all(level.grid.num_patches > 1 for level in case.facts.levels):
        given = [(name, value.grad) for name, value in backbone.named_parameters() if value.grad is not None]
        unmoved += [name for name, gradient in given if not gradient.any()]
    expect_equal(unmoved, [], "the list of parameters that affect neither the readout nor the encoded patches")


@rule
def bfloat16_autocast_is_finite_both_ways(case: BackboneCase) -> None:
    """Compute sums over many slots, exponentials and divisions in single precision: runs use bfloat16 on GPUs."""
    backbone = case.build().float().train()
    images = case.images().float()
    with torch.random.fork_rng(devices=[]), torch.autocast("cpu", dtype=torch.bfloat16):
        sequence = backbone.tokenize(images)
        found = [summary(backbone, sequence)]
        if not case.is_hierarchical:
            valid = torch.arange(sequence.num_slots).expand(3, -1) > 0
            found.append(summary(backbone, PatchSequence(sequence.patches, sequence.grid, valid=valid)))
    torch.autograd.backward(torch.stack([vectors.float().square().mean() for vectors in found]).sum())
    expect(all(vectors.isfinite().all() for vectors in found), "the readout is not finite")
    finite = all(value.grad.isfinite().all() for value in backbone.parameters() if value.grad is not None)
    expect(finite, "a gradient is not finite")


@rule
def encoding_does_not_change_images_or_sequence(case: BackboneCase) -> None:
    """Change nothing in place: a task reads the same batch several times."""
    backbone = case.build()
    images = case.images()
    with torch.no_grad():
        sequence = backbone.tokenize(images)
        patches = sequence.patches.clone()
        summary(backbone, sequence)
    expect(torch.equal(images, case.images()), "the images were changed")
    expect(torch.equal(sequence.patches, patches), "the encoded patches were changed")


BACKBONE_RULES: tuple[Rule[Any], ...] = (
    *COMPONENT_RULES,
    *FACT_RULES,
    *SEQUENCE_RULES,
    weights_come_back_from_a_state_dict,
    the_gradient_reaches_every_parameter,
    bfloat16_autocast_is_finite_both_ways,
    encoding_does_not_change_images_or_sequence,
)


def backbone_case(backbone: type[Backbone], options: OptionsGiven, image: ImageShape) -> BackboneCase:
    """A case for the rules of backbones; see :func:`check_backbone`."""
    return BackboneCase(backbone, options_of(backbone, options), image)


def check_backbone(
    backbone: type[Backbone], options: OptionsGiven = None, images: Sequence[ImageShape] = IMAGES
) -> None:
    """Check a backbone against its contract, on the CPU, in double precision and without dropout.

    Args:
        backbone: the class.
        options: options as in a recipe; make the backbone small, with few blocks and channels.
        images: shapes of images or clips for which it is built with these options. By default 8x8, 12x20 and 4x12
            pixels, all of which are filled by patches of 4x4 pixels.

    Raises:
        BrokenRulesError: naming each broken rule, what was seen, and what to do.
        ReorderKitError: if the options are refused.

    >>> from reorder_kit.backbones.local import Local
    >>> check_backbone(Local, {"patch_size": 4, "dim": 8, "heads": 2, "depth": 1, "window": 2})
    """
    for image in images:
        hold(backbone_case(backbone, options, image), BACKBONE_RULES)
