"""Longformer: windows, the global CLS token, reach, and the number of parameters."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from reorder_kit.backbones.longformer import Longformer
from reorder_kit.interfaces import ImageShape, PatchSequence

DIGITS = ImageShape(1, 8, 8)
TINY: dict[str, Any] = {"patch_size": 2, "dim": 16, "heads": 2, "depth": 1}


def build(**options: Any) -> Longformer:
    torch.manual_seed(0)
    longformer = Longformer(Longformer.Options(**TINY | options), DIGITS)
    with torch.no_grad():
        for parameter in longformer.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return longformer.double().eval()


def patches_of(longformer: Longformer) -> PatchSequence:
    return longformer.tokenize(torch.randn(2, 1, 8, 8, dtype=torch.float64))


def moved_by(longformer: Longformer, slot: int) -> tuple[list[int], bool]:
    """The slots that change when one patch does, and whether CLS does."""
    sequence = patches_of(longformer)
    patches = sequence.patches.clone()
    patches[:, slot] += torch.randn(16, dtype=torch.float64)
    before, after = longformer.encode(sequence), longformer.encode(sequence.with_patches(patches))
    slots = (after.sequence.patches != before.sequence.patches).any(dim=-1).any(dim=0)
    assert before.extra_tokens is not None
    assert after.extra_tokens is not None
    return slots.nonzero().flatten().tolist(), not torch.equal(after.extra_tokens, before.extra_tokens)


@pytest.mark.parametrize(
    ("window", "slot", "seen_by"),
    [(0, 5, [5]), (1, 0, [0, 1]), (2, 7, range(5, 10)), (3, 15, range(12, 16)), (14, 0, range(15)), (15, 0, range(16))],
)
def test_a_slot_is_seen_by_its_window_on_both_sides_and_by_cls(
    window: int, slot: int, seen_by: range | list[int]
) -> None:
    assert moved_by(build(window=window), slot) == (list(seen_by), True)


def test_cls_is_seen_by_all_slots_and_takes_the_place_of_none() -> None:
    longformer = build(window=1)
    sequence = patches_of(longformer)
    before = longformer.encode(sequence).sequence.patches
    assert longformer.cls_token is not None
    with torch.no_grad():
        longformer.cls_token += torch.randn_like(longformer.cls_token)
    assert (longformer.encode(sequence).sequence.patches != before).any(dim=-1).all()
    assert moved_by(longformer, 0)[0] == [0, 1]


def test_cls_looks_through_projections_of_its_own() -> None:
    longformer = build(window=1)
    sequence = patches_of(longformer)
    before = longformer.encode(sequence)
    attention = longformer.blocks[0].attn
    with torch.no_grad():
        for projection in (attention.global_query, attention.global_key_value):
            projection.weight += torch.randn_like(projection.weight)
    after = longformer.encode(sequence)
    assert torch.equal(after.sequence.patches, before.sequence.patches)
    assert before.extra_tokens is not None
    assert after.extra_tokens is not None
    assert not torch.equal(after.extra_tokens, before.extra_tokens)


def test_what_cls_alone_does_not_use_has_a_gradient_of_zero_rather_than_none() -> None:
    """Data parallelism waits for the gradient of every parameter."""
    longformer = build(depth=2)
    longformer.summarize(longformer.encode(patches_of(longformer))).square().sum().backward()
    gradients = {name: value.grad for name, value in longformer.named_parameters()}
    zero = [name for name, gradient in gradients.items() if gradient is not None and not gradient.any()]
    assert zero == ["blocks.1.attn.qkv.weight", "blocks.1.attn.qkv.bias"]
    assert None not in gradients.values()


@pytest.mark.parametrize("readout", ["mean", "last"])
def test_without_cls_nothing_is_global(readout: str) -> None:
    longformer = build(readout=readout, window=1)
    encoded = longformer.encode(patches_of(longformer))
    assert encoded.extra_tokens is None
    assert not [name for name in longformer.state_dict() if "global" in name or "cls" in name]
    expected = encoded.sequence.patches.mean(dim=1) if readout == "mean" else encoded.sequence.patches[:, -1]
    torch.testing.assert_close(longformer.summarize(encoded), expected)


@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ({"window": 0}, range(16)),
        ({"window": 1, "readout": "mean"}, range(16)),
        ({"window": 2, "readout": "last"}, range(13, 16)),
        ({"window": 2, "readout": "last", "depth": 3}, range(9, 16)),
        ({"window": 0, "readout": "last"}, [15]),
        ({"window": 14, "readout": "last"}, range(1, 16)),
    ],
)
def test_reach_of_sixteen_slots(options: dict[str, Any], reached: range | list[int]) -> None:
    assert build(**options).reach(16).nonzero().flatten().tolist() == list(reached)


def test_order_matters_unless_all_slots_are_treated_alike() -> None:
    assert build(window=1, depth=2).order_sensitive
    assert not build(window=1, depth=1).order_sensitive  # CLS sees patches that have not seen each other
    assert not build(window=0, depth=2).order_sensitive  # they never do
    assert not build(window=15, depth=2).order_sensitive
    assert build(window=14, depth=2).order_sensitive
    assert build(window=1, readout="mean").order_sensitive
    assert not build(window=15, readout="mean").order_sensitive
    assert build(window=15, readout="last").order_sensitive
    assert not build(grid=(1, 1), patch_size=None, readout="last").order_sensitive


def count(**options: Any) -> int:
    with torch.device("meta"):
        longformer = Longformer(Longformer.Options(patch_size=16, **options), ImageShape(3, 224, 224))
    classifier = (longformer.dim + 1) * 1000
    return sum(parameter.numel() for parameter in longformer.parameters()) + classifier


def test_the_base_size_is_the_published_one() -> None:
    width = 768
    patch_embedding = width * (16 * 16 * 3) + width
    attention = 4 * (width * width + width)
    global_attention = 3 * (width * width + width)
    mlp = 2 * width * (4 * width) + 4 * width + width
    norms = 2 * (2 * width)
    cls = width
    final_norm, classifier = 2 * width, (width + 1) * 1000
    expected = patch_embedding + cls + 12 * (attention + global_attention + mlp + norms) + final_norm + classifier
    assert count(size="base", positions="sincos") == expected == 107_677_672

    # REOrder's normalizes patches before and after projecting them, adds a token type, and normalizes once more.
    assert expected + 2 * width + 2 * width + width + 2 * width == 107_683_048


def test_learned_positions_belong_to_patches_alone() -> None:
    assert count(size="base") - count(size="base", positions="sincos") == 196 * 768


def test_weights_start_as_in_vit() -> None:
    torch.manual_seed(0)
    longformer = Longformer(Longformer.Options(patch_size=2, dim=64, heads=2, depth=2), DIGITS)
    matrices = {name: value for name, value in longformer.blocks.named_parameters() if value.ndim == 2}
    assert len(matrices) == 2 * 6
    for name, matrix in matrices.items():
        assert float(matrix.detach().std()) == pytest.approx(0.02, rel=0.05), name
    biases = [value for name, value in longformer.blocks.named_parameters() if name.endswith("bias")]
    assert not any(bias.any() for bias in biases)


@pytest.mark.parametrize("readout", ["cls", "mean", "last"])
def test_a_long_padded_sequence_is_as_good_as_the_short_one(readout: str) -> None:
    image = ImageShape(1, 20, 20)
    longformer = Longformer(Longformer.Options(**TINY | {"depth": 2, "patch_size": 1, "readout": readout}), image)
    longformer.double().eval()
    sequence = longformer.tokenize(torch.randn(1, 1, 20, 20, dtype=torch.float64))
    valid = torch.rand(1, 400) < 0.8
    noisy = sequence.patches.masked_fill(~valid.unsqueeze(-1), 1e3)

    def summary(patches: Tensor, valid: Tensor | None) -> Tensor:
        return longformer.summarize(longformer.encode(PatchSequence(patches, sequence.grid, valid=valid)))

    torch.testing.assert_close(summary(noisy, valid), summary(sequence.patches[:, valid[0]], None))


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="16 is not divisible by 3 heads"):
        build(heads=3)
