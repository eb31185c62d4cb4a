"""Transformer-XL: memory, reach, its size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from reorder_kit.backbones.transformer_xl import TransformerXL
from reorder_kit.interfaces import ImageShape, PatchSequence

DIGITS = ImageShape(1, 8, 8)


def build(image: ImageShape = DIGITS, **options: Any) -> TransformerXL:
    torch.manual_seed(0)
    settings = {"patch_size": 2, "dim": 16, "heads": 2, "depth": 2, **options}
    return TransformerXL(TransformerXL.Options(**settings), image).double().eval()


def patches_of(model: TransformerXL) -> Tensor:
    return torch.randn(2, model.grid.num_patches, model.dim, dtype=torch.float64, requires_grad=True)


def summary(model: TransformerXL, patches: Tensor) -> Tensor:
    return model.summarize(model.encode(PatchSequence(patches, model.grid)))


@pytest.mark.parametrize("readout", ["last", "cls"])
def test_the_gradient_stops_at_the_memory_and_the_influence_does_not(readout: str) -> None:
    options: dict[str, Any] = {"segment": 4, "memory": 8, "readout": readout}
    stopped, through = build(**options), build(**options, memory_gradient=True)
    patches = patches_of(stopped)
    torch.testing.assert_close(summary(stopped, patches), summary(through, patches))

    weight = torch.randn(2, 16, dtype=torch.float64)
    with_gradient = []
    for model in (stopped, through):
        (gradient,) = torch.autograd.grad((summary(model, patches) * weight).sum(), patches)
        with_gradient.append(gradient.any(dim=-1).any(dim=0).nonzero().flatten().tolist())
    in_last_segment = 4 if readout == "last" else 3  # CLS takes a slot
    assert with_gradient == [list(range(16 - in_last_segment, 16)), list(range(16))]
    assert stopped.reach(16).all()


@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ({}, range(16)),
        ({"readout": "last"}, range(16)),  # one segment: all before the last slot
        ({"readout": "last", "segment": 4, "memory": 0}, range(12, 16)),
        ({"readout": "last", "segment": 4, "memory": 2}, range(6, 16)),  # 10 and 11, and 6 and 7 by way of 10
        ({"readout": "last", "segment": 4, "memory": 2, "depth": 1}, range(10, 16)),
        ({"readout": "last", "segment": 4, "memory": 6, "depth": 1}, range(6, 16)),
        ({"readout": "last", "segment": 4, "memory": 2, "causal": False}, range(6, 16)),
        ({"readout": "cls", "segment": 4, "memory": 0}, range(13, 16)),
        ({"readout": "cls", "segment": 4, "memory": 2, "depth": 1}, range(11, 16)),
        ({"readout": "mean", "segment": 4, "memory": 0}, range(16)),
        ({"readout": "last", "segment": 1, "memory": 3}, range(9, 16)),  # a sliding window
    ],
)
def test_reach_of_sixteen_slots(options: dict[str, Any], reached: range) -> None:
    assert build(**options).reach(16).nonzero().flatten().tolist() == list(reached)


def test_order_matters_unless_every_slot_is_on_its_own() -> None:
    alone: dict[str, Any] = {"segment": 1, "memory": 0, "readout": "mean"}
    model = build(**alone)
    patches = patches_of(model)
    torch.testing.assert_close(summary(model, patches.flip(1)), summary(model, patches))
    assert not model.order_sensitive
    for more in ({"segment": 2}, {"memory": 1}, {"readout": "last"}, {"segment": 16, "causal": False}):
        model = build(**alone | more)
        assert not torch.allclose(summary(model, patches.flip(1)), summary(model, patches))
        assert model.order_sensitive
    assert not build(grid=(1, 1), patch_size=None).order_sensitive


@pytest.mark.parametrize("causal", [True, False])
def test_where_all_slots_are_one_segment_there_is_nothing_to_remember(causal: bool) -> None:
    patches = torch.randn(2, 16, 16, dtype=torch.float64)
    whole = [
        summary(build(segment=segment, memory=memory, causal=causal), patches)
        for segment, memory in ((16, 0), (16, 128), (500, 7))
    ]
    torch.testing.assert_close(whole[1:], whole[:-1], rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close_to_single(dtype: torch.dtype) -> None:
    model = build(segment=4, memory=4, dim=64, depth=4).float()
    patches = torch.randn(2, 16, 64)
    expected = summary(model, patches)
    with torch.autocast("cpu", dtype=dtype):
        actual = summary(model, patches)
    assert (actual - expected).norm() <= 0.02 * expected.norm()


def test_work_grows_in_proportion_to_the_slots() -> None:
    def work(slots: int) -> int:
        model = build(ImageShape(1, 1, slots), patch_size=1, segment=16, memory=32).float()
        with FlopCounterMode(display=False) as counter:
            summary(model, torch.randn(1, slots, 16)).sum().backward()
        return int(counter.get_total_flops())

    assert work(1024) == pytest.approx(4 * work(256), rel=0.02)


def parameters(model: TransformerXL) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_base_size_is_that_of_reorder_but_for_what_the_docstring_says() -> None:
    with torch.device("meta"):
        options = TransformerXL.Options(size="base", patch_size=16, readout="cls")
        model = TransformerXL(options, ImageShape(3, 224, 224))
    block = (
        5 * 768 * 768  # query, key, value, relative key, output, without bias
        + 768 * 3072 + 3072 + 3072 * 768 + 768  # MLP
        + 4 * 768  # two norms
    )  # fmt: skip
    patches = 16 * 16 * 3 * 768 + 768 + 196 * 768
    ends = 768 + 2 * 768 + 2 * 768  # CLS, u and v, last norm
    assert parameters(model) == patches + 12 * block + ends
    classifier = 768 * 1000 + 1000
    learned_distances, norms_of_patches, position_of_cls = 197 * 768, 4 * 768, 768
    ours = parameters(model) + classifier
    assert ours == 93_609_448
    assert ours + learned_distances + norms_of_patches + position_of_cls == 93_764_584


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 15, "heads": 3}, "must be even, not 15"),
        ({"dim": 16, "heads": 3}, "16 is not divisible by 3 heads"),
        ({"readout": "cls", "segment": 1}, "CLS token is alone"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_a_lone_cls_token_learns_from_a_memory_that_lets_the_gradient_through() -> None:
    model = build(readout="cls", segment=1, memory=4, memory_gradient=True)
    patches = patches_of(model)
    summary = model.summarize(model.encode(PatchSequence(patches, model.grid)))
    # Weighted: the output of a layer norm sums to a constant, which has no gradient.
    (summary * torch.arange(summary.shape[1])).sum().backward()
    assert patches.grad is not None
    reached = (patches.grad != 0).any(dim=-1).any(dim=0)
    assert reached.tolist() == [slot >= 8 for slot in range(16)]  # two blocks, a memory of four each
