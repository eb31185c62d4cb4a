"""The Vision Transformer with rotary and relative positions against timm's models that have them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.models.eva import Eva
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from torch import Tensor, nn
from torch.nn.functional import pad

from reorder_kit.backbones.vit import Vit
from reorder_kit.interfaces import ImageShape, Order, Proposal

IMAGE = ImageShape(3, 16, 24)
SHAPE: dict[str, Any] = {"embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 0, "img_size": (16, 24)}
ORDER = Order(torch.randperm(24, generator=torch.Generator().manual_seed(2)))


def images() -> Tensor:
    return torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def vit_of(positions: str, readout: str) -> Any:
    vit = Vit(Vit.Options(patch_size=4, dim=16, heads=2, depth=2, positions=positions, readout=readout), IMAGE)
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return vit.eval()


def value_and_gradients(model: nn.Module, output: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    output.square().sum().backward()
    return output, {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("readout", ["cls", "mean"])
def test_rope_is_that_of_timms_rope_vit(readout: str) -> None:
    vit = vit_of("rope", readout)
    cls = readout == "cls"
    theirs = Eva(
        **SHAPE,
        patch_size=4,
        attn_type="rope",
        use_abs_pos_emb=False,
        use_rot_pos_emb=True,
        rope_temperature=100.0,
        rope_rotate_half=True,
        class_token=cls,
        global_pool="token" if cls else "avg",
        use_fc_norm=not cls,
    ).eval()
    assert not theirs.load_state_dict(vit.model.state_dict(), strict=False).unexpected_keys
    expected, gradients = value_and_gradients(theirs, theirs(images()))
    found, own = value_and_gradients(
        vit.model, vit.summarize(vit.encode(Proposal(ORDER).apply(vit.tokenize(images()))))
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert own.keys() == gradients.keys()
    for name, value in gradients.items():
        torch.testing.assert_close(own[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("readout", ["cls", "mean"])
def test_relative_is_that_of_timms_vit_with_a_shared_bias(readout: str) -> None:
    vit, cls = vit_of("relative", readout), readout == "cls"
    theirs = VisionTransformerRelPos(
        **SHAPE,
        patch_size=4,
        rel_pos_type="bias",
        shared_rel_pos=True,
        init_values=None,
        class_token=cls,  # which has no bias, even with itself
        global_pool="token" if cls else "avg",
        fc_norm=not cls,
    ).eval()
    missing = theirs.load_state_dict(vit.model.state_dict(), strict=False).missing_keys
    assert missing == ["shared_rel_pos.relative_position_bias_table"]
    # In addition to patch offsets, timm has rows for CLS: to patches, from them, and with itself.
    of_cls = (0, 0, 0, 3 if cls else 0)
    theirs.shared_rel_pos.relative_position_bias_table.data = pad(vit.places.image_bias.table.data.T, of_cls).clone()
    expected, gradients = value_and_gradients(theirs, theirs(images()))
    found, own = value_and_gradients(vit, vit.summarize(vit.encode(Proposal(ORDER).apply(vit.tokenize(images())))))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    table = gradients["shared_rel_pos.relative_position_bias_table"].T[:, :77]
    torch.testing.assert_close(own["places.image_bias.table"], table, rtol=1e-4, atol=1e-5)
