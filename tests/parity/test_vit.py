"""The Vision Transformer against timm's own forward pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.layers import build_sincos2d_pos_embed
from torch import Tensor, nn

from reorder_kit.backbones.vit import Vit
from reorder_kit.interfaces import ImageShape, Order

IMAGE = ImageShape(3, 16, 24)


def shaken(model: nn.Module) -> Any:
    """Far from timm's initial values, with a nearly zero CLS token and trivial norms."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def images() -> Tensor:
    return torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def ours(vit: Vit, batch: Tensor, order: Order | None = None) -> Tensor:
    sequence = vit.tokenize(batch)
    patches = sequence.patches if order is None else order.apply(sequence.patches)
    return vit.summarize(vit.encode(sequence.with_patches(patches)))


@pytest.mark.parametrize("positions", ["learned", "sincos", "none"])
@pytest.mark.parametrize("readout", ["cls", "mean"])
def test_row_order_is_timms_own_output_and_other_orders_do_not_change_it(positions: Any, readout: Any) -> None:
    vit = shaken(Vit(Vit.Options(patch_size=4, dim=16, heads=2, depth=2, positions=positions, readout=readout), IMAGE))
    assert (vit.dim, vit.depth, vit.model.has_class_token) == (16, 2, readout == "cls")
    expected = vit.model.forward_head(vit.model.forward_features(images()), pre_logits=True)
    torch.testing.assert_close(ours(vit, images()), expected, rtol=0, atol=1e-6)
    for seed in range(3):
        order = Order(torch.randperm(vit.grid.num_patches, generator=torch.Generator().manual_seed(seed)))
        torch.testing.assert_close(ours(vit, images(), order), expected, rtol=0, atol=1e-5)


def test_sincos_positions_are_timms_table_added_to_the_patches() -> None:
    options: dict[str, Any] = {"patch_size": 4, "dim": 16, "heads": 2, "depth": 1}
    with_positions = Vit(Vit.Options(**options, positions="sincos"), IMAGE)
    without = Vit(Vit.Options(**options, positions="none"), IMAGE)
    without.load_state_dict(with_positions.state_dict())
    added = with_positions.tokenize(images()).patches - without.tokenize(images()).patches
    torch.testing.assert_close(added[0], build_sincos2d_pos_embed([4, 6], dim=16))


def test_the_sizes_are_the_published_ones() -> None:
    published = {"tiny": 5_717_416, "small": 22_050_664, "base": 86_567_656, "large": 304_326_632}  # with 1,000 classes
    for size, count in published.items():
        with torch.device("meta"):
            vit = Vit(Vit.Options(size=size, patch_size=16), ImageShape(3, 224, 224))
        classifier = (vit.dim + 1) * 1000
        assert sum(parameter.numel() for parameter in vit.parameters()) + classifier == count


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "test_vit", "patch_size": 4}, "vit is built from scratch and has no model; .* use name: timm"),
        ({"pretrained": True, "patch_size": 4}, "vit is built from scratch and has no pretrained; .* use name: timm"),
        ({"size": "tiny", "dim": 64, "patch_size": 4}, "64 is not divisible by 3 heads"),
        ({"dim": 18, "heads": 3, "positions": "sincos", "patch_size": 4}, "multiple of 4, not 18"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Vit.Options(**options)
