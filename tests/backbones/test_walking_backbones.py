"""Guarantees of every backbone that scans the sequence with a state: reach, padding, and precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from backbone_cases import BACKBONES
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Backbone, ImageShape, PatchSequence

SMALL: dict[str, dict[str, Any]] = {
    "mamba2": {"dim": 32, "depth": 2, "state": 8, "head_dim": 16, "chunk": 24},
    "gated-deltanet": {"dim": 32, "depth": 2, "heads": 2, "chunk": 24},
}
every_backbone = pytest.mark.parametrize("name", sorted(SMALL))
IMAGE = ImageShape(1, 16, 16)


def build(name: str, **options: Any) -> Backbone:
    torch.manual_seed(0)
    kind = BACKBONES[name]
    return kind(kind.Options(patch_size=2, **{**SMALL[name], **options}), IMAGE).eval()


def images(scale: float = 1.0) -> Tensor:
    return scale * torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))


def summary(backbone: Backbone, sequence: PatchSequence) -> Tensor:
    return backbone.summarize(backbone.encode(sequence))


@every_backbone
@pytest.mark.parametrize("options", [{}, {"cls_position": "start"}, {"bidirectional": False, "cls_position": "end"}])
@torch.no_grad()
def test_padding_of_several_chunks_changes_nothing(name: str, options: dict[str, Any]) -> None:
    backbone = build(name, **options).double()
    sequence = backbone.tokenize(images().double())
    valid = torch.ones(2, 64, dtype=torch.bool)
    valid[0, 3:60] = False
    valid[1, ::3] = False
    padded = PatchSequence(sequence.patches.masked_fill(~valid.unsqueeze(-1), 1e3), backbone.grid, valid=valid)
    together = summary(backbone, padded)
    for image, kept in enumerate(valid):
        alone = PatchSequence(sequence.patches[image : image + 1, kept], backbone.grid)
        torch.testing.assert_close(together[image : image + 1], summary(backbone, alone))
    empty = PatchSequence(sequence.patches.masked_fill(~valid.unsqueeze(-1), torch.nan), backbone.grid, valid=valid)
    assert torch.equal(summary(backbone, empty), together)


@every_backbone
@pytest.mark.parametrize("bidirectional", [True, False])
@torch.no_grad()
def test_a_single_slot_is_read(name: str, bidirectional: bool) -> None:
    backbone = build(name, bidirectional=bidirectional)
    sequence = backbone.tokenize(images())
    alone = PatchSequence(sequence.patches[:, :1], backbone.grid)
    other = PatchSequence(sequence.patches[:, 1:2], backbone.grid)
    assert summary(backbone, alone).isfinite().all()
    assert not torch.allclose(summary(backbone, alone), summary(backbone, other))


@every_backbone
@torch.no_grad()
def test_cls_in_the_middle_of_one_direction_reads_what_comes_before_it(name: str) -> None:
    options = {"bidirectional": False, "cls_position": "middle"}
    backbone = build(name, **options)
    sequence = backbone.tokenize(images())
    with pytest.raises(ReorderKitError, match="CLS in the middle of a single slot") as caught:
        backbone.encode(PatchSequence(sequence.patches[:, :1], backbone.grid))
    assert "cls_position: end" in str(caught.value.hint)
    kind = BACKBONES[name]
    with pytest.raises(ReorderKitError, match="CLS in the middle of a single slot"):
        kind.facts(kind.Options(grid=(1, 1), **{**SMALL[name], **options}), IMAGE)
    # Of two slots it reads the first, so it matters which patch that is.
    two = kind(kind.Options(grid=(1, 2), **{**SMALL[name], **options}), IMAGE).eval()
    assert two.order_sensitive
    assert two.reach(2).tolist() == [True, False]
    patches = two.tokenize(images())
    swapped = patches.with_patches(patches.patches.flip(1))
    assert not torch.allclose(summary(two, patches), summary(two, swapped))


@every_backbone
def test_a_size_that_sets_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="size does nothing"):
        BACKBONES[name].Options(patch_size=2, size="base", **{**SMALL[name], "depth": None})


@every_backbone
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_autocast_is_finite_and_near_to_full_precision(name: str, dtype: torch.dtype, scale: float) -> None:
    backbone = build(name, readout="mean").train()
    photos = images(scale)
    expected = summary(backbone, backbone.tokenize(photos))
    with torch.autocast("cpu", dtype=dtype):
        encoded = backbone.encode(backbone.tokenize(photos))
        vectors = backbone.summarize(encoded)
    assert encoded.sequence.patches.dtype == torch.float32  # the residual and the norms are
    vectors.square().mean().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in backbone.parameters())
    assert (vectors - expected).norm() < 0.03 * expected.norm()


@every_backbone
def test_a_model_in_half_precision_runs(name: str) -> None:
    backbone = build(name).bfloat16()
    assert summary(backbone, backbone.tokenize(images().bfloat16())).isfinite().all()
